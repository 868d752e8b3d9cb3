"""it.program: memory, modes, regions without gradients, and the sentences for what cannot be read."""

import linecache

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from test_torch_program_values import agrees  # noqa: E402
from torch import nn  # noqa: E402
from torch_families import FAMILIES  # noqa: E402

import initcore as ic  # noqa: E402
import initcore.torch as it  # noqa: E402
from initcore.errors import (  # noqa: E402
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    ProgramError,
    ShapeError,
    UsageError,
)


class Does(nn.Module):
    """A module of parts whose forward is given."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.does = forward

    def forward(self, *x, **more):
        return self.does(self, *x, **more)


def kinds(program):
    return [op.kind for op in program.ops]


def names(program):
    return {n: p for p in program.parameters for n in p.names}


def test_tied_weights_are_one_parameter_with_both_names():
    module, args = FAMILIES["gpt"]()
    found = it.program(module, args)
    tied = names(found)["wte.weight"]
    assert set(tied.names) == {"wte.weight", "head.weight"}
    assert [op.kind for op in found.ops if tied.value in op.inputs] == ["look_up", "contract"]


def test_the_module_is_left_as_it_was():
    module, args = FAMILIES["resnet18"]()
    module.train()
    module.stages[0].eval()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    modes = [m.training for m in module.modules()]
    draws = torch.get_rng_state()
    found = it.program(module, args)
    assert modes == [m.training for m in module.modules()]
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert torch.equal(draws, torch.get_rng_state())
    assert all(op.attributes["training"] for op in found.ops if op.kind == "normalize")
    still = it.program(module, args, training=False)
    assert not any(op.attributes["training"] for op in still.ops if op.kind == "normalize")


def test_frozen_weights_and_buffers_are_not_trainable():
    found = it.program(*FAMILIES["lora"]())
    by = names(found)
    assert not by["0.base.weight"].trainable and by["0.a.weight"].trainable
    norm = names(it.program(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), torch.zeros(2, 3)))
    assert norm["1.running_mean"].buffer and not norm["1.running_mean"].trainable and norm["1.weight"].trainable


def test_weights_used_without_gradient_are_detached():
    def forward(self, x):
        with torch.no_grad():
            target = self.net(x)
        return self.net(x) - target, self.net(x).detach()
    found = agrees(Does(forward, net=nn.Linear(3, 4)), torch.randn(5, 3))
    cuts = [op for op in found.ops if op.kind == "detach"]
    assert len(cuts) == 2 and cuts[0].inputs[0] is not None
    made = {v for op in found.ops for v in op.outputs}
    assert cuts[0].inputs[0] in made


def test_autocast_regions_are_read_in_place():
    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self.net(x)
    found = it.program(Does(forward, net=nn.Linear(3, 4)), torch.randn(5, 3))
    assert found.coverage.share == 1 and kinds(found)[:1] == ["contract"]
    assert found.outputs[0].dtype == "bfloat16"


def test_both_branches_of_a_condition_are_read():
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda x: self.a(x), lambda x: self.b(x).sin(), (x,))
    module = Does(forward, a=nn.Linear(3, 4), b=nn.Linear(3, 4))
    for sign in (1, -1):
        found = agrees(module, sign * torch.ones(5, 3))
        assert kinds(found).count("contract") == 2 and found.coverage.share == 1


def test_writes_in_place_are_new_values():
    def forward(self, x):
        y = self.net(x)
        z = y
        y += 1
        y.relu_()
        z.mul_(2.0)
        return y + z
    found = agrees(Does(forward, net=nn.Linear(3, 4)), torch.randn(5, 3))
    assert found.coverage.share == 1 and "opaque" not in kinds(found)


def test_a_write_through_a_view_is_not_lost():
    """What the vocabulary cannot say is opaque: never the value from before the write."""
    def forward(self, x):
        y = self.net(x)
        y[:, 1] = 7.0
        return y * 2
    found = it.program(Does(forward, net=nn.Linear(3, 4)), torch.randn(5, 3))
    (cut,) = [op for op in found.ops if op.kind == "opaque"]
    (last,) = [op for op in found.ops if op.kind == "multiply"]
    assert last.inputs[0] in cut.outputs
    assert found.coverage.opaque


def test_unread_views_cost_nothing():
    found = it.program(Does(lambda self, x: self.net(x).view(-1).relu_().view(5, 4), net=nn.Linear(3, 4)),
                       torch.randn(5, 3))
    assert "opaque" not in kinds(found)


def test_an_unknown_operation_is_opaque_and_counted():
    module = Does(lambda self, x: self.b(torch.fft.fft(self.a(x)).real), a=nn.Linear(3, 4), b=nn.Linear(4, 2))
    found = it.program(module, torch.randn(5, 3))
    ((place, count),) = [(place, n) for name, place, n in found.coverage.opaque if name == "aten.fft_fft.default"]
    assert count == 1 and "test_torch_program_memory.py" in place
    frozen = it.program(Does(lambda self, x: torch.linalg.inv(self.w) @ x, w=nn.Parameter(torch.eye(3))),
                        torch.randn(3, 5))
    assert frozen.coverage.share == 0


def test_parameters_kept_in_a_list_are_found_by_identity():
    module = Does(lambda self, x: x @ self.held[0] + self.held[1])
    module.held = [nn.Parameter(torch.randn(3, 4).double()), torch.ones(4).double()]
    found = agrees(module, torch.randn(5, 3))
    by = names(found)
    assert by["held.0"].trainable and by["held.0"].size == 12 and set(by) == {"held.0"}


def test_weight_norm_is_written_out():
    net = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
    found = agrees(nn.Sequential(net), torch.randn(5, 3))
    assert "opaque" not in kinds(found) and "reduce" in kinds(found)
    assert "0.parametrizations.weight.original1" in names(found)


def test_spectral_norm_is_read_too():
    net = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4))
    assert "opaque" not in kinds(it.program(nn.Sequential(net), torch.randn(5, 3)))


@pytest.mark.parametrize("given", ["mapping", "function"])
def test_weights_of_a_meta_module_are_given_apart(given):
    real, (x,) = FAMILIES["mlp"]()
    with torch.device("meta"):
        ghost, _ = FAMILIES["mlp"]()
    state = real.state_dict()
    found = it.program(ghost, x.to("meta"), weights=state if given == "mapping" else state.__getitem__)
    for p in found.parameters:
        np.testing.assert_array_equal(p.read(), state[p.names[0]].numpy())
    with pytest.raises(UsageError, match="weights="):
        it.program(ghost, x.to("meta")).parameters[0].read()
    with pytest.raises(ArgumentError, match=r"weights has no 0\.weight"):
        it.program(ghost, x.to("meta"), weights={}).parameters[0].read()
    with pytest.raises(ShapeError, match=r"0\.weight has the shape"):
        it.program(ghost, x.to("meta"), weights=lambda name: np.zeros(3)).parameters[0].read()
    with pytest.raises(ArgumentTypeError, match="weights must be"):
        it.program(ghost, x.to("meta"), weights=3)


def test_half_precision_is_widened_once():
    found = it.program(nn.Linear(3, 4).to(torch.bfloat16), torch.zeros(2, 3, dtype=torch.bfloat16))
    weight = names(found)["weight"]
    assert weight.value.dtype == "bfloat16" and weight.read().dtype == np.float32 and weight.read() is weight.read()


def test_float32_weights_are_read_without_a_copy():
    net = nn.Linear(3, 4)
    assert np.shares_memory(names(it.program(net, torch.zeros(2, 3)))["weight"].read(), net.weight.detach().numpy())


def test_places_name_the_module_and_the_users_line():
    found = it.program(*FAMILIES["gpt"]())
    scores = [op for op in found.ops if op.kind == "attention"]
    assert scores[0].place.file.endswith("torch_sequences.py")
    assert "scaled_dot_product_attention" in linecache.getline(scores[0].place.file, scores[0].place.line)
    assert [op.place.module for op in found.ops if op.source == "aten.layer_norm.default"][:2] == ["blocks.0.ln1",
                                                                                                  "blocks.0.ln2"]
    assert all(op.attributes["node"] for op in scores)


@pytest.mark.filterwarnings("ignore")                  # torch.compile itself warns of torch.jit
def test_what_wraps_a_module_is_looked_through():
    net = nn.Linear(3, 4)
    assert set(names(it.program(torch.compile(net), torch.zeros(2, 3)))) == {"weight", "bias"}


def test_recurrent_cells_warn_nobody():
    it.program(*FAMILIES["lstm"]())                    # the test run makes warnings errors


def branches(self, x):
    if x.sum() > 0:                                     # the line that is meant
        return self.net(x)
    return x


def test_a_branch_on_data_names_its_line_and_the_remedy():
    module = Does(branches, net=nn.Linear(3, 3))
    with pytest.raises(ProgramError, match=r"test_torch_program_memory.py:\d+ `if x.sum\(\) > 0:.*torch.cond"):
        it.program(module, torch.ones(2, 3))
    found = it.program(module, torch.ones(2, 3), approximate=True)
    assert found.approximate and "contract" in kinds(found)


def store(self, x):
    self.last = self.net(x)
    self.every.append(self.last)
    self.calls += 1
    return self.last


def test_what_forward_keeps_in_the_module_is_taken_out_again():
    module = Does(store, net=nn.Linear(3, 3))
    module.every, module.calls = [], 0
    assert kinds(it.program(module, torch.ones(2, 3))) == ["contract", "add"]
    assert module.every == [] and module.calls == 0 and not hasattr(module, "last")


def test_a_module_that_does_not_run_is_named_with_its_line():
    with pytest.raises(ProgramError, match=r"cannot be read.*Call the module on the same arguments"):
        it.program(Does(lambda self, x: self.a(self.b(x)), a=nn.Linear(3, 3), b=nn.Linear(3, 4)), torch.ones(2, 3))


def test_arguments_are_judged():
    with pytest.raises(ArgumentTypeError, match=r"must be a torch\.nn\.Module"):
        it.program(torch.tanh, torch.ones(2))
    with pytest.raises(UsageError, match="has no shape yet"):
        it.program(nn.LazyLinear(3), torch.ones(2, 3))
    sparse = nn.Module()
    sparse.weight = nn.Parameter(torch.eye(3).to_sparse())
    with pytest.raises(DTypeError, match="not a plain tensor"):
        it.program(sparse, torch.ones(2, 3))


def test_the_program_is_a_program_of_initcore():
    found = it.program(*FAMILIES["mlp"]())
    assert isinstance(found, ic.program.Program)
    assert "contract" in str(found) and max(map(len, str(found).splitlines())) <= 80
