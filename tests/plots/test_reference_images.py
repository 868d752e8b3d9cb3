"""Four displays beside pictures kept of them: coarse, without letters, so that fonts and versions do not matter.

``python tests/plots/test_reference_images.py`` draws the pictures anew; look at them before they are kept.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

import initcore as ic
from initcore import plots

FOLDER = Path(__file__).resolve().parents[1] / "data" / "plots"


def net():
    draw = lambda i, std: np.array(ic.init.normal((16, 16), std=std, rng=i))
    w, v = draw(0, 1.0), draw(1, 0.25)
    w[:, 4:8], v[4:8] = w[:, 4:5], v[4]
    return ic.Network([ic.Dense(w, None, "tanh"), ic.Dense(v, None, "tanh"), ic.Dense(draw(2, 0.25))])


DISPLAYS = {"signal": lambda: plots.SignalDisplay.from_report(ic.saturation.predict(net())),
            "ties": lambda: plots.TiesDisplay.from_report(ic.symmetry.analyze(net())),
            "phase": lambda: plots.PhaseDisplay.from_network(net()),
            "activation": lambda: plots.ActivationDisplay.from_activation("tanh")}


def picture(name):
    """Grey values 0 to 1, ``(60, 100)``, of the inside of the axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure(figsize=(4, 2.4), dpi=100, facecolor="white")
    ax = DISPLAYS[name]().plot(figure.add_axes((0, 0, 1, 1))).ax_
    ax.get_legend().remove()
    for text in list(ax.texts):
        text.remove()
    ax.set_axis_off()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    grey = np.asarray(canvas.buffer_rgba())[..., :3].mean(axis=2) / 255
    return grey.reshape(60, 4, 100, 4).mean(axis=(1, 3))


@pytest.mark.parametrize("name", DISPLAYS)
def test_picture_is_as_it_was(matplotlib, name):
    from matplotlib.image import imread
    kept = imread(FOLDER / f"{name}.png")
    kept = kept if kept.ndim == 2 else kept[..., 0]
    assert np.abs(kept - picture(name)).mean() < 0.01


if __name__ == "__main__":
    from matplotlib.image import imsave
    for which in sys.argv[1:] or DISPLAYS:
        imsave(FOLDER / f"{which}.png", picture(which), cmap="gray", vmin=0, vmax=1)
