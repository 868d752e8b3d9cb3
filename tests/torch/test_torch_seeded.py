"""it.seeded: any code's own initialisation draws from the parameters' names."""

import functools
import threading
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.init as torch_init  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.init import orthogonal_, sparse_, trunc_normal_, xavier_normal_  # noqa: E402

import initcore as ic  # noqa: E402
import initcore.torch as it  # noqa: E402
from initcore import errors  # noqa: E402

KEY = ic.Key(21)


def parameter(*shape, dtype=torch.float32):
    return nn.Parameter(torch.full(shape, 7.0, dtype=dtype))


def named(name):
    return KEY.child(name)


class Net(nn.Module):
    def __init__(self, layers=3):
        super().__init__()
        self.embed = nn.Embedding(50, 8, padding_idx=3)
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(layers))
        self.conv = nn.Conv2d(4, 6, 3, groups=2)
        self.rnn = nn.LSTM(8, 5)
        self.attention = nn.MultiheadAttention(8, 2)
        self.norm = nn.LayerNorm(8)
        self.register_buffer("noise", torch.zeros(4, 8))

    def reset(self, order=1):
        for module in list(self.modules())[::order]:
            if module is self.attention.out_proj:
                continue                                        # attention's own method writes it too
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
            elif hasattr(module, "_reset_parameters"):
                module.out_proj.reset_parameters()
                module._reset_parameters()
        self.noise.normal_()


def state(model):
    return {k: v.clone() for k, v in model.state_dict().items()}


def test_order_dropout_and_other_layers_change_nothing():
    small, large = Net(2), Net(5)
    with it.seeded(small, KEY):
        small.reset()
    with it.seeded(large, KEY):
        for _ in range(3):
            nn.functional.dropout(torch.ones(100), 0.5)
        large.reset(order=-1)
    a, b = state(small), state(large)
    assert len(set(a) & set(b)) == len(a)
    for name in a:
        assert torch.equal(a[name], b[name]), name
    assert not torch.equal(a["blocks.0.weight"], a["blocks.1.weight"])


def test_the_numbers_are_those_of_the_parameters_key():
    net = Net()
    with it.seeded(net, KEY):
        net.reset()
    want = ic.init.torch_default((8, 8), layout="oi", rng=named("blocks.1.weight"))
    np.testing.assert_allclose(net.blocks[1].weight.detach().numpy(), want, rtol=1e-6)
    np.testing.assert_array_equal(net.noise.numpy(), ic.init.normal((4, 8), rng=named("noise")))
    table = ic.init.embedding((50, 8), padding_idx=3, rng=named("embed.weight"))
    np.testing.assert_array_equal(net.embed.weight.detach().numpy(), table)


def test_every_spelling_of_a_draw():
    """By name, imported by name, as a method, through .data, a view, a tensor of its likeness."""
    want = torch.from_numpy(ic.init.normal((6, 4), std=0.02, rng=named("w")))
    spellings = [
        lambda w: torch_init.normal_(w, std=0.02), lambda w: torch_init.normal_(w, 0.0, 0.02),
        lambda w: w.data.normal_(0, 0.02), lambda w: w.data.normal_(std=0.02), lambda w: w.detach().normal_(0.0, 0.02),
        lambda w: it.init.normal_(w, std=0.02), lambda w: torch_init.normal_(tensor=w, std=0.02),
        lambda w: [row.normal_(0, 0.02) for row in w.data.unbind(1)],
        lambda w: [part.data.normal_(0, 0.02) for part in w.chunk(4)], lambda w: w.data.t().normal_(0, 0.02),
        lambda w: w.data.view(2, 12).normal_(0, 0.02), lambda w: w.data.flatten().normal_(0, 0.02),
        lambda w: torch_init.normal_(w.data[1:, ::2], std=0.02) + torch_init.normal_(w.data[:, 1::2], std=0.02).sum()
        + torch_init.normal_(w.data[:1, ::2], std=0.02).sum(),
        lambda w: torch_init.normal_(w, std=0.02, generator=torch.Generator().manual_seed(3)),
    ]
    for i, spelling in enumerate(spellings):
        w = parameter(6, 4)
        with it.seeded({"w": w}, KEY), torch.no_grad():
            spelling(w)
        assert torch.equal(w.detach(), want), i


@pytest.mark.parametrize(("imported", "name", "args"), [
    (trunc_normal_, "trunc_normal_", (0.0, 0.02, -0.04, 0.04)), (xavier_normal_, "xavier_normal_", (2.0,)),
    (torch_init.kaiming_uniform_, "kaiming_uniform_", (0.2,)), (torch_init.kaiming_normal_, "kaiming_normal_", ()),
    (torch_init.uniform_, "uniform_", (-1.0, 3.0)), (torch_init.normal_, "normal_", (1.0, 0.3))])
