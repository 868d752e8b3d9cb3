"""Broken and malicious files of weights: ``python file_corpus.py FOLDER`` writes them, ``corpus()`` lists them.

Every valid small file is cut at many places and has single bytes changed; the rest is made by hand: headers that lie,
overlaps, bombs, links, cycles, huge counts, deep nesting, pickles that call, names that steer terminals.
"""

import io
import json
import pathlib
import struct
import sys
import zipfile

import file_makers as makers
import numpy as np
from file_makers import FLAX, framed, gguf, msgpack, npy, npz, safetensors, torch_zip, zipped


def valid():
    """One good small file a format: suffix -> bytes."""
    out = {"safetensors": safetensors(), "npz": npz(), "packed.npz": npz(compressed=True), "npy": npy(np.ones((3, 4))),
           "pt": torch_zip(), "four.pt": torch_zip(protocol=4), "gguf": gguf(), "msgpack": msgpack(FLAX),
           "pt2": makers.exported()}
    try:
        import h5py
        held = io.BytesIO()
        with h5py.File(held, "w") as file:
            file.create_dataset("layers/dense/vars/0", data=makers.ARRAYS["fc1.weight"], compression="gzip")
            file["layers/dense_1/vars/0"] = makers.ARRAYS["fc2.weight"]
        out["h5"] = held.getvalue()
        out["keras"] = makers.keras()
    except ImportError:
        pass
    try:
        import onnx
        helper = onnx.helper
        steps = [helper.make_node("Gemm", ["x", "fc1.weight", "fc1.bias"], ["h"], transB=1),
                 helper.make_node("Tanh", ["h"], ["a"]),
                 helper.make_node("Gemm", ["a", "fc2.weight", "fc2.bias"], ["y"], transB=1)]
        ends = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in (("x", ("n", 8)), ("y", None))]
        graph = helper.make_graph(steps, "g", ends[:1], ends[1:], [onnx.numpy_helper.from_array(a, n)
                                                                   for n, a in makers.ARRAYS.items()])
        out["onnx"] = onnx.helper.make_model(graph).SerializeToString()
        out["loop.onnx"] = onnx.helper.make_model(_controlled(helper, onnx.numpy_helper)).SerializeToString()
    except ImportError:
        pass
    return out


def _controlled(helper, arrays):
    """A loop whose body takes one of two branches by its state."""
    def told(name, kind=1, shape=None):
        return helper.make_tensor_value_info(name, kind, shape)
    ways = [helper.make_graph([helper.make_node("MatMul", ["h", "w"], ["m"]), helper.make_node(kind, ["m"], ["r"])],
                              kind, [], [told("r")], [arrays.from_array(np.eye(4, dtype=np.float32) * k, "w")])
            for k, kind in ((0.5, "Tanh"), (0.25, "Relu"))]
    steps = [helper.make_node("ReduceSum", ["h"], ["s"], keepdims=0), helper.make_node("Cast", ["s"], ["c"], to=9),
             helper.make_node("If", ["c"], ["h_t"], then_branch=ways[0], else_branch=ways[1]),
             helper.make_node("Identity", ["on"], ["goes"])]
    body = helper.make_graph(steps, "body", [told("k", 7, ()), told("on", 9, ()), told("h")],
                             [told("goes", 9, ()), told("h_t"), told("h_t")])
    return helper.make_graph([helper.make_node("Loop", ["n", "", "x"], ["y", "all"], body=body)], "g",
                             [told("x", 1, (2, 4))], [told("y", 1, (2, 4)), told("all", 1, (3, 2, 4))],
                             [arrays.from_array(np.array(3), "n")])


