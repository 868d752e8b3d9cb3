"""What tracking a program finds out: families of units, what unites and couples them, the weights between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..._types import Array
from .._program import Parameter, Value
from ._facts import Colour, Family, Link, Use
from ._layouts import common
from ._scores import Roles
from ._tracks import DATA, SAME, UNIT, Dims, Factor, Track, Unsaid, Weights, flat, size

_LIMIT = 1 << 25            # units of one value
_TAPS = 1 << 12


class Trace:
    """Facts, in the order of the program.

    unions : ids of one bundle, pairwise.   links : sums over units, and what is shared by several.
    reads : units that something takes: (ids, operation, what for).   colours : :class:`Colour`.
    uses : weights between units.   outputs : units the loss sees.   opaque : operations not understood.
    kinds : a number a family, equal for families that are the same function of their weights (:mod:`._marks`).
    marks : that of each operation.   values : and of each value.   results : what the program returns.
    """

    def __init__(self, wild: frozenset[Parameter] = frozenset()) -> None:
        self.count, self.op = 0, -1
        self.families: list[Family] = []
        self.unions: list[tuple[Array, Array]] = []
        self.links: list[Link] = []
        self.reads: list[tuple[Array, int, int]] = []
        self.colours: list[Colour] = []
        self.uses: list[Use] = []
        self.outputs: list[Array] = []
        self.opaque: list[int] = []
        self.kinds: list[int] = []
        self.marks: dict[int, int] = {}
        self.values: dict[Value, int] = {}
        self.results: list[Track] = []
        self.wild = wild                                  # parameters that something not understood takes
        self.lost: set[Parameter] = set()
        self.used: set[Value] = set()                     # values that anything takes
        self.roles: Roles = {}                            # of products in attention

    # --- units ---------------------------------------------------------------------------------------

    def family(self, shape: Sequence[int], role: str, call: Any = None, grows: bool = True) -> Family:
        """New units."""
        made = Family(len(self.families), self.op, self.count, tuple(shape), role, call, grows=grows)
        if made.n > _LIMIT:
            raise Unsaid("too many units")
        self.count += made.n
        self.families.append(made)
        return made

    def mark(self) -> tuple[int, ...]:
        """How far it has come; see :meth:`back_to`."""
        return (self.count, *(len(x) for x in self._lists()))

    def back_to(self, mark: tuple[int, ...]) -> None:
        """Forget what an operation said before it turned out that it cannot be said."""
        self.count = mark[0]
        for x, n in zip(self._lists(), mark[1:]):
            del x[n:]

    def _lists(self) -> tuple[list[Any], ...]:
        return self.families, self.unions, self.links, self.reads, self.colours, self.uses, self.outputs

    def discrete(self, ids: Array) -> None:
        """No two of these units are alike."""
        a = ids.ravel()
        self.colours.append(Colour(a, np.arange(len(a)), self.op, True))

    def place(self, ids: Array, values: Array) -> None:
        """Units are alike only where these numbers are."""
        self.colours.append(Colour(ids.ravel(), values.ravel(), self.op))

    def output(self, track: Track) -> None:
        """What leaves: any back-signal. A parameter that leaves is lost to the proof."""
        if track.ids is not None:
            self.outputs.append(track.ids.ravel())
        if track.weights is not None:
            self.lost.add(track.weights.parameter)

    def read(self, ids: Array, tag: int) -> None:
        """Something takes these units; a unit is like others only that it takes as often."""
        self.reads.append((ids.ravel(), self.op, tag))

    # --- the same function of each unit --------------------------------------------------------------

    def alike(self, track: Track, role: str, call: Any = None, grows: bool = True,
              dims: Dims | None = None) -> Track:
        """A function of every unit by itself (along its data); ``dims``: the result's, where they differ."""
        assert track.ids is not None
        made = self.family(track.ids.shape, role, call, grows)
        self._operand(made, track.ids)
        return Track(track.dims if dims is None else dims, made.ids)

    def join(self, tracks: Sequence[Track], shape: Sequence[int], role: str, call: Any = None,
             grows: bool = True) -> Track:
        """A function of corresponding units of several values, broadcast as NumPy does."""
        lists = [aligned(t, shape) for t in tracks]
        lists = [list(x) for x in zip(*(common([x[d] for x in lists]) for d in range(len(shape))))] if shape else \
            [[] for _ in tracks]
        kinds = [[_kind([(t, x[d][i].kind) for t, x in zip(tracks, lists)]) for i in range(len(lists[0][d]))]
                 for d in range(len(shape))]
        dims = tuple(tuple(Factor(f.size, k) for f, k in zip(lists[0][d], kinds[d])) for d in range(len(shape)))
        if all(t.data for t in tracks):
            return Track(dims)
        full = tuple(f.size for f in flat(dims) if f.kind == UNIT)
        wide: list[Array | None] = []
        colours: list[Array] = []
        for t, x in zip(tracks, lists):
            if t.weights is not None:
                t, x = self._lift(t, x, dims)
            wide.append(None if t.ids is None else _spread(t.ids, x, dims, full))
            if (own := _own(x, dims, full)) is not None:
                colours.append(own)
        made = self.family(full, role, call, grows)
        for ids in wide:
            if ids is None:
                made.operands.append(("data", None))
            else:
                self._operand(made, ids)
        for c in colours:
            self.place(made.ids, c)
        return Track(dims, made.ids)

    def _operand(self, made: Family, ids: Array) -> None:
        """``ids`` broadcast to the family's shape: of its own bundle, or shared by several of its units."""
        shared = [s == 0 and n > 1 for s, n in zip(ids.strides, ids.shape)]
        wide = ids.ravel()
        made.operands.append(("out" if any(shared) else "in", wide))
        if not any(shared):
            self.unions.append((made.ids.ravel(), wide))
            return
        one = ids[tuple(slice(0, 1) if s else slice(None) for s in shared)]
        owner = np.broadcast_to(np.arange(one.size).reshape(one.shape), ids.shape).ravel()
        self.links.append(Link(one.ravel(), made.ids.ravel(), owner, False, made.index))
        self.read(one, 64 + len(made.operands))

    def _lift(self, t: Track, x: list[list[Factor]], dims: Dims) -> tuple[Track, list[list[Factor]]]:
        """A parameter as units of its own: one number a unit, or one at each place of the data."""
        assert t.weights is not None
        lost = len(x) - len(t.shape)
        sizes, take, kinds, new = [], [], [], []
        for d, (mine, whole) in enumerate(zip(x, dims)):
            row = []
            for f, g in zip(mine, whole):
                varies = f.kind != SAME
                row.append(Factor(f.size, g.kind if varies else SAME))
                if d >= lost and t.shape[d - lost] != 1:
                    sizes.append(f.size)
                    take.append(slice(None) if varies else 0)
                    if varies:
                        kinds.append(g.kind)
            new.append(row)
        units = [i for i, k in enumerate(kinds) if k == UNIT]
        places = [i for i, k in enumerate(kinds) if k != UNIT]
        shape = [f.size for r in new for f in r if f.kind == UNIT]
        n, bare = int(np.prod(shape, dtype=np.int64)), t.weights.array

        def arrange(a: Array) -> Array:
            part = bare(a).reshape(sizes)[tuple(take)]
            return part.transpose([*places, *units]).reshape(1, 1, -1, n)

        ids = self._lifted(t.weights, arrange, shape, size([f for r in new for f in r if f.kind == DATA]))
        return Track(tuple(tuple(r) for r in new), ids), new

    def _lifted(self, weights: Weights, arrange: Callable[[Array], Array], shape: Sequence[int], taps: int) -> Array:
        if taps > _TAPS:
            raise Unsaid("a parameter with too many places")
        made = self.family(shape, "lift")
        self.use(weights, arrange, None, made.ids.reshape(1, 1, -1), lift=True)
        return made.ids

    def as_units(self, t: Track) -> Track:
        """A parameter as units in every dim."""
        if t.weights is None:
            return t
        if size(flat(t.dims)) > 1 << 16:
            raise Unsaid("a large parameter changed by an operation")
        dims = tuple(tuple(Factor(f.size, UNIT if f.kind == DATA else SAME) for f in d) for d in t.dims)
        made, _ = self._lift(t, [list(d) for d in t.dims], dims)
        return made

    def use(self, weights: Weights, arrange: Callable[[Array], Array], source: Array | None, target: Array,
            lift: bool = False) -> None:
        """Weights from the units ``source`` to the units ``target``."""
        if weights.parameter in self.wild:
            raise Unsaid("a parameter that is used in another way, too")
        self.uses.append(Use(self.op, weights, arrange, source, target, lift))
        if source is not None:
            self.read(source, 0)

    def sum_over(self, track: Track, units: Sequence[int], dims: Dims, role: str, call: Any = None) -> Track:
        """A symmetric function over some dims of the unit array: each group of units makes one."""
        assert track.ids is not None
        rest = [k for k in range(track.ids.ndim) if k not in units]
        made = self.family([track.ids.shape[k] for k in rest], role, call)
        many = track.ids.transpose([*rest, *units]).ravel()
        owner = np.repeat(np.arange(made.n), len(many) // max(1, made.n))
        made.operands.append(("group", None))
        self.links.append(Link(made.ids.ravel(), many, owner, True, made.index))
        self.read(track.ids, 1)
        return Track(dims, made.ids)


def aligned(t: Track, shape: Sequence[int]) -> list[list[Factor]]:
    """The factors of each dim of a shape, the same all along where the value has none."""
    lost = len(shape) - len(t.shape)
    out = []
    for d, n in enumerate(shape):
        mine = list(t.dims[d - lost]) if d >= lost else []
        if size(mine) != n:
            if size(mine) != 1:
                raise Unsaid("shapes that do not go together")
            mine = [Factor(n, SAME)]
        out.append(mine)
    return out


def _kind(parts: list[tuple[Track, str]]) -> str:
    kinds = {k for t, k in parts if t.weights is None}
    if UNIT in kinds:                        # data of another value there: each place is a unit's own
        return UNIT
    if DATA in kinds:
        return DATA
    return UNIT if any(t.weights is not None and k == DATA for t, k in parts) else SAME


def _spread(ids: Array, mine: Sequence[Sequence[Factor]], dims: Dims, full: tuple[int, ...]) -> Array:
    """The ids broadcast (strides of 0) to all unit factors of the result."""
    own, shape = [], []
    for row, whole in zip(mine, dims):
        for f, g in zip(row, whole):
            if g.kind == UNIT:
                shape.append(f.size if f.kind == UNIT else 1)
            if f.kind == UNIT:
                own.append(f.size)
    return np.broadcast_to(ids.reshape(own).reshape(shape), full)


def _own(mine: Sequence[Sequence[Factor]], dims: Dims, full: tuple[int, ...]) -> Array | None:
    """Data that differ from unit to unit are a colour: their place."""
    shape = [f.size if f.kind == DATA else 1 for row, whole in zip(mine, dims) for f, g in zip(row, whole)
             if g.kind == UNIT]
    n = int(np.prod(shape, dtype=np.int64))
    if n <= 1:
        return None
    return np.broadcast_to(np.arange(n).reshape(shape), full).ravel()
