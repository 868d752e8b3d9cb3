"""Eight gloo processes on one machine, and what each of them checks; started by tests/torch/test_torch_shards.py.

``python torch_ranks.py RANK WORLD STORE``: joins the group by the file STORE, runs every check below on meshes of 1, 2,
3, 4 and 8 of the ranks, and ends with 0 where all were right.
"""

import sys
import traceback
import warnings

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import CPUOffloadPolicy, FullyShardedDataParallel, fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.distributed.tensor.placement_types import _StridedShard

import initcore as ic
import initcore.torch as it

KEY = ic.Key(33)
KINDS = {
    "uniform_": {}, "normal_": {"std": 0.02}, "trunc_normal_": {"std": 0.5}, "truncated_normal_": {"std": 0.5},
    "zeros_": None, "ones_": None, "eye_": None, "xavier_uniform_": {}, "xavier_normal_": {}, "kaiming_uniform_": {},
    "kaiming_normal_": {"mode": "fan_out"}, "orthogonal_": {"gain": 2.0}, "sparse_": {"sparsity": 0.4}, "spectral_": {},
    "siren_": {}, "he_normal_": {"truncate": 2.0}, "glorot_uniform_": {}, "lecun_uniform_": {}, "torch_default_": {},
    "small_init_": {}, "wang_init_": {"n_layers": 3}, "mup_std_": {"role": "output"}, "embedding_": {"padding_idx": 5},
    "variance_scaling_": {"mode": "fan_avg"},
}
SHAPE = (10, 7)


def meshes():
    """A mesh of each size: the ranks outside of one hold nothing of it."""
    for sizes in ((1,), (2,), (3,), (4,), (8,), (2, 2), (2, 4), (4, 2), (3, 2)):
        ranks = torch.arange(dist.get_world_size())[:torch.tensor(sizes).prod()].reshape(sizes)
        yield DeviceMesh("cpu", ranks, mesh_dim_names=("a", "b")[:len(sizes)])


def placements(mesh):
    if mesh.ndim == 1:
        return [(Shard(0),), (Shard(1),), (Replicate(),)]
    inner = mesh.size(1)
    return [(Shard(0), Shard(0)), (_StridedShard(0, split_factor=inner), Shard(0)), (Shard(1), Shard(0)),
            (Replicate(), Shard(0)), (Shard(0), Replicate()), (_StridedShard(1, split_factor=3), Replicate()),
            (_StridedShard(0, split_factor=3), Shard(1))]


def empty(shape, mesh, where, dtype=torch.float32):
    """A DTensor of garbage with any placements."""
    local, _ = compute_local_shape_and_global_offset(shape, mesh, where)
    return placed(torch.full(local, 7.0, dtype=dtype), shape, mesh, where)


def placed(local, shape, mesh, where):
    strides = tuple(torch.empty(shape, device="meta").stride())
    return DTensor.from_local(local, mesh, where, run_check=False, shape=torch.Size(shape), stride=strides)


def bits(tensor):
    return tensor.detach().contiguous().view({2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()])


def same(sharded, whole, what):
    if sharded.device_mesh.get_coordinate() is None:
        return
    full = sharded.full_tensor() if isinstance(sharded, DTensor) else sharded
    assert torch.equal(bits(full), bits(whole)), what


def check_kinds():
    """Every initialiser, every placement, every mesh: full_tensor() is what one process makes.

    The kinds lie side by side along a last axis, so that one gathering shows them all, and the parts have strides.
    """
    given = {name: {} if args is None else {**args, "rng": KEY} for name, args in KINDS.items()}
    whole = {name: getattr(it.init, name)(torch.empty(SHAPE), **given[name]) for name in KINDS}
    for mesh in meshes():
        for where in placements(mesh):
            everything = empty((*SHAPE, len(KINDS)), mesh, where)
            for k, name in enumerate(KINDS):
                local = everything.to_local()[..., k] if mesh.get_coordinate() is not None else torch.empty(0)
                w = placed(local, SHAPE, mesh, where)
                assert getattr(it.init, name)(w, **given[name]) is w
            if mesh.get_coordinate() is not None:
                full = everything.full_tensor()
                for k, name in enumerate(KINDS):
                    assert torch.equal(bits(full[..., k]), bits(whole[name])), (name, where, tuple(mesh.shape))


