"""it.init against torch.nn.init: names, signatures, returns, errors, distributions, memory; and against ic.init."""

import inspect
import math
import tracemalloc
import warnings

import numpy as np
import pytest
from scipy import stats

torch = pytest.importorskip("torch")

import initcore as ic  # noqa: E402
import initcore.torch as it  # noqa: E402
from initcore import errors  # noqa: E402

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
KEY = ic.Key(11)
# Every random function with arguments, and the same of initcore on a NumPy array in PyTorch's layout.
CALLS = {
    "uniform_": ({"a": -0.5, "b": 2.0}, lambda s, **k: ic.init.uniform(s, low=-0.5, high=2.0, **k)),
    "normal_": ({"mean": 1.0, "std": 0.3}, lambda s, **k: ic.init.normal(s, mean=1.0, std=0.3, **k)),
    "xavier_uniform_": ({"gain": 2.0}, lambda s, **k: ic.init.glorot_uniform(s, gain=2.0, layout="oi", **k)),
    "xavier_normal_": ({}, lambda s, **k: ic.init.glorot_normal(s, layout="oi", **k)),
    "kaiming_uniform_": ({"nonlinearity": "relu"}, lambda s, **k: ic.init.he_uniform(s, layout="oi", **k)),
    "kaiming_normal_": ({"mode": "fan_out", "a": 0.2},
                        lambda s, **k: ic.init.he_normal(s, mode="fan_out", gain="leaky_relu_0.2", layout="oi", **k)),
    "orthogonal_": ({"gain": 1.5}, lambda s, **k: ic.init.orthogonal(s, gain=1.5, layout="oi", **k)),
    "sparse_": ({"sparsity": 0.3}, lambda s, **k: ic.init.sparse(s, 0.3, layout="io", **k)),
    "truncated_normal_": ({"std": 0.1}, lambda s, **k: ic.init.trunc_normal(s, std=0.1, **k)),
    "spectral_": ({}, lambda s, **k: ic.init.spectral(s, layout="oi", **k)),
    "siren_": ({"first": True}, lambda s, **k: ic.init.siren(s, first=True, layout="oi", **k)),
    "lecun_normal_": ({}, lambda s, **k: ic.init.lecun_normal(s, layout="oi", **k)),
    "torch_default_": ({}, lambda s, **k: ic.init.torch_default(s, layout="oi", **k)),
    "mup_std_": ({"role": "output"}, lambda s, **k: ic.init.mup_std(s, role="output", layout="oi", **k)),
}


def bits(tensor):
    """The raw bits of a tensor, as NumPy."""
    size = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return tensor.detach().contiguous().view(size).numpy()


def expected(name, shape, dtype):
    made = CALLS[name][1](shape, rng=KEY, dtype=str(dtype).split(".")[1])
    return np.ascontiguousarray(made).view(f"i{made.itemsize}")


def same(a, b):
    np.testing.assert_array_equal(a, b)


# ---- Names and signatures ---------------------------------------------------------------------------------------

def test_every_name_of_torch_with_its_signature():
    assert set(torch.nn.init.__all__) <= set(it.init.__all__)
    for name in torch.nn.init.__all__:
        ours, theirs = (inspect.signature(getattr(m, name)).parameters for m in (it.init, torch.nn.init))
        if name in it.init.__all__ and not name.endswith("_") and name != "calculate_gain":
            continue                                            # the deprecated names take anything
        kept = [p for p in ours.values() if p.name != "rng"]
        assert [(p.name, p.default, p.kind) for p in kept] == [(p.name, p.default, p.kind) for p in theirs.values()]
        random = name not in ("calculate_gain", "constant_", "ones_", "zeros_", "eye_", "dirac_")
        assert ("rng" in ours) == random, name
        if random:
            assert ours["rng"].kind is inspect.Parameter.KEYWORD_ONLY


def test_all_names_exist_and_are_documented():
    for name in it.init.__all__:
        assert getattr(it.init, name).__doc__, name


