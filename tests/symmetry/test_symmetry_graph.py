"""Structures beyond chains (theory 4.5 and rows 18 to 21 of 4.4), each with its training run."""

import numpy as np
import pytest
from symmetry_tape import Tape, fit

from initcore import symmetry
from initcore.errors import ArgumentError, DTypeError, NonFiniteError, ShapeError, UnknownNameError

OPTIMIZERS = ["sgd", "adam"]


def normal(*shape, seed=0, scale=0.5):
    return scale * np.random.default_rng([seed, *shape]).standard_normal(shape)


def copied(a, axis, i, j, factor=1.0):
    """A copy of a with slice j along an axis replaced by factor times slice i."""
    a = np.moveaxis(a.copy(), axis, 0)
    a[j] = factor * a[i]
    return np.moveaxis(a, 0, axis)


def words(report, axis):
    return list(report.axes[axis].status)


def gap(a, axis, i=0, j=1):
    a = np.moveaxis(a, axis, 0)
    return float(np.abs(a[i] - a[j]).max())


# --- convolution -------------------------------------------------------------------------------------------

def conv_model(p, x):
    def conv(x, w):
        taps = w.value.shape[0]
        length = x.value.shape[1] - taps + 1
        out = x[:, 0:length] @ w[0]
        for k in range(1, taps):
            out = out + x[:, k:k + length] @ w[k]
        return out
    return conv((conv(x, p["w1"]) + p["b1"]).tanh(), p["w2"])


def conv_graph(p):
    g = symmetry.Graph()
    g.inputs("x", p["w1"].shape[1])
    g.axis("h", p["w1"].shape[2], "tanh")
    g.outputs("y", p["w2"].shape[2])
    g.conv("x", "h", p["w1"], p["b1"], name="c1")
    g.conv("h", "y", p["w2"], name="c2")
    return g


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_convolution_channels_are_tied_tap_by_tap(optimizer):
    p = {"w1": copied(normal(3, 2, 4), 2, 0, 1), "b1": np.zeros(4), "w2": copied(normal(3, 4, 2), 1, 0, 1)}
    report = symmetry.analyze(conv_graph(p), optimizer=optimizer)
    assert words(report, "h") == ["tied", "tied", "free", "free"]
    x, y = normal(6, 9, 2, scale=1), normal(6, 5, 2, seed=1, scale=1)
    after = fit(conv_model, p, Tape(x), y, optimizer)
    assert gap(after["w1"], 2) < 1e-12 and gap(after["w2"], 1) < 1e-12
    # The same sums with the taps in another order: no tie.
    broken = {**p, "w1": p["w1"].copy()}
    broken["w1"][:, :, 1] = p["w1"][::-1, :, 0]
    assert set(words(symmetry.analyze(conv_graph(broken), optimizer=optimizer), "h")) == {"free"}
    after = fit(conv_model, broken, Tape(x), y, optimizer)
    assert gap(after["w1"].sum(axis=0), 1) > 1e-3


def test_convolution_layouts_agree():
    w = copied(normal(3, 3, 2, 4), 3, 0, 1)
    answers = []
    for layout, a in (("hwio", w), ("oihw", w.transpose(3, 2, 0, 1))):
        g = symmetry.Graph()
        g.inputs("x", 2)
        g.axis("h", 4, "relu")
        g.outputs("y", 3)
        g.conv("x", "h", a, layout=layout)
        g.linear("h", "y", copied(normal(4, 3), 0, 0, 1))
        answers.append(words(symmetry.analyze(g, optimizer="adam"), "h"))
    assert answers[0] == answers[1] == ["tied", "tied", "free", "free"]


