"""Tensors that are no plain weights: filled as a plain one, or refused by a sentence and left untouched."""

import pytest

import initcore as ic
from initcore.errors import InitcoreError

torch = pytest.importorskip("torch")

import initcore.torch as it  # noqa: E402


def fills():
    """Every initialiser that fills a matrix without further arguments."""
    names = ("normal_", "uniform_", "trunc_normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_",
             "kaiming_normal_", "orthogonal_", "zeros_", "ones_", "eye_")
    return {n: getattr(it.init, n) for n in names}


def make(kind):
    plain = torch.full((6, 8), 7.0)
    return {
        "transposed": lambda: torch.full((8, 6), 7.0).T,
        "every second": lambda: torch.full((12, 16), 7.0)[::2, ::2],
        "a part": lambda: torch.full((48 + 1,), 7.0)[1:].view(6, 8),
        "a parameter": lambda: torch.nn.Parameter(plain),
        "meta": lambda: torch.empty(6, 8, device="meta"),
        "expanded": lambda: torch.full((1, 8), 7.0).expand(6, 8),
        "conjugate": lambda: torch.full((6, 8), 7.0 + 1j).conj(),
        "sparse": lambda: plain.to_sparse(),
        "quantized": lambda: torch.quantize_per_tensor(plain, 0.1, 0, torch.qint8),
        "integers": lambda: plain.to(torch.int32),
        "booleans": lambda: plain.bool(),
        "non-leaf": lambda: torch.nn.Parameter(plain) * 1,
        "none": lambda: None,
        "an array": plain.numpy,
    }[kind]()


KINDS = ("transposed", "every second", "a part", "a parameter", "meta", "expanded", "conjugate", "sparse", "quantized",
         "integers", "booleans", "non-leaf", "none", "an array")
PLAIN = ("transposed", "every second", "a part", "a parameter")


def seen(t):
    """What a tensor holds."""
    t = t.detach()
    t = t.dequantize() if t.is_quantized else t.to_dense() if t.is_sparse else t.resolve_conj()
    return t.clone()


@pytest.mark.filterwarnings("ignore")           # PyTorch's own, of quantization
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", fills())
def test_tensors_are_filled_or_refused(name, kind):
    fill, tensor = fills()[name], make(kind)
    options = {} if name in ("zeros_", "ones_", "eye_") else {"rng": ic.Key(5)}
    want = torch.empty(6, 8)
    fill(want, **options)
    whole = isinstance(tensor, torch.Tensor) and not tensor.is_meta
    before = seen(tensor) if whole else None
    try:
        fill(tensor, **options)
    except InitcoreError as e:
        assert kind not in PLAIN and str(e)
        assert before is None or torch.equal(seen(tensor), before)
    else:
        if kind in PLAIN:
            assert torch.equal(seen(tensor), want)
