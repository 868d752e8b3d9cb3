"""Small files of weights in every format, made without the libraries that usually write them."""

import contextlib
import io
import json
import pickle
import struct
import sys
import types
import zipfile

import numpy as np

RNG = np.random.default_rng(14)
ARRAYS = {"fc1.weight": RNG.normal(size=(16, 8)).astype(np.float32) / 3, "fc1.bias": np.zeros(16, np.float32),
          "fc2.weight": RNG.normal(size=(4, 16)).astype(np.float32) / 4, "fc2.bias": np.zeros(4, np.float32)}
_WORDS = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "uint8": "U8", "bool": "BOOL",
          "int32": "I32"}


def safetensors(arrays=None, extra=None, metadata=None):
    """Bytes of a .safetensors file; ``extra``: name -> (type, shape, bytes)."""
    items = {k: (_WORDS[v.dtype.name], list(v.shape), v.tobytes()) for k, v in (ARRAYS if arrays is None else
                                                                                arrays).items()} | (extra or {})
    head, data = ({"__metadata__": metadata} if metadata else {}), b""
    for name, (kind, shape, raw) in items.items():
        head[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    return framed(json.dumps(head).encode(), data)


def framed(head, data=b""):
    """A .safetensors file of any header."""
    return struct.pack("<Q", len(head)) + head + data


def npz(arrays=None, compressed=False):
    """Bytes of an .npz file."""
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **(ARRAYS if arrays is None else arrays))
    return out.getvalue()


def npy(array):
    """Bytes of an .npy file."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@contextlib.contextmanager
def torch_names():
    """Modules that bear PyTorch's names while a pickle is written, and functions that pickle as PyTorch's do."""
    names = {"torch": ["FloatStorage", "HalfStorage", "DoubleStorage", "BFloat16Storage", "LongStorage"],
             "torch._utils": ["_rebuild_tensor_v2", "_rebuild_parameter"]}
    kept = {name: sys.modules.get(name) for name in names}
    made = {}
    for module, functions in names.items():
        sys.modules[module] = types.ModuleType(module)
        for one in functions:
            made[one] = types.FunctionType((lambda *a: None).__code__, {}, one)
            made[one].__module__, made[one].__qualname__ = module, one
            setattr(sys.modules[module], one, made[one])
    try:
        yield made
    finally:
        for name, old in kept.items():
            if old is None:
                del sys.modules[name]
            else:
                sys.modules[name] = old


class Stored:
    """A tensor to be pickled as PyTorch does it: key of its storage, offset, shape and strides in elements."""

    def __init__(self, key, array, shape=None, strides=None, offset=0, kind="FloatStorage", parameter=False):
        self.key, self.array, self.offset, self.kind, self.parameter = key, np.asarray(array), offset, kind, parameter
        self.shape = self.array.shape if shape is None else shape
        self.strides = (tuple(s // self.array.itemsize for s in self.array.strides) if strides is None else strides)


class _Storage:
    def __init__(self, stored):
        self.stored = stored


class _Reduced:
    def __init__(self, function, arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def torch_zip(content=None, protocol=2, extra=None, table=None, root="archive"):
    """Bytes of a torch.save file of nested dictionaries, lists and :class:`Stored`."""
    content = {k: Stored(str(i), v) for i, (k, v) in enumerate(ARRAYS.items())} if content is None else content
    storages = {}
    with torch_names() as names:
        def dressed(value):
            if isinstance(value, dict):
                return {k: dressed(v) for k, v in value.items()}
            if isinstance(value, list):
                return [dressed(v) for v in value]
            if not isinstance(value, Stored):
                return value
            storages[value.key] = value.array
            tensor = _Reduced(names["_rebuild_tensor_v2"], (_Storage(value), value.offset, tuple(value.shape),
                                                            tuple(value.strides), False, {}))
            return _Reduced(names["_rebuild_parameter"], (tensor, True, {})) if value.parameter else tensor

        class Pickler(pickle.Pickler):
            def persistent_id(self, value):
                if isinstance(value, _Storage):
                    one = value.stored
                    return "storage", names[one.kind], one.key, "cpu", one.array.size
                return None
        out = io.BytesIO()
        Pickler(out, protocol).dump(dressed(content))
    members = {"data.pkl": out.getvalue() if table is None else table, "version": b"3\n",
               **{f"data/{k}": a.tobytes() for k, a in storages.items()}, **(extra or {})}
    return zipped({f"{root}/{k}": v for k, v in members.items()})


def zipped(members, compression=zipfile.ZIP_STORED):
    """Bytes of a zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def keras(layers=None, weights=None, kind="Sequential", **more):
    """Bytes of a .keras archive (needs h5py): layers as (class, name, config), weights by their paths."""
    import h5py
    layers = [("Dense", "fc1", {"activation": "tanh"}), ("Dense", "fc2", {})] if layers is None else layers
    weights = {f"layers/{folder}/vars/{i}": ARRAYS[f"{name}.{part}"].T.copy() for folder, name in (
        ("dense", "fc1"), ("dense_1", "fc2")) for i, part in enumerate(("weight", "bias"))
        } if weights is None else weights
    described = [{"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 8],
                  "dtype": "float32", "name": "input"}, "registered_name": None}] + [
        {"module": "keras.layers", "class_name": c, "config": {"name": n, "trainable": True, "use_bias": True,
         "activation": "linear", **a}, "registered_name": None, "build_config": {"input_shape": [None, 8]}}
        for c, n, a in layers]
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        for path, a in weights.items():
            file[path] = a
        for folder, (_, name, _) in zip(("dense", "dense_1"), layers):
            file.require_group(f"layers/{folder}/vars").attrs["name"] = name
    config = {"module": "keras", "class_name": kind, "config": {"name": "net", "layers": described, **more}}
    return zipped({"metadata.json": b"{}", "config.json": json.dumps(config), "model.weights.h5": held.getvalue()})


