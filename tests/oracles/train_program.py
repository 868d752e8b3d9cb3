"""Training a program in float64 and comparing what its units do with what was proved of them."""

import numpy as np
import torch
from run_program import values

from initcore.symmetry import analyze
from initcore.symmetry._lowering._lower import lowered

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.02),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.005),
}


EDGES = ("max", "min", "amax", "amin", "topk")


def units(runs, tracks):
    """For every value with units: (ids, array of units x data), the data of several runs side by side."""
    out = []
    for v, t in tracks.items():
        if t.ids is None or v not in runs[0]:
            continue
        factors = [f for d in t.dims for f in d]
        own = [i for i, f in enumerate(factors) if f.kind == "unit"]
        rest = [i for i in range(len(factors)) if i not in own]
        rows = [at[v].detach().numpy().reshape([f.size for f in factors]).transpose([*own, *rest]) for at in runs]
        out.append((t.ids.ravel(), np.hstack([a.reshape(t.ids.size, -1) for a in rows])))
    return out


def first_gradients(program, seed, steps=5, batches=3):
    """The step of plain descent at which each trained parameter first gets a gradient (None: not in those steps)."""
    rng = np.random.default_rng(seed)
    at = {p.value: torch.tensor(np.array(p.read()), dtype=torch.float64, requires_grad=p.trainable)
          for p in program.parameters}
    trained = {p.names[0]: at[p.value] for p in program.parameters if p.trainable}
    step = torch.optim.SGD(list(trained.values()), lr=0.05)
    first = dict.fromkeys(trained)
    for k in range(steps):
        step.zero_grad()
        for _ in range(batches):
            made = values(program, [torch.as_tensor(rng.normal(size=v.shape)) for v in program.inputs], at)
            loss = sum((made[v] - torch.as_tensor(rng.normal(size=v.shape))).square().mean() for v in program.outputs)
            if loss.requires_grad:
                loss.backward()
        torch.nn.utils.clip_grad_norm_(list(trained.values()), 1.0)
        for name, t in trained.items():
            if first[name] is None and t.grad is not None and float(t.grad.abs().max()) > 1e-12:
                first[name] = k
        step.step()
    return first


