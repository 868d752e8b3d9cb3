"""One line an operation: what it.program writes for it computes what PyTorch does, in float64 and without a hole."""

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from test_torch_program_values import agrees, tensors  # noqa: E402

IMAGE, ROWS, INDEX = (2, 4, 6, 6), (3, 4), torch.tensor([[2, 0], [1, 1], [0, 2]])


def after(name, prepare):
    """A function of torch on prepared values."""
    return lambda x: getattr(torch, name)(prepare(x))


OPERATIONS = {
    # activations
    **{name: getattr(F, name) for name in (
        "relu", "silu", "mish", "gelu", "selu", "elu", "celu", "leaky_relu", "hardtanh", "relu6", "hardswish",
        "hardsigmoid", "softplus", "softsign", "logsigmoid", "tanhshrink", "softshrink", "hardshrink", "glu")},
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"), "elu 0.3": lambda x: F.elu(x, 0.3),
    "celu 2": lambda x: F.celu(x, 2.0), "leaky 0.2": lambda x: F.leaky_relu(x, 0.2),
    "prelu": lambda x: F.prelu(x, x[0, :1]),
    "softplus 3": lambda x: F.softplus(x, 3.0), "threshold": lambda x: F.threshold(x, 0.1, -5.0),
    # elementwise
    **{name: getattr(torch, name) for name in (
        "neg", "abs", "square", "exp", "expm1", "exp2", "sin", "cos", "tan", "sinh", "cosh", "atan", "asinh", "erf",
        "erfc", "tanh", "sigmoid", "sign", "floor", "ceil", "round", "trunc", "isnan", "isfinite", "reciprocal", "sum",
        "mean", "prod", "amax", "amin", "var", "std", "argmax", "flatten", "ravel", "t", "tril", "triu", "min", "max",
        "norm", "clone", "zeros_like", "ones_like")},
    **{name: after(name, lambda x: x.abs() + 0.5)
       for name in ("log", "log1p", "log2", "log10", "sqrt", "rsqrt", "digamma", "lgamma")},
    **{name: after(name, lambda x: x.clamp(-0.9, 0.9)) for name in ("asin", "acos", "atanh", "erfinv")},
    "logit": lambda x: torch.logit(x.sigmoid(), 1e-6), "clamp": lambda x: x.clamp(-0.5, 0.5),
    "clamp tensor": lambda x: x.clamp(x.mean(), x.mean() + 1), "clamp_min": lambda x: x.clamp_min(0.1),
    "add alpha": lambda x: torch.add(x, x[:1], alpha=3), "sub alpha": lambda x: torch.sub(x, x[:1], alpha=0.5),
    "rsub": lambda x: 2 - x, "div": lambda x: 1 / (x + 9), "floor_divide": lambda x: x // 0.3,
    "div trunc": lambda x: torch.div(x, 0.3, rounding_mode="trunc"), "remainder": lambda x: x % 0.7,
    "pow": lambda x: x ** 3, "pow scalar": lambda x: 2.0 ** x, "pow tensor": lambda x: (x.abs() + 1) ** x,
    "maximum": lambda x: torch.maximum(x, x[:, :1]), "min other": lambda x: torch.min(x, x[:1]),
    "lerp": lambda x: torch.lerp(x, x[:1], 0.3), "addcmul": lambda x: torch.addcmul(x, x, x[:1], value=2.0),
    "addcdiv": lambda x: torch.addcdiv(x, x, x[:1].exp()), "atan2": lambda x: torch.atan2(x, x[:1]),
    "compare": lambda x: [x > 0, x >= x[:1], x < 0.3, x <= x[:1], x == x[:1], x != x[:1]],
    "logical": lambda x: [(x > 0) & (x < 1), (x > 1) | (x < 0), ~(x > 0), (x > 0) ^ (x > -1), torch.logical_not(x)],
    "where": lambda x: torch.where(x > 0, x, x.exp()), "where scalar": lambda x: torch.where(x > 0, 1.0, x),
    "masked_fill": lambda x: x.masked_fill(x > 0, -3.0), "cast": lambda x: [x.float(), x.long(), (x > 0).to(x.dtype)],
    # new tensors
    "full": lambda x: x + torch.full((3, 1), 2.0), "arange": lambda x: x * torch.arange(4) + torch.arange(1, 9, 2),
    "linspace": lambda x: x * torch.linspace(0, 1, 4, dtype=x.dtype), "eye": lambda x: x @ torch.eye(4, dtype=x.dtype),
    "new": lambda x: x.new_zeros(3, 1) + x.new_ones(4) + x.new_full((4,), 2.0) + torch.full_like(x, 3.0),
    "meshgrid": lambda x: torch.meshgrid(x[0], x[:, 0], indexing="ij"),
    # shapes
    "reshape": lambda x: x.reshape(2, -1), "unflatten": lambda x: x.unflatten(1, (2, -1)),
    "squeeze": lambda x: [x[:, :1].squeeze(1), x[:1, :1].squeeze(), x[None].squeeze((0,))], "transpose": lambda x: x.mT,
    "permute": lambda x: x[None].permute(2, 0, -2), "movedim": lambda x: x[None].movedim((0, 2), (1, 0)),
    "expand": lambda x: x[:, :1].expand(-1, 5), "broadcast_to": lambda x: torch.broadcast_to(x, (2, 3, 4)),
    "repeat": lambda x: [x.repeat(2, 1), x.repeat(2, 1, 3)], "tile": lambda x: torch.tile(x, (2,)),
    "repeat_interleave": lambda x: [x.repeat_interleave(3, 1), x.repeat_interleave(2)],
    "split": lambda x: x.split(3, 1), "split sizes": lambda x: x.split([1, 3], 1), "chunk": lambda x: x.chunk(3, -1),
    "unbind": lambda x: x.unbind(1), "slices": lambda x: [x[1:], x[:, ::2], x[..., -1], x[:, 1:-1]],
    "narrow": lambda x: x.narrow(1, 1, 2), "cat": lambda x: torch.cat([x, x.exp()], -1),
    "stack": lambda x: [torch.stack([x, x.exp()], 1), torch.stack([x])], "flip": lambda x: x.flip(-1),
    "roll": lambda x: x.roll((1, -1), (0, 1)), "pad": lambda x: F.pad(x, (1, 2, 0, 1), value=0.5),
    "diff": lambda x: x.diff(dim=0), "chain": lambda x: x.T.contiguous().view(-1),
    # indices
    "index_select": lambda x: x.index_select(1, torch.tensor([3, 1, 1])), "embedding": lambda x: F.embedding(INDEX, x),
    "index": lambda x: [x[INDEX], x[:, torch.tensor([1, -2])], x[torch.tensor([0, -1]), torch.tensor([2, 3])]],
    "gather": lambda x: x.gather(1, INDEX), "take_along_dim": lambda x: torch.take_along_dim(x, INDEX, 1),
    "scatter": lambda x: [x.scatter(1, INDEX.flip(0)[:, :1], x[:, 2:]), x.scatter(1, INDEX[:, :1], 5.0)],
    "scatter_add": lambda x: x.scatter_add(1, INDEX, x.exp()),
    "scatter_reduce": lambda x: x.scatter_reduce(1, INDEX, x.exp(), "amax"),
    "index_add": lambda x: x.index_add(0, torch.tensor([0, 0]), x[1:], alpha=2.0),
    "index_copy": lambda x: x.index_copy(0, torch.tensor([2, 0]), x[1:].exp()),
    "index_put": lambda x: x.index_put((torch.tensor([0, 2]),), x[0], accumulate=True),
    "slice_scatter": lambda x: x.slice_scatter(x[:, :2].exp(), 1, 1, 3),
    "select_scatter": lambda x: x.select_scatter(x[0].exp(), 0, -1),
    "one_hot": lambda x: F.one_hot(INDEX, 4) * x[:, None],
    # products
    "matmul": lambda x: [x @ x.T, x @ x[0], x[0] @ x.T, x[None] @ x.T, x[0] @ x[0], x.expand(2, 3, 4) @ x.T[None]],
    "addmm": lambda x: torch.addmm(x[:, :3], x, x.T, beta=0.5, alpha=2.0),
    "outer": lambda x: torch.outer(x[0], x[:, 0]), "linear": lambda x: F.linear(x, x[:2], x[0, :2]),
    "baddbmm": lambda x: torch.baddbmm(x[None, :, :3], x[None], x.T[None]),
    "bilinear": lambda x: F.bilinear(x[:, :3], x, x[None], x[0, :1]), "linear of a row": lambda x: F.linear(x, x[0]),
    "einsum": lambda x: [torch.einsum("ij,kj->ik", x, x), torch.einsum("ij->j", x),
                         torch.einsum("i...,k...->ik...", x, x), torch.einsum("ab,cb,cd->ad", x, x, x),
                         torch.einsum("ij,ij", x, x)],
    # reductions
    "mean dims": lambda x: [x.mean(-1, keepdim=True), x.sum((0, 1)), x.amax(0), x.var(1, correction=0), x.std(0)],
    "max dim": lambda x: [*x.max(1), *x.min(0, keepdim=True)], "logsumexp": lambda x: x.logsumexp(1),
    "any all": lambda x: [(x > 0).any(), (x > 0).all(1)], "count": lambda x: (x > 0).count_nonzero(0),
    "var_mean": lambda x: torch.var_mean(x, 1), "norms": lambda x: [torch.linalg.vector_norm(x, 3, 1), F.normalize(x)],
    "softmax": lambda x: [x.softmax(-1), F.log_softmax(x, 0), F.softmin(x, 1)], "cumsum": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(0), "sort": lambda x: [*x.sort(0), x.argsort(1, descending=True)],
    "topk": lambda x: [*x.topk(2), *x.topk(1, 0, largest=False)],
    "layer_norm": lambda x: [F.layer_norm(x, (4,)), F.rms_norm(x, (4,), x[0], 1e-3)],
}
IMAGES = {
    "conv stride": lambda x: F.conv2d(x, x[:, :, :3, :2], x[0, 0, 0, :2], (2, 1), (1, 0), (1, 2)),
    "conv same": lambda x: F.conv2d(x, x[:, :, :4, :2], padding="same"),
    "conv groups": lambda x: F.conv2d(x, x[:, :2, :2, :3], groups=2),
    "conv unbatched": lambda x: F.conv2d(x[0], x[:, :, :3, :3]), "conv1d": lambda x: F.conv1d(x[0], x[0][:, :, :3]),
    "conv transposed": lambda x: F.conv_transpose2d(x, x.permute(1, 0, 2, 3)[:, :, :3, :3], None, 2, 1, 1),
    "conv transposed groups": lambda x: F.conv_transpose2d(x, x.permute(1, 0, 2, 3)[:, :, :2, :2], None, 1, 0, 0, 2),
    "conv3d": lambda x: F.conv3d(x[None], x[:, :2, None, :2, :2].permute(1, 0, 2, 3, 4)),
    "pools": lambda x: [F.max_pool2d(x, 3, 2, 1, ceil_mode=True), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
                        F.adaptive_avg_pool2d(x, 3), F.adaptive_max_pool2d(x, 2), F.adaptive_avg_pool2d(x, (6, 6)),
                        F.max_pool1d(x[0], 2), F.lp_pool2d(x.abs() + 0.1, 2, 2)],
    "resampled": lambda x: [F.interpolate(x, scale_factor=2), F.interpolate(x, (9, 9), mode="bilinear"),
                            F.interpolate(x, (4, 4), mode="bicubic", align_corners=True)],
    "shuffled": lambda x: [F.pixel_shuffle(x, 2), F.pixel_unshuffle(x, 3), F.channel_shuffle(x, 2)],
    "padded": lambda x: [F.pad(x, (1, 1, 2, 0), "reflect"), F.pad(x, (0, 1, 1, 0), "replicate")],
    "group_norm": lambda x: F.group_norm(x, 2, x[0, :, 0, 0], x[1, :, 0, 0]),
    "instance_norm": lambda x: F.instance_norm(x),
    "attention": lambda x: F.scaled_dot_product_attention(x, x.exp(), x.sin(), x[0, 0] > 0.1, scale=0.3),
    "attention groups": lambda x: F.scaled_dot_product_attention(x, x[:, :2], x[:, 2:], is_causal=True,
                                                                 enable_gqa=True),
    "attention bias": lambda x: F.scaled_dot_product_attention(x, x, x, x[0, 0]),
    "unfolded patches": lambda x: x.reshape(2, 4, 3, 2, 3, 2).permute(0, 2, 4, 1, 3, 5).flatten(1, 2).flatten(2),
}


class Calls(torch.nn.Module):
    """A function as a module, whose outputs are all tensors that it returns."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        made = self.function(x)
        return [m for m in made] if isinstance(made, (list, tuple)) else made


def groups(functions, size=8):
    """Several in one module: what takes time is the export."""
    names = list(functions)
    return [names[k:k + size] for k in range(0, len(names), size)]


def whole(functions, names, *shape):
    def function(x):
        return [t for name in names for t in tensors(functions[name](x))]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(3)).double()
    found = agrees(Calls(function), x)
    assert not any(op.kind == "opaque" for op in found.ops), str(found)


@pytest.mark.parametrize("names", groups(OPERATIONS), ids=" ".join)
def test_operations_on_rows(names):
    whole(OPERATIONS, names, *ROWS)


@pytest.mark.parametrize("names", groups(IMAGES), ids=" ".join)
def test_operations_on_images(names):
    whole(IMAGES, names, *IMAGE)
