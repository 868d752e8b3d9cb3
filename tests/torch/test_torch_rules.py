"""it.initialize: rules, recipes, the table; it.to_empty and it.fingerprint in one process."""

import functools
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import initcore as ic  # noqa: E402
import initcore.torch as it  # noqa: E402
from initcore import errors  # noqa: E402

KEY = ic.Key(5)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8, padding_idx=0)
        self.conv = nn.Conv2d(4, 6, 3, groups=2)
        self.up = nn.ConvTranspose1d(6, 4, 2)
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.bn = nn.BatchNorm1d(8)
        self.rnn = nn.GRU(8, 5)
        self.attention = nn.MultiheadAttention(8, 2)
        self.head = nn.Linear(8, 20, bias=False)


def made(tensor):
    return tensor.detach().numpy()


def test_each_parameter_by_its_rule_from_its_name():
    net = Net()
    rules = {"embed.*": functools.partial(ic.init.normal, std=0.5), (nn.Linear, "bias"): None, "*bias*": "zeros",
             nn.BatchNorm1d: "ones", (nn.Linear, "weight"): ic.init.he_normal,
             lambda name, module, tensor: "rnn" in name: it.init.orthogonal_,
             "conv.weight": "kaiming_uniform", "up.weight": ic.init.lecun_normal,
             "*": functools.partial(nn.init.xavier_normal_, gain=2.0)}
    before = made(net.blocks[1].bias).copy()
    table = it.initialize(net, rules, rng=KEY)
    want = {
        "embed.weight": ic.init.normal((20, 8), std=0.5, rng=KEY.child("embed.weight")),
        "conv.weight": ic.init.he_uniform((6, 2, 3, 3), layout="oihw", groups=2, rng=KEY.child("conv.weight")),
        "up.weight": ic.init.lecun_normal((6, 4, 2), layout="iow", rng=KEY.child("up.weight")),
        "blocks.1.weight": ic.init.he_normal((8, 8), layout="oi", rng=KEY.child("blocks.1.weight")),
        "rnn.weight_hh_l0": ic.init.orthogonal((15, 5), layout="oi", rng=KEY.child("rnn.weight_hh_l0")),
        "attention.in_proj_weight": ic.init.glorot_normal((24, 8), layout="oi", gain=2.0,
                                                          rng=KEY.child("attention.in_proj_weight"))}
    for name, value in want.items():
        np.testing.assert_allclose(made(net.get_parameter(name)), value, rtol=2e-7, err_msg=name)
    assert not made(net.conv.bias).any() and made(net.bn.weight).all() and (made(net.blocks[1].bias) == before).all()
    rows = {row.name: row for row in table.rows}
    assert rows["conv.weight"].drawn_by == "kaiming_uniform" and rows["blocks.0.bias"].drawn_by == "left as it is"
    assert rows["attention.in_proj_weight"].drawn_by == "xavier_normal_(gain=2)"
    assert rows["bn.running_mean"].rule == "(buffer)" and "blocks.{0-2}.weight" in str(table)


def test_a_dry_run_writes_nothing():
    net = Net()
    before = it.fingerprint(net)
    assert "blocks.{0-2}.bias" in str(it.initialize(net, recipe="torch", rng=KEY, dry_run=True))
    assert it.fingerprint(net) == before


