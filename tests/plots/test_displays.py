"""Displays: the data they hold, what is drawn of them, and what they leave alone."""

import hashlib
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest

import initcore as ic
from initcore import lab, plots
from initcore.errors import ArgumentError, MissingExtraError

X = np.random.default_rng(1).standard_normal((200, 12)).astype(np.float32)


def network(depth=4, width=12, std=0.6, phi="tanh"):
    key = ic.Key(5)
    return ic.Network([ic.Dense(ic.init.normal((width, width), std=std, rng=key.child(i)),
                                np.zeros(width, np.float32), phi if i < depth - 1 else "identity")
                       for i in range(depth)])


def tied(width=12):
    """Layer 0 holds two units twice; layer 1 is free."""
    w = np.array(ic.init.normal((width, width), std=0.3, rng=0))
    v = np.array(ic.init.normal((width, width), std=0.3, rng=1))
    w[:, 1], v[1] = w[:, 0], v[0]
    return ic.Network([ic.Dense(w, np.zeros(width, np.float32), "tanh"),
                       ic.Dense(v, np.zeros(width, np.float32), "tanh"), ic.Dense(np.array(w[:, ::-1][:, :3]))])


def every(net):
    report = ic.check(net, X)
    history = plots.History(X, np.arange(200) % net.widths[-1])
    lab.train(net, X, history.y, optimizer=lab.SGD(lr=0.1), epochs=3, callback=history)
    return [plots.SignalDisplay.from_report(report), plots.SaturationDisplay.from_report(report),
            plots.HistogramDisplay.from_report(report), plots.HistogramDisplay.from_network(net, X),
            plots.FlatUnitsDisplay.from_network(net, X), plots.TiesDisplay.from_report(report),
            plots.PhaseDisplay.from_report(report), plots.ActivationDisplay.from_activation("gelu"),
            plots.StreamDisplay.from_key(0, 2000), plots.TrainingDisplay.from_records(history.records)]


def test_signal_holds_the_reports_numbers():
    report = ic.check(network(), X)
    d = plots.SignalDisplay.from_report(report)
    assert d.kind == "measured" and d.names == tuple(la.name for la in report.layers)
    assert np.allclose(d.spread ** 2, [la.q for la in report.layers])
    assert np.array_equal(d.gradient, [la.gradient for la in report.layers])
    factors = [la.typical_factor for la in report.layers]
    assert np.allclose(d.typical, [d.gradient[-1] * np.prod(factors[i + 1:]) for i in range(4)])


def test_saturation_sets_the_forecast_beside_the_measurement():
    report = ic.check(network(std=1.0), X)
    d = plots.SaturationDisplay.from_report(report)
    assert np.array_equal(d.measured[1], [la.slope_below_1pct for la in report.layers])
    assert np.abs(d.measured - d.predicted).max() < 0.1 and d.measured[0].max() > 0.3
    alone = plots.SaturationDisplay.from_report(ic.saturation.predict(network(std=1.0)))
    assert alone.measured is None and alone.predicted.shape == (3, 4)


def test_histograms_of_outputs_of_z_and_foretold():
    net = network(std=1.0)
    outputs = plots.HistogramDisplay.from_report(ic.check(net, X))
    assert len(outputs.names) == 3 and outputs.edges[0, 0] == -1 and outputs.density.max() == 1
    z = plots.HistogramDisplay.from_network(net, X, bins=10)
    counted = np.histogram(net.trace(X).z[1], z.edges[1])[0]
    assert np.allclose(z.density[1], counted / counted.max())
    foretold = plots.HistogramDisplay.from_report(ic.saturation.predict(net))
    assert foretold.density.shape == (4, 32) and np.allclose(foretold.density, foretold.density[:, ::-1])
    zero = plots.HistogramDisplay.from_report(ic.saturation.predict(ic.Network([ic.Dense(np.zeros((3, 2)))])))
    assert np.isfinite(zero.density).all()


def test_flat_units_are_sorted_and_true():
    net = network(std=1.0)
    d = plots.FlatUnitsDisplay.from_network(net, X, layer=1)
    z = net.trace(X).z[1].astype(float)
    assert np.allclose(d.slope, 1 / np.cosh(z[:, d.units]) ** 2)
    assert (np.diff(d.slope.mean(axis=0)) <= 1e-12).all()
    with pytest.raises(ArgumentError, match="layer=7"):
        plots.FlatUnitsDisplay.from_network(net, X, layer=7)


