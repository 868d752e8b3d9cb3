"""When parameters of a program first learn, or never, and those on which the loss does not depend (theory 4.9)."""

import numpy as np
import pytest
from program_builder import Builder

import initcore as ic

BATCH, TIME, WIDTH, HEADS = 3, 4, 6, 2


def attend(b, q, k, v, written):
    """The operation itself, or written out with products and a softmax."""
    if not written:
        return b.op("attention", q, k, v, None, shape=q.shape)
    shape = (*q.shape[:3], k.shape[2])
    s = b.op("contract", q, k, shape=shape, contracting=((3,), (3,)), batch=((0, 1), (0, 1)))
    s = b.op("softmax", b.mul(s, b.constant(0.7)), shape=shape, dims=(3,))
    return b.op("contract", s, v, shape=v.shape, contracting=((3,), (2,)), batch=((0, 1), (0, 1)))


def block(rng, zero=(), written=False, change=None):
    """A stream with one attention block; parameters in ``zero`` are 0."""
    b = Builder(rng)
    x = b.dense("embed", b.input(BATCH, TIME, 5), WIDTH)
    drawn = {f"{kind}{name}": rng.normal(size=(WIDTH, WIDTH) if kind == "w" else WIDTH)
             for name in "qkvo" for kind in "wb"}
    if change is not None:
        change(drawn)
    p = {k: b.weight(k, 0 * a if k in zero else a) for k, a in drawn.items()}

    def heads(name):
        y = b.add(b.linear(x, p[f"w{name}"]), p[f"b{name}"])
        return b.permute(b.reshape(y, BATCH, TIME, HEADS, WIDTH // HEADS), 0, 2, 1, 3)

    y = attend(b, heads("q"), heads("k"), heads("v"), written)
    y = b.reshape(b.permute(y, 0, 2, 1, 3), BATCH, TIME, WIDTH)
    y = b.add(b.linear(y, p["wo"]), p["bo"])
    return b.program(b.dense("head", b.add(x, y), 2))


# what is 0 -> the steps of wq, bq, wk, wv, wo
FLOWS = {(): (0, 0, 0, 0, 0), ("wv",): (1, 1, 1, 0, 0), ("wk",): (1, 1, 0, 0, 0), ("wq",): (0, 0, 0, 0, 0),
         ("wq", "wk"): (1, 1, 0, 0, 0), ("wq", "wk", "bq"): (None, None, None, 0, 0), ("wv", "wo"): (2, 2, 2, 1, 0),
         ("wv", "wo", "bv"): (None, None, None, None, None)}


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("zero", FLOWS)
def test_attention_learns_when_the_theory_says(zero, written):
    report = ic.symmetry.analyze(block(np.random.default_rng(11), zero, written), optimizer="adam")
    assert tuple(report.zero_flow[k] for k in ("wq", "bq", "wk", "wv", "wo")) == FLOWS[zero]
    assert report.zero_flow["bk"] is None and report.zero_flow.null == ("bk",)
    assert report.ok == (None not in FLOWS[zero])


@pytest.mark.parametrize("written", [False, True])
def test_heads_that_differ_in_the_bias_of_their_keys_only_are_one(written):
    def copied(drawn):
        half = WIDTH // 2
        for k in ("wq", "wk", "wv", "bq", "bv"):
            drawn[k][half:] = drawn[k][:half]
        drawn["wo"][:, half:] = drawn["wo"][:, :half]
    report = ic.symmetry.analyze(block(np.random.default_rng(12), written=written, change=copied), optimizer="adamw")
    assert sorted(la.effective_width for la in report.layers if not la.ok) == [WIDTH // 2, WIDTH // 2], str(report)


def norm_net(rng, method, row=None, gamma=None, **options):
    b = Builder(rng)
    x = b.input(5, 4)
    w = rng.normal(size=(WIDTH, 4)) if row is None else np.tile(row, (WIDTH, 1))
    shift = rng.normal(size=WIDTH) if row is None else np.full(WIDTH, 0.2)
    h = b.add(b.linear(x, b.weight("up", w)), b.weight("shift", shift))
    g = b.weight("gamma", np.ones(WIDTH) if gamma is None else gamma)
    h = b.norm(h, method, g, b.weight("beta", np.full(WIDTH, 0.3)), **options)
    return b.program(b.linear(b.act(h, "tanh"), b.weight("head", np.ones((2, WIDTH)))))


def test_a_bias_before_batch_norm_is_nothing_to_the_loss():
    report = ic.symmetry.analyze(norm_net(np.random.default_rng(13), "batch", channel=1))
    assert report.zero_flow.null == ("shift",) and report.zero_flow["up"] == 0 and report.ok
    layer = ic.symmetry.analyze(norm_net(np.random.default_rng(13), "layer", dims=(1,)))
    assert layer.zero_flow.null == () and layer.zero_flow["shift"] == 0


def test_nothing_below_a_layer_norm_of_one_cell_ever_learns():
    row = np.array([0.3, -0.2, 0.5, 0.1])
    report = ic.symmetry.analyze(norm_net(np.random.default_rng(14), "layer", row, dims=(1,)))
    assert {k: report.zero_flow[k] for k in ("up", "shift", "gamma", "beta", "head")} == {
        "up": None, "shift": None, "gamma": None, "beta": 0, "head": 0}
    assert not report.ok
    rms = ic.symmetry.analyze(norm_net(np.random.default_rng(14), "rms", row, dims=(1,)))
    assert rms.zero_flow["up"] == 0


def test_what_is_below_a_gain_of_zero_waits_for_it():
    flow = ic.symmetry.analyze(norm_net(np.random.default_rng(15), "layer", gamma=np.zeros(WIDTH), dims=(1,))).zero_flow
    assert (flow["gamma"], flow["beta"], flow["up"]) == (0, 0, 1)


def test_the_logarithm_of_a_sum_of_exponentials_of_zeros_is_not_zero():
    b = Builder(np.random.default_rng(16))
    x = b.input(5, 4)
    h = b.linear(x, b.weight("up", np.zeros((6, 4))))
    s = b.op("reduce", h, shape=(5, 1), function="logsumexp", dims=(1,), keep=True)
    report = ic.symmetry.analyze(b.program(b.linear(b.mul(s, b.weight("scale", (6,))),
                                                    b.weight("head", (2, 6)))))
    assert report.zero_flow["scale"] == 0 and report.zero_flow["up"] == 0