def test_functions_imported_by_name_are_found_too(imported, name, args):
    w, v, u = parameter(6, 10), parameter(6, 10), parameter(6, 10)
    with it.seeded({"w": w}, KEY):
        imported(w, *args)
    with it.seeded({"w": v}, KEY):
        getattr(torch_init, name)(v, *args)
    getattr(it.init, name)(u, *args, rng=named("w"))
    assert torch.equal(w, v) and torch.equal(w, u)


def test_orthogonal_and_sparse():
    for size in ((6, 4), (4, 6)):
        w, v = parameter(*size), parameter(*size)
        with it.seeded({"w": w}, KEY):
            torch_init.orthogonal_(w)
        it.init.orthogonal_(v, rng=named("w"))
        assert torch.equal(w, v)
        with it.seeded({"w": w}, KEY):
            torch_init.sparse_(w, 0.5)
        assert torch.equal(w, it.init.sparse_(v, 0.5, rng=named("w")))
        made = []
        for _ in range(2):              # imported before: PyTorch's own QR, of numbers that the name gives all the same
            with it.seeded({"w": w}, KEY):
                orthogonal_(w)
            made.append(w.detach().clone())
            torch.rand(5)
        assert torch.equal(*made)
    with it.seeded({"w": w}, KEY), pytest.warns(errors.InitcoreWarning, match="randperm"):
        sparse_(w, 0.5)


def test_orthogonal_parts_of_one_parameter_differ():
    w = parameter(8, 4)
    with it.seeded({"w": w}, KEY):
        for gate in w.data.chunk(2):
            torch_init.orthogonal_(gate)
    top, bottom = w.detach()[:4], w.detach()[4:]
    torch.testing.assert_close(top @ top.T, torch.eye(4))
    torch.testing.assert_close(bottom @ bottom.T, torch.eye(4))
    assert not torch.equal(top, bottom)


def test_tensors_in_the_likeness_of_a_parameter_have_streams_of_their_own():
    def draw(w):
        with torch.no_grad():
            w.copy_(torch.randn_like(w))
            w.mul_(torch.rand_like(w)).add_(torch.empty_like(w).normal_()).add_(w.new_empty(w.shape).uniform_())
        return w.detach().clone()

    made = []
    for _ in range(2):
        w = parameter(6, 4)
        with it.seeded({"w": w}, KEY):
            made.append(draw(w))
        torch.rand(3)
    assert torch.equal(*made)


@pytest.mark.parametrize(("draw", "law"), [
    (lambda w: w.exponential_(2.0), "expon"), (lambda w: w.log_normal_(0.0, 0.5), "lognorm"),
    (lambda w: w.cauchy_(), "cauchy"), (lambda w: w.bernoulli_(0.25), None)])
def test_other_distributions_are_functions_of_the_same_words(draw, law):
    from scipy import stats
    w, halves = parameter(100, 200), parameter(100, 200)
    with it.seeded({"w": w}, KEY), torch.no_grad():
        draw(w)
    with it.seeded({"w": halves}, KEY), torch.no_grad():
        for half in halves.chunk(2, dim=1):
            draw(half)
    assert torch.equal(w, halves)
    values = w.detach().double().numpy().ravel()
    laws = {"expon": stats.expon(scale=0.5), "lognorm": stats.lognorm(0.5), "cauchy": stats.cauchy()}
    if law:
        assert stats.kstest(values, laws[law].cdf).pvalue > 1e-3
    else:
        assert abs(values.mean() - 0.25) < 0.02 and set(values) == {0.0, 1.0}


def test_what_no_name_rules_falls_through_with_one_warning():
    w, other = parameter(3, 4), torch.empty(5)
    torch.manual_seed(0)
    want = torch.empty(5).normal_()
    torch.manual_seed(0)
    with it.seeded({"w": w}, KEY), pytest.warns(errors.InitcoreWarning, match=r"shape \(5,\)") as caught:
        other.normal_()
        torch_init.uniform_(torch.empty(2))
        torch.rand(3)
        torch_init.xavier_normal_(torch.empty(2, 2))
    assert len(caught) == 1 and torch.equal(other, want)


def test_nothing_warns_for_what_is_no_draw():
    net = Net()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with it.seeded(net, KEY):
            net.reset()
            nn.functional.dropout(torch.ones(3))
            torch.empty(0).normal_()
            torch.empty(3, device="meta").uniform_()


def test_rng_goes_before_the_name():
    w = parameter(3, 4)
    with it.seeded({"w": w}, KEY):
        it.init.normal_(w, rng=5)
    assert torch.equal(w.detach(), it.init.normal_(torch.empty(3, 4), rng=5))


