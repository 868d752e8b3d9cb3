"""Routed experts, projected cells, channels and tokens in turn: understood, planted pairs found alone, borne out."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from program_builder import Builder  # noqa: E402
from torch import nn  # noqa: E402
from train_program import OPTIMIZERS, Experiment  # noqa: E402

import initcore as ic  # noqa: E402
import initcore.torch as it  # noqa: E402
from initcore.program import Op, Place, Value  # noqa: E402


def alike(a, dim, units=(1, 3)):
    """A copy of one unit in the place of another along a dim."""
    a = a.copy()
    index = [slice(None)] * a.ndim
    index[dim] = units[1]
    a[tuple(index)] = np.take(a, units[0], axis=dim)
    return a


def routed(rng):
    """Rows to three matrices, back by three others; units 1 and 3 in between are alike in every expert."""
    b = Builder(rng)
    x = b.dense("first", b.input(7, 4), 5)
    ends = b.constant(np.array([2, 5, 7]))
    up, down = rng.normal(size=(3, 5, 6)), rng.normal(size=(3, 6, 5))
    h = b.act(b.op("route", x, b.weight("up", alike(up, 2)), ends, shape=(7, 6), module="hidden"))
    y = b.op("route", h, b.weight("down", alike(down, 1)), ends, shape=(7, 5))
    return b.program(b.dense("head", b.add(x, y), 2)), "hidden"


def chosen(rng):
    """The two largest of five gates weigh a layer with a copied unit; which gates they are is data."""
    b = Builder(rng)
    x = b.input(7, 4)
    gates = b.op("softmax", b.linear(x, b.weight("router", alike(rng.normal(size=(5, 4)), 0))), shape=(7, 5), dims=(1,))
    top, index = Value((7, 2), "float64"), Value((7, 2), "int64")
    b.ops.append(Op("topk", (gates,), (top, index), {"dim": 1, "k": 2}))
    best = b.op("reduce", top, shape=(7, 1), function="sum", dims=(1,), keep=True)
    h = b.act(b.linear(x, b.weight("up", alike(rng.normal(size=(6, 4)), 0)), module="hidden"))
    y = b.linear(b.mul(h, best), b.weight("down", alike(rng.normal(size=(2, 6)), 1)))
    return b.program(y), "hidden"


def projected(rng):
    """An LSTM whose state is projected; its cells 1 and 3 are alike, gate by gate, and in the projection."""
    b, n, m = Builder(rng), 5, 3
    w_ih, w_hh, b_ih, b_hh = (rng.normal(size=s) for s in ((4 * n, 2), (4 * n, m), 4 * n, 4 * n))
    ws = [np.concatenate([alike(part, 0) for part in np.split(a, 4)]) for a in (w_ih, w_hh, b_ih, b_hh)]
    ws.append(alike(rng.normal(size=(m, n)), 1))
    x, y = b.input(3, 4, 2), Value((3, 4, m), "float64")
    rest = Value((1, 3, m), "float64"), Value((1, 3, n), "float64")
    b.ops.append(Op("recur", (x, None, None, *(b.weight(f"w{k}", a) for k, a in enumerate(ws))), (y, *rest),
                    {"cell": "lstm", "batch_first": True, "projected": True}, Place("cells")))
    return b.program(b.dense("head", y, 2)), "cells"


def mixed(rng):
    """Tokens mixed channel by channel, then channels: units along both dims; two channels and a token's unit alike."""
    b, t, n = Builder(rng), 4, 5
    x = b.linear(b.input(3, t, 2), b.weight("stem", alike(rng.normal(size=(n, 2)), 0)), module="stem")
    turned = b.permute(x, 0, 2, 1)
    h = b.act(b.linear(turned, b.weight("in", alike(rng.normal(size=(6, t)), 0)), module="tokens"))
    h = b.linear(h, b.weight("out", alike(rng.normal(size=(t, 6)), 1)))
    x = b.add(x, b.permute(h, 0, 2, 1))
    pooled = b.op("reduce", x, shape=(3, n), function="mean", dims=(1,))
    return b.program(b.linear(pooled, b.weight("head", alike(rng.normal(size=(2, n)), 1)))), "tokens"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("make", [routed, chosen, projected, mixed])
def test_a_planted_pair_is_found_and_training_agrees(make, optimizer):
    program, name = make(np.random.default_rng(5))
    assert program.coverage.share == 1 and not program.coverage.opaque
    experiment = Experiment(program, optimizer, steps=12).train()
    found = {la.name: la.count("tied") for la in experiment.report.layers}
    assert found[name] >= 2 and all(found[k] == 0 for k in found if k in ("router", "first")), str(experiment.report)
    gap, missed, cells = experiment.worst()
    assert gap < 1e-12 and not missed
    if make is projected:                       # its cells are no value of the program: look at the projection
        last = next(a.detach().numpy() for v, a in experiment.parameters.items() if v.name == "w4")
        apart = np.abs(last[:, :, None] - last[:, None, :]).max(axis=0)
        assert apart[1, 3] < 1e-12 and (apart + 9 * np.eye(5) > 1e-3).sum() == 23
    else:
        assert cells


def test_gates_that_a_cut_may_part_are_never_tied():
    program, _ = chosen(np.random.default_rng(6))
    layers = ic.symmetry.analyze(program).layers
    assert all(la.count("tied") == 0 for la in layers if la.n_units == 5), str(layers)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.LSTM(3, 6, 2, proj_size=4, batch_first=True, bidirectional=True), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.cells(x)[0])


def test_a_projected_lstm_of_pytorch_is_understood_whole():
    report = ic.symmetry.analyze(it.program(Recurrent(), (torch.randn(2, 5, 3),)), optimizer="adamw")
    assert report.coverage.share == 1 and report.ok, str(report)


def test_mixtral_is_understood_whole():
    transformers = pytest.importorskip("transformers")
    net = transformers.MixtralForCausalLM(transformers.MixtralConfig(
        vocab_size=24, hidden_size=12, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, num_local_experts=3, num_experts_per_tok=2, use_cache=False))
    program = it.program(net, (torch.randint(0, 24, (2, 5)),))
    assert program.coverage.share == 1
    assert ic.symmetry.analyze(program, optimizer="adamw").ok
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(0.1)
    assert not ic.symmetry.analyze(program, optimizer="adamw").ok
