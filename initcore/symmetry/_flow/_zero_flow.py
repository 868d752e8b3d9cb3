"""When each parameter first gets a gradient: the boolean propagation of theory 4.4 and 4.9, unit by unit.

A unit's output can be non-zero iff phi(0) != 0, or its bias is not 0, or a non-zero weight leads to it from a unit
that can be. Its back-signal likewise, and phi' must not vanish there. A weight gets a gradient iff both ends are
live; after that step it counts as non-zero. Units proved identically zero never count, nor do parameters on which
the loss does not depend (a key's bias, a bias before batch normalisation). Softmax scores see only what varies
over the keys.
"""

from collections.abc import Set as AbstractSet

from ..._types import Array
from .._structures._local import Still
from .._structures._system import System
from ._state import Flow


class ZeroFlow(dict[str, int | None]):
    """First step with a gradient (0 = the very first), by parameter name; None = never.

    Looks up ``"layers[0].w"`` and prints one line a parameter that does not learn at once. ``null``: the names of
    those on which the loss does not depend.

    >>> print(ZeroFlow({"layers[0].w": 1, "layers[1].w": 0}))
    layers[0].w: step 1
    """

    null: tuple[str, ...] = ()

    def __str__(self) -> str:
        late = [f"{k}: {'never' if v is None else f'step {v}'}" for k, v in self.items() if v != 0]
        return "\n".join(late) if late else "every parameter has a gradient at step 0"


def flow(system: System, dead: list[Array], max_steps: int | None = None,
         flat: AbstractSet[int] = frozenset(), still: dict[int, Still] | None = None) -> ZeroFlow:
    """First step with a gradient of every parameter.

    dead : ``dead[i]`` marks units of axis i that are zero for ever.
    flat : axes whose normalisation always gives a constant (one cell).
    still : the same of steps of the programs that units run, unit by unit.
    """
    state, first = Flow(system, dead, set(flat), still or {}), ZeroFlow()
    for i, axis in enumerate(system.axes):
        first.update({b.name: None for b in system.incoming(i) if not b.frozen})
        first.update({t.name: None for t in axis.bias})
        first.update({g.name: None for g in axis.gains})
    first.update({name: None for name in system.idle if name not in first})
    first.update({name: None for name in system.null if name not in first})
    first.null = (*(t.name for a in system.axes for t in a.bias if t.null), *system.null)
    waits = {i for i, a in enumerate(system.axes) if a.stops}
    dirty = set(range(len(system.axes)))
    while (dirty or waits) and (max_steps is None or state.step <= max_steps):
        touched = state.spread(dirty | waits)
        dirty = set()
        for k in {k for i in touched for k in (*state.incoming[i], *state.outgoing[i])}:
            b = state.blocks[k]
            if not b.frozen and state.reach[k].learn(state._of(state.x, b), state.entering(b.target)[b.part]):
                dirty |= {b.source, b.target}
                if first[b.name] is None:
                    first[b.name] = state.step
        for i in touched:
            if state.learn(i, first):
                dirty.add(i)
        state.step += 1
        waits = {i for i in waits if system.axes[i].stops >= state.step}
    return first
