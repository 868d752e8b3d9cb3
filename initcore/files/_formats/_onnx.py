"""``.onnx``: the initialisers of an exported graph; the onnx package reads the frame, values stay in their places.

An ONNX file is the network of inference: batch norms are folded into convolutions, dropout is gone, names may be
lost. External data are opened only inside the model's own folder.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileFormatError, needs
from .._graphs._onnx._control import subgraphs, told_apart
from .._graphs._onnx._entry import ELEMENTS
from .._graphs._onnx._model import onnx_graph
from .._graphs._onnx._uses import literal, uses
from .._tensor import FLOATS, INTEGERS, RegularFile, Stream, Tensor, Weights, checked_shape, collect, whole
from .._text import shown_name

_SMALL = 1 << 12            # elements of an initialiser that shapes may depend on
_LARGEST = 2 << 30          # bytes of the frame, protobuf's own limit
_HOW = "export it again with torch.onnx.export or onnx.save"


def read_onnx(path: Any) -> Weights:
    """Every initialiser of an .onnx model."""
    file = RegularFile(path)
    if file.size > _LARGEST:
        raise FileFormatError(f"{file.shown} has {file.size} bytes, more than protobuf can hold; {_HOW} with external "
                              "data.")
    needs("onnx", "files", "reading .onnx")
    import onnx
    from google.protobuf.message import DecodeError
    model = onnx.ModelProto()
    try:
        model.ParseFromString(file.read(0, file.size))
    except (DecodeError, RecursionError, ValueError, UnicodeDecodeError):
        raise FileFormatError(f"{file.shown} is not an .onnx file, or it is damaged; {_HOW}.") from None
    if not model.HasField("graph"):
        raise FileFormatError(f"{file.shown} holds no graph; {_HOW}.")
    if not _readable(model):
        raise FileFormatError(f"{file.shown} holds a name that is no UTF-8 text, so it is damaged; {_HOW}.")
    told_apart(model.graph)
    used = uses(model.graph)
    tensors = [_tensor(file, proto, used.get(proto.name, "")) for proto in _initialisers(model.graph)]
    return collect(file.shown, "ONNX", tensors, graph=onnx_graph(model, lambda: _inferred(onnx, model)), config={
        "producer": model.producer_name}, notes=[
        "An ONNX file is the exported network: norms may be folded in, names may be lost, dropout is gone."])


def _readable(model: Any) -> bool:
    """Whether every string but remarks is text: protobuf gives those that are no UTF-8 as bytes."""
    todo = [model]
    while todo:
        message = todo.pop()
        if message.DESCRIPTOR.name == "TensorProto":            # its values are not asked for: they would be copied
            fields: Any = [message.name, message.external_data]
        else:
            fields = [value for field, value in message.ListFields()
                      if field.type in (field.TYPE_STRING, field.TYPE_MESSAGE) and field.name != "doc_string"]
        for value in fields:
            for one in (value,) if isinstance(value, (str, bytes)) or hasattr(value, "ListFields") else value:
                if isinstance(one, bytes):
                    return False
                if not isinstance(one, str):
                    todo.append(one)
    return True


def _inferred(onnx: Any, model: Any) -> Any:
    """The graph with the shapes that ONNX infers; only small initialisers go with it."""
    light = onnx.ModelProto()
    light.CopyFrom(model)
    del light.graph.initializer[:]
    for proto in model.graph.initializer:
        if math.prod(proto.dims) <= _SMALL and proto.data_location != 1:
            light.graph.initializer.append(proto)
        else:
            light.graph.input.append(onnx.helper.make_tensor_value_info(proto.name, proto.data_type, proto.dims))
    try:
        return onnx.shape_inference.infer_shapes(light).graph
    except (RuntimeError, ValueError, TypeError, onnx.shape_inference.InferenceError):
        return light.graph


def _initialisers(graph: Any) -> Iterator[Any]:
    """Of the graph and of constants among its nodes; subgraphs (loops, branches) too."""
    todo = [(graph, 0)]
    while todo:
        at, depth = todo.pop()
        yield from at.initializer
        for node in at.node:
            for attribute in node.attribute:
                if attribute.HasField("t") and node.op_type == "Constant" and node.output:
                    attribute.t.name = node.output[0]
                    yield attribute.t
            if depth < 50:
                todo += [(g, depth + 1) for g in subgraphs(node)]


_ROLES = {"Conv:1": "conv", "ConvTranspose:1": "conv", "Gather:0": "embedding", **{
    f"{kind}:{k}": "recurrent" for kind in ("LSTM", "GRU", "RNN") for k in (1, 2)}, **{
    at: "buffer" for at in ("Resize:1", "Resize:2", "Upsample:1", "Clip:1", "Clip:2", "Pad:2")}}
# Operations on quantised numbers -> the places of their weights; their other fixed inputs are scales and zero points
_QUANTISED = {"DequantizeLinear": (0,), "QLinearMatMul": (0, 3), "QLinearConv": (3,), "MatMulInteger": (0, 1),
              "ConvInteger": (1,), "QGemm": (3,), "QLinearAdd": (0, 3), "QLinearMul": (0, 3),
              "DynamicQuantizeMatMul": (1,), "MatMulIntegerToFloat": (1,)}


def _quantised(use: str) -> str | None:
    """The role of what a quantised operation reads: a weight, which is counted and not judged, or a scale."""
    kind, _, place = use.partition(":")
    if kind in _QUANTISED:
        return "other" if int(place) in _QUANTISED[kind] else "buffer"
    return "buffer" if kind in ("QuantizeLinear", "DynamicQuantizeLinear") else None


def _tensor(file: RegularFile, proto: Any, use: str) -> Tensor:
    name = proto.name or "unnamed"
    shape = checked_shape(list(proto.dims), file.shown, name)
    dtype = ELEMENTS.get(proto.data_type, f"ONNX type {proto.data_type}")
    words = (FLOATS | INTEGERS).get(dtype)
    role = _quantised(use) or ("buffer" if literal(name, shape, dtype, use) else _ROLES.get(use) or (
        "norm" if "Normalization" in use else None))
    if words is None or 0 in shape:
        return Tensor(name, shape, dtype, None, role=role)
    if proto.data_location == 1:
        return Tensor(name, shape, dtype, _external(file, proto, name, math.prod(shape), words), role=role)
    if proto.HasField("raw_data"):
        data = np.frombuffer(proto.raw_data, np.uint8)
        if data.size != math.prod(shape) * np.dtype(words).itemsize:
            raise FileFormatError(f"{file.shown}: {shown_name(name)!r} of shape {shape} and type {dtype} has "
                                  f"{data.size} bytes; {_HOW}.")
        return Tensor(name, shape, dtype, whole(lambda: data.view(words)), role=role)
    return Tensor(name, shape, dtype, _typed(file, proto, name, dtype, math.prod(shape), words), role=role)


def _typed(file: RegularFile, proto: Any, name: str, dtype: str, count: int, words: str) -> Stream:
    """Values kept as a list of protobuf numbers."""
    field = {"float32": "float_data", "float64": "double_data", "int64": "int64_data", "uint64": "uint64_data",
             "uint32": "uint64_data"}.get(dtype, "int32_data")
    values = np.array(getattr(proto, field))
    if values.size != count:
        raise FileFormatError(f"{file.shown}: {shown_name(name)!r} lists {values.size} values for {count}; {_HOW}.")
    if dtype in ("float16", "bfloat16"):                       # their bits, as integers
        return whole(lambda: values.astype(np.uint16).view(words))
    return whole(lambda: values.astype(words))


def _external(file: RegularFile, proto: Any, name: str, count: int, words: str) -> Stream:
    facts = {entry.key: entry.value for entry in proto.external_data}
    place, shown = facts.get("location", ""), shown_name(name)
    folder = file.path.parent.resolve()
    target = (folder / place).resolve()
    if not place or Path(place).is_absolute() or ".." in Path(place).parts or folder not in target.parents:
        raise FileFormatError(f"{file.shown}: the values of {shown!r} would lie at {shown_name(place)!r}, outside the "
                              "model's folder, which is not opened; put them beside the model.")
    try:
        offset = int(facts.get("offset") or 0)
    except ValueError:
        offset = -1
    other, size = RegularFile(target), count * np.dtype(words).itemsize
    if offset < 0 or offset + size > other.size:
        raise FileFormatError(f"{file.shown}: the values of {shown!r} reach beyond the end of {shown_name(place)!r}; "
                              "the file is cut short.")
    return other.region(offset, count, words)
