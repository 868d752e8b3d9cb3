"""A report in one figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ArgumentError, InitcoreError
from ._display import Display, new_figure
from ._phase import PhaseDisplay
from ._signal import HistogramDisplay, SaturationDisplay, SignalDisplay
from ._ties import TiesDisplay

_PANELS: tuple[Callable[[Any], Display], ...] = (
    SignalDisplay.from_report, SaturationDisplay.from_report, HistogramDisplay.from_report, TiesDisplay.from_report,
    PhaseDisplay.from_report)


def panels(report: Any) -> Any:
    """A figure of every picture that a report has data for: signal, saturation, histograms, ties, order and chaos.

    Returns a matplotlib Figure that pyplot knows nothing of. Raises MissingExtraError without matplotlib, ArgumentError
    where the report holds neither a signal nor a proof.
    """
    displays: list[Display] = []
    for make in _PANELS:
        try:
            displays.append(make(report))
        except InitcoreError:               # no hidden layer, no proof: one picture fewer
            continue
    if not displays:
        raise ArgumentError("report holds nothing to draw: its weights are not finite.")
    across = min(3, len(displays))
    down = -(-len(displays) // across)
    figure = new_figure((5.2 * across, 4.0 * down))
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for ax, display in zip(axes, displays):
        display.plot(ax)
    for ax in axes[len(displays):]:
        ax.set_axis_off()
    return figure
