"""Figures (extra ``plots``): what a report holds, drawn by matplotlib into axes of yours or a figure of its own.

Every ``Display`` follows scikit-learn's contract: a class method computes the data, ``plot(ax=None)`` draws them and
returns the display with ``.ax_`` and ``.figure_``. Nothing is shown, and pyplot is never touched.

>>> import numpy as np
>>> from initcore import Dense, Network, check
>>> report = check(Network([Dense(np.eye(3), None, "tanh"), Dense(np.eye(3))]))
>>> SignalDisplay.from_report(report).spread.round(3).tolist()
[1.0, 0.628]
"""

from .._doors import called_by
from ._activation import ActivationDisplay
from ._display import Display, save
from ._flat_units import FlatUnitsDisplay
from ._panels import panels
from ._phase import PhaseDisplay
from ._signal import HistogramDisplay, SaturationDisplay, SignalDisplay
from ._stream import StreamDisplay
from ._ties import TiesDisplay
from ._training import History, TrainingDisplay

__all__ = ["ActivationDisplay", "Display", "FlatUnitsDisplay", "HistogramDisplay", "History", "PhaseDisplay",
           "SaturationDisplay", "SignalDisplay", "StreamDisplay", "TiesDisplay", "TrainingDisplay", "panels", "save"]

called_by(globals())