def test_grouped_convolution_refines_on_the_mask():
    # Channels 0 and 1 carry equal weights, but read different groups: not tied; within one group they are.
    w = normal(1, 2, 4)
    for pair, word in (((0, 2), "free"), ((0, 1), "tied")):
        a = copied(w, 2, *pair)
        g = symmetry.Graph()
        g.inputs("x", 4)
        g.axis("h", 4, "tanh")
        g.outputs("y", 3)
        g.conv("x", "h", a, groups=2, name="c")
        g.linear("h", "y", copied(normal(4, 3), 0, *pair))
        report = symmetry.analyze(g, optimizer="adam")
        assert words(report, "h")[pair[0]] == word == words(report, "h")[pair[1]]
        x, y = normal(20, 4, scale=1), normal(20, 3, seed=1, scale=1)
        mask = np.kron(np.eye(2), np.ones((2, 2)))
        dense = np.zeros((4, 4))
        dense[:2, :2], dense[2:, 2:] = a[0, :, :2], a[0, :, 2:]
        after = fit(lambda p, x, mask=mask: (x @ (p["w"] * mask)).tanh() @ p["v"],
                    {"w": dense, "v": copied(normal(4, 3), 0, *pair)}, Tape(x), y, "adam")
        assert (gap(after["v"], 0, *pair) < 1e-12) == (word == "tied")


def test_pruning_masks():
    # Tied hidden pairs; the 2 x 2 block between them is pruned on its diagonal (tied) or in one entry (not).
    for mask, word in ((np.eye(2) == 0, "tied"), (np.array([[True, True], [False, True]]), "free")):
        p = {"w1": np.repeat(normal(3, 1), 2, axis=1), "w2": np.full((2, 2), 0.5) * mask,
             "w3": np.repeat(normal(1, 2), 2, axis=0)}
        g = symmetry.Graph()
        g.inputs("x", 3)
        g.axis("a", 2, "tanh")
        g.axis("b", 2, "tanh")
        g.outputs("y", 2)
        g.linear("x", "a", p["w1"])
        g.linear("a", "b", p["w2"], mask=mask)
        g.linear("b", "y", p["w3"])
        report = symmetry.analyze(g, optimizer="sgd")
        assert words(report, "a") == words(report, "b") == [word, word]
        x, y = normal(20, 3, scale=1), normal(20, 2, seed=1, scale=1)
        after = fit(lambda p, x, m=mask * 1.0: ((x @ p["w1"]).tanh() @ (p["w2"] * m)).tanh() @ p["w3"], p, Tape(x), y)
        assert (gap(after["w1"], 1) < 1e-12) == (word == "tied")
        assert set(words(symmetry.analyze(g, optimizer="muon"), "a")) == {"free"}      # not covered, so not claimed


def depthwise_model(p, x):
    h = (x @ p["w1"]).tanh()
    h = h[:, 0:4] * p["d"][0] + h[:, 1:5] * p["d"][1]
    return h.tanh() @ p["w2"]


@pytest.mark.parametrize("equal", [True, False])
def test_depthwise_taps_must_be_equal(equal):
    p = {"w1": copied(normal(2, 4), 1, 0, 1), "d": normal(2, 4), "w2": copied(normal(4, 2), 0, 0, 1)}
    if equal:
        p["d"] = copied(p["d"], 1, 0, 1)
    g = symmetry.Graph()
    g.inputs("x", 2)
    g.axis("h", 4, "tanh")
    g.outputs("y", 2)
    g.linear("x", "h", p["w1"])
    g.depthwise("h", p["d"])
    g.linear("h", "y", p["w2"])
    word = "tied" if equal else "free"
    assert words(symmetry.analyze(g, optimizer="adam"), "h")[:2] == [word, word]
    after = fit(depthwise_model, p, Tape(normal(6, 5, 2, scale=1)), normal(6, 4, 2, seed=1, scale=1), "adam")
    assert (gap(after["w1"], 1) < 1e-12) == equal


# --- streams and norms -------------------------------------------------------------------------------------

def stream_model(centre):
    def model(p, tokens):
        s = p["e"][tokens]
        for k in "12":
            s = s + (s.normalise(-1, centre) * p["g" + k] @ p["a" + k]).tanh() @ p["c" + k]
        return s.normalise(-1, centre) * p["g3"] @ p["u"]
    return model


