# Elementwise activations as Python sees them: checks, strides, threads; the kernels behind `table` only fill.
#
# Design
# A. The quick path takes plain C-contiguous float32/float64 arrays and does only what such a call needs. It refuses
#    rather than raises.
# B. What it refuses goes the general way: other orders, copies, overlaps, half precisions, threads, and every error
#    message.

# Elements a thread must have before a second one is worth its start (about 20 us).
cdef Py_ssize_t _ACT_GRAIN = 1 << 16
# Elements from which the GIL is released: below, giving it up costs more than the work.
cdef Py_ssize_t _ACT_NOGIL = 1 << 11


cdef void act_run(int code, double alpha, bint backward, int kind, const char* z, const char* dy, char* out,
                  Py_ssize_t n) noexcept nogil:
    """The kernel for this direction and dtype on n contiguous elements."""
    if backward:
        if kind == cnp.NPY_FLOAT64:
            table.activation_backward_f64(code, alpha, <const double*> z, <const double*> dy, <double*> out, n)
        else:
            table.activation_backward_f32(code, alpha, <const float*> z, <const float*> dy, <float*> out, n)
    elif kind == cnp.NPY_FLOAT64:
        table.activation_forward_f64(code, alpha, <const double*> z, <double*> out, n)
    else:
        table.activation_forward_f32(code, alpha, <const float*> z, <float*> out, n)


@cython.internal
@cython.auto_pickle(False)
@cython.final
cdef class Elementwise(Task):
    """An activation or its slope on n elements that lie one after another."""
    cdef int code, kind
    cdef double alpha
    cdef bint backward
    cdef const char* z
    cdef const char* dy
    cdef char* out
    cdef Py_ssize_t n

    cdef int part(self, Py_ssize_t start, Py_ssize_t stop) except -1:
        """Elements start .. stop, LONG_PIECE at a time with a look at the signals between."""
        cdef Py_ssize_t size = 8 if self.kind == cnp.NPY_FLOAT64 else 4, at, n
        for at from start <= at < stop by LONG_PIECE:
            if flag_read(&self.flag):
                return 0
            n = min(LONG_PIECE, stop - at)
            with nogil:
                act_run(self.code, self.alpha, self.backward, self.kind, self.z + at * size,
                        self.dy + at * size if self.dy != NULL else NULL, self.out + at * size, n)
            if check_signals() != 0:
                flag_raise(&self.flag)
                return -1
        return 0

    def __call__(self, Py_ssize_t start, Py_ssize_t stop):
        if start < 0 or stop > self.n:
            raise IndexError
        self.part(start, stop)


cdef inline bint act_plain(cnp.ndarray a) noexcept:
    """C-contiguous, aligned, of this machine's byte order."""
    return cnp.PyArray_IS_C_CONTIGUOUS(a) and cnp.PyArray_ISBEHAVED_RO(a)


cdef inline bint act_clash(const char* a, const char* b, Py_ssize_t size) noexcept:
    """Whether two stretches of memory overlap without being the same."""
    return a != b and a < b + size and b < a + size


cdef object act_quick(object activation, object z, object dy, object out, bint backward, object threads):
    """The result for plain arrays, None for everything else."""
    cdef int code, kind
    cdef double alpha
    cdef Py_ssize_t n
    cdef const char* dp = NULL
    cdef cnp.ndarray za, da, oa
    if not cnp.PyArray_CheckExact(z):
        return None
    za = <cnp.ndarray> z
    kind = cnp.PyArray_TYPE(za)
    n = cnp.PyArray_SIZE(za)
    if ((kind != cnp.NPY_FLOAT32 and kind != cnp.NPY_FLOAT64) or not act_plain(za) or cnp.PyArray_NDIM(za) == 0
            or not (threads is None or threads is 1) or n > LONG_PIECE
            or (n >= 2 * _ACT_GRAIN and _threads._default != 1)):
        return None
    if type(activation) is str:
        pair = _codes.get(activation)
        if pair is None:
            return None
        code, alpha = <int> (<tuple> pair)[0], <double> (<tuple> pair)[1]
    elif type(activation) is _ActivationType and activation.code is not None:
        code, alpha = activation.code, activation.alpha
    else:
        return None
    if dy is not None:
        if not cnp.PyArray_CheckExact(dy):
            return None
        da = <cnp.ndarray> dy
        if not (cnp.PyArray_TYPE(da) == kind and act_plain(da) and cnp.PyArray_SAMESHAPE(da, za)):
            return None
        dp = cnp.PyArray_BYTES(da)
    if out is None:
        out = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(za), cnp.PyArray_DIMS(za), kind, 0)
        oa = <cnp.ndarray> out
    else:
        if not cnp.PyArray_CheckExact(out):
            return None
        oa = <cnp.ndarray> out
        if (cnp.PyArray_TYPE(oa) != kind or not act_plain(oa) or not cnp.PyArray_ISWRITEABLE(oa)
                or not cnp.PyArray_SAMESHAPE(oa, za)
                or act_clash(cnp.PyArray_BYTES(za), cnp.PyArray_BYTES(oa), cnp.PyArray_NBYTES(za))
                or (dp != NULL and act_clash(dp, cnp.PyArray_BYTES(oa), cnp.PyArray_NBYTES(za)))):
            return None
    if n < _ACT_NOGIL:
        act_run(code, alpha, backward, kind, cnp.PyArray_BYTES(za), dp, cnp.PyArray_BYTES(oa), n)
    else:
        with nogil:
            act_run(code, alpha, backward, kind, cnp.PyArray_BYTES(za), dp, cnp.PyArray_BYTES(oa), n)
    return out


