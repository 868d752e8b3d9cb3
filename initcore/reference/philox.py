"""The plain NumPy twin of src/variant/random: stream v1 spelled out, slowly. Specification, oracle, benchmark rival."""

import numpy as np

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW32 = np.uint64(0xFFFFFFFF)
_SHIFT32 = np.uint64(32)


def philox4x32(counter: list[np.ndarray], key: tuple[int, int], rounds: int = 10) -> list[np.ndarray]:
    """Philox4x32: four counter words (uint64 arrays holding 32 bits) to four output words."""
    c = list(counter)
    for r in range(rounds):
        key0, key1 = np.uint64((key[0] + r * _W0) & 0xFFFFFFFF), np.uint64((key[1] + r * _W1) & 0xFFFFFFFF)
        p0, p1 = _M0 * c[0], _M1 * c[2]
        c = [(p1 >> _SHIFT32) ^ c[1] ^ key0, p1 & _LOW32, (p0 >> _SHIFT32) ^ c[3] ^ key1, p0 & _LOW32]
    return c


def words_of(words: tuple[int, int, int, int], index: np.ndarray) -> np.ndarray:
    """uint32 words of the stream ``words`` at the element numbers ``index`` (uint64, any shape)."""
    k0, k1, s0, s1 = words
    index = np.asarray(index, dtype=np.uint64)
    block = index >> np.uint64(2)
    c = philox4x32([block & _LOW32, block >> _SHIFT32, np.full_like(block, s0), np.full_like(block, s1)], (k0, k1))
    return np.choose((index & np.uint64(3)).astype(np.intp), c).astype(np.uint32)


def words64_of(words: tuple[int, int, int, int], index: np.ndarray) -> np.ndarray:
    """uint64 words: the stream's own word above, the word of the stream with s1 ^ 0x80000000 below."""
    k0, k1, s0, s1 = words
    high = words_of(words, index).astype(np.uint64)
    both: np.ndarray = (high << _SHIFT32) | words_of((k0, k1, s0, s1 ^ 0x80000000), index)
    return both


def uniform_of(words: tuple[int, int, int, int], index: np.ndarray, dtype: str) -> np.ndarray:
    """u in [0, 1): the top 24 bits (float32) or 53 bits (float64)."""
    if dtype == "float64":
        return (words64_of(words, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return (words_of(words, index) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
