"""A jaxpr on values: equation by equation in the words of :mod:`initcore.program`, and the steps that run it.

Design
A. Calls (jit, custom derivatives, remat) are put in place, scans of up to 64 steps are unrolled, conditions on
   constants are decided.
B. What follows from constants alone is a constant. What is elementwise is sampled, so that an activation is known by
   its values however it is written (:mod:`._samples`).
C. A primitive without an entry, or with arguments its entry has no words for, is one opaque operation.
D. At the end what nothing reads is left out.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from ..._aten import NotUnderstood
from ..._types import Array
from ...program import Place, Program, Value
from ._leaves import MOST_CONSTANT, Leaves
from ._primitives import ACTIVATIONS, DRAWS, ELEMENTWISE, ENTRIES, SAME
from ._samples import Samples
from ._tape import Known, Step, bound, whole

_MOST_STEPS = 64                        # of a scan
_LIBRARIES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}", os.path.dirname(jax.__file__))
_OURS = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))      # behind it stands who called, not what


class Reader(Leaves):
    """One program being written."""

    def __init__(self) -> None:
        super().__init__()
        self.samples = Samples()
        self.at = Place()                               # of the call that is being put in place
        self.around: Any = None                         # the jaxpr that is being read

    def program(self, outputs: Sequence[Known]) -> Program:
        """What reaches the outputs."""
        last = [self.value(o) for o in outputs]
        return self.build.program(self.inputs, self.parameters.values(), last, idle=True)

    def run(self, jaxpr: Jaxpr, consts: Sequence[Known], given: Sequence[Known], module: str) -> list[Known]:
        """The results of a jaxpr on values and constants."""
        outside, self.around = self.around, jaxpr
        env: dict[Any, Known] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *given)))

        def look(v: Any) -> Known:
            return np.asarray(v.val, v.aval.dtype) if isinstance(v, Literal) else env[v]
        for eqn in jaxpr.eqns:
            stack = str(eqn.source_info.name_stack)
            at = "/".join(part for part in (module, stack) if part)
            outer, here = self.at, _place(eqn, at)
            self.at = here if here.line else Place(at, outer.file, outer.line)
            made = self.equation(eqn, [look(v) for v in eqn.invars], at)
            self.at = outer
            env.update(zip(eqn.outvars, made))
        self.around = outside
        return [look(v) for v in jaxpr.outvars]

    def equation(self, eqn: Any, given: list[Known], module: str) -> Sequence[Known]:
        """One equation; calls are put in place."""
        name, params = eqn.primitive.name, eqn.params
        if name == "scan":
            made = self._scan(given, params, module)
            if made is not None:
                return made
        elif name == "cond" and not isinstance(given[0], Value):
            branch = params["branches"][int(np.clip(given[0], 0, len(params["branches"]) - 1))]
            return self.run(branch.jaxpr, list(branch.consts), given[1:], module)
        elif name == "select_n" and not isinstance(given[0], Value) and _uniform(given[0]) is not None:
            return [given[1 + int(_uniform(given[0]))]]                 # as jnp.var asks whether there are any numbers
        elif name not in ("while", "cond"):
            inner = next((params[k] for k in ("jaxpr", "call_jaxpr", "fun_jaxpr") if k in params), None)
            if isinstance(inner, (ClosedJaxpr, Jaxpr)) or hasattr(inner, "eqns"):
                return self._call(eqn, inner, given, module)
        self.build.place, self.build.source = self.at, name
        return self._primitive(eqn, name, given, params)

    def _call(self, eqn: Any, inner: Any, given: list[Known], module: str) -> Sequence[Known]:
        """A call put in place; one with derivatives of its own is remembered as a whole, too."""
        at = len(self.tape)
        if eqn.primitive.name.startswith("custom_"):
            self.tape.append(Step(whole(eqn, self.around), tuple(given), ()))
        made = self.run(inner.jaxpr, list(inner.consts), given, module) if isinstance(inner, ClosedJaxpr) else \
            self.run(inner, [], given, module)
        if eqn.primitive.name.startswith("custom_"):
            self.tape[at] = replace(self.tape[at], made=tuple(made), body=len(self.tape) - at - 1)
        return made

    def _primitive(self, eqn: Any, name: str, given: list[Known], params: dict[str, Any]) -> Sequence[Known]:
        made = self._words(eqn, name, given, params)
        if any(isinstance(v, Value) for v in made) and name not in SAME:
            self.tape.append(Step(bound(eqn), tuple(given), tuple(made), origin=id(eqn)))
        return made

    def _words(self, eqn: Any, name: str, given: list[Known], params: dict[str, Any]) -> Sequence[Known]:
        shapes = [(tuple(v.aval.shape), str(v.aval.dtype)) for v in eqn.outvars]
        values = [x for x in given if isinstance(x, Value)]
        if name in SAME:
            return given
        if not values and all(np.prod(s) <= MOST_CONSTANT for s, _ in shapes) and name not in DRAWS and \
                all(isinstance(a.dtype, np.dtype) for a in given):
            out = eqn.primitive.bind(*given, **params)
            return [np.asarray(m) for m in (out if eqn.primitive.multiple_results else [out])]
        if name == "dot_general" and any(not isinstance(x, Value) and not x.any() for x in given):
            return [np.zeros(shapes[0][0], _plain(shapes[0][1]))]       # a loop's first state: no gradient comes of it
        if name == "iota" and not values:
            return [self.build.emit("arange", shape=shapes[0][0], dtype=shapes[0][1])]
        if name in DRAWS and not any(v in self._weights() for v in values):
            return self.build.several("random", *values, outputs=[(s, _plain(d)) for s, d in shapes])
        back = len(self.build.ops)
        try:
            made = self._entry(name, given, params, shapes)
        except (NotUnderstood, KeyError, IndexError):
            del self.build.ops[back:]
            made = self.build.several("opaque", *(self.value(x) for x in given),
                                      outputs=[(s, _plain(d)) for s, d in shapes])
        if len(made) == 1 and name in ELEMENTWISE:
            return [self._sampled(made[0], eqn.primitive, name, given, params)]
        return made

    def _weights(self) -> set[Value]:
        return {p.value for p in self.parameters.values()}

    def _entry(self, name: str, given: list[Known], params: dict[str, Any],
               shapes: Sequence[tuple[tuple[int, ...], str]]) -> Sequence[Value]:
        entry = ENTRIES[name]
        loose = name in ELEMENTWISE                     # where one number may stand for an array of it
        keep = name in ("dynamic_slice", "pad", "clamp")
        args = [x if isinstance(x, Value) else _number(x) if keep and x.size == 1 else self.value(x, loose)
                for x in given]
        made = entry(self.build, *args, **{"shape": shapes[0][0], **params})
        out = [made] if isinstance(made, Value) else list(made)
        if [v.shape for v in out] != [s for s, _ in shapes]:
            if len(out) == 1 and loose:
                return [self.build.expand(out[0], shapes[0][0])]
            raise NotUnderstood
        return out

    def value(self, x: Known, loose: bool = False) -> Value:
        """A value of the program; of a constant, one number for an array of it where that is enough."""
        if isinstance(x, Value):
            return x
        one = loose and x.size > 0 and bool((x == x.ravel()[0]).all())
        return self.build.constant(x.ravel()[0] if one else x, _plain(str(x.dtype)))

    # activations

    def _sampled(self, made: Value, primitive: Any, name: str, given: list[Known], params: dict[str, Any]) -> Value:
        """The value, or the activation it turns out to be."""
        numbers = [x if isinstance(x, Value) else _uniform(x) for x in given]
        if any(n is None for n in numbers) or name == "stop_gradient":
            return made
        kinds = [np.dtype(_plain(x.dtype)) if isinstance(x, Value) else x.dtype for x in given]
        if all(k == np.float32 or k == np.bool_ for k in kinds) and all(
                not isinstance(x, Value) or x.shape == made.shape for x in given):
            self.samples.note(made, primitive, [n for n in numbers if n is not None], params)
            if name not in ACTIVATIONS:
                return self._known(made)
        return made

    def _known(self, made: Value) -> Value:
        found = self.samples.activation(made)
        if found is None:
            return made
        activation = self.build.activation(*found)
        self.samples.same(activation, made)
        return activation

    # loops

    def _scan(self, given: list[Known], params: dict[str, Any], module: str) -> list[Known] | None:
        """The steps one after the other; None: too many."""
        length, held, carried = params["length"], params["num_consts"], params["num_carry"]
        if length > _MOST_STEPS:
            return None
        body: Any = params["jaxpr"]
        consts, carry, xs = given[:held], given[held:held + carried], given[held + carried:]
        rows: list[list[Known]] = []
        for k in reversed(range(length)) if params["reverse"] else range(length):
            step = [x[k] if not isinstance(x, Value) else self._taken(x, k) for x in xs]
            made = self.run(body.jaxpr, list(body.consts), [*consts, *carry, *step], module)
            carry, rows = made[:carried], [*rows, made[carried:]]
        if params["reverse"]:
            rows.reverse()
        stacked: list[Known] = []
        for column in zip(*rows):
            parts = [self.build.unsqueeze(self.value(v), 0) for v in column]
            stacked.append(self.build.concatenate(parts, 0))
            self.tape.append(Step(lambda *rows: [jax.numpy.stack(rows)], column, (stacked[-1],)))
        return [*carry, *stacked]

    def _taken(self, x: Value, k: int) -> Value:
        """Row k of what a scan runs over."""
        made = self.build.select(x, 0, k)
        self.tape.append(Step(lambda rows: [rows[k]], (x,), (made,)))
        return made


def _plain(dtype: str) -> str:
    """NumPy's name; keys of JAX count as words."""
    return "uint32" if dtype.startswith("key<") else dtype


def _number(x: Array) -> Any:
    return x.ravel()[0].item()


def _uniform(x: Array) -> Any:
    """The one number an array holds everywhere, or None."""
    return x.ravel()[0] if x.size and bool((x == x.ravel()[0]).all()) else None


def _place(eqn: Any, module: str) -> Place:
    """The name scope, and the user's line."""
    traceback = eqn.source_info.traceback
    if traceback is not None:
        for frame in traceback.frames:
            if frame.file_name.startswith(_OURS):
                break
            if not any(part in frame.file_name for part in _LIBRARIES) and not frame.file_name.startswith("<"):
                return Place(module, frame.file_name, frame.line_num)
    return Place(module)


