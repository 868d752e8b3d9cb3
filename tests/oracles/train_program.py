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


def units(program, at, tracks):
    """For every value with units: (ids, array of units x data)."""
    out = []
    for v, t in tracks.items():
        if t.ids is None or v not in at or v not in tracks:
            continue
        factors = [f for d in t.dims for f in d]
        a = at[v].detach().numpy()
        a = a.reshape([f.size for f in factors])
        own = [i for i, f in enumerate(factors) if f.kind == "unit"]
        rest = [i for i in range(len(factors)) if i not in own]
        out.append((t.ids.ravel(), a.transpose([*own, *rest]).reshape(t.ids.size, -1)))
    return out


class Experiment:
    """A program, its report under one optimiser, and what training makes of it."""

    def __init__(self, program, optimizer, steps=25, seed=0, inputs=None):
        self.program, self.optimizer, self.steps = program, optimizer, steps
        self.report = analyze(program, optimizer=optimizer)
        self.system, self.lowering = lowered(program)
        self.rng = np.random.default_rng(seed)
        self.draw = inputs or (lambda rng: [rng.normal(size=v.shape) for v in program.inputs])
        self.gaps = {}

    def train(self):
        torch.manual_seed(int(self.rng.integers(1 << 30)))
        parameters = {p.value: torch.tensor(np.array(p.read()), dtype=torch.float64, requires_grad=p.trainable)
                      for p in self.program.parameters}
        trained = [t for t in parameters.values() if t.requires_grad]
        step = OPTIMIZERS[self.optimizer](trained)
        for _ in range(self.steps):
            at = values(self.program, [torch.as_tensor(x) for x in self.draw(self.rng)], parameters)
            loss = 0.0
            for v in self.program.outputs:
                y = at[v]
                target = torch.as_tensor(self.rng.normal(size=v.shape))
                loss = loss + ((y - target) ** 2).mean() + (y * torch.as_tensor(self.rng.normal(size=v.shape))).mean()
            step.zero_grad()
            if not loss.requires_grad:
                break
            loss.backward()
            # By one factor for all: what is equal stays equal, and nothing leaves the range of numbers.
            norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
            if not torch.isfinite(norm):
                break
            step.step()
        self.last = values(self.program, [torch.as_tensor(x) for x in self.draw(self.rng)], parameters)
        self.parameters = parameters
        return self

    def worst(self):
        """(largest relative gap of units called one for ever, pairs called free that are one, cells checked)."""
        tracks = self.lowering.tracks
        found = self.lowering.found
        gap, checked = 0.0, 0
        apart = {}
        for ids, a in units(self.program, self.last, tracks):
            for axis in np.unique(found.axis[ids]):
                i = int(axis)
                layer = self.system.axes[i].layer
                if layer is None:
                    continue
                la = self.report.layers[layer]
                for slot in np.unique(found.slot[ids[found.axis[ids] == i]]):
                    mine = np.flatnonzero((found.axis[ids] == i) & (found.slot[ids] == slot))
                    index = found.index[ids[mine]]
                    rows = a[mine]
                    scale = np.abs(rows).max() + 1e-300
                    for cell in np.unique(la.labels[index]):
                        inside = la.labels[index] == cell
                        if inside.sum() < 2:
                            continue
                        status = {la.status[k] for k in index[inside]}
                        r, m = rows[inside], la.multipliers[index[inside]]
                        if status <= {"dead"}:
                            continue
                        if status <= {"sign-tied", "tied"}:
                            r = np.abs(r) if (m < 0).any() else r
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
                            if la.labels[p] != la.labels[q]:
                                with np.errstate(invalid="ignore"):        # scores behind a mask are -inf
                                    d = float(np.abs(first[p] - first[q]).max() / max(scale, 1e-6))
                                apart[i, p, q] = max(apart.get((i, p, q), 0.0), d)
        dead = self._dead()
        missed = [k for k, d in apart.items() if d < 1e-11 and not np.isnan(d)]
        return max(gap, dead), missed, checked

    def _dead(self):
        """Largest value of a unit called dead where it is read."""
        worst = 0.0
        found = self.lowering.found
        for ids, a in units(self.program, self.last, self.lowering.tracks):
            for k, (i, slot, index) in enumerate(zip(found.axis[ids], found.slot[ids], found.index[ids])):
                axis = self.system.axes[int(i)]
                if axis.layer is None or self.report.layers[axis.layer].status[index] != "dead":
                    continue
                local = self.lowering.locals[int(i)]
                if int(slot) in local.read:
                    worst = max(worst, float(np.abs(a[k]).max()))
        return worst
