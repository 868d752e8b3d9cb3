"""Keys of random streams: 128 bits, made from a seed or as the child of another key by a name."""

from __future__ import annotations

import functools
import numbers
import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from .._checks import describe, integer
from ..errors import ArgumentError, ArgumentTypeError

_WORD = 1 << 32

RngLike: TypeAlias = ("Key | int | np.integer[Any] | Sequence[int] | np.ndarray[Any, np.dtype[np.integer[Any]]] | "
                      "np.random.SeedSequence | np.random.Generator | np.random.BitGenerator | None")
"""What :func:`as_key` takes (SPEC 7)."""


class Key:
    """Names one random stream: four 32-bit words (k0, k1, s0, s1), immutable.

    Parameters
    ----------
    seed : int, sequence of ints or numpy.random.SeedSequence
        ``SeedSequence(seed).generate_state(4, uint32)`` are the four words. Ints must be >= 0 (ArgumentError);
        bool, float and other kinds are ArgumentTypeErrors.

    NumPy's SeedSequence pads with zeros: ``[seed, 0]`` is the same key as ``seed``, and ``[seed, 1]`` differs from it.
    Where a list names a stream (seed, epoch, layer), take ``Key(seed).child(epoch).child("layer")``: children of
    different names never meet, nor does a child its parent.

    The same key gives the same numbers on every machine, for every thread count and every split of an array
    into blocks. Two arrays need two keys: take :meth:`child` for each.

    >>> key = Key(0)
    >>> key.words
    (2968811710, 3677149159, 745650761, 2884920346)
    >>> key.child("layer0.weight") == key.child("layer0.weight"), key.child(0) == key.child("0")
    (True, False)

    JAX: ``jax.random.key(seed)``, ``jax.random.fold_in``; NumPy: ``SeedSequence.spawn``; PyTorch: ``Generator``.
    """

    __slots__ = ("_words",)
    _words: tuple[int, int, int, int]

    def __init__(self, seed: Any) -> None:
        object.__setattr__(self, "_words", _seed_words(seed))

    @classmethod
    def from_words(cls, k0: int, k1: int, s0: int = 0, s1: int = 0) -> Key:
        """The key with these words, each in [0, 2**32): Philox key (k0, k1), upper half of the counter (s0, s1)."""
        words = tuple(integer(name, w, low=0) for name, w in zip(("k0", "k1", "s0", "s1"), (k0, k1, s0, s1)))
        for name, w in zip(("k0", "k1", "s0", "s1"), words):
            if w >= _WORD:
                raise ArgumentError(f"{name} must be below 2**32, got {w}; a larger seed goes to Key(seed).")
        return cls._make(words)

    @classmethod
    def _make(cls, words: tuple[int, ...]) -> Key:
        key = object.__new__(cls)
        object.__setattr__(key, "_words", words)
        return key

    @property
    def words(self) -> tuple[int, int, int, int]:
        """(k0, k1, s0, s1)."""
        return self._words

    def child(self, name: int | str) -> Key:
        """The key of a named child stream.

        BLAKE2b with a 16-byte digest of the words (little endian) followed by b"\\x00" and a signed 8-byte
        little-endian int, or by b"\\x01" and the UTF-8 name; the digest is the child's four words.

        Parameters
        ----------
        name : str or int in [-2**63, 2**63)
            An int and its decimal string name different children.

        Raises ArgumentError for an int out of range, ArgumentTypeError for bool, float and other kinds.

        >>> Key(0).child("block").child(3) == Key(0).child("block/3")
        False
        """
        if isinstance(name, str):
            try:
                tail = b"\x01" + name.encode("utf-8")
            except UnicodeEncodeError:
                raise ArgumentError(f"name={name!r} holds a lone surrogate and has no UTF-8 form.") from None
        else:
            if isinstance(name, (bool, np.bool_)) or not isinstance(name, numbers.Integral):
                raise ArgumentTypeError(f"name must be a str or an int, got {describe(name)}.")
            if not -(1 << 63) <= name < 1 << 63:
                raise ArgumentError(f"name must lie in [-2**63, 2**63), got {name}; use a str for larger numbers.")
            tail = b"\x00" + int(name).to_bytes(8, "little", signed=True)
        import hashlib  # here, because loading OpenSSL doubles the cost of importing initcore
        digest = hashlib.blake2b(struct.pack("<4I", *self._words) + tail, digest_size=16).digest()
        return self._make(struct.unpack("<4I", digest))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Key is immutable; make another with Key(seed) or key.child(name).")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Key is immutable.")

    def __eq__(self, other: object) -> bool:
        return self._words == other._words if isinstance(other, Key) else NotImplemented

    def __hash__(self) -> int:
        return hash((Key, self._words))

    def __repr__(self) -> str:
        return "Key.from_words({:#010x}, {:#010x}, {:#010x}, {:#010x})".format(*self._words)

    def __reduce__(self) -> tuple[Any, ...]:
        return Key.from_words, self._words


def as_key(rng: Any) -> Key:
    """The Key an ``rng=`` argument means (Scientific Python SPEC 7).

    None takes entropy from the operating system; an int, a sequence of ints or a SeedSequence is a seed as in
    :class:`Key` (``[seed, 0]`` is ``seed``: children are the way to name streams); a Generator or BitGenerator is
    advanced once, by four 32-bit words; a Key is itself. bool, float, RandomState and other kinds are
    ArgumentTypeErrors, a negative int an ArgumentError.

    >>> as_key(5) == Key(5)
    True
    """
    if isinstance(rng, Key):
        return rng
    if rng is None:
        return Key(np.random.SeedSequence())
    if isinstance(rng, np.random.BitGenerator):
        rng = np.random.Generator(rng)
    if isinstance(rng, np.random.Generator):
        return Key._make(tuple(rng.integers(0, _WORD, size=4, dtype=np.uint32).tolist()))
    return Key(rng)


def _seed_words(seed: Any) -> tuple[int, int, int, int]:
    if isinstance(seed, np.random.SeedSequence):
        return _state_words(seed)
    if isinstance(seed, (bool, np.bool_)):
        raise _wrong_seed(seed)
    if isinstance(seed, numbers.Integral):
        return _int_words(integer("rng", seed, low=0))
    if isinstance(seed, np.ndarray) and (seed.dtype.kind not in "iu" or seed.ndim != 1):
        raise _wrong_seed(seed)
    if isinstance(seed, (Sequence, np.ndarray)) and not isinstance(seed, (str, bytes, bytearray, memoryview)):
        return _state_words(np.random.SeedSequence([integer(f"rng[{i}]", v, low=0) for i, v in enumerate(seed)]))
    raise _wrong_seed(seed)


def _wrong_seed(seed: Any) -> ArgumentTypeError:
    return ArgumentTypeError(f"rng (or the seed of a Key) must be an int >= 0, a sequence of them, a SeedSequence, "
                             f"a Generator, a BitGenerator or a Key, got {describe(seed)}; "
                             "rng=0 is the usual fixed seed, rng=None takes fresh entropy.")


@functools.lru_cache(maxsize=1024)
def _int_words(seed: int) -> tuple[int, int, int, int]:
    # Cached: NumPy's SeedSequence costs several times a small fill.
    return _state_words(np.random.SeedSequence(seed))


def _state_words(seed: np.random.SeedSequence) -> tuple[int, int, int, int]:
    k0, k1, s0, s1 = seed.generate_state(4, np.uint32).tolist()
    return k0, k1, s0, s1
