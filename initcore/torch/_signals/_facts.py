"""The facts that rules judge, from one forward and one backward pass over a module's exported graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node

from ... import activations
from ...activations import Activation
from ...network import Dense
from ...program import Place
from ...rules import nodes
from ...saturation import LayerSignal, SignalReport
from ._export import place_of
from ._loss import Loss, loss_of
from ._operations import GATES, NORMS, PASS, activation_input, argument, operation, shape
from ._recorder import Recorder, Watch, rms
from ._session import Session, main_node
from ._structure import Use
from ._values import Values

STEPS = 4                 # steps tried where weights get no gradient in the first


class Found(NamedTuple):
    """The context, the loss as taken, and the parameters whose gradient stayed 0."""

    context: nodes.NodeContext
    loss: Loss
    still: frozenset[str]


def gather(session: Session, numbers: dict[str, dict[str, float]], *, stage: str | None, family: str) -> Found:
    """Measure once, and say what was seen."""
    s = session.structure
    output = main_node(session)
    spine = s.spine(output) if output is not None else []
    steps = _steps(session, spine)
    wanted = {n for first, last, _ in steps for n in (first, last)}
    wanted |= {n for one in s.sums for n in (one.skip, one.branch)}
    wanted |= {u.node for u in s.uses} | ({output} if output is not None else set())
    watch = session.watch(wanted)
    recorder, result, mine = session.run(watch, grad=True)
    loss = loss_of(result, session.y, session.loss)
    still, _ = _backward(session, loss, mine)
    value = None if loss.value is None else float(loss.value.detach())
    values = Values(session)
    places = {n: place_of(n) for n in s.nodes}
    weights = _weights(session, values, recorder, set(spine), places)
    _never(session, still, weights)
    acts = _activities(session, recorder, weights, places, set(spine))
    trained = stage == "trained" or (stage is None and loss.known and value is not None
                                     and not math.isnan(loss.nothing) and value < 0.5 * loss.nothing)
    outputs = None
    if output is not None:
        before = [w for u in s.before(output) for w in weights.get(u, ())]
        outputs = nodes.Outputs(label(output, places), places[output], recorder.values[output].rms,
                                shape(output)[-1] if shape(output) else 1, loss.classes,
                                value if loss.known else None, tuple(before))
    signal = SignalReport("measured", tuple(_numbered(a, i) for i, a in enumerate(acts)), _input_rms(session))
    every = tuple(w for ws in weights.values() for w in ws)
    context = nodes.NodeContext(
        numbers, every, tuple(acts), tuple(_residuals(session, recorder, weights, places)),
        tuple(_step(session, recorder, weights, places, *one) for one in steps), tuple(_features(session)), outputs,
        session.remeasure, tuple(_bad(session, recorder, places, value)), motionless=_motionless(session, still),
        targets=loss.known, trained=trained, family=family, signal=signal)
    return Found(context, loss, still)


def label(n: Node, places: dict[Node, Place]) -> str:
    """A node in words: "layers.1 (tanh)"."""
    name = operation(n) or n.name
    return f"{places[n].module} ({name})" if places[n].module else f"({name})"


def _backward(session: Session, loss: Loss, mine: dict[Node, Tensor], take: bool = False
              ) -> tuple[frozenset[str], dict[Node, Tensor]]:
    """Names of the trainable parameters whose gradient is exactly 0; gradients are looked at and thrown away.

    ``take`` : also the parameters after a small step, by their placeholders.
    """
    moved: set[int] = set()
    after: dict[int, Tensor] = {}
    leaves = {id(p): p for p in mine.values() if p.requires_grad}

    def look(p: Tensor) -> None:
        g, p.grad = p.grad, None
        if g is not None and bool(g.any()):
            moved.add(id(p))
            if take:
                with torch.no_grad():
                    after[id(p)] = p - g * (0.01 * (1 + rms(p)) / rms(g))
    handles = [p.register_post_accumulate_grad_hook(look) for p in leaves.values()]
    if loss.value is not None and loss.value.requires_grad:
        loss.value.backward()
    for handle in handles:
        handle.remove()
    names = session.exported.tensors
    still = frozenset(names[n][0] for n, p in mine.items() if p.requires_grad and id(p) not in moved)
    return still, {n: after.get(id(p), p).detach() for n, p in mine.items()} if take else {}


def _never(session: Session, still: frozenset[str], weights: dict[Use, list[nodes.Weight]]) -> None:
    """Mark the weights that get no gradient in the next steps either, where a constant one is among the still ones."""
    found = [w for ws in weights.values() for w in ws if w.trainable and w.sources and w.sources <= still]
    for w in found:
        w.silent = True
    if not any(w.std == 0 for w in found):
        return
    values: dict[Node, Tensor] = {}
    for _ in range(STEPS):
        _, result, mine = session.run(Watch(), grad=True, values=values)
        now, values = _backward(session, loss_of(result, session.y, session.loss), mine, take=True)
        still &= now
        if not still:
            return
    for w in found:
        w.stuck = w.sources <= still


def _motionless(session: Session, still: frozenset[str]) -> bool:
    trainable = {session.exported.tensors[n][0] for n in session.structure.parameters
                 if session.exported.tensors[n][1].requires_grad}
    return bool(trainable) and trainable <= still


# the main way -----------------------------------------------------------------------------------------------------

def _steps(session: Session, spine: list[Node]) -> list[tuple[Node, Node, bool]]:
    """(before, after, does a norm end it) of what counts on the main way: weights (with the norm right after them),
    activations, sums."""
    s, out = session.structure, []
    on = set(spine)
    sums = {one.node for one in s.sums}
    done: set[Node] = set()
    for n in spine:
        before = s.main.get(n)
        if n in done or before is None:
            continue
        if n in s.norms:
            out.append((before, n, True))
        elif n in s.use_of:
            after = _norm_after(s, n, on) if s.use_of[n][0].after <= {"norm"} else None
            out.append((before, after or n, after is not None))
            done |= {after} if after is not None else set()
        elif n in session.acts or n in sums or operation(n) in ("mul", "div"):
            out.append((before, n, False))
    return out


def _norm_after(s: Any, n: Node, on: set[Node]) -> Node | None:
    """The norm on the main way that reads n through operations that only move or scale."""
    while True:
        following = [u for u in n.users if u in on]
        if len(following) != 1:
            return None
        n = following[0]
        if n in s.norms:
            return n
        if operation(n) not in PASS | {"add", "mul", "div"}:
            return None


def _step(session: Session, r: Recorder, weights: dict[Use, list[nodes.Weight]], places: dict[Node, Place],
          before: Node, after: Node, normed: bool) -> nodes.Step:
    a, b = r.values[before], r.values[after]
    s = session.structure
    uses = [u for n in s.use_of for u in s.use_of[n] if u.x is before and (n is after or normed)] or [
        u for u in s.use_of.get(after, ())]
    if not uses:
        sums = {one.node: one for one in s.sums}
        if after in sums:
            uses = s.between(sums[after].skip, sums[after].branch)
    return nodes.Step(label(after, places), places[after], a.rms, b.rms, a.gradient, b.gradient, normed,
                      tuple(w for u in uses for w in weights.get(u, ())), beside=after in {o.node for o in s.sums})


def _residuals(session: Session, r: Recorder, weights: dict[Use, list[nodes.Weight]], places: dict[Node, Place]
               ) -> list[nodes.Residual]:
    s, out = session.structure, []
    for one in s.sums:
        uses = s.between(one.skip, one.branch)
        if uses:
            out.append(nodes.Residual(("sum", one.node), label(one.node, places), places[one.node],
                                      r.values[one.branch].rms, r.values[one.skip].rms,
                                      tuple(w for u in uses for w in weights.get(u, ()))))
    return out


# weights ----------------------------------------------------------------------------------------------------------

def _weights(session: Session, values: Values, r: Recorder, on: set[Node], places: dict[Node, Place]
             ) -> dict[Use, list[nodes.Weight]]:
    out: dict[Use, list[nodes.Weight]] = {}
    s = session.structure
    for u in s.uses:
        name = values.name(u.w)
        act = session.acts.get(u.activation) if u.activation is not None else None
        dense = _maker(values, u, act)
        looked = dense().look()
        b = values.of(u.bias) if isinstance(u.bias, Node) else None
        trainable = values.trainable(u.w)
        out[u] = [nodes.Weight(
            u.w, name, places[u.node], dense, u.fan_in, u.fan_out, u.taps, frozenset(u.after), act,
            gate=_gate(u.activation), main=u.node in on, table=u.kind == "table", data=_reads_data(s, u.x),
            mean=looked.total_mean, std=looked.std, size=looked.size, largest=looked.largest,
            bias_key=u.bias if b is not None else None, bias=values.name(u.bias) if b is not None else "",
            bias_high=float(b.max()) if b is not None and b.numel() else 0.0,
            bias_rms=rms(b) if b is not None else 0.0, trainable=trainable,
            sources=values.sources(u.w),
            reads=r.values[u.x].rms if u.x in r.values else math.nan,
            writes=r.values[u.node].rms if u.node in r.values else math.nan)]
    return out


def _maker(values: Values, u: Use, act: Activation | None) -> Callable[[], Dense]:
    def make() -> Dense:
        a = values.array(u.w)
        rest = [k for k in range(a.ndim) if k not in u.summed]
        rows = math.prod(a.shape[k] for k in u.summed)
        a = np.transpose(a, (*u.summed, *rest)).reshape(rows, -1)
        return Dense(np.ascontiguousarray(a), None, act or activations.IDENTITY)
    return make


def _gate(n: Node | None) -> bool:
    """Does a sigmoid (or softmax) multiply something else?"""
    if n is None or operation(n) not in GATES:
        return False
    todo, seen = [n], {n}
    while todo:
        for user in todo.pop().users:
            if operation(user) == "mul":
                return True
            if user not in seen and operation(user) in PASS | {"add", "sub", "rsub"}:
                seen.add(user)
                todo.append(user)
    return False


def _reads_data(s: Any, x: Node | None) -> bool:
    """Is x the user's own input, moved or scaled at most?"""
    while x is not None:
        if x in s.inputs:
            return True
        if operation(x) not in PASS:
            return False
        x = next((a for a in x.all_input_nodes if a in s.live), None)
    return False


