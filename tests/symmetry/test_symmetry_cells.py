"""Recurrent cells, attention, norms, gates, experts (theory 4.9): what the prover calls tied stays tied in training
under five optimisers, and parts when a condition is violated."""

import numpy as np
import pytest
from symmetry_cells import (
    RUNS,
    attention,
    elman,
    experts,
    first_gradients,
    gru,
    lstm,
    normed,
    relu,
    train,
)

from initcore.symmetry import Graph, analyze

WORDS = {"tied": ("tied", "tied"), "signed": ("sign-tied", "sign-tied"), "dead": ("dead",), "free": ("free", "free")}


def normal(*shape, seed=0, scale=0.6):
    return scale * np.random.default_rng([seed, *shape]).standard_normal(shape)


def settings(run):
    name, _, l2 = RUNS[run]
    return {"optimizer": name, "l2": l2}


def check(model, graph, params, relation, axis, word, data, target, ignore=(), runs=RUNS, units=(0, 1), least=1e-6):
    """``relation(p)`` puts the related numbers right; they must still be right after training iff ``word`` says so."""
    units = units if word != "dead" else units[:1]
    for run in runs:
        report = analyze(graph(params), **settings(run))
        status = tuple(report.axes[axis].status[u] for u in units)
        assert status == WORDS[word], (run, status)
        after = train(model, params, data, target, run)
        right = relation(after)
        gap = max(float(np.abs(after[k] - right[k]).max()) for k in after if k not in ignore)
        assert gap < 1e-12 if word != "free" else gap > least, (run, gap)


def edit(p, *changes):
    """A copy with some entries replaced: (key, index, value)."""
    p = {k: v.copy() for k, v in p.items()}
    for key, index, value in changes:
        p[key][index] = value
    return p


# --- recurrent cells -----------------------------------------------------------------------------------------

N = 3
X, Y = normal(6, 4, 2, scale=1.0), normal(6, 2, seed=1, scale=1.0)


def cell_params(gates):
    return {"w": normal(gates * N, 2), "u": normal(gates * N, N, seed=1), "b": normal(gates * N, seed=2),
            "c": normal(gates * N, seed=3), "v": normal(N, 2, seed=4)}


def pairs(gates, sign=(), n=N):
    """Unit 1 becomes unit 0 (negated in the gates ``sign`` and towards readers)."""
    def relation(p):
        p = {k: v.copy() for k, v in p.items()}
        t = -1.0 if sign else 1.0
        for q in range(gates):
            s, a, b = (-1.0 if q in sign else 1.0), q * n, q * n + 1
            block = p["u"][q * n:(q + 1) * n]
            block[:, 1] = t * block[:, 0]                        # columns: what units 0 and 1 send to every unit
            block[1] = s * block[0]
            if sign:                                             # rows and columns within the pair agree up to signs
                block[0, 1], block[1, 0], block[1, 1] = t * block[0, 0], s * block[0, 0], s * t * block[0, 0]
            p["w"][b] = s * p["w"][a]
            p["b"][b], p["c"][b] = s * p["b"][a], s * p["c"][a]
        p["v"][1] = t * p["v"][0]
        return p
    return relation


def cell_graph(kind):
    def graph(p):
        g = Graph()
        g.inputs("x", 2)
        g.axis("h", N, "tanh")
        g.outputs("y", 2)
        getattr(g, kind)("x", "h", p["w"], p["u"], p["b"], p["c"], name="cell")
        g.linear("h", "y", p["v"])
        return g
    return graph


CELLS = {"lstm": (lstm, 4, (2,)), "gru": (gru, 3, (2,)), "rnn": (elman, 1, (0,))}


@pytest.mark.parametrize("kind", CELLS)
def test_units_of_a_cell(kind):
    model, gates, odd = CELLS[kind]
    p = pairs(gates)(cell_params(gates))
    check(model, cell_graph(kind), p, pairs(gates), "h", "tied", X, Y)
    last = (gates - 1) * N
    for key, index in (("w", (last + 1, 0)), ("u", (1, 2)), ("b", last + 1), ("v", (1, 0))):
        check(model, cell_graph(kind), edit(p, (key, index, 0.9)), pairs(gates), "h", "free", X, Y, {key},
              ("sgd", "adam"))
    q = pairs(gates, odd)(cell_params(gates))
    check(model, cell_graph(kind), q, pairs(gates, odd), "h", "signed", X, Y)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_cell_with_every_gate_negated_is_free(kind):
    model, gates, _ = CELLS[kind]
    p = pairs(gates, tuple(range(gates)))(cell_params(gates))
    check(model, cell_graph(kind), p, pairs(gates, tuple(range(gates))), "h", "free", X, Y, (), ("sgd", "adam"))


