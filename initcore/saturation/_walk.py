"""All layers of a network in order, within a bound on memory."""

from __future__ import annotations

from collections.abc import Iterator

from .._types import Array
from ..network import Network
from ._propagate import step
from ._state import State, Step

KEPT = 1 << 23        # bytes of states a walk keeps, and so many more for every unit of the network:
KEPT_UNIT = 128


class Walk:
    """The steps of a prediction, each made when it is asked for.

    Going up costs one step a layer. States are kept, evenly spaced, within a bound on memory, so that going back to
    any layer costs a few steps; what a step holds is forgotten when the next one is made.
    """

    def __init__(self, net: Network, state: State) -> None:
        self.net = net
        self._kept = {0: state}
        self._stride, self._bytes = 1, state.nbytes
        self._limit = KEPT + KEPT_UNIT * sum(layer.fan_out for layer in net.layers)
        self._last: tuple[int, Step] | None = None

    def __len__(self) -> int:
        return len(self.net.layers)

    def __iter__(self) -> Iterator[Step]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Step:
        if not -len(self) <= i < len(self):
            raise IndexError(f"there is no layer {i} in a network of {len(self)}")
        i %= len(self)
        if self._last is None or self._last[0] != i:
            state = self.before(i)
            self._last = None                                  # what it holds is as large as what comes
            self._last = i, step(self.net.layers[i], state)
        return self._last[1]

    def forget(self, all_states: bool = False) -> None:
        """Let go of the last step, where nothing is to come for a while; of all states, where nothing comes at all."""
        self._last = None
        if all_states:
            self._kept = {0: self._kept[0]}
            self._bytes = self._kept[0].nbytes

    def before(self, i: int) -> State:
        """What enters layer i."""
        if self._last is not None and self._last[0] == i:
            return self._last[1].before
        if self._last is not None and self._last[0] == i - 1:
            state = self._last[1].after
            self._keep(i, state)
            return state
        at = max(k for k in self._kept if k <= i)
        state = self._kept[at]
        if self._last is not None and at <= self._last[0] < i:
            at, state = self._last[0] + 1, self._last[1].after
            self._keep(at, state)
        while at < i:
            self._last = None
            self._last = at, step(self.net.layers[at], state)
            at, state = at + 1, self._last[1].after
            self._keep(at, state)
        return state

    def _keep(self, at: int, state: State) -> None:
        if at % self._stride or at in self._kept:
            return
        self._kept[at] = state
        self._bytes += state.nbytes
        while self._bytes > self._limit and len(self._kept) > 1:
            self._stride *= 2
            self._kept = {k: s for k, s in self._kept.items() if k % self._stride == 0}
            self._bytes = sum(s.nbytes for s in self._kept.values())


def steps(net: Network, state: State) -> Walk:
    """All layers in order."""
    return Walk(net, state)


def slopes(walk: Walk) -> tuple[list[Array], list[Array]]:
    """``E phi'`` and ``E phi'^2`` of every layer, as :func:`gradient_norms` takes them."""
    found = [walk[i].found for i in range(len(walk))]          # no name holds a step while the next is made
    return [f.dmean for f in found], [f.slope2 for f in found]
