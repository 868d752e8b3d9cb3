# Random arrays as initcore.random calls them, after its own checks: these here are those a kernel needs.

from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_AsUnsignedLongLong
from initcore._table cimport RandomJob, u64

cdef enum:
    RANDOM_PIECE = 1 << 16      # fewer elements are not worth a thread

cdef int[5] _RANDOM_TYPES = [cnp.NPY_UINT32, cnp.NPY_FLOAT32, cnp.NPY_FLOAT64, cnp.NPY_FLOAT16, cnp.NPY_UINT16]
cdef tuple _RANDOM_DTYPES = tuple([np.dtype(n) for n in ("uint32", "float32", "float64", "float16", "uint16")])


@cython.internal
@cython.auto_pickle(False)
@cython.final
cdef class Fill(Task):
    """A block of random values, filled in pieces."""
    cdef RandomJob job
    cdef u64 count, piece

    cdef int part(self, u64 start, u64 stop) except -1:
        """Elements start .. stop in C order, `piece` at a time with a look at the signals between."""
        cdef u64 n
        while start < stop:
            if flag_read(&self.flag):
                return 0
            n = min(self.piece, stop - start)
            with nogil:
                table.random_fill(&self.job, start, n)
            if check_signals() != 0:
                flag_raise(&self.flag)
                return -1
            start += n
        return 0

    def __call__(self, u64 start, u64 stop):
        if stop > self.count:
            raise IndexError
        self.part(start, stop)


cdef inline u64 ordinal(str name, object value, u64 most) except? 0xFFFFFFFFFFFFFFFF:
    """An integer in [0, most]."""
    cdef int over = 0
    cdef long long n
    if type(value) is int:
        n = PyLong_AsLongLongAndOverflow(value, &over)
        if over == 0 and n >= 0 and <u64> n <= most:
            return <u64> n
    else:
        value = _checks.integer(name, value)
    if value < 0 or value > most:
        raise _ArgumentError(f"{name} must lie in [0, {most}], got {_checks.describe(value)}.")
    return PyLong_AsUnsignedLongLong(value)


cdef tuple ordinals(str name, object values, Py_ssize_t least, Py_ssize_t most):
    """A tuple or list of so many, as a tuple."""
    if type(values) is not tuple:
        if not isinstance(values, (tuple, list)):
            raise _ArgumentTypeError(f"{name} must be a tuple, got {_checks.describe(values)}.")
        values = tuple(values)
    if not least <= len(values) <= most:
        raise _ShapeError(f"{name} has {len(values)} entries, but {least if least == most else f'{least} to {most}'} "
                          "are needed here.")
    return <tuple> values


cdef int number_elements(RandomJob* job, object whole, object first) except -1:
    """base and step of a block whose shape is known, so that no element has a number beyond 2^64."""
    cdef int i, n = job.ndim
    cdef u64 step = 1
    if whole is None and first is None:         # the whole array; it is there, so its elements can be counted
        for i in range(n - 1, -1, -1):
            job.step[i] = step
            step *= <u64> job.shape[i]
        return 0
    shape = [job.shape[i] for i in range(n)]
    if whole is None:
        first = ordinals("first", first, 1, n + 1)
        if 1 < len(first) <= n:
            raise _ShapeError(f"first has {len(first)} entries, but 1 or {n + 1} are needed here.")
        numbers = [int(ordinal("first", v, 0xFFFFFFFFFFFFFFFF)) for v in first]
        steps = numbers[1:]
        if len(first) == 1:
            steps = [1] * n
            for i in range(n - 2, -1, -1):
                steps[i] = steps[i + 1] * shape[i + 1]
        base = numbers[0]
    else:
        whole = ordinals("whole", whole, n, n)
        first = ordinals("first", first, n, n)
        steps, base, size = [1] * n, 0, 1
        for i in range(n - 1, -1, -1):
            w = int(ordinal("whole", whole[i], 0xFFFFFFFFFFFFFFFF))
            f = int(ordinal("first", first[i], 0xFFFFFFFFFFFFFFFF))
            if f + shape[i] > w:
                raise _ShapeError(f"the block {f}:{f + shape[i]} leaves axis {i} of whole={whole}.")
            steps[i] = size
            base += size * f
            size *= w
    if 0 not in shape and base + sum([(k - 1) * s for k, s in zip(shape, steps)]) >= 1 << 64:
        raise _ShapeError(f"first={first} and whole={whole} reach beyond element 2**64 of the stream.")
    job.base = base % (1 << 64)
    for i in range(n):
        job.step[i] = steps[i] % (1 << 64)
    return 0