def test_of_two_biases_only_the_sum_counts_but_in_the_gru():
    for kind, word in (("lstm", "tied"), ("rnn", "tied"), ("gru", "free")):
        model, gates, _ = CELLS[kind]
        last = (gates - 1) * N
        p = pairs(gates)(cell_params(gates))
        p["b"], p["c"] = np.round(p["b"] * 8) / 8, np.round(p["c"] * 8) / 8
        p["b"][last + 1] += 0.25
        p["c"][last + 1] -= 0.25
        check(model, cell_graph(kind), p, pairs(gates), "h", word, X, Y, {"b", "c"},
              ("sgd", "momentum", "adam", "adamw"))
        assert analyze(cell_graph(kind)(p), optimizer="adam", l2=0.1).axes["h"].status[0] == "free"


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_dead_units_of_a_cell(kind):
    model, gates, _ = CELLS[kind]

    def dead(p):
        p = {k: v.copy() for k, v in p.items()}
        last = 2 * N
        p["w"][last] = p["b"][last] = p["c"][last] = 0
        p["u"][:, 0] = 0
        p["u"][last] = 0
        p["v"][0] = 0
        return p
    p = dead(cell_params(gates))
    check(model, cell_graph(kind), p, dead, "h", "dead", X, Y)
    for key, index in (("u", (1, 0)), ("v", (0, 1)), ("b", 2 * N)):
        q = edit(p, (key, index, 0.7))
        assert analyze(cell_graph(kind)(q)).axes["h"].status[0] == "free"
        after = train(model, q, X, Y)
        assert max(np.abs(after[k] - dead(after)[k]).max() for k in after if k != key) > 1e-6


@pytest.mark.parametrize("kind, zero", [("lstm", "wubc"), ("gru", "wubc"), ("lstm", "wubcv"), ("gru", "wubcv"),
                                        ("lstm", "v"), ("gru", "u")])
def test_when_a_cell_learns(kind, zero):
    model, gates, _ = CELLS[kind]
    p = cell_params(gates)
    p = {k: v * (k not in zero) for k, v in p.items()}
    flow = analyze(cell_graph(kind)(p)).zero_flow
    first = first_gradients(model, p, X, Y)
    assert {k: flow[{"w": "cell.w_ih", "u": "cell.w_hh", "b": "cell.b_ih", "c": "cell.b_hh", "v": "h->y.w"}[k]]
            for k in first} == first


# --- attention -----------------------------------------------------------------------------------------------

WIDTH, CHANNELS = 4, 2
TOKENS, TARGET = normal(5, 4, WIDTH, scale=1.0), normal(5, 4, 2, seed=1, scale=1.0)


def attention_params(heads, kv=None, channels=CHANNELS, **more):
    kv = kv or heads
    p = {"wq": normal(WIDTH, heads * channels), "wk": normal(WIDTH, kv * channels, seed=1),
         "wv": normal(WIDTH, kv * channels, seed=2), "wo": normal(heads * channels, WIDTH, seed=3),
         "u": normal(WIDTH, 2, seed=4)}
    return p | more


def attention_graph(heads, **options):
    def graph(p):
        g = Graph()
        g.inputs("x", WIDTH)
        g.axis("s", WIDTH)
        g.outputs("y", 2)
        g.linear("x", "s", np.eye(WIDTH), frozen=True)
        g.attention("s", p["wq"], p["wk"], p["wv"], p["wo"], heads=heads, name="a",
                    biases=[p.get(k) for k in ("bq", "bk", "bv", "bo")],
                    qk_gains=(p.get("gq"), p.get("gk")), **options)
        g.linear("s", "y", p["u"])
        return g
    return graph


def channel(heads_of, sign=1.0, c=CHANNELS):
    """Channel 1 of key head 0, and of the query heads it serves, becomes channel 0."""
    def relation(p):
        p = {k: v.copy() for k, v in p.items()}
        for k, heads in (("wk", (0,)), ("wq", heads_of)):
            for h in heads:
                p[k][:, h * c + 1] = sign * p[k][:, h * c]
        return p
    return relation


