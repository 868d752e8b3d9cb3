"""What every display shares: its axes, its colours, and files that come out the same each time.

Design
A. Data and drawing are apart: a display can be made, and a page drawn from it, without matplotlib.
B. A figure is made by the class, never by pyplot: nothing stays open, no backend is chosen, nothing is shown.
C. The six colours have a contrast of 3 to 1 and more on white and on black alike, and differ for the colour-blind in
   lightness or hue (after Okabe and Ito 2008); lines differ in their dashes and marks as well.
"""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any, TypeVar

from ..errors import needs

COLOURS = ("#2b83c6", "#d55e00", "#00916b", "#b8609a", "#a67a00", "#7a828c")
DASHES = ("-", "--", ":", "-.", (0, (1, 3)), (0, (8, 2)))
MARKS = ("o", "s", "^", "D", "v", "x")
FEW = 40                    # points of a line that are few enough for marks
_NO_DATE = {".svg": {"Date": None}, ".pdf": {"CreationDate": None, "ModDate": None}, ".ps": {}, ".eps": {}}
Self = TypeVar("Self", bound="Display")


class Display:
    """A picture of computed data; subclasses say of what.

    Attributes
    ----------
    ax_, figure_ : the axes and the figure drawn into, once :meth:`plot` was called.
    """

    ax_: Any = None
    figure_: Any = None
    size = (6.4, 4.0)       # inches, of a figure of its own

    def plot(self: Self, ax: Any = None) -> Self:
        """Draw into ``ax``, or into a new figure where it is None; the display itself, with ``ax_`` and ``figure_``.

        Raises MissingExtraError without matplotlib.
        """
        if ax is None:
            ax = new_figure(self.size).add_subplot()
        self.ax_, self.figure_ = ax, ax.figure
        self._draw(ax)
        return self

    def _repr_png_(self) -> bytes:
        return png((self if self.figure_ is not None else self.plot()).figure_)

    def _draw(self, ax: Any) -> None:
        raise NotImplementedError


def new_figure(size: tuple[float, float]) -> Any:
    """A figure that pyplot knows nothing of."""
    needs("matplotlib", "plots", "a figure", "; report.to_html(path) draws a page without it")
    from matplotlib.figure import Figure
    figure: Any = Figure(figsize=size, layout="constrained")
    figure._repr_png_ = functools.partial(png, figure)        # so that a notebook shows it without pyplot
    return figure


def png(figure: Any) -> bytes:
    """The figure as a PNG file's bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor="white")
    return stream.getvalue()


def look(k: int, n: int) -> dict[str, Any]:
    """Colour, dashes and marks of the k-th line of n points."""
    return {"color": COLOURS[k % 6], "linestyle": DASHES[k % 6], "marker": MARKS[k % 6] if n <= FEW else "",
            "markersize": 4, "linewidth": 1.6}


def whole_numbers(axis: Any) -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator
    axis.set_major_locator(MaxNLocator(integer=True))


def save(figure: Any, path: Any, **options: Any) -> None:
    """Write a figure; SVG, PDF and PS come out byte for byte the same for the same figure and matplotlib.

    Parameters
    ----------
    figure : a Figure, or a drawn :class:`Display`.
    path : the file; its ending says which form.
    options : of matplotlib's ``savefig``.

    Raises MissingExtraError without matplotlib.
    """
    needs("matplotlib", "plots", "a figure")
    import matplotlib
    figure = getattr(figure, "figure_", figure)
    fixed = {"svg.hashsalt": "initcore", "svg.fonttype": "path"}
    with matplotlib.rc_context(fixed):
        figure.savefig(path, metadata=_NO_DATE.get(Path(path).suffix.lower()), **options)