def check_convolutions_and_dtypes():
    shape = (6, 4, 3, 3)
    for mesh in meshes():
        if mesh.size() not in (2, 8):
            continue
        for where in placements(mesh):
            for dtype in (torch.float32, torch.bfloat16, torch.float64):
                for name in ("kaiming_normal_", "orthogonal_", "delta_orthogonal_", "dirac_"):
                    w, whole = empty(shape, mesh, where, dtype), torch.empty(shape, dtype=dtype)
                    given = {} if name == "dirac_" else {"rng": KEY}
                    getattr(it.init, name)(w, **given)
                    same(w, getattr(it.init, name)(whole, **given), (name, where, dtype))


def check_partial_is_refused():
    mesh = DeviceMesh("cpu", range(dist.get_world_size()))
    w = DTensor.from_local(torch.full((3,), 7.0), mesh, (Partial(),), run_check=False)
    for call in (it.init.normal_, it.init.zeros_, lambda t: it.seeded({"w": t}, 0)):
        try:
            call(w)
        except ic.errors.DeviceError as error:
            assert "Partial" in str(error) or "_P" in str(error) or "P(sum)" in str(error), str(error)
            assert (w.to_local() == 7).all()
        else:
            raise AssertionError("Partial was filled")


def check_the_default_generator_agrees():
    """Equal seeds are equal keys, and the shards are parts of one array all the same."""
    mesh = DeviceMesh("cpu", range(dist.get_world_size()))
    torch.manual_seed(9)
    w = it.init.normal_(empty((16, 3), mesh, (Shard(0),)))
    torch.manual_seed(9)
    same(w, it.init.normal_(torch.empty(16, 3)), "manual_seed")


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(6, 10), nn.Linear(10, 6, bias=False)
        self.norm = nn.LayerNorm(6)
        self.register_buffer("table", torch.zeros(3, 5))

    def forward(self, x):
        return self.norm(x + self.down(torch.relu(self.up(x))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(13, 6, padding_idx=2)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(6, 13, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def init(net):
    """A model's own code: torch.nn.init by name, raw methods, views, what reset_parameters does."""
    for module in net.modules():
        if isinstance(module, (nn.LayerNorm, nn.Embedding)):
            module.reset_parameters()
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                module.bias.data.normal_(0, 0.01)
        elif isinstance(module, Block):
            module.table.uniform_(-1, 1)
    nn.init.trunc_normal_(net.blocks[1].up.weight, std=0.02)
    nn.init.orthogonal_(net.blocks[0].down.weight)


def check_models():
    """FSDP2, tensor parallel, both, hybrid, offloaded, from meta: the state is one process's, ties kept."""
    one = Net()
    with it.seeded(one, KEY):
        init(one)
    want = one.state_dict()
    for mesh in meshes():
        for how in ("fsdp", "tp", "both") if mesh.ndim == 1 else ("hsdp", "fsdp+tp"):
            if (how == "both") or (mesh.size() == 3 and how == "tp"):
                continue
            with torch.device("meta"):
                net = Net()
            if mesh.get_coordinate() is None:
                continue
            shard(net, mesh, how)
            it.to_empty(net, device="cpu")
            assert net.head.weight is net.embed.weight, how
            with it.seeded(net, KEY):
                init(net)
            for name, value in net.state_dict().items():
                same_value(value, want[name], (how, tuple(mesh.shape), name))
            if "tp" not in how:
                net(torch.arange(13)[None])                 # it runs, and FSDP2 uses what was written


def same_value(value, want, what):
    full = value.full_tensor() if isinstance(value, DTensor) else value
    assert torch.equal(bits(full), bits(want)), what


def shard(net, mesh, how):
    plan = {"up": ColwiseParallel(), "down": RowwiseParallel()}
    if how == "tp":
        for block in net.blocks:
            parallelize_module(block, mesh, plan)
        return
    rest = {"offload_policy": CPUOffloadPolicy(pin_memory=False)} if how == "fsdp" and mesh.size() == 2 else {}
    if how == "fsdp+tp":
        for block in net.blocks:
            parallelize_module(block, mesh["b"], plan)
        mesh = mesh["a"]
    for block in net.blocks:
        fully_shard(block, mesh=mesh, **rest)
    fully_shard(net, mesh=mesh, **rest)


def check_fsdp1():
    """Flat shards: runs of the flattened parameters."""
    one = Net()
    with it.seeded(one, KEY):
        init(one)
    whole = dict(one.named_parameters())
    for size in (2, 3, 8):
        group = dist.new_group(list(range(size)))
        if dist.get_rank() >= size:
            continue
        for original in (True, False):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                net = FullyShardedDataParallel(Net(), process_group=group, use_orig_params=original,
                                               device_id=torch.device("cpu"), sync_module_states=False)
            table = it.initialize(net, {"*norm*": "ones", "*": ic.init.normal}, rng=KEY)
            assert [r.shape for r in table.rows if r.name == "blocks.0.up.weight"] == [(10, 6)]
            with FullyShardedDataParallel.summon_full_params(net):
                for name, value in net.named_parameters():
                    name = name.replace("_fsdp_wrapped_module.", "")
                    shape = tuple(whole[name].shape)
                    made = torch.ones(shape) if "norm" in name else it.init.normal_(torch.empty(shape),
                                                                                    rng=KEY.child(name))
                    assert torch.equal(bits(value), bits(made)), (size, original, name)


def check_initialize_and_fingerprint():
    rules = {"*norm.weight": "ones", "*.bias": ic.init.zeros, "embed.weight": "embedding", "*": ic.init.he_normal}
    one = Net()
    it.initialize(one, rules, rng=KEY)
    want, mark = one.state_dict(), it.fingerprint(one)
    for mesh in meshes():
        if mesh.ndim == 2 and mesh.size() == 6:
            continue
        with torch.device("meta"):
            net = Net()
        if mesh.get_coordinate() is None:
            continue
        shard(net, mesh, "fsdp" if mesh.ndim == 1 else "fsdp+tp")
        it.to_empty(net, device="cpu")
        it.initialize(net, rules, rng=KEY)
        for block in net.blocks:
            block.table.zero_()                             # no rule names it: it is left as it is
        for name, value in net.state_dict().items():
            same_value(value, want[name], ("initialize", tuple(mesh.shape), name))
        assert it.fingerprint(net) == mark, tuple(mesh.shape)
        with torch.no_grad():
            local = net.blocks[0].up.weight.to_local()
            if dist.get_rank() == 0 and local.numel():
                local.view(torch.int32).view(-1)[-1] ^= 1                         # one bit, on one rank
        assert it.fingerprint(net) != mark, tuple(mesh.shape)


def check_coverage():
    """Stock PyTorch, equal seeds: the shards are equal, and it is seen; by names they are not. NaN on one rank."""
    mesh = DeviceMesh("cpu", range(2))
    if mesh.get_coordinate() is None:
        return
    net = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 4))
    fully_shard(net, mesh=mesh)
    stock = it.coverage(net, lambda m: (torch.manual_seed(0), [layer.reset_parameters() for layer in m]))
    assert "0.weight" in stock.equal_shards and "1.weight" in stock.equal_shards, str(stock)

    def seeded(model):
        with it.seeded(model, KEY):
            for layer in model:
                layer.reset_parameters()

    assert it.coverage(net, seeded).ok

    def broken(model):
        seeded(model)
        if dist.get_rank() == 1:
            model[1].weight.to_local().data.fill_(float("nan"))

    assert it.coverage(net, broken).non_finite == (["1.weight"] if dist.get_rank() == 1 else [])


def main(rank, world, store):
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    torch.set_num_threads(1)
    for check in [f for name, f in globals().items() if name.startswith("check_")]:
        dist.barrier()
        check()
        if rank == 0:
            print("ok", check.__name__, flush=True)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        import os
        os._exit(1)                                         # not to wait for ranks that wait for this one
