"""The handful of pickle instructions that a table of tensors needs, interpreted without running anything.

Python's own unpickler calls what a file names. This one builds dictionaries, lists, tuples, numbers, text and
descriptions of tensors, and knows nothing else: a global that is not in :data:`GLOBALS` is refused by its name.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from ...errors import FileFormatError
from .._text import shown_name

_STORAGES = {"Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64",
             "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "Untyped": "uint8",
             "ComplexFloat": "complex64", "ComplexDouble": "complex128", "QInt8": "qint8", "QUInt8": "quint8",
             "QInt32": "qint32"}
_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
           "complex128", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
           "uint16", "uint32", "uint64")
_MARK = object()
_MOST = 8_000_000           # entries on the stack and in the memo together


class Kind(NamedTuple):
    """An element type."""

    name: str


class Described(NamedTuple):
    """A tensor as the file describes it: storage key, element type, elements; offset, shape, strides in elements."""

    key: str
    dtype: str
    elements: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Storage(NamedTuple):
    key: str
    dtype: str
    elements: int


class Stranger(Exception):
    """A global that no table of tensors needs; its name."""


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Described:
    sizes = [*shape, *strides, offset]
    if not isinstance(storage, _Storage) or not all(type(n) is int and 0 <= n < 1 << 60 for n in sizes) \
            or len(shape) != len(strides) or len(shape) > 32:
        raise ValueError
    return Described(storage.key, storage.dtype, storage.elements, offset, tuple(shape), tuple(strides))


def _tensor_v3(storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: Any,
               *_: Any) -> Described:
    if not isinstance(dtype, Kind):
        raise ValueError
    made = _tensor(storage, offset, shape, strides)
    return made._replace(dtype=dtype.name, elements=-1)         # its storage counts bytes


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    out: dict[Any, Any] = {}
    for key, value in pairs:
        _put(out, key, value)
    return out


# What a global stands for: a function of ours over its arguments.
GLOBALS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _ordered,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    ("torch._utils", "_rebuild_parameter_with_state"): lambda data, *_: data,
    ("torch._tensor", "_rebuild_from_type_v2"): lambda function, kind, arguments, state: function(*arguments),
    ("torch.nn.parameter", "Parameter"): lambda data=None, *_: data,
    ("torch", "Tensor"): lambda data=None, *_: data,
    ("torch", "Size"): lambda sizes=(): tuple(sizes),
    ("torch", "device"): lambda *words: "device",
    ("torch.serialization", "_get_layout"): lambda word: word,
}
_CONSTANTS = {("torch", f"{k}Storage"): Kind(v) for k, v in _STORAGES.items()} | {
    ("torch.storage", "UntypedStorage"): Kind("uint8"), ("torch.storage", "TypedStorage"): Kind("uint8"),
    **{("torch", k): Kind(k) for k in _DTYPES}}


class Machine:
    """Runs the instructions of one pickle."""

    def __init__(self, data: bytes, source: str) -> None:
        self.data, self.source, self.at = data, source, 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """What the pickle describes; FileFormatError where it is damaged, Stranger where it wants more."""
        try:
            while True:
                code = self._take(1)[0]
                if code == 0x2e:                                                  # STOP
                    return self.stack.pop()
                step = _STEPS.get(code)
                if step is None:
                    raise FileFormatError(f"{self.source}: pickle instruction {code:#04x} is not one that a table of "
                                          "tensors needs; save model.state_dict() alone with torch.save.")
                step(self)
                if len(self.stack) + len(self.memo) > _MOST:
                    raise ValueError
        except (FileFormatError, Stranger):
            raise
        except (ValueError, IndexError, KeyError, TypeError, struct.error, UnicodeDecodeError, AttributeError,
                OverflowError, RecursionError):
            raise FileFormatError(f"{self.source}: its table of tensors is damaged near byte {self.at}.") from None

    def _take(self, n: int) -> bytes:
        part = self.data[self.at:self.at + n]
        if len(part) < n:
            raise ValueError
        self.at += n
        return part

    def number(self, form: str) -> int:
        """An integer operand."""
        return int(struct.unpack(form, self._take(struct.calcsize(form)))[0])

    def skip(self, n: int) -> None:
        """Pass over bytes that say nothing here."""
        self._take(n)

    def text(self, size: int) -> str:
        """A text operand."""
        return self._take(size).decode("utf-8", "surrogatepass")

    def line(self) -> str:
        """A text operand that ends with its line."""
        end = self.data.index(b"\n", self.at, self.at + 4096)
        out = self.data[self.at:end].decode("utf-8")
        self.at = end + 1
        return out

    def to_mark(self) -> list[Any]:
        """What was pushed since the last mark."""
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def named(self, module: str, name: str) -> Any:
        """What a global stands for."""
        found = GLOBALS.get((module, name)) or _CONSTANTS.get((module, name))
        if found is None:
            raise Stranger(shown_name(f"{module}.{name}"[:200]))
        return found


def _protocol(m: Machine) -> None:
    if m.number("<B") > 5:
        raise ValueError


def _push(make: Callable[[Machine], Any]) -> Callable[[Machine], None]:
    return lambda m: m.stack.append(make(m))


def _stack_global(m: Machine) -> None:
    name, module = m.stack.pop(), m.stack.pop()
    m.stack.append(m.named(str(module), str(name)))


def _reduce(m: Machine) -> None:
    arguments, function = m.stack.pop(), m.stack.pop()
    if isinstance(function, Kind) or not callable(function) or not isinstance(arguments, tuple):
        raise ValueError
    m.stack.append(function(*arguments))


def _persistent(m: Machine) -> None:
    word, kind, key, _, elements = m.stack.pop()[:5]
    if word != "storage" or not isinstance(kind, Kind) or not isinstance(key, str) or type(elements) is not int:
        raise ValueError
    m.stack.append(_Storage(key, kind.name, elements))


def _set_items(m: Machine) -> None:
    items = m.to_mark()
    for key, value in zip(items[::2], items[1::2], strict=True):
        _put(m.stack[-1], key, value)


def _set_item(m: Machine) -> None:
    value, key = m.stack.pop(), m.stack.pop()
    _put(m.stack[-1], key, value)


def _put(target: Any, key: Any, value: Any) -> None:
    # No tuples: the hash of a tuple goes as deep as the tuple, on the stack of the process.
    if not isinstance(target, dict) or not isinstance(key, (str, int, float, type(None))):
        raise TypeError
    target[key] = value


def _append(m: Machine, items: list[Any]) -> None:
    if not isinstance(m.stack[-1], list):
        raise TypeError
    m.stack[-1].extend(items)


def _build(m: Machine) -> None:
    """State laid over an object: an OrderedDict's _metadata, which says nothing about tensors, is let go."""
    m.stack.pop()
    if not isinstance(m.stack[-1], (dict, Described)):
        raise TypeError


