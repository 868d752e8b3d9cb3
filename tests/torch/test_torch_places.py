"""Placements replayed on ranges, flat runs, and views mapped onto the elements of what they were cut from."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch.distributed.tensor import Shard  # noqa: E402
from torch.distributed.tensor.placement_types import _StridedShard  # noqa: E402

import initcore as ic  # noqa: E402
import initcore.torch as it  # noqa: E402
from initcore import errors  # noqa: E402
from initcore.torch._places import place as placing  # noqa: E402
from initcore.torch._places import placements  # noqa: E402

SPLITS = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 5), st.integers(1, 4)), max_size=3)


@given(st.tuples(st.integers(0, 13), st.integers(1, 9)), SPLITS, st.data())
@settings(max_examples=150)
def test_placements_are_torchs(shape, splits, data):
    """A rank's indices are what torch's own placements cut out of the whole, one mesh dimension after the other."""
    whole = torch.arange(shape[0] * shape[1]).reshape(shape)
    local, own = whole, []
    for axis, parts, factor in splits:
        number = data.draw(st.integers(0, parts - 1))
        kind = Shard(axis) if factor == 1 else _StridedShard(axis, split_factor=factor)
        local = kind._split_tensor(local, parts, with_padding=False)[0][number]
        own.append(placements.Split(axis, parts, number, factor))
    runs = placements.owned(shape, own)
    assert tuple(map(placements.size, runs)) == tuple(local.shape)
    rebuilt = torch.full(local.shape, -1)
    for box in placements.boxes(runs):
        at = tuple(slice(a, a + n) for a, n in zip(box.start, box.shape))
        rebuilt[box.local] = whole[at]
    assert torch.equal(rebuilt, local)


@given(st.lists(st.integers(1, 5), max_size=4), st.data())
@settings(max_examples=150)
def test_flat_runs_are_boxes(shape, data):
    whole = np.arange(int(np.prod(shape))).reshape(shape)
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, whole.size)] * 2)))
    flat, count = np.full(last - first, -1), 0
    for box in placements.flat_boxes(shape, first, last):
        at = tuple(slice(a, a + n) for a, n in zip(box.start, box.shape))
        flat[box.local] = whole[at].ravel()
        count += 1
    assert (flat == np.arange(first, last)).all() and count <= max(1, 2 * len(shape) - 1)


CUTS = [np.s_[:], np.s_[1:], np.s_[:, 2:5], np.s_[2], np.s_[:, 3], np.s_[::2], np.s_[1:4, ::3], np.s_[3, 4]]
BASES = {"whole": lambda: torch.empty(6, 8), "transposed": lambda: torch.empty(8, 6).t(),
         "inside another": lambda: torch.empty(9, 12)[2:8, 3:11], "channels last": lambda: torch.empty(8, 12).t()[::2]}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_views_have_the_numbers_of_their_base(base, cut, turn):
    whole = BASES[base]()
    view = whole[cut].t() if turn and whole[cut].ndim == 2 else whole[cut]
    numbers = torch.arange(whole.numel()).reshape(whole.shape)
    want = numbers[cut].t() if turn and whole[cut].ndim == 2 else numbers[cut]
    found = placing.view(placing.place(whole), view)
    assert found is not None and len(found) == 1
    _, first, strides = found[0]
    got = first + sum((np.arange(n) * s).reshape(-1, *(1,) * (view.ndim - k - 1))
                      for k, (n, s) in enumerate(zip(view.shape, strides)))
    assert (np.asarray(got) == want.numpy()).all()


def test_views_of_shards_have_the_numbers_of_the_whole():
    """A rank's local tensor in several runs, of rows and of columns, and parts of it."""
    whole = torch.arange(12 * 10).reshape(12, 10)
    runs = (((1, 3), (5, 9)), ((0, 4), (7, 10)))
    rows = [i for a, b in runs[0] for i in range(a, b)]
    columns = [i for a, b in runs[1] for i in range(a, b)]
    local = torch.full((6, 7), -1)
    where = placing.sharded((12, 10), local, runs)
    assert len(where.pieces) == 4
    for cut in (np.s_[:], np.s_[1:5], np.s_[:, 2:6], np.s_[0:2, 4:], np.s_[3:, :1]):
        filled = local.clone().fill_(-1)
        part = filled[cut]
        for view, first, strides in placing.view(placing.sharded((12, 10), filled, runs), part):
            numbers = first + sum(torch.arange(n).reshape(-1, *(1,) * (view.ndim - k - 1)) * s
                                  for k, (n, s) in enumerate(zip(view.shape, strides)))
            view.copy_(numbers)
        assert torch.equal(part, whole[rows][:, columns][cut])


