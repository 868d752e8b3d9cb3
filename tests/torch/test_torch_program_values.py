"""it.program reads what the module computes: the program, run operation by operation, gives the module's output."""

import warnings

import pytest

torch = pytest.importorskip("torch")

from exact_program import run  # noqa: E402
from torch_families import FAMILIES  # noqa: E402

import initcore.torch as it  # noqa: E402


def tensors(x):
    """Every tensor in nested outputs."""
    if isinstance(x, torch.Tensor):
        return [x]
    return [t for item in (x.values() if isinstance(x, dict) else x or ()) for t in tensors(item)]


def double(x):
    return x.double() if torch.is_tensor(x) and x.is_floating_point() else x


def agrees(module, *args, **kwargs):
    """The program of a module in training, dropout apart, computes what the module does; the program."""
    module, args = module.double(), tuple(map(double, args))
    kwargs = {k: double(v) for k, v in kwargs.items()}
    found = it.program(module, args, kwargs)
    module.train()
    for part in module.modules():
        if isinstance(part, (torch.nn.Dropout, torch.nn.modules.dropout._DropoutNd)):
            part.p = 0.0
        if isinstance(part, torch.nn.MultiheadAttention):
            part.dropout = 0.0
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = tensors(module(*args, **kwargs))
        made = run(found, [a for a in (*args, *kwargs.values()) if torch.is_tensor(a)])
    assert len(made) == len(wanted)
    for a, b in zip(made, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family(name):
    module, args = FAMILIES[name]()
    agrees(module, *args)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert", "vit", "t5"])
def test_a_model_of_transformers(name):
    """Compared in evaluation, where dropout is off and nothing else differs."""
    pytest.importorskip("transformers")
    import torch_transformers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module, kwargs = torch_transformers.make(name)
    module = module.double()
    kwargs = {k: double(v) for k, v in kwargs.items()}
    found = it.program(module, (), kwargs)
    assert found.coverage.share == 1
    module.eval()
    with torch.no_grad():
        wanted = tensors(module(**kwargs))
        made = run(found, [v for v in kwargs.values() if torch.is_tensor(v)])
    for a, b in zip(made, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