def head(p, c=CHANNELS, sign=1.0, keys=("wq", "wk", "wv"), order=slice(None)):
    """Head 1 becomes head 0."""
    p = {k: v.copy() for k, v in p.items()}
    for k in keys:
        p[k][:, c:2 * c] = sign * p[k][:, :c][:, order]
    p["wo"][c:2 * c] = sign * p["wo"][:c][order]
    return p


@pytest.mark.parametrize("kv", [2, 1])
def test_channels_of_scores(kv):
    heads, own = 2, (0,) if kv == 2 else (0, 1)
    model, graph = attention(heads, kv), attention_graph(heads, kv_heads=kv)
    p = attention_params(heads, kv)
    for sign, word in ((1.0, "tied"), (-1.0, "signed")):
        relation = channel(own, sign)
        check(model, graph, relation(p), relation, "a.qk", word, TOKENS, TARGET)
    only = channel(own[:1])(p) if kv == 1 else edit(channel(own)(p), ("wk", (0, 1), 0.9))
    check(model, graph, only, channel(own), "a.qk", "free", TOKENS, TARGET, {"wq"} if kv == 1 else {"wk"})


def test_queries_of_one_group():
    model, graph = attention(2, 1), attention_graph(2, kv_heads=1)

    def relation(p):
        return head(p, keys=("wq",))
    p = attention_params(2, 1)
    tied = relation(p)
    for run in RUNS:
        report = analyze(graph(tied), **settings(run))
        assert report.groups["a.queries"].tolist() == [0, 0] and not report.ok
        after = train(model, tied, TOKENS, TARGET, run)
        assert max(np.abs(after[k] - relation(after)[k]).max() for k in after) < 1e-12
    permuted = head(p, keys=("wq",), order=[1, 0])
    for q in (permuted, edit(tied, ("wo", (2, 0), 0.9)), p):
        report = analyze(graph(q))
        assert report.groups["a.queries"].tolist() == [0, 1] and report.ok


def test_a_key_bias_is_no_parameter():
    p = attention_params(2, bk=normal(4, seed=7))
    check(attention(2), attention_graph(2), head(p), lambda q: head(q), "a.qk", "tied", TOKENS, TARGET, {"bk"},
          ("sgd", "momentum"), units=(0, 2))
    report = analyze(attention_graph(2)(head(p)))
    assert report.zero_flow["a.bk"] is None and report.zero_flow.null == ("a.bk",)
    assert analyze(attention_graph(2)(p)).ok
    p = attention_params(2, channels=2, bk=normal(4, seed=7))
    check(attention(2, rotary=True), attention_graph(2, rotary=True), head(p), lambda q: head(q), "a.qk", "free",
          TOKENS, TARGET, {"bk"}, ("sgd",), units=(0, 2))


def test_rotary_positions():
    p = attention_params(2, channels=4)
    model, graph = attention(2, rotary=True), attention_graph(2, rotary=True)
    check(model, graph, channel((0,), c=4)(p), channel((0,), c=4), "a.qk", "free", TOKENS, TARGET, (), ("sgd", "adam"))
    check(model, graph, head(p, 4), lambda q: head(q, 4), "a.qk", "tied", TOKENS, TARGET, units=(0, 4))
    swapped = head(p, 4, keys=("wv",))
    for k in ("wq", "wk"):
        swapped[k][:, 4:] = swapped[k][:, :4][:, [1, 0, 3, 2]]                   # frequencies exchanged
    assert analyze(graph(swapped)).axes["a.qk"].status[0] == "free"

    def dead(channels):
        def relation(q):
            q = {k: v.copy() for k, v in q.items()}
            q["wq"][:, channels] = q["wk"][:, channels] = 0
            return q
        return relation
    check(model, graph, dead([0, 2])(p), dead([0, 2]), "a.qk", "dead", TOKENS, TARGET)
    half = dead([0])(p)
    assert analyze(graph(half)).axes["a.qk"].status[0] == "free"
    after = train(model, half, TOKENS, TARGET)
    assert np.abs(after["wq"][:, 0]).max() > 1e-6
    partial = attention_graph(2, rotary=2)(channel((0,), c=4)(attention_params(2, channels=4)))
    assert analyze(partial).axes["a.qk"].status[0] == "free"