def _tuple(n: int) -> Callable[[Machine], None]:
    def step(m: Machine) -> None:
        if len(m.stack) < n:
            raise IndexError
        items = tuple(m.stack[len(m.stack) - n:])
        del m.stack[len(m.stack) - n:]
        m.stack.append(items)
    return step


def _put_memo(read: Callable[[Machine], int]) -> Callable[[Machine], None]:
    def step(m: Machine) -> None:
        m.memo[read(m)] = m.stack[-1]
    return step


_STEPS: dict[int, Callable[[Machine], None]] = {
    0x80: _protocol, 0x95: lambda m: m.skip(8),                                   # PROTO, FRAME
    ord("}"): _push(lambda m: {}), ord("]"): _push(lambda m: []), ord(")"): _push(lambda m: ()),
    ord("("): _push(lambda m: _MARK), ord("N"): _push(lambda m: None),
    0x88: _push(lambda m: True), 0x89: _push(lambda m: False),
    ord("K"): _push(lambda m: m.number("<B")), ord("M"): _push(lambda m: m.number("<H")),
    ord("J"): _push(lambda m: m.number("<i")),
    0x8a: _push(lambda m: int.from_bytes(m._take(m.number("<B")), "little", signed=True)),
    ord("G"): _push(lambda m: struct.unpack(">d", m._take(8))[0]),
    ord("X"): _push(lambda m: m.text(m.number("<I"))), 0x8c: _push(lambda m: m.text(m.number("<B"))),
    0x8d: _push(lambda m: m.text(m.number("<Q"))),
    ord("U"): _push(lambda m: m._take(m.number("<B")).decode("latin-1")),
    ord("C"): _push(lambda m: m._take(m.number("<B"))), ord("B"): _push(lambda m: m._take(m.number("<I"))),
    ord("t"): lambda m: m.stack.append(tuple(m.to_mark())),
    ord("l"): lambda m: m.stack.append(m.to_mark()),
    0x85: _tuple(1), 0x86: _tuple(2), 0x87: _tuple(3),
    ord("q"): _put_memo(lambda m: m.number("<B")), ord("r"): _put_memo(lambda m: m.number("<I")),
    0x94: _put_memo(lambda m: len(m.memo)),
    ord("h"): _push(lambda m: m.memo[m.number("<B")]), ord("j"): _push(lambda m: m.memo[m.number("<I")]),
    ord("c"): _push(lambda m: m.named(m.line(), m.line())), 0x93: _stack_global,
    ord("R"): _reduce, 0x81: _reduce, ord("Q"): _persistent, ord("b"): _build,
    ord("s"): _set_item, ord("u"): _set_items,
    ord("a"): lambda m: _append(m, [m.stack.pop()]), ord("e"): lambda m: _append(m, m.to_mark()),
    ord("0"): lambda m: m.stack.__delitem__(-1),
}
