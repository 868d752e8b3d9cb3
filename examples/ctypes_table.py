"""Call a kernel through the table's capsule with ctypes: nothing is compiled."""

import ctypes

import numpy as np

import initcore as ic


class Table(ctypes.Structure):
    """The head of the append-only function table (initcore/_table.pxd): a prefix is all a caller needs."""

    _fields_ = [("version", ctypes.c_uint32), ("size", ctypes.c_uint32), ("isa", ctypes.c_char_p),
                ("compiler", ctypes.c_char_p), ("flags", ctypes.c_char_p),
                ("matmul_f32", ctypes.c_void_p), ("matmul_f64", ctypes.c_void_p)]


MATMUL = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_ssize_t] * 2,
                          ctypes.c_void_p, *[ctypes.c_ssize_t] * 4)


def table() -> Table:
    """The table of the variant in use."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return Table.from_address(pointer(ic.kernels.capsule, b"initcore.kernel_table"))


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b of C-contiguous float32 arrays."""
    c = np.empty((a.shape[0], b.shape[1]), np.float32)
    call = MATMUL(table().matmul_f32)
    if call(a.ctypes.data, a.shape[1], 1, b.ctypes.data, b.shape[1], 1, c.ctypes.data, c.shape[1],
            a.shape[0], a.shape[1], b.shape[1]):
        raise MemoryError
    return c


if __name__ == "__main__":
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    print(table().version, table().isa.decode(), matmul(x, x.T.copy()))
