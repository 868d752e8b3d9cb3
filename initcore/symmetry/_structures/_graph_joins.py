"""Axes of a graph whose units are compared with one another: parts of a concatenation, and what is said to be alike."""

from __future__ import annotations

from ... import activations
from ...errors import ArgumentError, ShapeError
from ._graph_base import Assembly

_IDENTITY = activations.IDENTITY


class Joins(Assembly):
    """The layers of :class:`initcore.symmetry.Graph` that bring units of several axes together."""

    def concat(self, target: str, *sources: str) -> None:
        """``target`` holds the units of the sources, in order: one axis with several writers (DenseNet, U-Net).

        Units of different sources can be tied (those of convolutions, recurrent cells and layers at a stream only
        where :meth:`alike` says that these are one function); under optimisers that scale tensor by tensor only where
        the tensors correspond as wholes. The sources keep their own lines in the report.
        """
        t, parts = self._at(target), [self._at(s) for s in sources]
        total = sum(self._axes[i].n for i in parts)
        if len(set(parts)) < len(parts) or t in parts or any(self._axes[i].fixed is not None for i in parts):
            raise ArgumentError(f"concat({target!r}, ...) takes different hidden axes, got {sources!r}.")
        if total != self._axes[t].n or self._axes[t].activation is not _IDENTITY:
            raise ShapeError(f"{target!r} must be an 'identity' axis of the sources' {total} units, it has "
                             f"{self._axes[t].n}.")
        if any(i in done for i in parts for _, done in self._joins) or any(t == done for done, _ in self._joins):
            raise ArgumentError("an axis is part of one concatenation only; let later layers read the joint axis.")
        for i in parts:
            self._edge(i, t, False)
        self._joins.append((t, parts))

    def alike(self, *axes: str) -> None:
        """These axes are made and read by layers that are one function of their weights: their units may be one.

        Twin critics, the members of an ensemble, equal branches: their units are then compared across the axes, and
        ``report.axes[name].twins`` names the axes with whose units some are one. Axes of dense and gated layers are
        compared unasked where they stand in one place of the graph; of convolutions, cells, attention and layers at a
        stream the graph does not know stride, mask or moment, and this says that they agree. Of outputs: they have one
        target and one loss, as ``same_targets`` of :meth:`outputs`.

        >>> import numpy as np
        >>> from initcore.symmetry import Graph, analyze
        >>> rng, g = np.random.default_rng(0), Graph()
        >>> w, v = rng.normal(size=(3, 4)), rng.normal(size=(4, 1))
        >>> g.inputs("x", 3)
        >>> for k in "12":
        ...     g.axis("h" + k, 4, "tanh"); g.outputs("q" + k, 1)
        ...     g.linear("x", "h" + k, w.copy()); g.linear("h" + k, "q" + k, v.copy())
        >>> analyze(g).ok
        True
        >>> g.alike("q1", "q2")
        >>> analyze(g).axes["h1"].twins
        ('h2',)
        """
        parts = [self._at(a) for a in axes]
        mine = [self._axes[i] for i in parts]
        if len(parts) < 2 or len(set(parts)) < len(parts):
            raise ArgumentError(f"alike{axes!r} takes two different axes or more.")
        if any(a.name in self._inputs for a in mine) or len({a.fixed is None for a in mine}) > 1:
            raise ArgumentError(f"alike{axes!r}: hidden axes are compared with hidden ones, outputs with outputs; "
                                "inputs are arbitrary data, equal ones are one axis.")
        if len({None if a.fixed is None else a.fixed.tobytes() for a in mine}) > 1:
            raise ShapeError(f"alike{axes!r}: outputs of one target are equally many, with equal groups=; they have "
                             f"{', '.join(str(a.n) for a in mine)} units.")
        mixed = {j for i, a in enumerate(self._axes) if a.product == "router" for j in (i, a.partner)}
        if mixed & set(parts) or any(i in q[1:3] for q in self._queries for i in parts):
            raise ArgumentError(f"alike{axes!r}: mixtures of experts and attention with grouped queries are not "
                                "compared with others.")
        if any(i in p for p in self._promised for i in parts):
            raise ArgumentError(f"alike{axes!r}: an axis is called alike once; name all of a kind in one call.")
        self._promised.append(parts)
