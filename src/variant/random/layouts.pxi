# A job: blocks of an array of any strides filled with runs. Rows whose places lie crosswise are laid down in tiles.

cdef void random_fill(const RandomJob* job, u64 first, u64 count) noexcept nogil:
    """Elements first .. first + count, in C order, of the job's block.

    The block's last axes along which element numbers follow one another make one span; a span is filled straight
    where its places follow one another too, else by way of a buffer. Where places follow one another along an axis
    before the last (a transposed or channels-last array), its rows are laid down in tiles.
    """
    cdef Py_ssize_t size = 8 if job.kind == KIND_F64 else 2 if job.kind >= KIND_F16 else 4
    cdef philox_stream s, low
    cdef Py_ssize_t at[64]
    cdef char room[8 * PHILOX_BUFFER + 64]
    cdef char* buffer = philox_line(room)
    cdef Py_ssize_t n, taken
    cdef u64 index, run = 1, place = 1, inner = 1, rows
    cdef int axis = job.ndim - 1, d, even = 1, fast
    cdef char* out = job.out
    s.upper = 0xFFFFFFFFFFFFFFFFULL                          # no block number has it: philox_run starts the stream
    while axis >= 0 and (job.shape[axis] == 1 or job.step[axis] == run):
        even = even and (job.shape[axis] == 1 or job.stride[axis] == <Py_ssize_t> run * size)
        run *= <u64> job.shape[axis]
        axis -= 1
    fast = -1 if even else philox_fast_axis(job, axis)
    if fast >= 0:
        for d in range(fast + 1, job.ndim):
            inner *= <u64> job.shape[d]
    while count > 0:
        index = first
        out = job.out
        for d in range(job.ndim - 1, -1, -1):
            at[d] = <Py_ssize_t> (index % <u64> job.shape[d])
            index //= <u64> job.shape[d]
            out += at[d] * job.stride[d]
        index = job.base
        for d in range(job.ndim):
            index += <u64> at[d] * job.step[d]
        place = run - first % run                            # elements left in this span
        if place > count:
            place = count
        if fast >= 0:
            rows = 0
            if first % inner == 0:
                rows = min(count // inner, <u64> (job.shape[fast] - at[fast]))
            if rows >= PHILOX_LEAST_ROWS:
                philox_tiles(job, &s, &low, index, fast, <Py_ssize_t> inner, <Py_ssize_t> rows, out)
                first += rows * inner
                count -= rows * inner
                continue
            place = min(place, inner - first % inner)        # up to where a row begins
        first += place
        count -= place
        if even:
            philox_run(job, &s, &low, index, <Py_ssize_t> place, out)
            continue
        while place > 0:
            n = <Py_ssize_t> min(place, <u64> PHILOX_BUFFER)
            philox_run(job, &s, &low, index, n, buffer)
            out = philox_scatter(job, at, out, buffer, n, size)
            index += <u64> n
            place -= <u64> n


cdef inline char* philox_line(char* room) noexcept nogil:
    """Where the next cache line begins: whole vectors are stored there."""
    return room + (-<size_t> room & 63)


cdef int philox_fast_axis(const RandomJob* job, int axis) noexcept nogil:
    """The axis along which places lie closest, where all axes after it are of one span of numbers and it is not the
    last of them; else -1, as where it is too short for tiles. `axis` is the last axis that is in no span."""
    cdef int d, fast = -1
    cdef bint later = False
    for d in range(job.ndim):
        if job.shape[d] > 1:
            if fast < 0 or philox_distance(job.stride[d]) <= philox_distance(job.stride[fast]):
                fast, later = d, False
            else:
                later = True
    return fast if later and fast >= axis and job.shape[fast] >= PHILOX_LEAST_ROWS else -1


cdef inline Py_ssize_t philox_distance(Py_ssize_t stride) noexcept nogil:
    return stride if stride >= 0 else -stride


cdef void philox_tiles(const RandomJob* job, philox_stream* s, philox_stream* low, u64 index, int fast,
                       Py_ssize_t inner, Py_ssize_t rows, char* out) noexcept nogil:
    """`rows` rows along axis `fast`, each of `inner` numbers along the axes after it, from element number `index` on.

    A tile holds some rows' next numbers; each of these numbers' places, close to one another, is then written in turn.
    """
    cdef char room[PHILOX_TILE + 64]
    cdef char* tile = philox_line(room)
    cdef Py_ssize_t size = 8 if job.kind == KIND_F64 else 2 if job.kind >= KIND_F16 else 4
    cdef Py_ssize_t at[64]
    cdef Py_ssize_t wide = PHILOX_EVEN_RUN if (index | job.step[fast]) & 3 == 0 else PHILOX_TILE_RUN
    cdef bint joined = inner <= PHILOX_TILE_RUN and job.step[fast] == <u64> inner     # one run of numbers a tile
    cdef Py_ssize_t row = 0, k, i, t, n, pitch, some, part, lines, line, stride = job.stride[fast]
    cdef char* place
    cdef int d, last = job.ndim - 1
    if joined:
        wide = inner
    wide = min(wide, inner)
    pitch = wide if joined else wide + 64 // size            # a power of two would put all rows in few cache sets
    while row < rows:
        k = PHILOX_TILE // size // pitch
        if k * size > 64:
            k -= k % (64 // size)                            # whole lines, whole blocks
        k = min(k, rows - row)
        for d in range(fast + 1, job.ndim):
            at[d] = 0
        place = out + row * stride
        t = 0
        while t < inner:
            n = min(wide, inner - t)
            some = min(n, job.shape[last] - at[last])        # columns along the last axis
            lines = (k * size + 63) // 64 if stride == size else 0
            if joined:
                for i from 0 <= i < k by PHILOX_GROUP:       # so many rows are whole groups of words
                    part = min(k - i, PHILOX_GROUP)
                    for line in range(i * lines // k * some, (i + part) * lines // k * some):
                        fetch_to_write(place + line % some * job.stride[last] + line // some * 64)
                    philox_run(job, s, low, index + <u64> (row + i) * job.step[fast], part * n, tile + i * n * size)
                philox_lay(job, at, &place, fast, tile, n, k, pitch, stride, size)
                break
            for i in range(k):                               # the places' lines are fetched while numbers are made
                for line in range(i * some * lines // k, (i + 1) * some * lines // k):
                    fetch_to_write(place + line // lines * job.stride[last] + line % lines * 64)
                philox_run(job, s, low, index + <u64> (row + i) * job.step[fast] + <u64> t, n,
                           tile + i * pitch * size)
            philox_lay(job, at, &place, fast, tile, n, k, pitch, stride, size)
            t += n
        row += k


cdef void philox_lay(const RandomJob* job, Py_ssize_t* at, char** place, int fast, const char* tile, Py_ssize_t n,
                     Py_ssize_t k, Py_ssize_t pitch, Py_ssize_t stride, Py_ssize_t size) noexcept nogil:
    """Write the tile's n columns of k values, column by column from `place` on, which moves on."""
    cdef char room[PHILOX_TILE + 64]
    cdef char* strip = philox_line(room)
    cdef Py_ssize_t some, block = 32 // size, held = 0, i
    cdef int last = job.ndim - 1
    cdef char* to = place[0]
    while n > 0:
        some = min(n, job.shape[last] - at[last])
        if held == 0 and some < block <= n and stride == size:
            # columns that lie apart: some at once by way of a strip
            i = 0
            while i + block <= k:
                philox_block(tile + i * pitch * size, pitch, strip + i * size, k, size)
                i += block
            philox_column(strip, k * size, tile, block, i, k, pitch, stride, size)
            held = block
        if held > 0:
            some = 1
            memcpy(to, strip + (block - held) * k * size, k * size)
            held -= 1
        else:
            philox_columns(to, job.stride[last], tile, some, k, pitch, stride, size)
        tile += some * size
        n -= some
        to = philox_next_place(job, at, to, fast, some)
    place[0] = to


cdef inline char* philox_next_place(const RandomJob* job, Py_ssize_t* at, char* to, int fast,
                                    Py_ssize_t some) noexcept nogil:
    """Move `some` columns on, within a row along the last axis, by the axes after `fast`."""
    cdef int d = job.ndim - 1
    at[d] += some
    to += some * job.stride[d]
    while at[d] == job.shape[d] and d > fast + 1:
        to += job.stride[d - 1] - at[d] * job.stride[d]
        at[d] = 0
        d -= 1
        at[d] += 1
    return to


cdef inline void philox_block(const char* tile, Py_ssize_t pitch, char* to, Py_ssize_t row,
                              Py_ssize_t size) noexcept nogil:
    """A square block of 32 bytes transposed."""
    if size == 4:
        transpose_f32(<const float*> tile, pitch, <float*> to, row)
    elif size == 8:
        transpose_f64(<const double*> tile, pitch, <double*> to, row)
    else:
        transpose_u16(<const u16*> tile, pitch, <u16*> to, row)


cdef void philox_columns(char* to, Py_ssize_t step, const char* tile, Py_ssize_t n, Py_ssize_t k, Py_ssize_t pitch,
                         Py_ssize_t stride, Py_ssize_t size) noexcept nogil:
    """Column t of the tile, k values `pitch` apart, goes to `to + t step`, its values `stride` apart."""
    cdef Py_ssize_t block = 32 // size, t = 0, i, whole = 0
    if stride == size and step % size == 0:                  # square blocks of 32 bytes
        whole = k - k % block
        while t + block <= n:
            i = 0
            while i < whole:
                philox_block(tile + (i * pitch + t) * size, pitch, to + t * step + i * size, step // size, size)
                i += block
            t += block
    philox_column(to, step, tile, t, whole, k, pitch, stride, size)
    tile += t * size
    to += t * step
    philox_column(to, step, tile, n - t, 0, k, pitch, stride, size)


cdef void philox_column(char* to, Py_ssize_t step, const char* tile, Py_ssize_t n, Py_ssize_t first, Py_ssize_t k,
                        Py_ssize_t pitch, Py_ssize_t stride, Py_ssize_t size) noexcept nogil:
    """philox_columns for the values first .. k of n columns, one by one."""
    cdef Py_ssize_t t, i
    if k - first < 4:                                        # none, or so few that each row is gone along
        for i in range(first, k):
            if size == 4:
                for t in range(n):
                    (<u32*> (to + t * step + i * stride))[0] = (<const u32*> tile)[i * pitch + t]
            elif size == 8:
                for t in range(n):
                    (<u64*> (to + t * step + i * stride))[0] = (<const u64*> tile)[i * pitch + t]
            else:
                for t in range(n):
                    (<u16*> (to + t * step + i * stride))[0] = (<const u16*> tile)[i * pitch + t]
        return
    for t in range(n):
        if size == 4 and stride == 4:
            for i in range(first, k):
                (<u32*> to)[i] = (<const u32*> tile)[i * pitch]
        elif size == 4:
            for i in range(first, k):
                (<u32*> (to + i * stride))[0] = (<const u32*> tile)[i * pitch]
        elif size == 8:
            for i in range(first, k):
                (<u64*> (to + i * stride))[0] = (<const u64*> tile)[i * pitch]
        elif stride == 2:
            for i in range(first, k):
                (<u16*> to)[i] = (<const u16*> tile)[i * pitch]
        else:
            for i in range(first, k):
                (<u16*> (to + i * stride))[0] = (<const u16*> tile)[i * pitch]
        tile += size
        to += step


cdef char* philox_scatter(const RandomJob* job, Py_ssize_t* at, char* out, const char* values, Py_ssize_t n,
                          Py_ssize_t size) noexcept nogil:
    """Lay n values along C order from position `at` (address `out`) on; both move past them; the address returned."""
    cdef int last = job.ndim - 1, d
    cdef Py_ssize_t row, i, stride = job.stride[last]
    while n > 0:
        row = min(n, job.shape[last] - at[last])
        if size == 4:
            for i in range(row):
                memcpy(out + i * stride, values + 4 * i, 4)     # either may be misaligned
        elif size == 8:
            for i in range(row):
                memcpy(out + i * stride, values + 8 * i, 8)
        else:
            for i in range(row):
                memcpy(out + i * stride, values + 2 * i, 2)
        values += row * size
        n -= row
        at[last] += row
        out += row * stride
        d = last
        while at[d] == job.shape[d] and d > 0:
            out += job.stride[d - 1] - at[d] * job.stride[d]
            at[d] = 0
            d -= 1
            at[d] += 1
    return out


cdef void fill_philox(KernelTable* t) noexcept:
    inverse_prepare()
    t.random_bits = random_bits
    t.random_fill = random_fill