def test_ties_order_units_by_cell():
    proof = ic.symmetry.analyze(tied())
    d = plots.TiesDisplay.from_report(proof)
    assert d.sizes[0][0] == 2 and d.status[0][0] == "tied" and set(d.status[0][1:]) == {"free"}
    assert set(d.order[0][:2].tolist()) == {0, 1} and d.widths == (11, 12)
    assert d.shares()[0][1] == pytest.approx(2 / 12) and d.shares()[1] == [1, 0, 0, 0, 0, 0]
    assert d.seams(9) == [[], []]                              # one group, at the end
    assert d.cells(0) == "2 tied, 10 units alone" and d.cells(1) == "12 units alone"


def test_cells_are_told_and_parted():
    sizes = (np.array([5, 4, 2, 2, 1, 1]), np.array([3]))
    status = (("tied", "dead", "tied", "tied", "free", "free"), ("dead",))
    order = (np.arange(15), np.arange(3))
    d = plots.TiesDisplay(("a", "b"), sizes, status, order, (6, 1), (0, 0))
    assert d.cells(0) == "5 tied, 4 dead, 2 x 2 tied, 2 units alone" and d.cells(1) == "3 dead"
    assert d.seams(9) == [pytest.approx([7 / 15, 9 / 15, 11 / 15]), []]            # 2 free, 5, 2 and 2 tied, 4 dead
    assert d.seams(1) == [pytest.approx([7 / 15]), []]
    assert d.cells(0, most=1) == "5 tied, 2 kinds more, 2 units alone"


def test_regions_of_the_plane():
    d = plots.PhaseDisplay.from_activation("tanh")
    found = d.regions(8, 4)
    assert found.phase.shape == (8, 4) and found.sigma_w2[-1] == d.reach[1] and found.sigma_b2[-1] == d.extent[1]
    assert set(found.phase.ravel()) == {"ordered", "chaotic"} and set(d.shades) >= {"ordered", "chaotic"}


def test_phase_finds_the_networks_point():
    net = network(std=0.6)
    d = plots.PhaseDisplay.from_report(ic.check(net))
    assert len(d.points) == 3 and d.points[0, 0] == pytest.approx(12 * float(np.mean(net.layers[0].w ** 2)), rel=1e-6)
    assert d.own.phase == "chaotic" and "chaotic" in d.said
    on_line = ic.meanfield.chi("tanh", 1.0, sigma_w2=ic.meanfield.critical_line("tanh", q=1.0).sigma_w2)
    assert on_line == pytest.approx(1) and len(d.line) > 10
    relu = plots.PhaseDisplay.from_activation("relu")
    assert np.array_equal(relu.line[:, 0], [2, 2]) and relu.said == ""
    with pytest.raises(ArgumentError, match="hidden"):
        plots.PhaseDisplay.from_network(ic.Network([ic.Dense(np.ones((2, 2)))]))


def test_activation_and_its_cutoffs():
    d = plots.ActivationDisplay.from_activation("tanh")
    assert d.cutoffs[0.01] == pytest.approx(np.arccosh(10)) and d.gain == pytest.approx(ic.gain("tanh"))
    assert d.slope.max() == 1 and plots.ActivationDisplay.from_activation("relu").cutoffs == {}


def test_stream_is_fair_and_a_bad_one_would_show():
    d = plots.StreamDisplay.from_key(ic.Key(2), 4096)
    assert max(np.abs(v).max() for v in (d.bits, d.cells, d.normal)) < 5
    assert d.bits.shape == (32,) and d.cells.shape == (64,) and abs(d.cells.sum()) < 1e-6


def test_training_history_and_the_demos_records():
    records = [{"epoch": e, "loss": 2.0 / e, "distinct_units": [4, 2], "flat": 0.5} for e in (1, 2, 3)]
    d = plots.TrainingDisplay.from_records(records)
    assert d.step.tolist() == [1, 2, 3] and d.curves["loss"].tolist() == pytest.approx([1, 0.5, 1 / 3])
    assert d.scale["loss"] == 2 and d.curves["flat share"].tolist() == [0.5] * 3
    with pytest.raises(ArgumentError, match="records"):
        plots.TrainingDisplay.from_records([])
    rows = [{"step": s, "weights": {"a": {"distinct": [4, 6], "of": [4, 6]}, "b": {"distinct": [s, 4], "of": [20, 4]}},
             "duplicates": [], "activations": {"tanh": {"flat": 0.25, "dead": 0.0}, "x": {"flat": 1 / s, "dead": 0.0}}}
            for s in (5, 10)]
    d = plots.TrainingDisplay.from_records(rows)
    assert d.step.tolist() == [5, 10] and d.counted == "step"
    assert d.curves == {"different units, share": pytest.approx([0.25, 0.5]), "flat share": pytest.approx([0.25, 0.25])}
    del rows[0]["activations"], rows[1]["activations"]
    assert list(plots.TrainingDisplay.from_records(rows).curves) == ["different units, share"]