def test_normalised_scores():
    model, graph = attention(2, qk_norm=True), attention_graph(2, qk_norm="rms")
    p = attention_params(2, channels=3, gq=1 + normal(3, scale=0.1), gk=1 + normal(3, scale=0.1, seed=1))

    def relation(heads, sign=1.0):
        def apply(q):
            q = channel(heads, sign, 3)(q)
            if 1 in heads:
                q["wk"][:, 4] = sign * q["wk"][:, 3]
            for k in ("gq", "gk"):
                if k in q:
                    q[k][1] = q[k][0]
            return q
        return apply
    check(model, graph, relation((0, 1))(p), relation((0, 1)), "a.qk", "tied", TOKENS, TARGET)
    check(model, graph, relation((0, 1), -1.0)(p), relation((0, 1), -1.0), "a.qk", "signed", TOKENS, TARGET)
    check(model, graph, relation((0,))(p), relation((0,)), "a.qk", "free", TOKENS, TARGET, (), ("sgd", "adam"))


@pytest.mark.parametrize("zero, bias", [(("wv",), "bv"), (("wk",), "bk"), (("wq", "wk"), "bk"), (("wq", "wk"), "bq"),
                                        (("wv", "wo"), "bv"), (("wv", "wo"), None), (("wq",), None), (("wo",), None)])
def test_when_attention_learns(zero, bias):
    p = attention_params(2)
    p = {k: v * (k not in zero) for k, v in p.items()} | ({bias: normal(4, seed=7)} if bias else {})
    flow = analyze(attention_graph(2)(p)).zero_flow
    first = first_gradients(attention(2), p, TOKENS, TARGET)
    for k, step in first.items():
        assert flow["s->y.w" if k == "u" else f"a.{k}"] == step, k


def test_cross_attention_reads_two_streams():
    p = attention_params(1)
    for key, word in ((None, "tied"), ("k", "free")):
        g = Graph()
        g.inputs("x", WIDTH)
        g.inputs("z", WIDTH)
        g.axis("s", WIDTH)
        g.axis("m", 3, "tanh")
        g.outputs("y", 2)
        g.linear("x", "s", np.eye(WIDTH), frozen=True)
        w = normal(WIDTH, 3, seed=8)
        w[:, 1] = w[:, 0]
        g.linear("z", "m", w)
        wk, wv = normal(3, CHANNELS, seed=1), normal(3, CHANNELS, seed=2)
        wk[1] = wk[0] if key is None else wk[1]
        wv[1] = wv[0]
        g.attention("s", p["wq"], wk, wv, p["wo"], heads=1, kv_source="m", name="a")
        g.linear("s", "y", p["u"])
        assert analyze(g).axes["m"].status[0] == word


# --- norms ---------------------------------------------------------------------------------------------------

DATA, OUT = normal(12, 3, scale=1.0), normal(12, 2, seed=1, scale=1.0)


def norm_params(**more):
    return {"w": normal(3, 4), "g": 1 + normal(4, scale=0.2, seed=1), "s": normal(4, seed=2),
            "v": normal(4, 2, seed=3)} | more


def norm_graph(kind, phi="tanh", groups=None):
    def graph(p):
        g = Graph()
        g.inputs("x", 3)
        g.axis("h", p["w"].shape[1], phi)
        g.outputs("y", 2)
        g.linear("x", "h", p["w"], p.get("b"))
        g.norm("h", kind, gamma=p.get("g"), beta=p.get("s"), groups=groups, name="n")
        g.linear("h", "y", p["v"])
        return g
    return graph


def unit(sign=1.0, pairs=((0, 1),)):
    def relation(p):
        p = {k: v.copy() for k, v in p.items()}
        for i, j in pairs:
            for k in p:
                if k == "v":
                    p[k][j] = sign * p[k][i]
                elif k != "b":
                    p[k][..., j] = (1.0 if k == "g" else sign) * p[k][..., i]
        return p
    return relation


@pytest.mark.parametrize("kind", ["batch", "rms", "layer"])
def test_signs_under_norms(kind):
    p = norm_params()
    model, graph = normed(kind), norm_graph(kind)
    check(model, graph, unit()(p), unit(), "h", "tied", DATA, OUT)
    word = "free" if kind == "layer" else "signed"
    check(model, graph, unit(-1.0)(p), unit(-1.0), "h", word, DATA, OUT)
    check(model, graph, edit(unit(-1.0)(p), ("s", 1, p["s"][0])), unit(-1.0), "h", "free", DATA, OUT, {"s"},
          ("sgd", "adam"))
    both = unit(-1.0, ((0, 1), (2, 3)))                     # the mean of the axis is 0 by structure
    check(model, graph, both(p), both, "h", "signed", DATA, OUT)