@pytest.mark.parametrize("name", [n for n in torch.nn.init.__all__ if n != "calculate_gain" and not n.endswith("_")])
def test_deprecated_names_warn_as_torch_does(name):
    w = torch.empty(4, 4, 1) if name == "dirac" else torch.empty(4, 4)
    more = {"constant": (1.0,), "sparse": (0.5,)}.get(name, ())
    with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`"):
        assert getattr(it.init, name)(w, *more) is w


# ---- The bits are those of initcore.init, whatever the tensor's memory --------------------------------------------

@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_the_bits_are_initcores(name, dtype):
    w = torch.full((12, 20), 7.0, dtype=dtype)
    assert getattr(it.init, name)(w, **CALLS[name][0], rng=KEY) is w
    same(bits(w), expected(name, (12, 20), dtype))


SHAPES = {
    "transposed": lambda d: torch.full((20, 12), 7.0, dtype=d).t(),
    "sliced": lambda d: torch.full((15, 30), 7.0, dtype=d)[2:14, 5:25],
    "strided": lambda d: torch.full((24, 60), 7.0, dtype=d)[::2, ::3],
    "selected": lambda d: torch.full((12, 3, 20), 7.0, dtype=d)[:, 1],
    "parameter": lambda d: torch.nn.Parameter(torch.full((12, 20), 7.0, dtype=d)),
    "view of a parameter": lambda d: torch.nn.Parameter(torch.full((14, 20), 7.0, dtype=d))[2:],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("memory", SHAPES)
@pytest.mark.parametrize("name", ["uniform_", "normal_", "kaiming_uniform_", "orthogonal_", "sparse_", "spectral_"])
def test_any_memory_is_filled_in_place(name, memory, dtype):
    w = SHAPES[memory](dtype)
    base = w if w._base is None else w._base
    before, version = base.detach().clone(), w._version
    assert getattr(it.init, name)(w, **CALLS[name][0], rng=KEY) is w
    same(bits(w), expected(name, (12, 20), dtype))
    assert (w._version > version and w.grad_fn is None) or memory == "view of a parameter"
    with torch.no_grad():
        w.copy_(torch.as_strided(before, w.shape, w.stride(), w.storage_offset()))
    assert torch.equal(base, before)                            # nothing around it was touched


@pytest.mark.parametrize("name", [n for n in CALLS if n not in ("orthogonal_", "spectral_")])
def test_no_copy_of_the_whole_is_made(name):
    w = torch.empty(1200, 1500).t()
    getattr(it.init, name)(w, **CALLS[name][0], rng=KEY)
    tracemalloc.start()
    getattr(it.init, name)(w, **CALLS[name][0], rng=KEY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    limit = 0.25 if name != "sparse_" else 8        # sparse ranks its words, a million at a time
    assert peak < limit * w.numel() * 4


def test_shared_memory_is_refused_before_anything_is_written():
    w = torch.full((1, 4), 7.0)
    for name in ("normal_", "orthogonal_"):
        with pytest.raises(errors.DeviceError, match="share memory"):
            getattr(it.init, name)(w.expand(3, 4), rng=0)
    assert (w == 7).all()


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), ()])
def test_zero_size_and_scalars(shape):
    for name in ("normal_", "uniform_", "trunc_normal_", "zeros_", "ones_"):
        w = torch.empty(shape)
        assert getattr(it.init, name)(w) is w
    if len(shape) == 2:
        for name in ("orthogonal_", "xavier_normal_", "eye_"):
            w = torch.empty(shape)
            assert getattr(it.init, name)(w) is w
        for name in ("kaiming_uniform_", "kaiming_normal_"):
            with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
                getattr(it.init, name)(torch.empty(shape))


@pytest.mark.parametrize("name", [n for n in it.init.__all__ if n.endswith("_")])
def test_meta_tensors_are_left_alone(name):
    state = torch.get_rng_state()
    w = torch.empty(4, 4, 3, device="meta") if "dirac" in name or "delta" in name else \
        torch.empty(4, 4, device="meta")
    more = {"constant_": (1.0,), "sparse_": (0.5,), "wang_init_": (3,)}.get(name, ())
    assert getattr(it.init, name)(w, *more) is w
    assert torch.equal(state, torch.get_rng_state())


def test_fake_tensors_are_left_alone():
    from torch._subclasses import FakeTensorMode
    with FakeTensorMode():
        w = torch.empty(4, 4)
        assert it.init.normal_(w) is w


def test_inference_tensors_are_filled():
    with torch.inference_mode():
        w = torch.empty(3, 4)
        same(bits(it.init.normal_(w, rng=3)), bits(it.init.normal_(torch.empty(3, 4), rng=3)))


def test_autograd_learns_of_the_change():
    w = torch.nn.Parameter(torch.ones(3))
    y = (w * w).sum()
    it.init.normal_(w, rng=0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_threads_change_nothing():
    before = torch.get_num_threads()
    made = []
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            made.append(bits(it.init.normal_(torch.empty(600, 700), rng=0)))
    finally:
        torch.set_num_threads(before)
    same(*made)


# ---- Streams: generator, manual_seed, rng ---------------------------------------------------------------------------

def test_manual_seed_and_generators_rule_the_stream():
    torch.manual_seed(5)
    first, second = it.init.normal_(torch.empty(40)), it.init.normal_(torch.empty(40))
    torch.manual_seed(5)
    assert torch.equal(first, it.init.normal_(torch.empty(40)))
    assert not torch.equal(first, second)
    g = torch.Generator().manual_seed(5)
    assert torch.equal(first, it.init.normal_(torch.empty(40), generator=g))
    assert torch.equal(second, it.init.normal_(torch.empty(40), rng=g))


def test_every_kind_of_rng():
    want = it.init.normal_(torch.empty(9), rng=ic.Key(3))
    for rng in (3, [3], np.random.SeedSequence(3)):
        assert torch.equal(want, it.init.normal_(torch.empty(9), rng=rng))
    it.init.normal_(torch.empty(9), rng=np.random.default_rng(0))


class Elsewhere(torch.Generator):
    device = torch.device("cuda:0")


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda w: it.init.normal_(w, std=-1.0), RuntimeError, "std >= 0.0"),
    (lambda w: it.init.uniform_(w, 1.0, 0.0), RuntimeError, "expects to return a"),
    (lambda w: it.init.uniform_(w, 0.0, math.nan), RuntimeError, "from"),
    (lambda w: it.init.trunc_normal_(w, a=1.0, b=-1.0), RuntimeError, "a <= b"),
    (lambda w: it.init.trunc_normal_(w, std=-1.0), RuntimeError, "std >= 0"),
    (lambda w: it.init.normal_(w, math.inf), RuntimeError, "mean"),
    (lambda w: it.init.normal_(w, rng=0, generator=torch.Generator()), TypeError, "one of them"),
    (lambda w: it.init.normal_(w, generator=7), TypeError, "torch.Generator"),
    (lambda w: it.init.normal_(w, generator=ic.Key(0)), TypeError, "rng="),
    (lambda w: it.init.normal_(w, rng=True), TypeError, "rng"),
    (lambda w: it.init.normal_(w, rng=1.5), TypeError, "rng"),
    (lambda w: it.init.normal_(w, generator=Elsewhere()), RuntimeError, "Expected a 'cpu' device type for generator"),
    (lambda w: it.init.normal_(w, rng=Elsewhere()), errors.DeviceError, "has no device"),
    (lambda w: it.init.normal_(w.numpy()), TypeError, "initcore.init"),
    (lambda w: it.init.kaiming_normal_(w, mode="fan_avg"), ValueError, "Mode fan_avg not supported"),
    (lambda w: it.init.kaiming_normal_(w, nonlinearity="rellu"), ValueError, "Unsupported nonlinearity rellu"),
    (lambda w: it.init.xavier_normal_(w[0]), ValueError, "fewer than 2 dimensions"),
    (lambda w: it.init.eye_(w[0]), ValueError, "2 dimensions"),
    (lambda w: it.init.sparse_(w[0], 0.5), ValueError, "2 dimensions"),
    (lambda w: it.init.sparse_(w, 1.5), ValueError, "sparsity"),
    (lambda w: it.init.dirac_(w), ValueError, "3, 4, or 5"),
    (lambda w: it.init.dirac_(w.view(3, 4, 1), 2), ValueError, "divisible by groups"),
    (lambda w: it.init.orthogonal_(w[0]), ValueError, "2 or more"),
    (lambda w: it.init.spectral_(w, sped=3), TypeError, "sped"),
    (lambda w: it.init.he_normal_(w, gain=-1.0), ValueError, "gain"),
])
def test_bad_input_is_a_clear_error_and_nothing_is_written(call, error, text):
    w = torch.full((3, 4), 7.0)
    with pytest.raises(error, match=text):
        call(w)
    assert (w == 7).all()


@pytest.mark.parametrize(("make", "text"), [
    (lambda: torch.empty(3, dtype=torch.complex64), "view_as_real"),
    (lambda: torch.empty(3, dtype=torch.int64), "int64"),
    (lambda: torch.empty(3, dtype=torch.float8_e4m3fn), "float8"),
    (lambda: torch.zeros(3, 3).to_sparse(), "sparse"),
    (lambda: torch.quantize_per_tensor(torch.zeros(3), 1.0, 0, torch.qint8), "qint8|quantised"),
    (lambda: torch.nn.LazyLinear(4).weight, "lazy"),
])
@pytest.mark.parametrize("name", ["normal_", "uniform_", "trunc_normal_"])
@pytest.mark.filterwarnings("ignore:Lazy modules", "ignore:.*quantize.*", "ignore:torch.ao")
def test_tensors_that_cannot_be_filled(make, text, name):
    with pytest.raises((errors.DeviceError, errors.TorchDTypeError), match=text):
        getattr(it.init, name)(make())


def test_a_subclass_with_memory_of_its_own_is_refused_and_a_plain_one_filled():
    class Wrapped(torch.Tensor):
        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

    class Named(torch.Tensor):
        pass

    with pytest.raises(errors.DeviceError, match="Wrapped"):
        it.init.normal_(torch.empty(3).as_subclass(Wrapped))
    w = torch.empty(3, 4).as_subclass(Named)
    same(bits(it.init.normal_(w, rng=1).as_subclass(torch.Tensor)), bits(it.init.normal_(torch.empty(3, 4), rng=1)))


def test_a_lazily_negated_view_is_refused():
    w = torch.zeros(3, dtype=torch.complex64).conj().imag
    assert w.is_neg()
    with pytest.raises(errors.DeviceError, match="negated"):
        it.init.normal_(w)


# ---- Distributions ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("mean", "std", "a", "b"), [(0, 1, -2, 2), (1.3, 0.7, 1.25, 1.4), (0, 1, 2, 3),
                                                     (0, 0.02, -0.04, 0.04), (-3, 0.5, 0.1, math.inf)])
def test_trunc_normal_keeps_its_bounds_and_its_law(dtype, mean, std, a, b):
    w = torch.empty(20_000, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        it.init.trunc_normal_(w, mean, std, a, b, rng=8)
    low, high = (float(torch.tensor(x, dtype=dtype)) for x in (a, b))
    assert low <= float(w.min()) and float(w.max()) <= high
    if dtype in (torch.float32, torch.float64):
        law = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std)
        assert stats.kstest(w.double().numpy(), law.cdf).pvalue > 1e-3


def test_trunc_normal_warns_where_torch_does():
    with pytest.warns(UserWarning, match="mean is more than 2 std from"):
        it.init.trunc_normal_(torch.empty(3), mean=9.0)


def test_degenerate_distributions():
    for dtype in FLOATS:
        w = torch.empty(4, dtype=dtype)
        assert (it.init.uniform_(w, 0.5, 0.5) == 0.5).all() and (it.init.normal_(w, 0.25, 0.0) == 0.25).all()
        assert (it.init.trunc_normal_(w, 0.0, 1.0, 0.5, 0.5) == 0.5).all()
        assert (it.init.trunc_normal_(w, 0.75, 0.0) == 0.75).all()
    assert (it.init.uniform_(torch.empty(4), 1.0, 1.0 + 1e-12) == 1.0).all()


def test_calculate_gain_is_torchs_table_and_the_exact_gain_elsewhere():
    for name in ("linear", "conv1d", "conv_transpose3d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"):
        for param in (None, 0.3):
            assert it.init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)
    assert it.init.calculate_gain("gelu") == ic.gain("gelu")
    assert it.init.calculate_gain("silu", 0) == ic.gain("silu")
    for bad in (True, [1]):
        with pytest.raises(ValueError, match="negative_slope"):
            it.init.calculate_gain("leaky_relu", bad)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 6, 3, 4), (6, 2, 3, 1, 5)])
def test_constants_and_patterns_equal_torchs(shape, groups):
    for dtype in (torch.float32, torch.bfloat16, torch.int64, torch.complex64):
        for w in (torch.empty(shape, dtype=dtype), torch.empty((2, *shape), dtype=dtype)[1]):
            assert it.init.dirac_(w, groups) is w
            assert torch.equal(w, torch.nn.init.dirac_(torch.empty(shape, dtype=dtype), groups))
        m = torch.empty(shape[:2], dtype=dtype)
        assert torch.equal(it.init.eye_(m), torch.nn.init.eye_(torch.empty(shape[:2], dtype=dtype)))
        for name, more in (("zeros_", ()), ("ones_", ()), ("constant_", (3,))):
            assert torch.equal(getattr(it.init, name)(m, *more), getattr(torch.nn.init, name)(m.clone(), *more))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 2, 3), (2, 3, 2, 2)])
def test_orthogonal_of_any_rank_half_and_negative_gain(shape):
    w = it.init.orthogonal_(torch.empty(shape, dtype=torch.float64), gain=-2.0, rng=0)
    flat = w.reshape(shape[0], -1)
    product = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    torch.testing.assert_close(product, 4 * torch.eye(min(flat.shape), dtype=torch.float64))
    assert torch.equal(w, -it.init.orthogonal_(torch.empty(shape, dtype=torch.float64), gain=2.0, rng=0))
    half = it.init.orthogonal_(torch.empty(shape, dtype=torch.bfloat16), rng=0)
    full = it.init.orthogonal_(torch.empty(shape), rng=0)
    assert torch.equal(half, full.bfloat16())
    turned = torch.empty(shape[::-1]).permute(*range(len(shape))[::-1])      # no view as a matrix
    assert torch.equal(it.init.orthogonal_(turned, rng=0), full)


def test_sparse_zeros_are_torchs_number():
    for rows, share in ((30, 0.1), (7, 0.3), (10, 1.0), (10, 0.0), (49, 1 / 7)):
        w = it.init.sparse_(torch.empty(rows, 3), share, rng=0)
        assert ((w == 0).sum(0) == math.ceil(share * rows)).all()