def gguf(tensors=None, facts=None, version=3, alignment=32):
    """Bytes of a .gguf file; ``tensors``: name -> (type code, shape as NumPy has it, bytes)."""
    tensors = {k: (0, v.shape, v.tobytes()) for k, v in ARRAYS.items()} if tensors is None else tensors
    text = lambda s: struct.pack("<Q", len(s.encode())) + s.encode()
    facts = {"general.architecture": "mlp"} if facts is None else facts
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(facts))
    for key, value in facts.items():
        head += text(key) + (struct.pack("<I", 8) + text(value) if isinstance(value, str) else
                             struct.pack("<II", 4, value))
    data = b""
    for name, (code, shape, raw) in tensors.items():
        data += bytes(-len(data) % alignment)
        head += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in shape[::-1])
        head += struct.pack("<IQ", code, len(data))
        data += raw
    return head + bytes(-len(head) % alignment) + data


def msgpack(value):
    """Bytes of nested maps, lists, texts, integers and arrays as Flax packs them."""
    if isinstance(value, np.ndarray):
        body = msgpack([list(value.shape), value.dtype.name, value.tobytes()])
        return b"\xc9" + struct.pack(">Ib", len(body), 1) + body
    if isinstance(value, dict):
        return b"\xdf" + struct.pack(">I", len(value)) + b"".join(msgpack(k) + msgpack(v) for k, v in value.items())
    if isinstance(value, list):
        return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(msgpack, value))
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, str):
        return b"\xdb" + struct.pack(">I", len(value.encode())) + value.encode()
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    return b"\xd3" + struct.pack(">q", value)


FLAX = {"params": {"Dense_0": {"kernel": ARRAYS["fc1.weight"].T.copy(), "bias": ARRAYS["fc1.bias"]},
                   "Dense_1": {"kernel": ARRAYS["fc2.weight"].T.copy(), "bias": ARRAYS["fc2.bias"]}}}


def _meta(shape, strides=None, dtype=7, grad=True):
    strides = [int(np.prod(shape[k + 1:])) for k in range(len(shape))] if strides is None else strides
    return {"dtype": dtype, "sizes": [{"as_int": n} for n in shape], "requires_grad": grad, "layout": 7,
            "device": {"type": "cpu", "index": None}, "strides": [{"as_int": n} for n in strides],
            "storage_offset": {"as_int": 0}}


def exported_document():
    """The graph of ARRAYS' network with a tanh between, as torch.export.save writes it."""
    shapes = {"x": (3, 8), "up": (3, 16), "phi": (3, 16), "down": (3, 4)} | {
        f"p_{k.replace('.', '_')}": v.shape for k, v in ARRAYS.items()}
    tensor = lambda name: {"as_tensor": {"name": name}}

    def node(target, out, **given):
        return {"target": f"torch.ops.aten.{target}.default", "outputs": [tensor(out)],
                "inputs": [{"name": k, "arg": tensor(v), "kind": 1} for k, v in given.items()], "name": out,
                "metadata": {"nn_module_stack": "L__self__,,m.Net;L__self___" + out + "," + out + ",m.Part",
                             "stack_trace": 'File "/u/net.py", line 7, in forward\n    y = f(x)'}}
    graph = {"inputs": [tensor(n) for n in (*[n for n in shapes if n.startswith("p_")], "x")],
             "outputs": [tensor("down")],
             "nodes": [node("linear", "up", input="x", weight="p_fc1_weight", bias="p_fc1_bias"),
                       node("tanh", "phi", self="up"),
                       node("linear", "down", input="phi", weight="p_fc2_weight", bias="p_fc2_bias")],
             "tensor_values": {n: _meta(s, grad=n.startswith("p_")) for n, s in shapes.items()}, "sym_int_values": {},
             "sym_bool_values": {}, "is_single_tensor_return": False, "custom_obj_values": {}}
    signature = {"input_specs": [*({"parameter": {"arg": {"name": f"p_{k.replace('.', '_')}"}, "parameter_name": k}}
                                   for k in ARRAYS), {"user_input": {"arg": tensor("x")}}],
                 "output_specs": [{"user_output": {"arg": tensor("down")}}]}
    return {"graph_module": {"graph": graph, "signature": signature, "module_call_graph": []},
            "opset_version": {"aten": 10}, "schema_version": {"major": 8, "minor": 20}, "torch_version": "2.13.0"}


def exported(arrays=None, document=None, extra=None, packed=()):
    """Bytes of a .pt2 archive; ``packed``: weights that are torch.save files inside it."""
    arrays = ARRAYS if arrays is None else arrays
    document = exported_document() if document is None else document
    config, members = {}, {}
    for i, (name, a) in enumerate(arrays.items()):
        members[f"data/weights/weight_{i}"] = torch_zip({"t": Stored("0", a)}) if name in packed else a.tobytes()
        config[name] = {"path_name": f"weight_{i}", "is_param": True, "use_pickle": name in packed,
                        "tensor_meta": _meta(a.shape)}
    members["data/weights/model_weights_config.json"] = json.dumps({"config": config})
    members["models/model.json"] = document if isinstance(document, (bytes, str)) else json.dumps(document)
    return zipped({f"net/{k}": v for k, v in {**members, **(extra or {})}.items()})
