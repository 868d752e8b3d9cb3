"""Tensors as memory: what may be filled, and its NumPy view.

Design
A. A tensor is filled where it lies: any strides, any offset, float16 and bfloat16 too, never by way of a copy.
B. Meta and fake tensors have no memory: to fill one does nothing, as in PyTorch.
C. What is not an array of floats in ordinary memory (quantised, sparse, nested, a subclass with arithmetic of its own,
   a lazy parameter) is refused before anything is written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..._checks import describe
from ..._types import Floats
from ...errors import ArgumentTypeError, DeviceError, TorchDTypeError

DTYPES = {torch.float32: "float32", torch.float64: "float64", torch.float16: "float16", torch.bfloat16: "bfloat16"}
_PLAIN = (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer)


def is_dtensor(tensor: Any) -> bool:
    """Whether it is a DTensor; the distributed package is not loaded to find out."""
    return type(tensor) not in _PLAIN and hasattr(tensor, "placements") and hasattr(tensor, "device_mesh")


def as_array(tensor: Tensor) -> Floats:
    """Its values for NumPy, without a copy where the memory is NumPy's too; half precision as float32."""
    x = tensor.detach()
    if x.dtype.is_floating_point and x.dtype not in (torch.float32, torch.float64):
        x = x.float()
    array: Floats = x.cpu().numpy()
    return array


def writable(tensor: Any, *, floating: bool = True) -> bool:
    """Check that the tensor may be filled; False: there is no memory to fill.

    floating : only the four real floating dtypes will do.
    """
    if type(tensor) not in _PLAIN and not _known(tensor):
        return False
    if tensor.is_meta:
        return False
    if floating and tensor.dtype not in DTYPES:
        raise _wrong_dtype(tensor.dtype)
    if tensor.is_quantized:
        raise _no_array("quantised")
    strided(tensor)
    return True


def a_tensor(tensor: Any) -> Tensor:
    """Refuse what is no tensor."""
    if not isinstance(tensor, Tensor):
        raise ArgumentTypeError(f"tensor must be a torch.Tensor, got {describe(tensor)}; for NumPy arrays use "
                                "initcore.init.")
    return tensor


def strided(tensor: Any) -> None:
    """Refuse what is no tensor, and a tensor whose numbers do not lie in an array."""
    if a_tensor(tensor).layout is not torch.strided:
        raise _no_array(f"of layout {tensor.layout}")


def _no_array(what: str) -> DeviceError:
    return DeviceError(f"the tensor is {what}: its numbers are not an array of floats in memory. Fill a dense float "
                       "tensor and convert it afterwards.")


def _known(tensor: Any) -> bool:
    """Whether a tensor of another class than PyTorch's own can be filled; raises where it must not be."""
    a_tensor(tensor)
    if isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
        raise DeviceError("the parameter is lazy and has no shape yet; run one batch through the model first.")
    if is_dtensor(tensor):
        return True
    if isinstance(tensor, torch._subclasses.FakeTensor):
        return False
    if type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__:
        raise DeviceError(f"the tensor is of class {type(tensor).__name__}, whose memory has a meaning of its own; "
                          "fill a plain tensor and convert it afterwards.")
    return True


def _wrong_dtype(dtype: torch.dtype) -> TorchDTypeError:
    if dtype.is_complex:
        return TorchDTypeError(f"the tensor is {dtype}: a complex weight has no one distribution; fill its real and "
                               "imaginary part, torch.view_as_real(tensor), with the deviation divided by sqrt(2).")
    return TorchDTypeError(f"the tensor is {dtype}, but random weights are float32, float64, float16 or bfloat16; fill "
                           "one of those and convert.")


def array(tensor: Tensor) -> np.ndarray:
    """The NumPy view of a plain CPU tensor; bfloat16 as its bits, uint16."""
    plain = tensor.detach()
    if plain.dtype is torch.bfloat16:
        plain = plain.view(torch.uint16)
    if plain.is_neg():
        raise DeviceError("the tensor is a lazily negated view (torch.is_neg); fill the tensor it was made from.")
    seen: np.ndarray = plain.numpy()
    return seen


def check_overlap(tensor: Tensor) -> None:
    """Refuse a tensor whose elements share memory, as ``expand`` makes."""
    if any(s == 0 and n > 1 for s, n in zip(tensor.stride(), tensor.shape)):
        raise DeviceError(f"the tensor's elements share memory (strides {tensor.stride()} for shape "
                          f"{tuple(tensor.shape)}, as from expand); fill the tensor it was expanded from, or a clone.")


def written(tensor: Tensor) -> None:
    """Tell autograd that the tensor has changed."""
    if not tensor.is_inference():
        torch.autograd.graph.increment_version(tensor)
