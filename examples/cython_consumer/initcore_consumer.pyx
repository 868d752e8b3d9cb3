# A dense tanh layer and the first random words of a stream, through initcore's C API, without the GIL.

from initcore cimport kernels


def dense_tanh(const float[:, ::1] x not None, const float[:, ::1] w not None, const float[::1] b not None,
               float[:, ::1] y not None):
    """y := tanh(x w + b), written into y; all C-contiguous float32."""
    if x.shape[1] != w.shape[0] or b.shape[0] != w.shape[1] or y.shape[0] != x.shape[0] or y.shape[1] != w.shape[1]:
        raise ValueError("shapes must be x (n, k), w (k, m), b (m,), y (n, m)")
    if y.shape[0] == 0 or y.shape[1] == 0 or x.shape[1] == 0:
        raise ValueError("empty arrays are left to initcore.kernels.dense_forward")
    cdef int code
    with nogil:
        code = kernels.dense_forward_f32(&x[0, 0], x.shape[1], &w[0, 0], w.shape[1], &b[0], kernels.ACT_TANH, 0.0,
                                         NULL, 0, &y[0, 0], y.shape[1], x.shape[0], x.shape[1], w.shape[1])
    if code == -1:
        raise MemoryError()


def words(unsigned int k0, unsigned int k1, unsigned long long start, unsigned int[::1] out not None):
    """Raw words start .. of the stream with key (k0, k1, 0, 0), written into out."""
    cdef unsigned int[4] key = [k0, k1, 0, 0]
    if out.shape[0]:
        with nogil:
            kernels.random_bits(key, start, &out[0], out.shape[0])


def table_version():
    """The version of the function table this package runs against."""
    return kernels.kernel_table().version