# activations ------------------------------------------------------------------------------------------------------

def _activities(session: Session, r: Recorder, weights: dict[Use, list[nodes.Weight]],
                places: dict[Node, Place], spine: set[Node]) -> list[nodes.Activity]:
    s, out = session.structure, []
    results = {n for n in session.results if isinstance(n, Node)}
    for key, look in r.looks.items():
        n, part = key if isinstance(key, tuple) else (key, "")
        earlier = tuple(w for u in s.before(n) for w in weights.get(u, ()))
        if part:
            layer = part.split(" backwards")[0].split(" gate")[0]
            local = tuple(w for u in s.use_of[n] for w in weights[u]
                          if not layer.startswith("layer") or u.part.startswith(" ".join(layer.split()[:2])))
            name, act = f"{label(n, places)} {part}".strip(), activations.get(look.signal.activation)
            out.append(nodes.Activity(key, name, places[n], act, look.signal, local, earlier, (), "gate" in part, False,
                                      look.rows, look.fed, n in spine and "gate" not in part))
            continue
        local_uses, gains = _local(session, n)
        local = tuple(w for u in local_uses for w in weights.get(u, ()))
        name = label(n, places)
        out.append(nodes.Activity(n, name, places[n], session.acts[n], look.signal, local, earlier, tuple(gains),
                                  _gate(n), _is_output(n, results), look.rows, look.fed,
                                  n in spine and not _gate(n)))
    return out


