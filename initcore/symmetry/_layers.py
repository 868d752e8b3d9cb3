"""What is said of one hidden layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._checks import quiet
from .._types import Array

STATUSES = ("free", "tied", "sign-tied", "proportional", "dead", "undetermined")


@dataclass(frozen=True)
class NearTie:
    """Units close to a tie, never called tied.

    Attributes
    ----------
    units : indices.   distance : largest absolute difference between corresponding weights of neighbours in ``units``.
    relative : that, over the root mean square of the units' weights.
    """

    layer: int
    units: tuple[int, ...]
    distance: float
    relative: float

    @quiet
    def steps(self, gamma: float, lr: float, target: float = 1.0) -> float:
        """SGD steps until the separation reaches ``target``: ``ln(target/distance) / ln(1 + lr gamma)`` (theory 4.7).

        gamma : growth rate, minus the least eigenvalue of the Hessian across the tie; it depends on the data and
            is at most ``max|phi'| sqrt(E|delta|^2 E|x|^2)`` where phi'' does not help.

        >>> round(NearTie(0, (0, 1), 1e-8, 1e-8).steps(gamma=0.094, lr=0.05))
        3928
        """
        if gamma <= 0 or lr <= 0:
            return float("inf")
        return max(0.0, float(np.log(target / self.distance) / np.log1p(lr * gamma)))


@dataclass
class LayerSymmetry:
    """The verdict on one hidden layer.

    Attributes
    ----------
    layer : position in the network.   name : of its axis.
    labels : ``(units,)`` int; equal labels = one cell. In a cell "tied", "sign-tied" or "proportional" units are
        one unit for ever, up to the factor in ``multipliers``; "dead" units are identically zero for ever.
    status : one word a unit: free, tied, sign-tied, proportional, dead (undetermined where the loop was capped).
    multipliers : ``(units,)`` float64, each unit as a multiple of its cell's representative (0 when dead).
    n_cells : number of cells, the dead cell included.
    effective_width : number of live cells: what the layer can ever represent.
    representative : first unit of each cell.   cell_sizes : units in each cell.
    strength : "elementwise" (the ties survive every entrywise optimiser), "affine" (only ones under which equal
        sums stay equal), None where nothing is tied.
    forward_duplicates : groups of units equal at step 0 that the first updates separate.
    backward_duplicates : groups whose outgoing weights agree, with different incoming ones.
    forward_width : number of distinct outputs at step 0.
    update_rank_bound : bound on the rank of the first update of the weights into the layer.
    twins : other layers (of two critics, of an ensemble) that hold units of its cells.
    """

    layer: int
    name: str
    labels: Array
    status: tuple[str, ...]
    multipliers: Array
    n_cells: int
    effective_width: int
    representative: Array
    cell_sizes: Array
    strength: str | None
    forward_duplicates: tuple[tuple[int, ...], ...] = ()
    backward_duplicates: tuple[tuple[int, ...], ...] = ()
    forward_width: int = 0
    update_rank_bound: int = 0
    near_ties: tuple[NearTie, ...] = ()
    tolerance_labels: Array | None = None
    tolerance_cells: int | None = None
    twins: tuple[str, ...] = ()

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.labels)

    @property
    def ok(self) -> bool:
        """No unit is tied, sign-tied, dead or undetermined."""
        return not set(self.status) & {"tied", "sign-tied", "dead", "undetermined"}

    def count(self, status: str) -> int:
        """How many units have a status."""
        return self.status.count(status)

    @property
    def verdict(self) -> str:
        """One line: the worst that is true of the layer."""
        n = self.n_units
        if self.count("undetermined"):
            return f"UNDETERMINED: {self.count('undetermined')} of {n} units not settled"
        said = []
        for word, label in (("dead", "DEAD"), ("tied", "TIED"), ("sign-tied", "SIGN-TIED"),
                            ("proportional", "PROPORTIONAL")):
            if k := self.count(word):
                said.append(f"{label} {k} of {n}")
        if not said:
            extra = ""
            if self.forward_duplicates:
                extra = (f"; forward-degenerate at step 0 (width {self.forward_width}), "
                         f"first update rank <= {self.update_rank_bound}")
            elif self.backward_duplicates:
                extra = "; backward-degenerate at step 0"
            return f"OK, {n} free units{extra}"
        how = f" ({self.strength})" if self.strength else ""
        if self.twins:
            how = f", with units of {', '.join(self.twins[:3])}{', ...' if len(self.twins) > 3 else ''}{how}"
        return f"{', '.join(said)}: effective width {self.effective_width}{how}"