def stream_params(tied=True):
    p = {"e": normal(7, 6), "u": normal(6, 3)}
    for k in "123":
        p["g" + k] = 1 + normal(6, seed=int(k), scale=0.1)
    for k in "12":
        p["a" + k], p["c" + k] = normal(6, 5, seed=int(k)), normal(5, 6, seed=int(k))
    if tied:
        for k, v in p.items():
            p[k] = copied(v, 1 if k[0] in "ec" else 0, 0, 1)
    return p


def stream_graph(p, kind):
    g = symmetry.Graph()
    g.axis("stream", 6)
    g.embedding("stream", p["e"])
    g.outputs("y", 3)
    for k in "12":
        g.norm("stream", kind, gamma=p["g" + k], name="n" + k)
        g.axis("ff" + k, 5, "tanh")
        g.linear("stream", "ff" + k, p["a" + k])
        g.linear("ff" + k, "stream", p["c" + k], residual=True)
    g.norm("stream", kind, gamma=p["g3"], name="n3")
    g.linear("stream", "y", p["u"])
    return g


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_residual_stream_has_one_partition(kind, optimizer):
    model, tokens, y = stream_model(kind == "layer"), np.arange(14) % 7, normal(14, 3, scale=1)
    p = stream_params()
    report = symmetry.analyze(stream_graph(p, kind), optimizer=optimizer)
    assert words(report, "stream") == ["tied"] * 2 + ["free"] * 4 and set(words(report, "ff1")) == {"free"}
    assert gap(fit(model, p, tokens, y, optimizer)["e"], 1) < 1e-12
    for changed in ("g2", "c1", "a2", "e", "u"):            # one unequal writer, reader or gain is enough
        q = {**p, changed: stream_params(False)[changed]}
        assert set(words(symmetry.analyze(stream_graph(q, kind), optimizer=optimizer), "stream")) == {"free"}
        after = fit(model, q, tokens, y, optimizer)
        assert max(gap(after[k], 1 if k[0] in "ec" else 0) for k in q if k != changed) > 1e-4


def test_constant_embedding_ties_every_dimension():
    p = stream_params(False)
    p["e"] = np.repeat(normal(7, 1), 6, axis=1)
    for k in ("a1", "a2", "u"):
        p[k] = np.repeat(p[k][:1], 6, axis=0)
    for k in ("c1", "c2"):
        p[k] = np.repeat(p[k][:, :1], 6, axis=1)
    for k in "123":
        p["g" + k] = np.ones(6)
    report = symmetry.analyze(stream_graph(p, "rms"), optimizer="adam")
    assert report.axes["stream"].effective_width == 1
    after = fit(stream_model(False), p, np.arange(14) % 7, normal(14, 3, scale=1), "adam")
    assert np.ptp(after["e"], axis=1).max() < 1e-12


def batch_model(p, x):
    z = x @ p["w1"]
    return ((z - z.mean(0)) * ((z - z.mean(0)).power(2).mean(0)).power(-0.5) * p["g"]).tanh() @ p["w2"]


@pytest.mark.parametrize("factor, word", [(1.0, "tied"), (2.0, "free")])
def test_batch_norm_scaled_rows_are_not_tied(factor, word):
    p = {"w1": copied(normal(3, 4), 1, 0, 1, factor), "g": np.ones(4), "w2": copied(normal(4, 2), 0, 0, 1)}
    g = symmetry.Graph()
    g.inputs("x", 3)
    g.axis("h", 4, "tanh")
    g.outputs("y", 2)
    g.linear("x", "h", p["w1"])
    g.norm("h", "batch", gamma=p["g"], beta=np.zeros(4), mean=np.zeros(4), var=np.ones(4))
    g.linear("h", "y", p["w2"])
    assert words(symmetry.analyze(g), "h")[:2] == [word, word]
    x, y = normal(30, 3, scale=1), normal(30, 2, seed=1, scale=1)
    h = batch_model({**{k: Tape(v) for k, v in p.items()}, "w2": Tape(np.eye(4))}, Tape(x)).value
    assert np.abs(h[:, 0] - h[:, 1]).max() < 1e-12            # equal outputs at step 0 either way
    after = fit(batch_model, p, Tape(x), y, "sgd", steps=20, lr=0.5)
    assert (gap(after["w2"], 0) < 1e-12) == (word == "tied")