cdef bint act_flat(int code, double alpha, object z, object dy, object out, bint backward, int threads) except -1:
    """Run on ndarrays z, dy (or None), out of one dtype and shape that lie in memory in one order; False: nothing
    done."""
    cdef Elementwise task = Elementwise.__new__(Elementwise)
    arrays = (z, out) if dy is None else (z, out, dy)
    if not (all([a.flags.c_contiguous for a in arrays]) or all([a.flags.f_contiguous for a in arrays])) \
            or not all([a.flags.aligned for a in arrays]):
        return False
    task.code = code
    task.alpha = alpha
    task.backward = backward
    task.kind = cnp.PyArray_TYPE(<cnp.ndarray?> z)
    task.n = cnp.PyArray_SIZE(<cnp.ndarray?> z)
    task.z = cnp.PyArray_BYTES(<cnp.ndarray> z)
    task.dy = NULL if dy is None else cnp.PyArray_BYTES(<cnp.ndarray?> dy)
    task.out = cnp.PyArray_BYTES(<cnp.ndarray?> out)
    task.held = arrays
    if act_clash(task.z, task.out, cnp.PyArray_NBYTES(<cnp.ndarray> z)) \
            or (dy is not None and act_clash(task.dy, task.out, cnp.PyArray_NBYTES(<cnp.ndarray> z))):
        return False
    if threads > 1 and task.n >= 2 * _ACT_GRAIN:
        _threads.split(task, task.n, min(threads, task.n // _ACT_GRAIN), align=64)
    else:
        task.part(0, task.n)
    return True


cdef object act_call(object activation, object z, object dy, object out, bint backward, object threads):
    """Check, compute and return; z (and dy) any strides, float16 and bfloat16 through float32."""
    cdef int workers = _threads.resolve(threads), code
    cdef double alpha
    cdef bint fresh = out is None
    code, alpha = activation_code(activation)
    given = z
    z = _checks.float_array("z", z)                                 # widens float16 and bfloat16
    dtype = z.dtype
    if isinstance(given, (np.ndarray, np.generic)) and given.dtype.isnative and given.dtype not in _checks.FLOATS:
        dtype = given.dtype
    if dy is not None:
        if isinstance(dy, (np.ndarray, np.generic)) and native(dy.dtype) != dtype:
            raise _checks.unlike("dy", dy.dtype, dtype)
        dy = _checks.float_array("dy", dy, dtype=z.dtype)
        if dy.shape != z.shape:
            raise misshapen("dy", dy.shape, "z", z.shape, z.shape)
    if fresh:
        flags = z.flags
        out = np.empty(z.shape, dtype, "F" if flags.f_contiguous and not flags.c_contiguous else "C")
    else:
        _checks.out_array("out", out, z.shape, dtype)
    into = out if type(out) is np.ndarray else out.view(np.ndarray)
    z, dy = reachable(z), None if dy is None else reachable(dy)
    if dtype != z.dtype or not into.dtype.isnative or not act_flat(code, alpha, z, dy, into, backward, workers):
        result = np.empty(z.shape, z.dtype)
        act_flat(code, alpha, contiguous(z), None if dy is None else contiguous(dy), result, backward, workers)
        into[...] = result
    return out[()] if fresh and out.ndim == 0 else out


def activation_forward(activation, z, *, out=None, threads=None):
    """``y := phi(z)``, elementwise.

    Parameters
    ----------
    activation : a name of :data:`initcore.activations.names`, an alias, or an Activation with a kernel.
    z : array of any shape, float32 or float64 (float16 and bfloat16 are computed in float32 and rounded once).
        C- and F-contiguous arrays are read as they lie; any other strides cost one contiguous copy.
    out : array of z's shape and dtype that receives y; may be z itself. Memory that overlaps z
        otherwise, or is not contiguous, costs one temporary array. After Ctrl-C some of its elements are y, the
        others what they were.
    threads : number of threads; None is :func:`initcore.get_num_threads`. The bits do not depend on it.

    Returns
    -------
    y : ``out``, or a new array of z's shape and dtype (a scalar where z is one).

    Raises
    ------
    UnknownNameError, ArgumentError, ArgumentTypeError, DTypeError, ShapeError : ``out`` is untouched then.

    The same input gives the same bits at every position; odd functions are exactly odd; NaN gives NaN.
    tanh and sigmoid are within 2 ULP, the others within 4 ULP (docs/explanation/accuracy.md).
    PyTorch: ``torch.nn.functional``; JAX: ``jax.nn``; Keras: ``keras.activations``.

    >>> import numpy as np
    >>> activation_forward("relu", np.array([-1.0, 0.5]))
    array([0. , 0.5])
    """
    done = act_quick(activation, z, None, out, False, threads)
    return done if done is not None else act_call(activation, z, None, out, False, threads)


def activation_backward(activation, z, dy, *, out=None, threads=None):
    """``dz := dy * phi'(z)``, elementwise.

    Parameters
    ----------
    activation, z, out, threads : as in :func:`activation_forward`; ``out`` may be z or dy itself.
    dy : array of z's shape and dtype; None stands for ones, so that the slope itself is returned.

    Returns
    -------
    dz : ``out``, or a new array of z's shape and dtype.

    Slopes come from z, by forms that stay accurate where ``1 - y*y`` or ``y*(1 - y)`` are already 0.
    At a kink the slope is the one from the left (relu: 0), for elu and selu the one of the curved branch.

    >>> import numpy as np
    >>> activation_backward("tanh", np.array([0.0, 20.0]), np.array([1.0, 1.0]))
    array([1.0000000e+00, 1.6993417e-17])
    """
    done = act_quick(activation, z, dy, out, True, threads)
    return done if done is not None else act_call(activation, z, dy, out, True, threads)