def test_a_bias_before_batch_norm_is_no_parameter():
    for kind, word in (("batch", "tied"), ("layer", "free")):
        p = unit()(norm_params(b=normal(4, seed=9)))
        check(normed(kind), norm_graph(kind), p, unit(), "h", word, DATA, OUT, {"b"}, ("sgd", "momentum"))
    assert analyze(norm_graph("batch")(p)).zero_flow.null == ("x->h.b",)


@pytest.mark.parametrize("kind", ["batch", "rms", "layer"])
def test_dead_units_under_norms(kind):
    def dead(p):
        p = {k: v.copy() for k, v in p.items()}
        p["w"][:, 0] = p["s"][0] = p["v"][0] = 0
        return p
    p = dead(norm_params())
    check(normed(kind), norm_graph(kind), p, dead, "h", "free" if kind == "layer" else "dead", DATA, OUT,
          units=(0, 0), runs=("sgd", "adam", "adam_l2"))
    q = norm_params(g=np.zeros(4), s=np.zeros(4))
    for zero_head, phi, word in ((False, "tanh", "free"), (True, "tanh", "dead"), (False, "relu", "dead")):
        r = q | ({"v": np.zeros((4, 2))} if zero_head else {})
        model = normed(kind, relu if phi == "relu" else lambda t: t.tanh())
        report = analyze(norm_graph(kind, phi)(r))
        assert set(report.axes["h"].status) == {word} or kind == "layer", (kind, phi)
        first = first_gradients(model, r, DATA, OUT)
        names = {"w": "x->h.w", "g": "n.gamma", "s": "n.beta", "v": "h->y.w"}
        if kind != "layer":
            assert {k: report.zero_flow[names[k]] for k in first} == first, (kind, phi)


def test_one_cell_under_layer_norm_is_dead():
    p = {"w": np.repeat(normal(3, 1), 4, axis=1), "g": np.ones(4), "s": np.zeros(4), "v": np.ones((4, 2))}
    report = analyze(norm_graph("layer")(p))
    assert set(report.axes["h"].status) == {"dead"} and not report.ok
    first = first_gradients(normed("layer"), p, DATA, OUT)
    assert report.zero_flow["x->h.w"] is first["w"] is None and report.zero_flow["n.gamma"] is first["g"] is None
    assert report.zero_flow["n.beta"] == first["s"] == 0


# --- gates, gains, experts -----------------------------------------------------------------------------------

def glu(phi):
    return lambda p, x: (phi(x @ p["a"]) * (x @ p["u"])) @ p["v"]


def glu_graph(phi):
    def graph(p):
        g = Graph()
        g.inputs("x", 3)
        g.gated("x", "h", p["a"], p["u"], activation=phi)
        g.outputs("y", 2)
        g.linear("h", "y", p["v"])
        return g
    return graph


GATES = {"silu": lambda t: t.silu(), "sigmoid": lambda t: t.sigmoid(), "relu": relu}


@pytest.mark.parametrize("phi", GATES)
def test_signs_and_deaths_of_gates(phi):
    p = {"a": normal(3, 4), "u": normal(3, 4, seed=1), "v": normal(4, 2, seed=2)}
    model, graph = glu(GATES[phi]), glu_graph(phi)

    def pair(a, u):
        def relation(q):
            q = {k: v.copy() for k, v in q.items()}
            q["a"][:, 1], q["u"][:, 1], q["v"][1] = a * q["a"][:, 0], u * q["u"][:, 0], a * u * q["v"][0]
            return q
        return relation
    check(model, graph, pair(1, 1)(p), pair(1, 1), "h", "tied", DATA, OUT)
    check(model, graph, pair(1, -1)(p), pair(1, -1), "h", "signed", DATA, OUT)
    check(model, graph, pair(-1, 1)(p), pair(-1, 1), "h", "free", DATA, OUT, (), ("sgd", "adam"))
    for zero in ("au", "av", "uv", "a", "u", "v"):
        q = {k: v.copy() for k, v in p.items()}
        for k in zero:
            q[k][0 if k == "v" else (slice(None), 0)] = 0
        dead = zero == "uv" or (len(zero) == 2 and phi != "sigmoid")
        if phi == "relu" and "a" in zero:
            dead = True                                        # the slope at 0 is 0
            if len(zero) == 1:
                continue
        assert (analyze(graph(q)).axes["h"].status[0] == "dead") == dead, zero
        after = train(model, q, DATA, OUT)
        moved = max(np.abs(after[k][0 if k == "v" else (slice(None), 0)]).max() for k in zero)
        assert (moved > 1e-6) != dead, zero


