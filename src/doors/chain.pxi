# A training step of a chain of dense layers in one call: forward, loss and gradients.
#
# Design
# A. The same kernels in the same order as a call of each door makes, so the same bits. What is saved is what lies
#    between them: arrays for z and y, arguments, frames.
# B. Only what every door would take by its quick path is done here, and only where each layer runs in the caller's
#    thread; else the answer is None, and the caller goes from door to door.

from cpython.mem cimport PyMem_Free, PyMem_Malloc

cdef enum:
    CHAIN_MOST = 32             # layers
    CHAIN_BYTES = 4000000       # of z, y and dx


cdef struct Link:
    Matrix w
    Matrix z
    Matrix y
    char* b
    int code
    double alpha


cdef bint take_link(object layer, int kind, Py_ssize_t rows, Link* link, list held) except -1:
    """Read a layer with `rows` inputs; false where it is not plain. `held` keeps its arrays alive."""
    w, b, activation = layer.w, layer.b, layer.activation
    held.append((w, b))
    if type(activation) is not _ActivationType or activation.code is None or not take(w, kind, &link.w) \
            or link.w.rows != rows:
        return False
    link.code, link.alpha = activation.code, activation.alpha
    link.b = NULL
    if b is not None:
        link.b = take_vector(b, kind, link.w.cols)
        if link.b == NULL:
            return False
    return True


cdef int chain_run(int kind, Link* links, Py_ssize_t count, const Matrix* x, const Py_ssize_t* labels, Matrix* flow,
                   const Matrix* dw, double* value, const StopCheck* stop) noexcept nogil:
    """z, y of every link, the loss, and the gradients into dw[2 i] and dw[2 i + 1]; flow: two rooms for dx."""
    cdef Matrix none, dy, dx
    cdef Py_ssize_t i
    cdef int status
    no_matrix(&none)
    for i in range(count):
        status = run_forward(kind, x if i == 0 else &links[i - 1].y, &links[i].w, links[i].b, links[i].code,
                             links[i].alpha, &links[i].z, &links[i].y, stop)
        if status != 0:
            return status
    dy = links[count - 1].y
    dy.data = flow[0].data
    value[0] = run_part(1, kind, links[count - 1].y.data, NULL, labels, dy.data, dy.rows, dy.cols, dy.rows, 0) / dy.rows
    for i in range(count - 1, -1, -1):
        dx = none
        if i > 0:
            dx = links[i - 1].y
            dx.data = flow[(count - i) & 1].data
        status = run_backward(kind, x if i == 0 else &links[i - 1].y, &links[i].w, links[i].code, links[i].alpha,
                              &links[i].z, &none, &dy, &dx, &dw[2 * i], dw[2 * i + 1].data, stop)
        if status != 0:
            return status
        dy = dx
    return 0


cdef inline Matrix lay(char** at, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t size) noexcept nogil:
    """A matrix in the workspace, at the start of a line."""
    cdef Matrix m = vector_as_matrix(at[0], cols)
    m.rows = rows
    at[0] += (rows * cols * size + 63) & ~(<Py_ssize_t> 63)
    return m


def _chain_gradients(layers, x, labels, threads):
    """(value, [(dw, db) ...]) of the softmax cross entropy of class indices, or None where anything is not plain."""
    cdef Link[CHAIN_MOST] links
    cdef Matrix[2 * CHAIN_MOST] grads
    cdef Matrix[2] flow
    cdef Matrix xm
    cdef StopCheck stop
    cdef int kind = kind_of(x), flag = 0, status
    cdef Py_ssize_t i, count = len(layers), most = 0, size = 4 if kind == cnp.NPY_FLOAT32 else 8, room, cols
    cdef void* work
    cdef char* at
    cdef double value = 0
    cdef list held = [], made = []
    if kind < 0 or count > CHAIN_MOST or not take(x, kind, &xm) or xm.rows == 0:
        return None
    cols = xm.cols
    room = xm.rows * sizeof(Py_ssize_t) + (2 * count + 4) * 64
    for i in range(count):
        if not (take_link(layers[i], kind, cols, &links[i], held)
                and one_thread(threads, 2.0 * xm.rows * (cols + 8) * links[i].w.cols)):
            return None
        cols = links[i].w.cols
        most = max(most, cols)
        if cols == 0 or cols > CHAIN_BYTES // xm.rows:
            return None
        room += 2 * xm.rows * cols * size
    room += 2 * xm.rows * most * size
    if room > CHAIN_BYTES or not are_labels(labels, xm.rows, cols):
        return None
    work = PyMem_Malloc(room)
    if work == NULL:
        raise MemoryError
    try:
        at = <char*> ((<size_t> work + 63) & ~(<size_t> 63))
        for i in range(2):
            flow[i] = lay(&at, xm.rows, most, size)
        for i in range(count):
            cols = links[i].w.cols
            links[i].z = lay(&at, xm.rows, cols, size)
            links[i].y = lay(&at, xm.rows, cols, size)
            dw = new_matrix(links[i].w.rows, cols, kind, &grads[2 * i])
            db = new_vector(cols, kind, &grads[2 * i + 1])
            made.append((dw, db if links[i].b != NULL else None))
            held.append(db)
        memcpy(at, cnp.PyArray_BYTES(<cnp.ndarray> labels), xm.rows * sizeof(Py_ssize_t))    # which nobody changes
        stop = stop_check(&flag)
        with nogil:
            status = chain_run(kind, links, count, &xm, <const Py_ssize_t*> at, flow, grads, &value, &stop)
        done(status)
    finally:
        PyMem_Free(work)
    return value, made