def test_any_callable_is_an_initialiser():
    def ramp(shape, *, rng, dtype):
        return np.arange(math.prod(shape), dtype=dtype).reshape(shape)

    w = nn.Parameter(torch.empty(3, 4).t())
    it.initialize({"w": w}, {"*": ramp}, rng=0)
    assert torch.equal(w.detach(), torch.arange(12.0).reshape(4, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(dtype):
    linear = nn.Linear(6, 4, dtype=dtype)
    it.initialize(linear, {"*": functools.partial(ic.init.normal, std=0.3)}, rng=KEY)
    want = it.init.normal_(torch.empty(4, 6, dtype=dtype), std=0.3, rng=KEY.child("weight"))
    assert torch.equal(linear.weight.detach(), want)


def test_canonical_order_gives_one_function_in_every_layout():
    conv, turned = nn.Conv2d(4, 6, 3), nn.ConvTranspose2d(4, 6, 3)
    linear = nn.Linear(8, 5)
    for net in (conv, turned, linear):
        it.initialize(net, {"*weight": ic.init.he_normal, "*": "zeros"}, rng=KEY, canonical=True)
    want = ic.init.he_normal((3, 3, 4, 6), layout="hwio", rng=KEY.child("weight"))
    np.testing.assert_array_equal(made(conv.weight).transpose(2, 3, 1, 0), want)
    np.testing.assert_array_equal(made(turned.weight).transpose(2, 3, 0, 1), want)
    np.testing.assert_array_equal(made(linear.weight).T, ic.init.he_normal((8, 5), rng=KEY.child("weight")))


# ---- Recipes ------------------------------------------------------------------------------------------------------

class Transformer(nn.Module):
    def __init__(self, n=4):
        super().__init__()
        self.wte = nn.Embedding(300, 64)
        self.h = nn.ModuleList(nn.ModuleDict({"ln": nn.LayerNorm(64), "c_fc": nn.Linear(64, 256),
                                              "c_proj": nn.Linear(256, 64)}) for _ in range(n))
        self.lm_head = nn.Linear(64, 300, bias=False)


@pytest.mark.parametrize("recipe", ["torch", "gpt2", "llama", "vit", "resnet", "mup"])
def test_every_recipe_fills_every_parameter(recipe):
    for net in (Transformer(), Net()):
        with torch.no_grad():
            for p in net.parameters():
                p.fill_(math.nan)
        it.initialize(net, recipe=recipe, rng=KEY)
        assert all(p.isfinite().all() for p in net.parameters())


def test_gpt2_scales():
    net = Transformer(4)
    it.initialize(net, recipe="gpt2", rng=KEY)
    assert abs(net.h[1]["c_fc"].weight.std() / 0.02 - 1) < 0.03
    assert abs(net.h[1]["c_proj"].weight.std() / (0.02 / math.sqrt(8)) - 1) < 0.03
    assert not net.h[1]["c_proj"].bias.any() and (net.h[0]["ln"].weight == 1).all() and not net.h[0]["ln"].bias.any()


def test_torchs_recipe_has_torchs_laws():
    net, theirs = Net(), Net()
    it.initialize(net, recipe="torch", rng=KEY)
    for (name, a), b in zip(net.named_parameters(), theirs.parameters()):
        a, b = a.detach(), b.detach()
        if a.numel() > 60:
            assert 0.7 < float(a.std() / b.std()) < 1.4, name
        if name != "embed.weight":
            assert float(a.abs().max()) <= 1.001 * max(float(b.abs().max()), 1 / math.sqrt(5)), name
    assert not net.embed.weight[0].any() and (net.bn.running_var == 1).all()
    assert (net.bn.weight == 1).all() and not net.attention.in_proj_bias.any()


def test_mup_head_and_vit_head():
    net = Transformer()
    it.initialize(net, recipe="mup", rng=KEY)
    assert abs(net.lm_head.weight.std() * 64 - 1) < 0.05 and abs(net.h[0]["c_fc"].weight.std() * 8 - 1) < 0.05


# ---- Bad input ----------------------------------------------------------------------------------------------------

def meta_net():
    with torch.device("meta"):
        return nn.Linear(3, 3)


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda n: it.initialize(n, {"*.weight": "zeros"}), errors.ArgumentError, r"no rule matches .*conv.bias \(6,\)"),
    (lambda n: it.initialize(n, {"*": "zeros", "layers.*": "ones"}), errors.ArgumentError,
     r"rules without a parameter: layers.*'embed.weight'"),
    (lambda n: it.initialize(n, {nn.LSTM: "ones", "*": "zeros"}), errors.ArgumentError, "LSTM"),
    (lambda n: it.initialize(n, {"*": "zero"}), errors.UnknownNameError, "did you mean 'zeros'"),
    (lambda n: it.initialize(n, {3: "zeros"}), errors.ArgumentTypeError, "key is a pattern"),
    (lambda n: it.initialize(n, {"*": 3}), errors.ArgumentTypeError, "initializer"),
    (lambda n: it.initialize(n), errors.ArgumentTypeError, "rules .* or recipe"),
    (lambda n: it.initialize(n, {"*": "zeros"}, recipe="gpt2"), errors.ArgumentTypeError, "one of them"),
    (lambda n: it.initialize(n, [("*", "zeros")]), errors.ArgumentTypeError, "must map"),
    (lambda n: it.initialize(n, recipe="gpt"), errors.UnknownNameError, "did you mean 'gpt2'"),
    (lambda n: it.initialize(n, {"embed*": "zeros", "*": ic.init.glorot_normal}), errors.ShapeError, "dimension"),
    (lambda n: it.initialize(n, {"*": functools.partial(ic.init.normal, std=-1.0)}), errors.ArgumentError, "std"),
    (lambda n: it.initialize(n, {"*": "zeros"}, rng=True), errors.ArgumentTypeError, "rng"),
    (lambda n: it.initialize({"a": torch.zeros(3, 3), "b": torch.zeros(3, dtype=torch.int8)}, {"*": "normal"}),
     errors.DTypeError, "int8"),
])
def test_bad_rules_write_nothing(call, error, text):
    net = Net()
    before = it.fingerprint(net)
    with pytest.raises(error, match=text):
        call(net)
    assert it.fingerprint(net) == before


def test_meta_models_are_refused():
    for call in (lambda m: it.initialize(m, {"*": "zeros"}), it.fingerprint):
        with pytest.raises(errors.ArgumentError, match="meta device"):
            call(meta_net())