def test_a_gate_from_another_stream():
    g = Graph()
    g.inputs("x", 3)
    g.inputs("c", 2)
    a, u, v = normal(2, 4), normal(3, 4), normal(4, 2)
    for w in (a, u):
        w[:, 1] = w[:, 0]
    v[1] = v[0]
    g.gated("x", "h", a, u, gate_source="c", activation="tanh")
    g.outputs("y", 2)
    g.linear("h", "y", v)
    assert analyze(g).axes["h"].status == ("tied", "tied", "free", "free")


def scaled_model(p, x):
    h = x @ p["w"]
    return (h + (h.tanh() @ p["o"]) * p["alpha"]) @ p["v"]


def scaled_graph(p):
    g = Graph()
    g.inputs("x", 3)
    g.axis("s", 4)
    g.axis("f", 4, "tanh")
    g.axis("branch", 4)
    g.outputs("y", 2)
    g.linear("x", "s", p["w"])
    g.linear("s", "f", np.eye(4), frozen=True)
    g.linear("f", "branch", p["o"])
    g.scale("branch", p["alpha"] if p["alpha"].size > 1 else float(p["alpha"]), name="alpha")
    g.linear("branch", "s", np.eye(4), frozen=True, residual=True)
    g.linear("s", "y", p["v"])
    return g


@pytest.mark.parametrize("shape", [(), (4,)])
def test_gains_of_zero(shape):
    p = {"w": normal(3, 4), "o": normal(4, 4, seed=1), "alpha": np.zeros(shape), "v": normal(4, 2, seed=2)}
    names = {"w": "x->s.w", "o": "f->branch.w", "alpha": "alpha", "v": "s->y.w"}
    for zero in ("", "o"):
        q = {k: v * (k not in zero) for k, v in p.items()}
        report = analyze(scaled_graph(q))
        first = first_gradients(scaled_model, q, DATA, OUT)
        assert {k: report.zero_flow[n] for k, n in names.items()} == first
        assert set(report.axes["branch"].status) == ({"dead"} if zero else {"free"}) and report.ok == (not zero)


def expert_graph(p, **options):
    g = Graph()
    g.inputs("x", 3)
    g.outputs("y", 2)
    g.experts("x", "y", p["r"], p["up"], p["down"], activation="tanh", down_bias=p["c"], name="e", **options)
    return g


def test_experts():
    p = {"r": normal(3, 3), "up": normal(3, 3, 4, seed=1), "down": normal(3, 4, 2, seed=2), "c": normal(3, 2, seed=3)}

    def same(q):
        q = {k: v.copy() for k, v in q.items()}
        q["r"][:, 1] = q["r"][:, 0]
        order, sign = [1, 0, 3, 2], np.array([1.0, -1.0, 1.0, 1.0])
        q["up"][1], q["down"][1] = q["up"][0][:, order] * sign, q["down"][0][order] * sign[:, None]
        q["c"][1] = q["c"][0]
        return q
    tied = same(p)
    for run in RUNS:
        report = analyze(expert_graph(tied), **settings(run))
        assert report.groups["e.experts"].tolist() == [0, 0, 1] and report.axes["e.router"].status[:2] == ("tied",) * 2
        after = train(experts(3), tied, DATA, OUT, run)
        assert max(np.abs(after[k] - same(after)[k]).max() for k in after) < 1e-12
    assert analyze(expert_graph(tied, top_k=2)).ok
    for key, index in (("r", (0, 1)), ("c", (1, 0)), ("down", (1, 0, 0))):
        q = edit(tied, (key, index, 0.9))
        assert analyze(expert_graph(q)).ok
        after = train(experts(3), q, DATA, OUT)
        assert max(np.abs(after[k] - same(after)[k]).max() for k in after if k != key) > 1e-6
    alike = {k: np.repeat(v[:1], 3, axis=0) for k, v in p.items() if k != "r"}
    names = {"r": "e.router", "up": "e.up", "down": "e.down", "c": "e.down_bias"}
    for router in (p["r"], np.zeros((3, 3))):
        q = alike | {"r": router}
        flow, first = analyze(expert_graph(q)).zero_flow, first_gradients(experts(3), q, DATA, OUT)
        assert {k: flow[n] for k, n in names.items()} == first
