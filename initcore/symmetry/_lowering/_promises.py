"""Outputs that have one target: which of their units are the k-th of a tower (theory 4.9.8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..._types import Array
from ...errors import ArgumentError
from ...program.tracking import UNIT, Trace, size

_REMEDY = ("same_targets=True needs outputs that are compared with one target: several outputs of one shape (twin "
           "critics), or one whose first dim counts the networks (a stacked ensemble)")


@dataclass(frozen=True)
class Promise:
    """Numbers ``ids (towers, k)``: those of a column have one target."""

    ids: Array

    @classmethod
    def of(cls, trace: Trace) -> Promise:
        """Several outputs, or one whose first dim counts towers."""
        tracks = trace.results
        if any(t.ids is None for t in tracks):
            raise ArgumentError(f"{_REMEDY}; of these some are not made of units.")
        if len(tracks) > 1:
            if len({t.dims for t in tracks}) > 1:
                raise ArgumentError(f"{_REMEDY}; these have the shapes {', '.join(str(t.shape) for t in tracks)}.")
            ids = np.stack([t.ids.ravel() for t in tracks if t.ids is not None])
        else:
            (t,) = tracks
            if not t.dims or not t.dims[0] or any(f.kind != UNIT for f in t.dims[0]) or t.ids is None:
                raise ArgumentError(f"{_REMEDY}; the first dim of {t.shape} counts no networks.")
            ids = t.ids.reshape(size(t.dims[0]), -1)
        if len(np.unique(ids)) < ids.size:
            raise ArgumentError(f"{_REMEDY}; these share units.")
        return cls(ids)