@pytest.mark.parametrize(("value", "text"), [
    (functools.partial(ic.init.he_normal, gain=-1.0), "gain"), (ic.init.delta_orthogonal, "spatial"),
    (functools.partial(ic.init.orthogonal, gain=-1.0), "gain"),
    (functools.partial(ic.init.he_normal, layout="oihw"), "oihw"),
    (functools.partial(ic.init.spectral, groups=3), "groups")])
def test_the_last_parameters_error_comes_before_anything_is_written(value, text):
    net = nn.ModuleList([nn.Linear(3, 3), nn.Linear(4, 4)])
    before = it.fingerprint(net)
    with pytest.raises(errors.ArgumentError, match=text) as caught:
        it.initialize(net, {"1.weight": value, "*": "zeros"})
    assert "1.weight" in caught.value.__notes__[0] and it.fingerprint(net) == before


def test_axes_by_number_and_experts():
    net = nn.Module()
    net.experts = nn.Parameter(torch.empty(3, 8, 6))
    it.initialize(net, {"experts": functools.partial(ic.init.he_normal, in_axis=1, out_axis=2, batch_axis=0)}, rng=KEY)
    want = ic.init.he_normal((3, 8, 6), in_axis=1, out_axis=2, batch_axis=0, rng=KEY.child("experts"))
    np.testing.assert_array_equal(made(net.experts), want)
    it.initialize(net, {"experts": functools.partial(ic.init.orthogonal, layout="bio")}, rng=KEY)
    first = net.experts.detach()[0]
    torch.testing.assert_close(first.T @ first, torch.eye(6))


# ---- to_empty and fingerprint -------------------------------------------------------------------------------------

def test_to_empty_keeps_ties_of_parameters_and_buffers():
    with torch.device("meta"):
        net = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4), "c": nn.BatchNorm1d(4),
                             "d": nn.BatchNorm1d(4)})
        net["b"].weight = net["a"].weight
        net["d"].running_mean = net["c"].running_mean
    assert it.to_empty(net, device="cpu") is net
    assert net["b"].weight is net["a"].weight and net["d"].running_mean is net["c"].running_mean
    assert net["a"].bias is not net["b"].bias and net["a"].weight.device.type == "cpu"
    with pytest.raises(errors.ArgumentTypeError, match="Module"):
        it.to_empty({}, device="cpu")


def test_the_fingerprint_sees_every_bit_and_no_layout():
    w = torch.randn(6, 5)
    mark = it.fingerprint({"w": w})
    assert it.fingerprint({"w": w.t().contiguous().t()}) == mark == it.fingerprint([("w", w.clone())])
    flat = w.view(torch.int32).view(-1)
    for i in (0, 17, 29):
        for bit in (0, 13, 31):
            flat[i] ^= 1 << bit if bit < 31 else -(1 << 31)
            assert it.fingerprint({"w": w}) != mark
            flat[i] ^= 1 << bit if bit < 31 else -(1 << 31)
    assert it.fingerprint({"w": w}) == mark
    swapped = w.clone()
    swapped[0, 0], swapped[0, 1] = w[0, 1], w[0, 0]
    others = [{"v": w}, {"w": w.double()}, {"w": w.view(5, 6)}, {"w": w, "x": w[:0]}, {"w": swapped}, {"w": w.flip(0)}]
    assert len({mark, *map(it.fingerprint, others)}) == 7


def test_the_fingerprint_of_every_dtype_and_of_ties():
    marks = {it.fingerprint({"w": torch.ones(3, dtype=d)}) for d in
             (torch.bool, torch.int8, torch.bfloat16, torch.float16, torch.float64, torch.complex64, torch.complex128)}
    assert len(marks) == 7
    tied = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    tied[1].weight = tied[0].weight
    loose = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    loose.load_state_dict(tied.state_dict())
    assert it.fingerprint(tied) == it.fingerprint(loose)
    bn = nn.BatchNorm1d(3)
    before, weights = it.fingerprint(bn), it.fingerprint(bn, buffers=False)
    bn.running_mean += 1
    assert it.fingerprint(bn) != before and it.fingerprint(bn, buffers=False) == weights


def test_a_large_tensor_is_hashed_in_pieces():
    w = torch.arange(3 * 2**18 + 6, dtype=torch.float32)
    marks = set()
    for shape in ((1, -1), (-1, 1), (2, -1), (-1,)):
        marks.add(it.fingerprint({"w": w.view(shape)}))
        for place in (0, 2**18, w.numel() - 1):
            w[place] += 1
            marks.add(it.fingerprint({"w": w.view(shape)}))
            w[place] -= 1
    assert len(marks) == 16


def test_modules_as_activations_of_a_chain():
    """One with parameters of its own is called in float64 and stays as it is; what is no activation is refused."""
    prelu = torch.nn.PReLU(init=0.125)
    assert ic.activations.get(prelu).phi(np.array([-2.0, 3.0])).tolist() == [-0.25, 3.0]
    assert prelu.weight.dtype == torch.float32
    with pytest.raises(ic.errors.ArgumentError, match="takes no tensor"):
        ic.activations.get(torch.nn.Linear(4, 4))