class Experiment:
    """A program, its report under one optimiser, and what training makes of it."""

    def __init__(self, program, optimizer, steps=25, seed=0, inputs=None, same_targets=False, signs=False,
                 dtype=torch.float64):
        self.program, self.optimizer, self.steps, self.same = program, optimizer, steps, same_targets
        self.report = analyze(program, optimizer=optimizer, same_targets=same_targets)
        self.system, self.lowering = lowered(program, same_targets)
        self.verdicts = self._verdicts()
        self.rng, self.dtype = np.random.default_rng(seed), dtype
        self.measured = False
        self.signs = (1.0, -1.0) if signs else (1.0,)          # are negatives of one another missed?
        self.draw = inputs or (lambda rng: [rng.normal(size=v.shape) for v in program.inputs])

    def _verdicts(self):
        """Of every hidden axis: labels, words and multipliers of all its units, in whichever layers' reports."""
        out = {}
        for i, axis in enumerate(self.system.axes):
            if axis.layer is None:
                continue
            if i in self.system.apart:
                mine = sorted((s for s in self.system.slices if s.axis == i), key=lambda s: s.units.start)
                layers = [self.report.layers[s.layer] for s in mine]
            else:
                layers = [self.report.layers[axis.layer]]
            out[i] = (np.concatenate([la.labels for la in layers]), [w for la in layers for w in la.status],
                      np.concatenate([la.multipliers for la in layers]))
        return out

    def train(self):
        """By one thread: at these sizes a second one only waits for the first."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return self._train()
        finally:
            torch.set_num_threads(threads)

    def _train(self):
        torch.manual_seed(int(self.rng.integers(1 << 30)))
        parameters = {p.value: torch.tensor(np.array(p.read()), dtype=self.dtype, requires_grad=p.trainable)
                      for p in self.program.parameters}
        trained = [t for t in parameters.values() if t.requires_grad]
        step = OPTIMIZERS[self.optimizer](trained)
        never = [p.value for p in self.program.parameters if self.report.zero_flow.get(p.names[0], 0) is None]
        for _ in range(self.steps):
            at = values(self.program, self._inputs(), parameters)
            loss, drawn = 0.0, None
            for v in self.program.outputs:
                y = at[v]
                if drawn is None or not self.same:
                    shape = (1, *v.shape[1:]) if self.same and len(self.program.outputs) == 1 else v.shape
                    drawn = [torch.as_tensor(self.rng.normal(size=shape), dtype=self.dtype) for _ in range(2)]
                bent = torch.sin(y) if self.same else y    # a square cannot tell outputs that differ by a constant
                loss = loss + ((y - drawn[0]) ** 2).mean() + (bent * drawn[1]).mean()
            step.zero_grad()
            if not loss.requires_grad:
                break
            loss.backward()
            for v in never:                      # rounding; tried under plain descent by first_gradients
                parameters[v].grad = None
            # By one factor for all: what is equal stays equal, and nothing leaves the range of numbers.
            norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
            if not torch.isfinite(norm):
                break
            step.step()
        self.last = [values(self.program, self._inputs(), parameters) for _ in range(2)]
        self.parameters = parameters
        return self

    def _inputs(self):
        drawn = [torch.as_tensor(x) for x in self.draw(self.rng)]
        return [x.to(self.dtype) if x.is_floating_point() else x for x in drawn]

    def judged(self):
        """Can a pair called free be held against the proof? Not in the company of operations that are not understood.

        Nor of maxima over units and choices of the largest (rounding says which of equal ones is taken), nor where a
        unit holds two numbers of one operation (a sum with its own mirror image is the same either way round, which is
        not sought).
        """
        trace, found = self.lowering.trace, self.lowering.found
        return not trace.opaque and not any(k.up and trace.families[k.family].call in EDGES for k in trace.links) and \
            all(len(set(g.families)) == len(g.families) for g in found.groups)

    def taught(self):
        """The units (axis, index) that a gradient reached: a parameter's, behind a source that is not all 0.

        All others stay what they were: nothing leads from them to the loss, or a ReLU is shut for all data.
        """
        found, alive = self.lowering.found, set()
        for ids, a in units(self.last, self.lowering.tracks):
            alive |= set(ids[np.abs(a).max(axis=1) > 0].tolist())
        out = set()
        for use in self.lowering.trace.uses:
            g = self.parameters[use.weights.parameter.value].grad
            if g is None or (use.source is not None and not alive & set(use.source.ravel().tolist())):
                continue
            size = np.abs(use.arrange(g.numpy())).max(axis=(1, 2))
            for e, h in np.ndindex(use.target.shape[:2]):
                ids = use.target[e, h][size[e] > 1e-14]
                out |= set(zip(found.axis[ids].tolist(), found.index[ids].tolist()))
        return out

    def idle(self):
        """Axes none of whose parameters ever learns: their gradients are rounding, which some optimisers make large."""
        names = {}
        for b in self.system.blocks:
            if not b.structural:
                names.setdefault(b.target, set()).add(b.name)
        first = first_gradients(self.program, 0) if self.measured else self.report.zero_flow
        return {i for i, own in names.items() if all(first.get(n, 0) is None for n in own)}

    def missed(self, apart):
        """Pairs called free that are one, though a gradient reached them."""
        equal = [k for k, d in apart.items() if d < 1e-11]
        if not equal or not self.judged():
            return []
        taught, shut = self.taught(), self._shut()
        return [k for k in equal if ((k[0], k[1]) in taught or (k[0], k[2]) in taught) and
                not {(k[0], k[1]), (k[0], k[2])} <= shut]

    def _shut(self):
        """Units whose outputs were 0 for all data (a norm below may teach their rows all the same)."""
        found, open_, every = self.lowering.found, set(), set()
        for ids, a in units(self.last, self.lowering.tracks):
            for i, slot, index, size in zip(found.axis[ids], found.slot[ids], found.index[ids], np.abs(a).max(axis=1)):
                local = self.lowering.locals[int(i)]
                if local is not None and int(slot) in local.read:
                    every.add((int(i), int(index)))
                    if size > 0:
                        open_.add((int(i), int(index)))
        return every - open_

    def is_rounding(self, **settings):
        """Does the gap come from rounding: is it, while small, smaller in double precision by what that is finer?"""
        for steps in range(1, self.steps + 1):
            coarse, fine = (Experiment(self.program, self.optimizer, steps, dtype=d, same_targets=self.same,
                                       **settings).train()._worst()[0] for d in (torch.float32, torch.float64))
            if coarse > 1e-5:
                return fine < 2.0 ** -15 * coarse
        return True

    def worst(self):
        """(largest relative gap of units called one for ever, pairs wrongly called free, cells checked).

        What no gradient reaches, as measured under plain descent, is left out: rounding alone moves it.
        """
        gap, missed, checked = self._worst()
        if gap > 1e-10 and self.optimizer not in ("sgd", "momentum"):
            self.measured = True
            gap, missed, checked = self._worst()
        return gap, missed, checked

    def _worst(self):
        tracks = self.lowering.tracks
        found = self.lowering.found
        gap, checked = 0.0, 0
        apart, idle = {}, self.idle()
        every = units(self.last, tracks)
        for ids, a in [*every, *self._across(every)]:
            for axis in np.unique(found.axis[ids]):
                i = int(axis)
                if i not in self.verdicts:
                    continue
                labels, words, multipliers = self.verdicts[i]
                for slot in np.unique(found.slot[ids[found.axis[ids] == i]]):
                    local = self.lowering.locals[i]
                    inner = local is not None and int(slot) not in local.read | local.linked | local.seen
                    if inner and self.system.axes[i].turns and self.lowering._blind[i]:
                        continue                 # holds what the loss does not see, as a bias before a batch norm
                    mine = np.flatnonzero((found.axis[ids] == i) & (found.slot[ids] == slot))
                    index = found.index[ids[mine]]
                    rows = a[mine]
                    scale = np.abs(rows).max() + 1e-300
                    size = np.abs(multipliers[index])
                    for cell, s in sorted(set(zip(labels[index].tolist(), size.tolist()))):
                        inside = (labels[index] == cell) & (size == s)
                        if inside.sum() < 2:
                            continue
                        status = {words[k] for k in index[inside]}
                        r, m = rows[inside], multipliers[index[inside]]
                        if status <= {"dead"} or i in idle:
                            continue
                        if status <= {"sign-tied", "tied"}:
                            if self.system.axes[i].turns and not inner:
                                r = r * np.sign(m)[:, None]
                            elif (m < 0).any() or self.system.axes[i].turns:      # factors' signs are not reported
                                r = np.abs(r)
                            checked += 1
                            if np.isfinite(r).all():
                                gap = max(gap, float(np.abs(r - r[:1]).max() / max(scale, 1e-6)))
                    first = {}
                    for k, row in zip(index.tolist(), rows):
                        first.setdefault(k, row)
                    keys = sorted(first)
                    for x in range(len(keys)):
                        for y in range(x):
                            p, q = keys[y], keys[x]
                            if labels[p] != labels[q]:
                                with np.errstate(invalid="ignore"):        # scores behind a mask are -inf
                                    d = min(float(np.abs(first[p] - s * first[q]).max()) for s in self.signs)
                                    d /= max(scale, 1e-6)
                                apart[i, p, q] = max(apart.get((i, p, q), 0.0), d)
        dead = self._dead()
        return max(gap, dead), self.missed(apart), checked

    def _across(self, every):
        """Units of one axis and slot that different operations make, as the operations make them, side by side."""
        found, rows = self.lowering.found, {}
        for k, (ids, a) in enumerate(every):
            for x, row in zip(ids.tolist(), a):
                rows.setdefault(x, (k, row))
        at = {}
        for x, (k, row) in rows.items():
            at.setdefault((found.axis[x], found.slot[x], len(row)), []).append((x, k, row))
        for made in at.values():
            if len({k for _, k, _ in made}) > 1:
                yield np.array([x for x, _, _ in made]), np.stack([row for _, _, row in made])

    def _dead(self):
        """Largest value of a unit called dead where it is read."""
        worst = 0.0
        found = self.lowering.found
        for ids, a in units(self.last, self.lowering.tracks):
            for k, (i, slot, index) in enumerate(zip(found.axis[ids], found.slot[ids], found.index[ids])):
                if int(i) not in self.verdicts or self.verdicts[int(i)][1][index] != "dead":
                    continue
                local = self.lowering.locals[int(i)]
                if int(slot) in local.read:
                    worst = max(worst, float(np.abs(a[k]).max()))
        return worst
