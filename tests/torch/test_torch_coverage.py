"""it.coverage: six real mistakes of initialisation rebuilt, each found with its name; right code is clean."""

import math

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import initcore.torch as it  # noqa: E402
from initcore import errors  # noqa: E402


class Rotary(nn.Module):
    """A buffer that is computed, not stored."""

    def __init__(self, dim=8):
        super().__init__()
        self.dim = dim
        self.register_buffer("inv_freq", torch.empty(dim // 2), persistent=False)
        self.reset()

    def reset(self):
        self.inv_freq.copy_(1.0 / 10000 ** (torch.arange(0, self.dim, 2) / self.dim))


class Model(nn.Module):
    def __init__(self, experts=2, tied=True):
        super().__init__()
        self.embed = nn.Embedding(12, 8)
        self.rotary = Rotary()
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.experts = nn.Parameter(torch.empty(experts, 8, 8))
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 12, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def init_weights(self, buffers=True, experts=True, heads=True):
        for module in self.modules():
            if isinstance(module, (nn.Embedding, nn.LayerNorm)) or module in self.blocks:
                module.reset_parameters()
        if heads:
            nn.init.normal_(self.head.weight, std=0.02)
        if experts:
            nn.init.normal_(self.experts, std=0.02)
        if buffers:
            self.rotary.reset()


def meta(**kwargs):
    with torch.device("meta"):
        return Model(**kwargs)


@pytest.mark.parametrize("on_meta", [False, True])
def test_right_code_is_clean(on_meta):
    def init(model):
        it.to_empty(model, device="cpu") if on_meta else None
        model.init_weights()

    report = it.coverage(meta() if on_meta else Model(), init)
    assert report.ok and str(report).startswith("everything was initialised")
    assert report.twice == ["embed.weight"]                     # as an embedding, and as the head it is tied to


def test_mistake_1_a_buffer_forgotten_after_to_empty():
    def init(model):
        it.to_empty(model, device="cpu")
        model.init_weights(buffers=False)

    report = it.coverage(meta(), init)
    assert report.never == ["rotary.inv_freq"] and not report.ok and "never written (TEN801)" in str(report)


def test_mistake_2_a_new_head_outside_the_loop():
    model = Model(tied=False)
    report = it.coverage(model, lambda m: m.init_weights(heads=False))
    assert report.never == ["head.weight"]
    assert model.head.weight.isfinite().all()                   # it has what it had before


def test_mistake_3_nan_on_one_rank():
    """What a rank whose weights never came has: memory that is NaN, or never written."""
    def init(model):
        model.init_weights()
        with torch.no_grad():
            model.blocks[1].weight[3, 4] = math.nan

    assert it.coverage(Model(), init).non_finite == ["blocks.1.weight"]


def test_mistake_4_a_tied_head_untied():
    def init(model):
        model.to_empty(device="cpu")                            # PyTorch's own loses ties
        model.init_weights()

    report = it.coverage(meta(), init)
    assert report.lost_ties == ["embed.weight = head.weight"] and not report.ok


def test_mistake_5_an_expert_tensor_skipped_by_a_type_test():
    report = it.coverage(Model(), lambda m: m.init_weights(experts=False))
    assert report.never == ["experts"]

    def half(model):
        model.init_weights(experts=False)
        nn.init.normal_(model.experts.data[0])

    assert it.coverage(Model(), half).never == ["experts (50.0% of it)"]


def test_mistake_6_equal_shards():
    def init(model):
        model.init_weights(experts=False)
        for expert in model.experts.data:
            torch.manual_seed(0)
            nn.init.normal_(expert)

    report = it.coverage(Model(experts=4), init)
    assert report.equal_shards == ["experts"] and "RNG502" in str(report)
    assert [(f.rule, f.tensor) for f in report.findings] == [("RNG502", "experts")]


def test_raw_memory_of_another_place_is_told_by_its_looks():
    """Written, but with what was never written itself: no poison is left, and it is no NaN either."""
    k = torch.arange(1.0, 49)
    garbage = torch.where(k % 2 == 0, k * 1e-41, k * k * 7e21).reshape(8, 6)
    net = nn.Sequential(nn.Linear(6, 8))
    report = it.coverage(net, lambda m: (m[0].weight.data.copy_(garbage), nn.init.zeros_(m[0].bias)))
    assert not report.never and not report.non_finite and not report.ok
    assert [(f.rule, f.tensor) for f in report.findings] == [("TEN801", "0.weight")]
    assert "TEN801 0.weight" in str(report)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64, torch.int64,
                                   torch.int8, torch.bool])
def test_every_dtype_is_poisoned_and_put_back(dtype):
    net = nn.Module()
    net.register_buffer("a", torch.ones(5, 3, dtype=dtype))
    net.register_buffer("b", torch.ones(4, dtype=dtype))
    report = it.coverage(net, lambda m: m.b.zero_())
    assert report.never == ["a"] and bool((net.a == 1).all()) and not bool((net.b != 0).any())


def test_constants_are_no_equal_shards_and_empty_tensors_are_written():
    net = nn.Sequential(nn.Linear(6, 8))
    net[0].nothing = nn.Parameter(torch.empty(0, 6))
    report = it.coverage(net, lambda m: (nn.init.ones_(m[0].weight), nn.init.zeros_(m[0].bias)))
    assert report.ok


def test_an_error_in_the_initialisation_passes_and_the_model_is_whole():
    model = Model()
    before = it.fingerprint(model)

    def init(model):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        it.coverage(model, init)
    assert it.fingerprint(model) == before
    torch.empty(3)
    assert torch.nn.init.normal_.__module__ == "torch.nn.init"


def test_coverage_of_seeded_and_of_rules():
    def init(model):
        with it.seeded(model, 0):
            model.init_weights()

    assert it.coverage(Model(), init).ok
    rules = {"norm.weight": "ones", "*.bias": "zeros", "*inv_freq": "ones", "*": "normal"}
    assert it.coverage(Model(), lambda m: it.initialize(m, rules, rng=0)).ok


def test_bad_input():
    for model, init in (({}, print), (nn.Linear(2, 2), None)):
        with pytest.raises(errors.ArgumentTypeError, match="must be"):
            it.coverage(model, init)