def test_everything_is_put_back():
    before = {name: getattr(torch_init, name) for name in dir(torch_init)}
    with pytest.raises(ZeroDivisionError), it.seeded(nn.Linear(2, 2), 0):
        assert torch_init.normal_ is not before["normal_"]
        raise ZeroDivisionError
    assert all(getattr(torch_init, name) is value for name, value in before.items())
    with it.seeded(nn.Linear(2, 2), 0):
        pass


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_wrappers_change_no_name():
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
    plain = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    wrapped = nn.Sequential(checkpoint_wrapper(nn.Linear(4, 4)), torch.compile(nn.Linear(4, 2)))
    for model in (plain, wrapped):
        with it.seeded(model, KEY):
            for module in model.modules():
                if isinstance(module, nn.Linear):
                    module.reset_parameters()
    for a, b in zip(plain.parameters(), wrapped.parameters()):
        assert torch.equal(a, b)


def test_tied_parameters_have_their_first_name():
    model = nn.ModuleDict({"embed": nn.Embedding(6, 4), "head": nn.Linear(4, 6, bias=False)})
    model["head"].weight = model["embed"].weight
    with it.seeded(model, KEY):
        torch_init.normal_(model["head"].weight)
    want = ic.init.normal((6, 4), rng=named("embed.weight"))
    np.testing.assert_array_equal(model["head"].weight.detach().numpy(), want)


def test_a_torch_generator_is_a_key_too():
    made = []
    for _ in range(2):
        linear = nn.Linear(3, 3)
        with it.seeded(linear, torch.Generator().manual_seed(4)):
            linear.reset_parameters()
        made.append(linear.weight.detach())
    assert torch.equal(*made)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(dtype):
    w = parameter(6, 4, dtype=dtype)
    with it.seeded({"w": w}, KEY):
        torch_init.xavier_uniform_(w)
    assert torch.equal(w.detach(), it.init.xavier_uniform_(torch.empty(6, 4, dtype=dtype), rng=named("w")))


# ---- Bad input ----------------------------------------------------------------------------------------------------

def test_meta_parameters_are_refused():
    with torch.device("meta"):
        model = nn.Linear(3, 3)
    with pytest.raises(errors.DeviceError, match=r"weight is on the meta device.*to_empty"), it.seeded(model, 0):
        pass


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_parameters_are_refused():
    with pytest.raises(errors.DeviceError, match="lazy"), it.seeded(nn.LazyLinear(3), 0):
        pass


def test_two_tensors_of_one_name():
    with pytest.raises(errors.ArgumentError, match="two tensors have the name 'w'"), \
            it.seeded([("w", parameter(2)), ("w", parameter(3))], 0):
        pass


@pytest.mark.parametrize("model", [3, None, [parameter(2)], {"w": 3}, [(1, parameter(2))]])
def test_no_model(model):
    with pytest.raises(errors.ArgumentTypeError, match="model must be"), it.seeded(model, 0):
        pass


def test_nested_is_refused_and_the_outer_one_stays():
    model = nn.Linear(3, 3)
    with it.seeded(model, 0):
        with pytest.raises(errors.UsageError, match="it is nested"), it.seeded(nn.Linear(2, 2), 0):
            pass
        model.reset_parameters()
    want = model.weight.detach().clone()
    with it.seeded(model, 0):
        model.reset_parameters()
    assert torch.equal(model.weight, want)


def test_another_thread_is_refused_and_untouched():
    caught, drawn = [], []

    def other():
        try:
            with it.seeded(nn.Linear(2, 2), 0):
                pass
        except errors.UsageError as error:
            caught.append(str(error))
        drawn.append(nn.init.normal_(torch.empty(3)))       # its own draws are PyTorch's, without a warning

    with it.seeded(nn.Linear(2, 2), 0):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "another thread" in caught[0] and len(drawn) == 1


def test_bad_keys():
    for key in (True, 1.5, "seed"):
        with pytest.raises(errors.ArgumentTypeError, match="rng"), it.seeded(nn.Linear(2, 2), key):
            pass


def test_partial_of_torchs_functions_in_a_table():
    """As torchtitan keeps them: made before, called inside."""
    table = {"weight": functools.partial(torch_init.trunc_normal_, std=0.02), "bias": torch_init.zeros_}
    linear = nn.Linear(4, 5)
    with it.seeded(linear, KEY):
        for name, p in linear.named_parameters():
            table[name](p)
    assert torch.equal(linear.weight, it.init.trunc_normal_(torch.empty(5, 4), std=0.02, rng=named("weight")))