cdef void join_axes(RandomJob* job) noexcept nogil:
    """The same elements in the same order by as few axes as will do."""
    cdef int d, n = 0
    cdef Py_ssize_t k
    for d in range(job.ndim):
        k = job.shape[d]
        if k == 1:
            continue
        if n > 0 and job.stride[n - 1] == k * job.stride[d] and job.step[n - 1] == <u64> k * job.step[d]:
            n -= 1
            k *= job.shape[n]
        job.shape[n], job.stride[n], job.step[n] = k, job.stride[d], job.step[d]
        n += 1
    job.ndim = n


cdef bint tall(const RandomJob* job) noexcept nogil:
    """Has a long piece so many rows along the axis of the closest places that most of these share their pages?"""
    cdef int d, fast = 0
    cdef u64 inner = 1
    cdef Py_ssize_t stride, least = <Py_ssize_t> 1 << 62
    for d in range(job.ndim):
        stride = job.stride[d] if job.stride[d] >= 0 else -job.stride[d]
        if stride <= least:
            least = stride
            fast = d
    for d in range(fast + 1, job.ndim):
        inner *= <u64> job.shape[d]
    return least <= 64 and inner <= LONG_PIECE // 32 and job.shape[fast] >= 32


def random_fill(distribution, kind, method, words, out, whole, first, params, threads):
    """Fill ``out`` (any strides) with random values; :mod:`initcore.random` is the door for users.

    Parameters
    ----------
    distribution : 0 bits, 1 uniform, 2 normal, 3 truncated normal. method : of the last, 0 to 4.
    kind : 0 uint32 (bits only), 1 float32, 2 float64, 3 float16, 4 bfloat16 (in a uint16 array): the dtype of ``out``.
    words : four integers below 2**32, the key.
    whole, first : ``out`` is the block at ``first`` of an array of shape ``whole``. ``whole`` None: ``out`` is the
        whole array; then ``first``, if not None, is (number of the first element,), or that and one step an axis:
        the element at (i, j, ...) is number first[0] + first[1] i + first[2] j + ...
    params : at most 8 numbers. threads : an integer, or None.

    After Ctrl-C some elements of ``out`` are filled, the others what they were.
    """
    cdef RandomJob job
    cdef Fill task
    cdef cnp.ndarray a
    cdef u64 count = 1
    cdef int i, workers = threads_of(threads)
    memset(job.params, 0, sizeof(job.params))
    job.base = 0
    job.distribution = ordinal("distribution", distribution, 3)
    job.kind = ordinal("kind", kind, 4)
    job.method = ordinal("method", method, 4)
    if (job.kind == 0) != (job.distribution == 0):
        raise _ArgumentError(f"kind={kind} does not go with distribution={distribution}: bits are uint32, all else is "
                             "floating.")
    words = ordinals("words", words, 4, 4)
    for i in range(4):
        job.words[i] = ordinal("words", (<tuple> words)[i], 0xFFFFFFFF)
    params = ordinals("params", params, 0, 8)
    for i in range(len(<tuple> params)):
        v = (<tuple> params)[i]
        job.params[i] = real_number("params", v)
    if not cnp.PyArray_Check(out):
        raise _ArgumentTypeError(f"out must be a NumPy array, got {_checks.describe(out)}.")
    a = <cnp.ndarray> out
    if not (cnp.PyArray_TYPE(a) == _RANDOM_TYPES[job.kind] and cnp.PyArray_ISCARRAY(a)):
        _checks.out_array("out", out, out.shape, <object> _RANDOM_DTYPES[job.kind])
    if not cnp.PyArray_ISALIGNED(a):            # made apart, as every misaligned output is
        fresh = np.empty(out.shape, out.dtype)
        random_fill(distribution, kind, method, words, fresh, whole, first, params, threads)
        out[...] = fresh
        return
    job.ndim = cnp.PyArray_NDIM(a)
    job.out = cnp.PyArray_BYTES(a)
    for i in range(job.ndim):
        job.shape[i] = cnp.PyArray_DIMS(a)[i]
        job.stride[i] = cnp.PyArray_STRIDES(a)[i]
        count *= <u64> job.shape[i]
    number_elements(&job, whole, first)
    join_axes(&job)
    if count < <u64> LONG_PIECE and (workers == 1 or count < <u64> (2 * RANDOM_PIECE)):
        with nogil:
            table.random_fill(&job, 0, count)
        return
    task = Fill.__new__(Fill)
    task.job = job
    task.count = count
    task.piece = LONG_PIECE
    if not cnp.PyArray_IS_C_CONTIGUOUS(a) and not tall(&job):
        task.piece = LONG_PIECE >> 6            # each element may lie in a page of its own that nobody has touched yet
    task.held = (out,)
    if workers == 1 or count < <u64> (2 * RANDOM_PIECE):
        task.part(0, count)
    else:
        _threads.split(task, count, min(<u64> workers, count // RANDOM_PIECE), align=1024)