def _is_output(n: Node, results: set[Node]) -> bool:
    """Does nothing but moving come between the activation and an output?"""
    todo = [n]
    while todo:
        m = todo.pop()
        if m in results:
            return True
        todo += [u for u in m.users if operation(u) in PASS]
    return False


def _local(session: Session, act: Node) -> tuple[list[Use], list[tuple[Hashable, str, str]]]:
    """The weights whose sum an activation reads, and the gains of a norm right before it."""
    s = session.structure
    names = {n: t[0] for n, t in session.exported.tensors.items()}
    uses: list[Use] = []
    gains: list[tuple[Hashable, str, str]] = []
    todo, seen = [activation_input(act)], set()
    while todo:
        n = todo.pop()
        if n in seen or n not in s.live:
            continue
        seen.add(n)
        if n in s.use_of:
            uses += s.use_of[n]
            continue
        if n in session.acts:
            continue
        if operation(n) in NORMS:
            for kind, name, at in (("scale", "weight", 1), ("shift", "bias", 2)):
                place = at + (operation(n) in ("layer_norm", "group_norm", "rms_norm"))
                p = argument(n, name, place)
                if isinstance(p, Node) and p in names:
                    gains.append((p, names[p], kind))
            continue
        todo += [a for a in n.all_input_nodes]
    return uses, gains


def _numbered(a: nodes.Activity, i: int) -> LayerSignal:
    la = a.signal
    fields = {k: getattr(la, k) for k in la.__dataclass_fields__}
    fan_in = a.local[0].fan_in if a.local else 0
    return LayerSignal(**{**fields, "index": i, "name": a.name, "fan_in": fan_in})


# inputs and what is not finite ------------------------------------------------------------------------------------

def _features(session: Session) -> list[nodes.Feature]:
    out = []
    for n, value in zip(session.exported.inputs, session.inputs):
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.numel() < 2 or not value.ndim:
            continue
        v = value.detach().double()
        axis = 1 if v.ndim > 2 and v.shape[1] <= v.shape[-1] and v.ndim in (4, 5) else -1
        rows = v.movedim(axis, -1).reshape(-1, v.shape[axis])
        varies = bool((rows != rows[:1]).any()) if len(rows) > 1 else True
        std = rows.std(0, unbiased=False) if len(rows) > 1 else torch.zeros_like(rows[0])
        first = [u for u in n.users if u in session.structure.live]
        out.append(nodes.Feature(n, n.name, rows.mean(0).cpu().numpy(), std.cpu().numpy(), float(v.min()),
                                 float(v.max()), len(rows), varies,
                                 bool(first) and all(u in session.structure.norms for u in first)))
    return out


def _input_rms(session: Session) -> float:
    found = [rms(v) for v in session.inputs if isinstance(v, Tensor) and v.is_floating_point()]
    return found[0] if found else math.nan


def _bad(session: Session, r: Recorder, places: dict[Node, Place], loss: float | None
         ) -> list[tuple[str, Place, str]]:
    """The first watched node whose values are not finite."""
    for n in session.structure.nodes:
        if n in r.values and not math.isfinite(r.values[n].rms):
            what = "NaN" if math.isnan(r.values[n].rms) else "infinite values"
            return [(label(n, places), places[n], what)]
    return [] if loss is None or math.isfinite(loss) else [("loss", Place(), "a loss that is not finite")]