def test_group_norm_needs_groups_of_equal_make_up():
    def model(p, x):
        h = (x @ p["w1"]).reshape(-1, 2, 2)
        return h.normalise(-1).reshape(-1, 4).tanh() @ p["w2"]

    # Units 0 and 2 agree, in groups {0, 1} and {2, 3}; tied only if their companions 1 and 3 agree too.
    for companions, word in ((True, "tied"), (False, "free")):
        p = {"w1": copied(normal(3, 4), 1, 0, 2), "w2": copied(normal(4, 2), 0, 0, 2)}
        if companions:
            p = {"w1": copied(p["w1"], 1, 1, 3), "w2": copied(p["w2"], 0, 1, 3)}
        g = symmetry.Graph()
        g.inputs("x", 3)
        g.axis("h", 4, "tanh")
        g.outputs("y", 2)
        g.linear("x", "h", p["w1"])
        g.norm("h", "group", groups=2)
        g.linear("h", "y", p["w2"])
        report = symmetry.analyze(g, optimizer="adam")
        assert words(report, "h")[0] == words(report, "h")[2] == word
        after = fit(model, p, Tape(normal(30, 3, scale=1)), normal(30, 2, seed=1, scale=1), "adam")
        assert (gap(after["w1"], 1, 0, 2) < 1e-9) == (word == "tied")


# --- attention ---------------------------------------------------------------------------------------------

HEADS, CHANNELS, WIDTH = 2, 3, 4


def attention_model(p, x):
    batch, length, _ = x.value.shape

    def split(w):
        return (x @ w).reshape(batch, length, HEADS, CHANNELS).transpose(0, 2, 1, 3)
    q, k, v = split(p["wq"]), split(p["wk"]), split(p["wv"])
    a = (q @ k.transpose(0, 1, 3, 2)).softmax() @ v
    return (x + a.transpose(0, 2, 1, 3).reshape(batch, length, HEADS * CHANNELS) @ p["wo"]) @ p["u"]


def attention_params():
    n = HEADS * CHANNELS
    return {"wq": normal(WIDTH, n), "wk": normal(WIDTH, n, seed=1), "wv": normal(WIDTH, n, seed=2),
            "wo": normal(n, WIDTH, seed=3), "u": normal(WIDTH, 2)}


def attention_report(p, optimizer="adam"):
    g = symmetry.Graph()
    g.inputs("x", WIDTH)
    g.axis("stream", WIDTH)
    g.outputs("y", 2)
    g.linear("x", "stream", np.eye(WIDTH), frozen=True)
    g.attention("stream", p["wq"], p["wk"], p["wv"], p["wo"], heads=HEADS, name="att")
    g.linear("stream", "y", p["u"])
    return symmetry.analyze(g, optimizer=optimizer)


def attention_fit(p, optimizer="adam", **kw):
    x, y = normal(5, 6, WIDTH, scale=1), normal(5, 6, 2, seed=1, scale=1)
    return fit(attention_model, p, Tape(x), y, optimizer, **kw)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_identical_heads_are_tied(optimizer):
    p = attention_params()
    for k in ("wq", "wk", "wv"):
        p[k][:, CHANNELS:] = p[k][:, :CHANNELS]
    p["wo"][CHANNELS:] = p["wo"][:CHANNELS]
    report = attention_report(p, optimizer)
    assert set(words(report, "att.qk")) == set(words(report, "att.v")) == {"tied"}
    assert (report.axes["att.qk"].labels == np.tile(np.arange(CHANNELS), 2)).all()
    assert report.groups["att.heads"].tolist() == [0, 0]
    after = attention_fit(p, optimizer)
    assert np.abs(after["wq"][:, CHANNELS:] - after["wq"][:, :CHANNELS]).max() < 1e-12
    # The same heads with their channels in another order are tied as well; with other values they are not.
    q = {**p, **{k: p[k].copy() for k in ("wq", "wk", "wv", "wo")}}
    for k in ("wq", "wk"):
        q[k][:, CHANNELS:] = q[k][:, :CHANNELS][:, [1, 2, 0]]
    assert attention_report(q, optimizer).groups["att.heads"].tolist() == [0, 0]
    q["wo"][-1, 0] += 0.25
    assert attention_report(q, optimizer).ok