@pytest.mark.parametrize("make", [plots.SignalDisplay, plots.TiesDisplay, plots.HistogramDisplay])
def test_what_is_no_report_is_refused(make):
    with pytest.raises(ArgumentError, match="report holds no"):
        make.from_report(object())


def test_drawing_respects_axes_and_leaves_pyplot_alone(matplotlib):
    from matplotlib import pyplot
    from matplotlib.figure import Figure
    before = dict(matplotlib.rcParams)
    for display in every(network()):
        ax = Figure().add_subplot()
        assert display.plot(ax=ax) is display and display.ax_ is ax and display.figure_ is ax.figure
        assert ax.get_title() and ax.get_xlabel()
        own = display.plot()
        assert own.figure_ is not ax.figure
        own.figure_.savefig(io.BytesIO(), format="svg")
    assert pyplot.get_fignums() == [] and dict(matplotlib.rcParams) == before


def test_what_is_drawn_is_the_data(matplotlib):
    report = ic.check(network(), X)
    d = plots.SignalDisplay.from_report(report).plot()
    assert np.array_equal(d.ax_.lines[0].get_ydata(), d.spread) and d.ax_.get_yscale() == "log"
    s = plots.SaturationDisplay.from_report(report).plot()
    assert np.array_equal(s.ax_.lines[0].get_ydata(), s.measured[0])
    assert np.array_equal(s.ax_.lines[1].get_ydata(), s.predicted[0])
    f = plots.FlatUnitsDisplay.from_network(network(), X).plot()
    assert np.array_equal(f.ax_.images[0].get_array(), f.slope)
    p = plots.PhaseDisplay.from_report(report).plot()
    assert np.array_equal(p.ax_.lines[-1].get_xydata(), p.points)
    zeros = plots.SignalDisplay(("a", "b"), np.array([0.0, 1.0]), np.array([np.inf, 1.0]), np.ones(2)).plot()
    assert np.isnan(zeros.ax_.lines[0].get_ydata()[0]) and np.isnan(zeros.ax_.lines[1].get_ydata()[0])


@pytest.mark.parametrize("depth", [2, 1000])
def test_two_layers_as_well_as_a_thousand(matplotlib, depth):
    net = network(depth, width=4)
    report = ic.check(net, X[:, :4], select="SYM")
    figure = report.plot()
    assert len(figure.axes) >= 5
    for ax in figure.axes[:2]:
        assert len(ax.lines[0].get_xdata()) == depth
        assert (ax.lines[0].get_marker() in ("", "None", None)) == (depth > 40)


def test_vector_files_come_out_the_same(matplotlib, tmp_path):
    digests = set()
    for k in range(2):
        d = plots.SignalDisplay.from_report(ic.saturation.predict(network())).plot()
        for ending in ("svg", "pdf"):
            plots.save(d, tmp_path / f"{k}.{ending}")
        digests.add(tuple(hashlib.sha256((tmp_path / f"{k}.{e}").read_bytes()).digest() for e in ("svg", "pdf")))
    assert len(digests) == 1


def luminance(colour):
    c = np.array([int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)])
    return float(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


def test_colours_are_seen_on_white_and_on_black():
    from initcore.plots._display import COLOURS
    for colour in COLOURS:
        assert min(1.05 / (luminance(colour) + 0.05), (luminance(colour) + 0.05) / 0.05) > 3


def test_without_matplotlib_a_sentence():
    code = ("import sys; sys.modules['matplotlib'] = None; sys.modules['matplotlib.figure'] = None\n"
            "import numpy as np, initcore as ic\n"
            "report = ic.check(ic.Network([ic.Dense(np.eye(2), None, 'tanh'), ic.Dense(np.eye(2))]))\n"
            "assert report.to_html()\n"
            "try: report.plot()\n"
            "except ic.errors.MissingExtraError as e: print(e)")
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "initcore[plots]" in said and issubclass(MissingExtraError, ImportError)


def test_figures_and_displays_show_themselves_in_notebooks(matplotlib):
    report = ic.check(network(), X)
    for thing in (report.plot(), plots.SignalDisplay.from_report(report)):
        assert thing._repr_png_().startswith(b"\x89PNG")
    again = pickle.loads(pickle.dumps(report.plot()))
    assert again._repr_png_().startswith(b"\x89PNG")