def test_axes_of_size_one_are_no_obstacle():
    for whole in (torch.as_strided(torch.empty(40), (1, 6), (1, 2)), torch.as_strided(torch.empty(40), (6, 1), (3, 1))):
        for view in (whole.reshape(-1)[2:5], whole.squeeze()[1:], whole[..., -1:]):
            found = placing.view(placing.place(whole), view)
            assert found is not None and sum(v.tensor.numel() for v in found) == view.numel()


def test_what_does_not_line_up_is_not_a_view():
    whole = torch.empty(6, 8)[:, :6]
    for view in (torch.as_strided(whole, (3,), (5,)), torch.as_strided(whole, (4, 7), (8, 1))):
        assert placing.view(placing.place(whole), view) is None


def test_a_local_part_of_the_wrong_shape_is_refused():
    with pytest.raises(errors.DeviceError, match="its placement of an array of shape"):
        placing.sharded((4, 4), torch.empty(3, 4), (((0, 2),), ((0, 4),)))


def test_a_default_device_elsewhere_changes_nothing():
    """`with torch.device("meta")` is about new tensors, not about those to fill."""
    w, v = torch.empty(4, 5, dtype=torch.bfloat16), torch.empty(4, 5, dtype=torch.bfloat16)
    net = torch.nn.Linear(3, 3)
    mark = it.fingerprint(net)
    for call in (lambda t: it.init.trunc_normal_(t, rng=0), lambda t: it.init.orthogonal_(t, rng=0),
                 lambda t: it.init.trunc_normal_(t, a=0.5, b=0.5), lambda t: it.init.sparse_(t, 0.5, rng=0),
                 lambda t: it.init.spectral_(t, rng=0), it.init.normal_):
        torch.manual_seed(3)
        call(v)
        torch.manual_seed(3)
        with torch.device("meta"):
            call(w)
        assert torch.equal(w, v)
    with torch.device("meta"):
        assert it.fingerprint(net) == mark
        assert it.coverage(net, lambda m: it.initialize(m, {"*": "zeros"}, rng=0)).ok


def test_every_split_of_every_axis_together_is_the_whole():
    key = ic.Key(3)
    whole = it.init.normal_(torch.empty(7, 5), rng=key)
    built = torch.empty(7, 5)
    for i, j in itertools.product(range(4), range(3)):
        runs = placements.owned((7, 5), [placements.Split(0, 4, i, 3), placements.Split(1, 3, j)])
        for box in placements.boxes(runs):
            at = tuple(slice(a, a + n) for a, n in zip(box.start, box.shape))
            built[at] = torch.from_numpy(ic.init.normal(box.shape, rng=key, global_shape=(7, 5), start=box.start))
    assert torch.equal(built, whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_devices_without_a_kernel_get_the_same_bits_in_slabs(dtype, monkeypatch):
    """What another device's tensor is filled by, here on the CPU's memory."""
    from initcore.torch import _draw
    monkeypatch.setattr(_draw, "_SLAB", 40)
    key, draw = ic.Key(2), _draw.normal(0.5, 2.0)
    for shape, strides in (((17, 9), (9, 1)), ((9, 17), (1, 9)), ((5,), (3,)), ((), ()), ((0, 3), (3, 1))):
        a, b = torch.full(shape, 7.0, dtype=dtype), torch.full(shape, 7.0, dtype=dtype)
        _draw._by_way_of_the_cpu(draw, a, key, 4, strides)
        _draw.fill(draw, [placing.View(b, 4, strides)], key, dtype)
        assert torch.equal(a, b)