@pytest.mark.parametrize("keys, factor, tied", [(("wq", "wk"), 2.0, False), (("wv", "wo"), 4.0, False),
                                                (("wq", "wk"), -1.0, True), (("wv", "wo"), -1.0, True)])
def test_heads_that_are_multiples_are_not_tied(keys, factor, tied):
    p = attention_params()
    for k in ("wq", "wk", "wv", "wo"):
        scale = factor if k in keys else 1.0
        if k == "wo":
            p[k][CHANNELS:] = scale * p[k][:CHANNELS]
        else:
            p[k][:, CHANNELS:] = scale * p[k][:, :CHANNELS]
    for optimizer in ("sgd", "muon"):
        report = attention_report(p, optimizer)
        assert len(set(report.groups["att.heads"].tolist())) == (1 if tied else 2)
        assert all((report.axes[a].effective_width == CHANNELS) == tied for a in ("att.qk", "att.v"))
    after = attention_fit(p, "sgd", steps=60, lr=0.005)
    other = "wv" if keys[0] == "wq" else "wq"                # the pair that is equal in both heads to begin with
    assert (np.abs(after[other][:, CHANNELS:] - after[other][:, :CHANNELS]).max() < 1e-12) == tied


def test_row_21_constant_queries_and_keys_have_rank_one_scores():
    p = attention_params()
    p["wq"][:], p["wk"][:] = 0.3, -0.2
    report = attention_report(p)
    assert report.axes["att.qk"].effective_width == HEADS and set(words(report, "att.qk")) == {"tied"}
    assert set(words(report, "att.v")) == {"free"}
    after = attention_fit(p)
    for h in range(HEADS):
        head = slice(h * CHANNELS, (h + 1) * CHANNELS)
        assert np.linalg.matrix_rank(after["wq"][:, head] @ after["wk"][:, head].T, tol=1e-9) == 1


@pytest.mark.parametrize("zero, dead", [(("wq", "wk"), "att.qk"), (("wv", "wo"), "att.v"), (("wq",), None),
                                        (("wk",), None), (("wo",), None), (("wv",), None)])
def test_row_20_zero_pairs(zero, dead):
    p = attention_params()
    for k in zero:
        p[k][:] = 0
    report = attention_report(p)
    after = attention_fit(p, steps=60)
    if dead is None:
        assert report.ok and all(after[k].any() for k in zero)
        assert report.zero_flow[f"att.{zero[0]}"] == 0
    else:
        assert set(words(report, dead)) == {"dead"} and not any(after[k].any() for k in zero)
        assert all(report.zero_flow[f"att.{k}"] is None for k in zero)


# --- gated units, recurrence, shared weights, adapters -------------------------------------------------------

def gated_report(p, optimizer="adam"):
    g = symmetry.Graph()
    g.inputs("x", 3)
    g.gated("x", "h", p["g"], p["u"], activation="silu")
    g.outputs("y", 2)
    g.linear("h", "y", p["d"])
    return symmetry.analyze(g, optimizer=optimizer)


def gated_fit(p, optimizer="adam"):
    return fit(lambda p, x: ((x @ p["g"]).silu() * (x @ p["u"])) @ p["d"], p, Tape(normal(20, 3, scale=1)),
               normal(20, 2, seed=1, scale=1), optimizer)


def test_gated_units_need_both_rows():
    base = {"g": normal(3, 4), "u": normal(3, 4, seed=1), "d": copied(normal(4, 2), 0, 0, 1)}
    both = {**base, "g": copied(base["g"], 1, 0, 1), "u": copied(base["u"], 1, 0, 1)}
    assert words(gated_report(both), "h") == ["tied", "tied", "free", "free"]
    assert gap(gated_fit(both)["g"], 1) < 1e-12
    one = {**base, "g": copied(base["g"], 1, 0, 1)}
    assert gated_report(one).ok and gap(gated_fit(one)["g"], 1) > 1e-4


