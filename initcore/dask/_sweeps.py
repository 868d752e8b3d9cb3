"""Many independent pieces of work over a cluster, or over this machine's threads, with progress shown."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import dask
import numpy as np

from .. import meanfield
from .._checks import integer, real_numbers
from ..errors import ArgumentError, ArgumentTypeError, InitcoreError
from ..files import check_file


def phase_diagram(activation: Any, sigma_w2: Any, sigma_b2: Any, *, rows: int = 16, client: Any = None,
                  progress: bool = True) -> meanfield.PhaseDiagram:
    """:func:`initcore.meanfield.phase_diagram` in tasks of ``rows`` values of sigma_w2.

    client : a ``distributed.Client``; None: Dask's scheduler of this process.   progress : show a bar.
    Points agree with the undivided call to its own accuracy (c to 1e-6). Raises as that does, before anything runs
    where the axes are wrong.

    >>> d = phase_diagram("tanh", [0.5, 2.0, 3.0], [0.0, 0.1], rows=2, progress=False)
    >>> d.phase.tolist()
    [['ordered', 'ordered'], ['chaotic', 'chaotic'], ['chaotic', 'chaotic']]
    """
    axis = np.atleast_1d(real_numbers("sigma_w2", sigma_w2))
    step = integer("rows", rows, low=1)
    if axis.size == 0:
        return meanfield.phase_diagram(activation, axis, sigma_b2)
    meanfield.phase_diagram(activation, axis[:1], np.atleast_1d(real_numbers("sigma_b2", sigma_b2))[:1])
    parts = _run([dask.delayed(meanfield.phase_diagram)(activation, axis[k:k + step], sigma_b2)
                  for k in range(0, axis.size, step)], client, progress)
    joined = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(meanfield.PhaseDiagram)}
    return meanfield.PhaseDiagram(**{**joined, "sigma_b2": parts[0].sigma_b2})


def check_files(paths: Iterable[Any], *, client: Any = None, progress: bool = True, **arguments: Any) -> dict[str, Any]:
    """``initcore.files.check_file(path, **arguments)`` of many files: a report for each path, in their order.

    A file that cannot be read has its error in the place of a report, and stops no other. Workers read the files
    themselves: the paths must mean the same on every machine. client, progress: :func:`phase_diagram`.

    >>> check_files([], progress=False)
    {}
    """
    if isinstance(paths, (str, bytes, os.PathLike)):
        raise ArgumentTypeError(f"paths must be several paths, got one: {paths!r}; ic.check(path) judges one.")
    names = [os.fspath(p) for p in paths]
    if len(set(names)) < len(names):
        raise ArgumentError("paths holds a path twice.")
    return dict(zip(names, _run([dask.delayed(_judged)(n, arguments) for n in names], client, progress)))


def _judged(path: str, arguments: dict[str, Any]) -> Any:
    """A report, or the error."""
    try:
        return check_file(path, **arguments)
    except (InitcoreError, OSError) as error:
        return error


def _run(tasks: Sequence[Any], client: Any, progress: bool) -> list[Any]:
    """The results of delayed calls, with a bar."""
    if client is not None:
        import distributed
        futures = client.compute(list(tasks))
        if progress:
            distributed.progress(futures, notebook=False)
        return list(client.gather(futures))
    if not progress:
        return list(dask.compute(*tasks))
    from dask.diagnostics import ProgressBar
    with ProgressBar():
        return list(dask.compute(*tasks))