def mutants(seed=3, changed=14):
    """Cut at a dozen places, bytes changed at places drawn from the first 2000 and the last 300."""
    rng = np.random.default_rng(seed)
    for suffix, data in valid().items():
        for n in sorted({0, 1, 3, 7, 8, 9, 20, len(data) // 4, len(data) // 2, len(data) - 23, len(data) - 1}):
            yield f"cut{n}.{suffix}", data[:n]
        for i in range(changed):
            where = int(rng.integers(0, min(len(data), 2000))) if i % 3 else len(data) - 1 - int(rng.integers(0, 300))
            other = bytearray(data)
            other[where] ^= int(rng.integers(1, 256))
            yield f"changed{i}.{suffix}", bytes(other)
        yield f"longer.{suffix}", data + b"more"


def _entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def _header(entries, size=8):
    return framed(json.dumps(entries).encode(), bytes(size))


def liars():
    """Headers of .safetensors that lie."""
    yield "length", struct.pack("<Q", 1 << 63) + b"{}"
    yield "longest", struct.pack("<Q", 99_999_999) + b"{}"
    yield "overlap", _header({"a": _entry(), "b": _entry(offsets=(4, 12))}, 12)
    yield "same", _header({"a": _entry(), "b": _entry()})
    yield "hole", _header({"a": _entry(offsets=(4, 12))}, 12)
    yield "rest", _header({"a": _entry()}, 100)
    yield "backwards", _header({"a": _entry(offsets=(8, 0))})
    yield "negative", _header({"a": _entry(offsets=(-8, 0))})
    yield "float", _header({"a": _entry(offsets=(0.0, 8.0))})
    yield "bool", _header({"a": _entry(shape=(True, 2))})
    yield "outside", _header({"a": _entry(offsets=(0, 1 << 60))})
    yield "product", _header({"a": _entry(shape=(1 << 40, 1 << 40))})
    yield "overflow", _header({"a": _entry(shape=(1 << 32, 1 << 32, 2))})
    yield "axes", _header({"a": _entry(shape=(1,) * 5000)})
    yield "size", _header({"a": _entry(shape=(3,))})
    yield "minus", _header({"a": _entry(shape=(-1, -2))})
    yield "digits", framed(b'{"a":{"dtype":"F32","shape":[' + b"9" * 6000 + b'],"data_offsets":[0,8]}}', bytes(8))
    yield "type", _header({"a": _entry(dtype=["F32"])})
    yield "nothing", _header({"a": {}})
    yield "list", framed(b"[]")
    yield "number", framed(b"3")
    yield "deep", framed(b'{"a":' * 50_000)
    yield "deeper", framed(b"[" * 3_000_000)
    yield "twice", framed(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
                          b'"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', bytes(8))
    yield "latin", framed(b'{"\xff\xfe":1}')
    yield "nul", framed(b"\0" * 100)
    yield "nan", framed(b'{"a":NaN}')
    yield "escape", safetensors({"\x1b]0;x\x07\x1b[2J.weight": np.ones((2, 2), np.float32)})
    yield "markup", safetensors({"<script>alert(1)</script>[red]": np.ones((2, 2), np.float32)})
    yield "surrogate", framed(b'{"\\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', bytes(8))
    yield "longname", safetensors({"n" * 1_000_000: np.ones((2, 2), np.float32)})
    yield "empties", safetensors({f"e{i}": np.ones((0, 3), np.float32) for i in range(20)})
    yield "many", framed(("{" + ",".join(f'"t{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for i in
                                         range(200_000)) + "}").encode())


def archives():
    """Zip archives that lie: for .npz and .pt."""
    text = zipped({"W1.npy": b"no array"})
    yield "text.npz", text
    yield "notes.npz", zipped({"readme.txt": b"hello"})
    yield "empty.npz", zipped({})
    yield "folder.npz", zipped({"a/": b""})
    yield "object.npz", npz({"W1": np.array([None, 1], dtype=object)})
    yield "dates.npz", npz({"W1": np.array(["2026-01-01"], "M8[D]")})
    yield "records.npz", npz({"W1": np.zeros(3, [("a", "f4"), ("b", "i4")])})
    yield "words.npz", npz({"W1": np.array(["a", "b"])})
    yield "encrypted.npz", bytes(_flag(npz(), 1))
    yield "method.npz", bytes(_method(npz(), 99))
    yield "bomb.npz", zipped({"W1.npy": npy(np.zeros((4000, 4000), np.float32))}, zipfile.ZIP_DEFLATED)
    head = npy(np.zeros((2, 2)))
    for i, (old, new) in enumerate(((b"(2, 2)", b"(9, 9)"), (b"<f8", b"|O8"), (b"<f8", b"<f3"),
                                    (b"'descr'", b"'crash'"),
                                    (b"(2, 2)", b"(-2,2)"), (b"False", b"[[[[["), (b"(2, 2)", b"((((((" ),
                                    (b"NUMPY\x01", b"NUMPY\x09"), (b"<f8", b"<c8"))):
        yield f"head{i}.npz", zipped({"W1.npy": head.replace(old, new)})
        yield f"head{i}.npy", head.replace(old, new)
    yield "huge.npy", head[:8] + struct.pack("<H", 118) + (b"{'descr': '<f8', 'fortran_order': False, 'shape': (" +
                                                          b"9" * 40 + b",)}").ljust(117) + b"\n"
    yield "digits.npy", b"\x93NUMPY\x02\0" + struct.pack("<I", 9000) + (
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (" + b"9" * 8000 + b",)}").ljust(8999) + b"\n"
    yield "nested.npy", b"\x93NUMPY\x02\0" + struct.pack("<I", 60_000) + b"(" * 59_999 + b"\n"
    yield "escape.npz", npz({"\x1b[31mW1\u202e": np.ones((3, 2))})
    yield "twin.npz", _twice()
    yield "members.npz", zipped({f"m{i}.npy": b"" for i in range(20_000)})


def _flag(data, bit):
    """Every member said to be encrypted."""
    out = bytearray(data)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := out.find(mark, start + 1)) >= 0:
            out[start + at] |= bit
    return out


def _method(data, number):
    out = bytearray(data)
    for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = -1
        while (start := out.find(mark, start + 1)) >= 0:
            out[start + at] = number
    return out


def _twice():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(2):
                archive.writestr("W1.npy", npy(np.ones((2, 2))))
    return out.getvalue()


def pickles():
    """Tables of tensors that call, nest, repeat, or lie about their storages."""
    base = np.ones((3, 4), np.float32)
    calls = {"system": b"cos\nsystem\nX\x04\0\0\0true\x85R.", "eval": b"cbuiltins\neval\nX\x01\0\0\0" b"1\x85R.",
             "getattr": b"cbuiltins\ngetattr\n)R.", "inst": b"(X\x04\0\0\0trueios\nsystem\n.",
             "obj": b"(cos\nsystem\nX\x04\0\0\0trueo.", "newobj": b"ccollections\nOrderedDict\n)\x81.",
             "ext": b"\x82\x01.", "build": b"}}b.", "reduce": b"K\x01)R.",
             "deep": b"]" * 300_000 + b"a" * 299_999 + b".",
             "tuples": b")" + b"\x85" * 300_000 + b".", "keys": b"})" + b"\x85" * 300_000 + b"Ns.",
             "memo": b"j\xff\xff\xff\xff.", "memos": b"N" + b"".join(b"r" + struct.pack("<I", i) for i in
                                                                     range(50_000)) + b".",
             "cycle": b"]q\0h\0a.", "round": b"}q\0X\x01\0\0\0ah\0s.", "stop": b".", "endless": b"N" * 100_000,
             "text": b"X\xff\xff\xff\xffabc.", "persistent": b"K\x01Q.", "mark": b"(.", "pop": b"000.",
             "long": b"\x8a\xff", "float": b"G\0.", "frame": b"\x95\xff\xff\xff\xff\xff\xff\xff\xffN.",
             "none": b"N.", "number": b"K\x05."}
    laughs = b"".join(b"](" + b"h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(200))
    calls["laughs"] = b"]q\0" + laughs + b"."
    for name, table in calls.items():
        yield f"{name}.pt", torch_zip(table=b"\x80\x02" + table)
    S = makers.Stored
    lies = {"beyond": S("0", base, (9, 9), (9, 1)), "strides": S("0", base, (3, 4), (1 << 50, 1)),
            "negative": S("0", base, (3, 4), (-4, 1)), "offset": S("0", base, (3, 4), (4, 1), 1 << 40),
            "huge": S("0", base, (1 << 40, 1 << 40), (0, 0)), "expanded": S("0", base, (1 << 45,), (0,)),
            "ranks": S("0", base, (3, 4), (4,)), "axes": S("0", base, (1,) * 100, (1,) * 100),
            "float": S("0", base, (3.0, 4), (4, 1)), "escape": S("0", base)}
    for name, one in lies.items():
        key = "\x1b[2J.weight" if name == "escape" else "w"
        yield f"lie-{name}.pt", torch_zip({key: one})
    yield "missing.pt", torch_zip({"w": S("../../etc/passwd", base)})
    members = zipfile.ZipFile(io.BytesIO(torch_zip()))
    parts = {n: members.read(n) for n in members.namelist()}
    yield "lost.pt", zipped({n: d for n, d in parts.items() if not n.endswith("data/0")})
    yield "short.pt", zipped({n: d[:10] if n.endswith("data/0") else d for n, d in parts.items()})
    yield "two.pt", zipped({**parts, "other/data.pkl": b"N."})
    yield "encrypted.pt", bytes(_flag(torch_zip(), 1))
    config = {"config": {"w": {"path_name": "../x", "use_pickle": True, "tensor_meta": {}}}}
    meta = {"dtype": 7, "sizes": [{"as_int": -3}], "strides": [{"as_int": 1}], "storage_offset": {"as_int": 0}}
    minus = {"w": {"path_name": "weight_0", "is_param": True, "use_pickle": False, "tensor_meta": meta}}
    for i, table in enumerate((config, {}, {"config": 3}, {"config": {"w": 3}}, {"config": minus})):
        yield f"export{i}.pt2", zipped({"m/data/weights/weight_0": bytes(16),
                                        "m/data/weights/model_weights_config.json": json.dumps(table).encode()})


def others():
    """GGUF, msgpack, HDF5, ONNX and indices that lie."""
    u64 = lambda n: struct.pack("<Q", n)
    start = b"GGUF" + struct.pack("<I", 3)
    yield "count.gguf", start + u64(1 << 60) + u64(0)
    yield "facts.gguf", start + u64(0) + u64(1 << 60)
    yield "name.gguf", start + u64(1) + u64(0) + u64(1 << 62) + bytes(40)
    yield "axes.gguf", start + u64(1) + u64(0) + u64(1) + b"a" + struct.pack("<I", 1 << 31) + bytes(40)
    yield "list.gguf", start + u64(0) + u64(1) + u64(1) + b"a" + struct.pack("<II", 9, 8) + u64(1 << 59) + bytes(40)
    nested = struct.pack("<I", 9) + b"".join(struct.pack("<I", 9) + u64(1) for _ in range(5000))
    yield "nested.gguf", start + u64(0) + u64(1) + u64(1) + b"a" + nested + bytes(40)
    yield "type.gguf", start + u64(0) + u64(1) + u64(1) + b"a" + struct.pack("<I", 77) + bytes(40)
    yield "big.gguf", b"GGUF" + struct.pack(">I", 3) + bytes(40)
    yield "one.gguf", gguf(version=1)
    yield "align.gguf", gguf(facts={"general.alignment": 3})
    yield "far.gguf", gguf({"w": (0, (1 << 20, 1 << 20), b"abcd")})
    yield "odd.gguf", gguf({"w": (8, (33,), bytes(34))})
    yield "new.gguf", gguf({"w": (99, (4,), bytes(16))})
    yield "escape.gguf", gguf({"\x1b[31m": (0, (2, 2), bytes(16))})
    yield "deep.msgpack", b"\x91" * 100_000 + b"\xc0"
    yield "maps.msgpack", b"\x81\xa1a" * 100_000 + b"\xc0"
    yield "count.msgpack", b"\xdd\xff\xff\xff\xff"
    yield "map.msgpack", b"\xdf\xff\xff\xff\xff"
    yield "bytes.msgpack", b"\xc6\xff\xff\xff\xff"
    yield "reserved.msgpack", b"\xc1"
    yield "number.msgpack", b"\x05"
    yield "keys.msgpack", b"\x81\x90\xc0"
    yield "repeated.msgpack", b"\x82\xa1a\xc0\xa1a\xc0"
    for i, leaf in enumerate(([[3, 4], "float32", b"short"], [[-1], "float32", b""],
                              [[1 << 40, 1 << 40], "float32", b""],
                              ["x", "float32", b""], [[2], 5, bytes(8)], [[2]], [[2], "object", bytes(16)])):
        body = msgpack(leaf)
        yield f"leaf{i}.msgpack", b"\x81\xa1w\xc9" + struct.pack(">Ib", len(body), 1) + body
    chunked = {"__msgpack_chunked_array__": True, "shape": {"0": 4}, "chunks": {"0": np.ones(3, np.float32)}}
    yield "chunks.msgpack", msgpack({"w": chunked})
    yield "chunk.msgpack", msgpack({"w": {"__msgpack_chunked_array__": True, "shape": 3, "chunks": {}}})
    for i, text in enumerate((b"{}", b"[]", b'{"weight_map": 3}', b'{"weight_map": {"a": 3}}', b"{" * 5000, b"",
                              b'{"weight_map": {"a": "/etc/passwd"}}', b'{"weight_map": {"a": "../a.safetensors"}}',
                              b'{"weight_map": {"a": "\\u0000"}}', b'{"weight_map": {}}',
                              b'{"weight_map": {"a": "i0.safetensors.index.json"}}')):
        yield f"i{i}.safetensors.index.json", text
    for i, text in enumerate((b"", b"[]", b"{" * 5000, b'{"schema_version": 8}', b'{"schema_version": {"major": 8}, '
                              b'"graph_module": {"graph": [], "signature": {}}}', b"\xff\xfe")):
        yield f"graph{i}.pt2", makers.exported(document=text)
    yield from ((f"long{i}.pt2", makers.exported(document=one)) for i, one in enumerate(long_graphs()))
    yield "none.onnx", b""
    yield "deep.onnx", b"\x3a\x7f" * 2000
    yield "text.h5", b"\x89HDF\r\n\x1a\n" + b"x" * 500
    yield "none.keras", zipped({"config.json": b"{" * 1000, "model.weights.h5": b"x"})
    yield "lambda.keras", zipped({"config.json": json.dumps({"class_name": "Lambda", "config": {"function": ["x"]},
                                                             "module": "os"}).encode(), "model.weights.h5": b"x"})


def long_graphs():
    """Graphs of few words that ask for much: doubling for ever, splits without end, masks, names of names."""
    tensor = lambda name: {"as_tensor": {"name": name}}
    for target, given, size in (
            ("cat.default", {"tensors": {"as_tensors": [{"name": "a"}, {"name": "a"}]}, "dim": {"as_int": 0}}, 2),
            ("split.Tensor", {"self": tensor("a"), "split_size": {"as_int": 1}, "dim": {"as_int": 0}}, 1 << 20),
            ("unbind.int", {"self": tensor("a"), "dim": {"as_int": 0}}, 1 << 30),
            ("tril.default", {"self": tensor("a")}, 1000), ("eye.default", {"n": {"as_int": 1000}}, 1000),
            ("outer.default", {"self": tensor("a"), "vec2": tensor("a")}, 1 << 15),
            ("broadcast_tensors.default", {"tensors": {"as_tensors": [{"name": "a"}] * 700}}, 4)):
        document = makers.exported_document()
        graph = document["graph_module"]["graph"]
        last, nodes = "x", []
        for k in range(600):
            shape = [size << k if "cat" in target and k < 40 else size, 8][:1 if "outer" in target else 2]
            graph["tensor_values"][f"n{k}"] = {"dtype": 7, "sizes": [{"as_int": n} for n in shape]}
            swapped = json.loads(json.dumps(given).replace('"a"', json.dumps(last)))
            nodes.append({"target": f"torch.ops.aten.{target}", "outputs": [tensor(f"n{k}")], "metadata": {},
                          "inputs": [{"name": n, "arg": a, "kind": 1} for n, a in swapped.items()]})
            last = f"n{k}"
        graph["nodes"] = nodes + graph["nodes"]
        graph["nodes"][-1]["inputs"][0]["arg"] = tensor("phi")
        graph["outputs"].append(tensor(last))
        document["graph_module"]["signature"]["output_specs"].append({"user_output": {"arg": tensor(last)}})
        yield document


def corpus():
    """(name, bytes) of every file."""
    yield from mutants()
    yield from ((f"{name}.safetensors", data) for name, data in liars())
    yield from archives()
    yield from pickles()
    yield from others()


def main(folder):
    """Write them all."""
    for number, (name, data) in enumerate(corpus()):
        (pathlib.Path(folder) / f"{number:03}-{name}").write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1])