def test_gate_and_up_zero_is_dead():
    p = {"g": normal(3, 4), "u": normal(3, 4, seed=1), "d": normal(4, 2)}
    p["g"][:, 1] = p["u"][:, 1] = 0
    assert words(gated_report(p), "h") == ["free", "dead", "free", "free"]
    after = gated_fit(p)
    assert not after["g"][:, 1].any() and not after["u"][:, 1].any()
    p["u"] = normal(3, 4, seed=1)
    assert gated_report(p).ok and gated_fit(p)["g"][:, 1].any()


def recurrent_model(p, x):
    h = None
    for t in range(x.value.shape[1]):
        z = x[:, t] @ p["w"]
        h = (z if h is None else z + h @ p["r"]).tanh()
    return h @ p["v"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_recurrence_uses_one_partition(optimizer):
    p = {"w": copied(normal(2, 4), 1, 0, 1), "r": copied(copied(normal(4, 4), 0, 0, 1), 1, 0, 1),
         "v": copied(normal(4, 2), 0, 0, 1)}
    x, y = Tape(normal(8, 5, 2, scale=1)), normal(8, 2, seed=1, scale=1)

    def report(p):
        g = symmetry.Graph()
        g.inputs("x", 2)
        g.axis("h", 4, "tanh")
        g.outputs("y", 2)
        g.linear("x", "h", p["w"])
        g.recurrent("h", p["r"])
        g.linear("h", "y", p["v"])
        return symmetry.analyze(g, optimizer=optimizer)
    assert words(report(p), "h") == ["tied", "tied", "free", "free"]
    assert gap(fit(recurrent_model, p, x, y, optimizer)["w"], 1) < 1e-12
    q = {**p, "r": copied(normal(4, 4), 0, 0, 1)}
    assert report(q).ok and gap(fit(recurrent_model, q, x, y, optimizer)["w"], 1) > 1e-4


def test_shared_weights_share_their_partitions():
    # An autoencoder of two layers whose decoder is the encoder transposed, and hidden weights used twice.
    w, m = normal(3, 4), copied(copied(normal(4, 4), 0, 0, 1), 1, 0, 1)

    def report(w1, w2, m1, m2):
        g = symmetry.Graph()
        g.inputs("x", 3)
        for k in "abc":
            g.axis(k, 4, "tanh")
        g.outputs("y", 3)
        g.linear("x", "a", w1)
        g.linear("a", "b", m1)
        g.linear("b", "c", m2)
        g.linear("c", "y", w2)
        return symmetry.analyze(g, optimizer="sgd")
    w1 = copied(w, 1, 0, 1)
    tied = report(w1, w1.T, m, m)
    assert all(words(tied, k)[:2] == ["tied", "tied"] for k in "abc")
    after = fit(lambda p, x: (((x @ p["w"]).tanh() @ p["m"]).tanh() @ p["m"]).tanh() @ p["w"].transpose(1, 0),
                {"w": w1, "m": m}, Tape(normal(20, 3, scale=1)), normal(20, 3, seed=1, scale=1), "sgd")
    assert gap(after["w"], 1) < 1e-12
    # Used once each, a head that tells units of c apart leaves a and b tied or not on their own merits; shared, not.
    v = normal(4, 3)
    apart, shared = report(w1, v, m.copy(), np.repeat(m[:, :1], 4, 1)), report(w1, v, m, m)
    assert words(apart, "a")[:2] == ["tied", "tied"] and words(shared, "a")[:2] == ["free", "free"]


def lora_report(a, b):
    g = symmetry.Graph()
    g.inputs("x", a.shape[0])
    g.outputs("y", b.shape[1])
    g.lora("x", "y", a, b, w=normal(a.shape[0], b.shape[1]), name="l")
    return symmetry.analyze(g, optimizer="adam")


def test_rows_18_19_20_low_rank_adapters():
    a, b, zero = normal(5, 3), normal(3, 4), np.zeros((3, 4))

    w = Tape(normal(5, 4))

    def trained(a, b):
        return fit(lambda p, x: x @ w + x @ p["a"] @ p["b"], {"a": a, "b": b}, Tape(normal(30, 5, scale=1)),
                   normal(30, 4, seed=1, scale=1), "adam", steps=60)

    usual = lora_report(a, zero)
    assert usual.ok and usual.zero_flow == {"l.a": 1, "l.b": 0}
    after = trained(a, zero)
    assert np.linalg.matrix_rank(after["a"] @ after["b"]) == 3
    constant = lora_report(np.full((5, 3), 0.2), zero)
    assert set(words(constant, "l.r")) == {"tied"} and constant.axes["l.r"].effective_width == 1
    after = trained(np.full((5, 3), 0.2), zero)
    assert np.linalg.matrix_rank(after["a"] @ after["b"], tol=1e-9) == 1
    dead = lora_report(np.zeros((5, 3)), zero)
    assert set(words(dead, "l.r")) == {"dead"} and dead.zero_flow == {"l.a": None, "l.b": None}
    after = trained(np.zeros((5, 3)), zero)
    assert not after["a"].any() and not after["b"].any()
    assert lora_report(np.zeros((5, 3)), b).ok


# --- errors ------------------------------------------------------------------------------------------------

def small():
    g = symmetry.Graph()
    g.inputs("x", 2)
    g.axis("h", 3, "tanh")
    return g


def test_cycles_must_be_declared():
    g = small()
    g.axis("k", 3, "tanh")
    g.linear("h", "k", np.ones((3, 3)))
    with pytest.raises(ArgumentError, match=r"closes a cycle.*recurrent=True"):
        g.linear("k", "h", np.ones((3, 3)))
    with pytest.raises(ArgumentError, match="closes a cycle"):
        g.linear("h", "h", np.ones((3, 3)))
    g.linear("k", "h", np.ones((3, 3)), recurrent=True)
    g.recurrent("h", np.ones((3, 3)))


@pytest.mark.parametrize("call, error, match", [
    (lambda g: g.linear("x", "hh", np.ones((2, 3))), UnknownNameError, "did you mean 'h'"),
    (lambda g: g.linear("x", "h", np.ones((3, 2))), ShapeError, "transpose PyTorch"),
    (lambda g: g.linear("x", "h", np.ones((2, 3), int)), DTypeError, "float32 or float64"),
    (lambda g: g.linear("x", "h", np.ones((2, 3), complex)), DTypeError, "complex"),
    (lambda g: g.linear("x", "h", np.array([[1, 2, np.nan], [0, 0, 0]])), NonFiniteError,
     r"x->h.w holds nan at index \(0, 2\)"),
    (lambda g: g.axis("h", 3), ArgumentError, "exists already"),
    (lambda g: g.conv("x", "h", np.ones((3, 2, 3)), groups=2), ShapeError, "must divide"),
    (lambda g: g.conv("x", "h", np.ones((2, 3))), ShapeError, "Use linear"),
    (lambda g: g.norm("h", "bach"), UnknownNameError, "did you mean 'batch'"),
    (lambda g: g.norm("h", "group"), ArgumentError, "needs groups"),
    (lambda g: g.norm("h", gamma=np.ones(2)), ShapeError, "gamma"),
    (lambda g: g.linear("x", "h", np.ones((2, 3)), mask=np.ones((3, 2))), ShapeError, "mask has shape"),
    (lambda g: g.attention("h", *[np.ones((3, 4))] * 3, np.ones((4, 3)), heads=3), ShapeError, "heads=3"),
    (lambda g: g.inputs("z", 3, groups=[0, 1]), ShapeError, "one label a unit"),
])
def test_graph_errors(call, error, match):
    with pytest.raises(error, match=match):
        call(small())


def test_empty_graph():
    with pytest.raises(ShapeError, match="no axes"):
        symmetry.analyze(symmetry.Graph())
    with pytest.raises(ArgumentError, match=r"Graph\.inputs"):
        symmetry.analyze(small(), input_groups=[0, 0])
