"""Call kernels from Numba-compiled code: their addresses come from the Cython API of initcore.kernels."""

import ctypes

import numba
import numpy as np
from numba.extending import get_cython_function_address

_TANH = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t)
_tanh = _TANH(get_cython_function_address("initcore.kernels", "tanh_forward_f32"))


@numba.njit(nogil=True)
def mean_activation(z: np.ndarray) -> float:
    """Mean of tanh over a C-contiguous float32 array, the kernel called from machine code."""
    y = np.empty_like(z)
    _tanh(z.ctypes.data, y.ctypes.data, z.size)
    return y.mean()


if __name__ == "__main__":
    print(mean_activation(np.linspace(-1, 3, 1000).astype(np.float32)))
