# Random arrays: the compiled side of initcore.random, which checks the arguments.

from cpython.buffer cimport PyBUF_STRIDED, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.pycapsule cimport PyCapsule_New
from initcore._table cimport RandomJob, u64


def random_fill(int distribution, int kind, int method, tuple words, out, tuple whole, tuple first, tuple params,
                int threads):
    """Fill `out`, of the dtype of `kind` (any strides), with the block at `first` of an array of shape `whole`.

    `whole` None: `out` is the whole array; then `first`, if not None, is (number of the first element,), or that and
    one step an axis: the element at (i, j, ...) is number first[0] + first[1] i + first[2] j + ...
    """
    cdef RandomJob job
    cdef Py_buffer view
    cdef u64 step = 1, count
    cdef bint stepped = whole is None and first is not None and len(first) > 1
    cdef int i
    PyObject_GetBuffer(out, &view, PyBUF_STRIDED | PyBUF_WRITABLE)
    try:
        job.distribution = distribution
        job.kind = kind
        job.method = method
        job.ndim = view.ndim
        job.out = <char*> view.buf
        job.base = 0
        for i in range(4):
            job.words[i] = words[i]
        for i in range(len(params)):
            job.params[i] = params[i]
        for i in range(view.ndim - 1, -1, -1):
            job.shape[i] = view.shape[i]
            job.stride[i] = view.strides[i]
            job.step[i] = step
            if whole is None:
                if stepped:
                    job.step[i] = <u64> first[1 + i]
                step *= <u64> view.shape[i]
            else:
                job.base += step * <u64> first[i]
                step *= <u64> whole[i]
        if whole is None and first is not None:
            job.base = first[0]
        count = <u64> (view.len // view.itemsize)
        if threads <= 1 or count < RANDOM_PIECE * 2:
            with nogil:
                table.random_fill(&job, 0, count)
        else:
            _random_parallel(PyCapsule_New(&job, NULL, NULL), count, threads)
    finally:
        PyBuffer_Release(&view)


cdef enum:
    RANDOM_PIECE = 1 << 16      # fewer elements are not worth a thread


cdef _random_parallel(job, u64 count, int threads):
    from initcore import _threads
    pieces = min(threads, count // RANDOM_PIECE)
    _threads.split(lambda start, stop: _random_piece(job, start, stop), count, pieces, align=1024)


cdef _random_piece(job, u64 start, u64 stop):
    cdef const RandomJob* j = <const RandomJob*> PyCapsule_GetPointer(job, NULL)
    with nogil:
        table.random_fill(j, start, stop - start)
