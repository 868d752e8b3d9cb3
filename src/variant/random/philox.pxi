# Stream v1: Philox4x32-10 words turned into bits, uniform, normal and truncated normal values of any dtype.
#
# Design
# A. Words are made a group at a time: 2 * LANES_F64 consecutive blocks, one block a 64-bit lane, so that a round
#    is two 32 x 32 -> 64 multiplications whose upper and lower halves need no shuffling. What stands above the
#    low 32 bits of a lane is never read.
# B. The upper word of the block number, s0 and s1 are the same for all blocks of a run, so parts of the first
#    three rounds are computed once (philox_stream).
# C. philox_group turns one group into values; `distribution` and `kind` are literals at each call, so that the
#    compiler makes one tight loop of each pair. philox_run adds ragged ends, random_fill strides and blocks.
# D. A value depends on its element number alone. Nothing is fused that the source does not fuse.

cdef enum:
    BITS = 0
    UNIFORM = 1
    NORMAL = 2
    TRUNCATED = 3
    KIND_U32 = 0
    KIND_F32 = 1
    KIND_F64 = 2
    KIND_F16 = 3
    KIND_BF16 = 4
    PLAIN = 1                    # method of uniform and normal float32: low 0, high 1; mean 0, std 1
    PHILOX_BUFFER = 1024
    PHILOX_TILE = 1 << 16        # bytes of a tile
    PHILOX_TILE_RUN = 512        # at most so many numbers of a row in it, where rows begin within a block of words
    PHILOX_LEAST_ROWS = 4        # of a tile
    PHILOX_EVEN_RUN = 128        # where each row begins with a block: no word is made in vain, so tiles may be taller

cdef struct philox_stream:
    u32 words[4]
    u64 upper                    # the block number's upper word the constants hold for
    vecu64 round0, round1, d1, e2        # see philox_start
    vecu64 key0[10]
    vecu64 key1[10]

cdef struct philox_state:
    vecu64 c0, c1, c2, c3        # one counter a lane


cdef void philox_start(philox_stream* s, const u32* words, u64 upper) noexcept nogil:
    """Prepare rounds for the blocks whose number has this upper word."""
    cdef u64 low = 0xFFFFFFFFULL, c0, c1, p, key0, key1
    cdef int r
    for r in range(4):
        s.words[r] = words[r]
    s.upper = upper
    for r in range(10):
        key0 = (words[0] + <u64> r * 0x9E3779B9ULL) & low
        key1 = (words[1] + <u64> r * 0xBB67AE85ULL) & low
        s.key0[r] = vecu64_set(key0)
        s.key1[r] = vecu64_set(key1)
        if r == 0:
            p = 0xCD9E8D57ULL * words[2]
            c0 = (p >> 32) ^ upper ^ key0
            c1 = p & low
            s.round0 = vecu64_set(words[3] ^ key1)      # c2 after round 0 is the product's upper half ^ this
            p = 0xD2511F53ULL * c0
        elif r == 1:
            s.round1 = vecu64_set(c1 ^ key0)            # c0 after round 1, likewise
            s.d1 = vecu64_set((p >> 32) ^ key1)         # c2 after round 1 is c3 before it ^ this
        elif r == 2:
            s.e2 = vecu64_set((p & low) ^ key1)         # c2 after round 2 is the product's upper half ^ this


cdef inline void philox_begin(const philox_stream* s, u64 block, philox_state* a) noexcept nogil:
    """Rounds 0 and 1."""
    cdef vecu64 p0 = vecu64_mul32(philox_blocks(block), vecu64_set(0xD2511F53ULL))
    cdef vecu64 p1 = vecu64_mul32((p0 >> 32) ^ s.round0, vecu64_set(0xCD9E8D57ULL))
    a.c0 = (p1 >> 32) ^ s.round1
    a.c1 = p1
    a.c2 = p0 ^ s.d1


cdef inline void philox_third(const philox_stream* s, philox_state* a) noexcept nogil:
    """Round 2."""
    cdef vecu64 p0 = vecu64_mul32(a.c0, vecu64_set(0xD2511F53ULL))
    cdef vecu64 p1 = vecu64_mul32(a.c2, vecu64_set(0xCD9E8D57ULL))
    a.c0 = (p1 >> 32) ^ (a.c1 ^ s.key0[2])
    a.c2 = (p0 >> 32) ^ s.e2
    a.c1 = p1
    a.c3 = p0


cdef inline void philox_round(const philox_stream* s, int r, philox_state* a) noexcept nogil:
    """Round r > 2."""
    cdef vecu64 p0 = vecu64_mul32(a.c0, vecu64_set(0xD2511F53ULL))
    cdef vecu64 p1 = vecu64_mul32(a.c2, vecu64_set(0xCD9E8D57ULL))
    a.c0 = (p1 >> 32) ^ (a.c1 ^ s.key0[r])
    a.c2 = (p0 >> 32) ^ (a.c3 ^ s.key1[r])
    a.c1 = p1
    a.c3 = p0


cdef inline void philox_words(const philox_stream* s, u64 block, vecu32* out) noexcept nogil:
    """PHILOX_GROUP words from block number `block` on, four vectors of blocks in step to hide latencies."""
    cdef philox_state a, b, c, d
    cdef int r
    philox_begin(s, block, &a)
    philox_begin(s, block + LANES_F64, &b)
    philox_begin(s, block + 2 * LANES_F64, &c)
    philox_begin(s, block + 3 * LANES_F64, &d)
    philox_third(s, &a)
    philox_third(s, &b)
    philox_third(s, &c)
    philox_third(s, &d)
    for r in range(3, 10):
        philox_round(s, r, &a)
        philox_round(s, r, &b)
        philox_round(s, r, &c)
        philox_round(s, r, &d)
        vecu64_hold(&a.c0, &a.c1, &a.c2, &a.c3)
        vecu64_hold(&b.c0, &b.c1, &b.c2, &b.c3)
        vecu64_hold(&c.c0, &c.c1, &c.c2, &c.c3)
        vecu64_hold(&d.c0, &d.c1, &d.c2, &d.c3)
    philox_pack(a.c0, a.c1, a.c2, a.c3, out)
    philox_pack(b.c0, b.c1, b.c2, b.c3, out + PHILOX_VECTORS // 4)
    philox_pack(c.c0, c.c1, c.c2, c.c3, out + PHILOX_VECTORS // 2)
    philox_pack(d.c0, d.c1, d.c2, d.c3, out + PHILOX_VECTORS // 4 * 3)


cdef inline void philox_store(int kind, char* out, int v, vecf x) noexcept nogil:
    """Vector number v of a group, in the dtype of `kind`."""
    if kind == KIND_F32:
        vecf_store(<float*> out + v * LANES_F32, x)
    elif kind == KIND_F16:
        vecf_store_half(<unsigned short*> out + v * LANES_F32, x)
    else:
        vecf_store_bfloat(<unsigned short*> out + v * LANES_F32, x)


cdef inline void philox_group(const philox_stream* s, const philox_stream* low, u64 block, int distribution, int kind,
                              int method, const double* params, const float* single, char* out,
                              philox_tails* tails) noexcept nogil:
    """PHILOX_GROUP values from block number `block` on; `low` makes the low halves of 64-bit words. Normal float32
    lack those in the tails."""
    cdef vecu32 w[PHILOX_VECTORS]
    cdef vecu32 w_low[PHILOX_VECTORS]
    cdef double z64[PHILOX_GROUP]
    cdef float z[PHILOX_GROUP]
    cdef vecf x
    cdef vecd y, lower
    cdef vecu64 wide
    cdef int v
    if distribution == BITS:
        philox_words(s, block, <vecu32*> w)
        for v in range(PHILOX_VECTORS):
            vecu32_store(<u32*> out + v * LANES_F32, w[v])
        return
    philox_words(s, block, w)
    if kind == KIND_F64:
        philox_words(low, block, w_low)
        if distribution == UNIFORM:
            for v in range(PHILOX_GROUP // LANES_F64):
                wide = vecu64_from_words(w[v // LANE_PARTS], v % LANE_PARTS)
                lower = vecd_from_u32(vecu64_from_words(w_low[v // LANE_PARTS], v % LANE_PARTS) >> 11)
                y = vecd_from_u32(wide) * 2.3283064365386963e-10 + lower * 1.1102230246251565e-16
                y = params[0] + params[1] * y
                vecd_store(<double*> out + v * LANES_F64, vecd_min(y, vecd_set(params[2])))
            return
        if distribution == NORMAL:
            philox_normal_f64(w, w_low, z64)
        else:
            philox_truncated_group(w, w_low, params + 2, method, z64)
        for v in range(PHILOX_GROUP // LANES_F64):
            vecd_store(<double*> out + v * LANES_F64, params[0] + params[1] * vecd_load(z64 + v * LANES_F64))
        return
    if distribution == UNIFORM:
        for v in range(PHILOX_VECTORS):
            x = philox_uniform_f32(w[v])
            if method != PLAIN:
                x = vecf_min(single[0] + single[1] * x, vecf_set(single[2]))
            philox_store(kind, out, v, x)
        return
    if distribution == NORMAL:
        if kind == KIND_F32:
            philox_normal_f32(w, method, single, <float*> out, tails)
            return
        philox_normal_f32(w, method, single, z, tails)
        philox_tails_f32(tails, 1, method, single, z)
        for v in range(PHILOX_VECTORS):
            philox_store(kind, out, v, vecf_load(z + v * LANES_F32))
        return
    if method == 0:
        philox_truncated_f32(w, params, single, <float*> out if kind == KIND_F32 else z)
    else:
        philox_truncated_group(w, NULL, params + 2, method, z64)
        for v in range(PHILOX_GROUP):
            z[v] = <float> z64[v]
        for v in range(PHILOX_VECTORS):
            vecf_store(z + v * LANES_F32, philox_between(vecf_load(z + v * LANES_F32), single))
    for v in range(PHILOX_VECTORS if method != 0 or kind != KIND_F32 else 0):
        philox_store(kind, out, v, vecf_load(z + v * LANES_F32))


cdef inline void philox_run_of(const RandomJob* job, philox_stream* s, philox_stream* low, u64 index, Py_ssize_t n,
                               int distribution, int kind, int method, char* out) noexcept nogil:
    """n values from element number `index` on, contiguous."""
    cdef Py_ssize_t size = 8 if kind == KIND_F64 else 2 if kind >= KIND_F16 else 4
    cdef Py_ssize_t head, count, i
    cdef u64 block, left
    cdef u32 low_words[4]
    cdef char part[8 * PHILOX_GROUP]
    cdef double params[8]
    cdef float single[8]
    cdef philox_tails tails[TAIL_GROUPS]
    cdef bint late = distribution == NORMAL and kind == KIND_F32
    for i in range(8):                                       # copies that no store through `out` can change
        params[i] = job.params[i]
        single[i] = <float> params[i]
    while n > 0:
        block = index >> 2
        head = index & 3
        if s.upper != block >> 32:
            philox_start(s, job.words, block >> 32)
            if kind == KIND_F64:
                memcpy(low_words, job.words, 16)
                low_words[3] ^= 0x80000000U
                philox_start(low, low_words, block >> 32)
        left = 0x100000000ULL - (block & 0xFFFFFFFFULL)           # blocks until the upper word changes
        count = <Py_ssize_t> (left // (PHILOX_GROUP // 4))
        if head == 0 and n >= PHILOX_GROUP and count > 0:
            count = min(count, n // PHILOX_GROUP)
            for i in range(count):
                philox_group(s, low, block + <u64> i * (PHILOX_GROUP // 4), distribution, kind, method, params, single,
                             out + i * PHILOX_GROUP * size, tails + i % TAIL_GROUPS)
                if late and (i % TAIL_GROUPS == TAIL_GROUPS - 1 or i == count - 1):
                    philox_tails_f32(tails, i % TAIL_GROUPS + 1, method, single,
                                     <float*> out + i // TAIL_GROUPS * TAIL_GROUPS * PHILOX_GROUP)
            count *= PHILOX_GROUP
        else:
            philox_group(s, low, block, distribution, kind, method, params, single, part, tails)
            if late:
                philox_tails_f32(tails, 1, method, single, <float*> part)
            count = min(PHILOX_GROUP - head, n)
            if left * 4 < <u64> (count + head):
                count = <Py_ssize_t> left * 4 - head
            memcpy(out, part + head * size, count * size)
        index += <u64> count
        out += count * size
        n -= count


cdef void philox_run(const RandomJob* job, philox_stream* s, philox_stream* low, u64 index, Py_ssize_t n,
                     char* out) noexcept nogil:
    """philox_run_of with every pair of distribution and dtype compiled by itself."""
    cdef int d = job.distribution, k = job.kind, m = job.method
    # 0 + 1 x is x, bit for bit: the values are never -0.
    cdef bint plain = k == KIND_F32 and job.params[0] == 0.0 and job.params[1] == 1.0
    if d == BITS:
        philox_run_of(job, s, low, index, n, BITS, KIND_U32, 0, out)
    elif d == UNIFORM:
        if plain:
            philox_run_of(job, s, low, index, n, UNIFORM, KIND_F32, PLAIN, out)
        elif k == KIND_F32:
            philox_run_of(job, s, low, index, n, UNIFORM, KIND_F32, 0, out)
        elif k == KIND_F64:
            philox_run_of(job, s, low, index, n, UNIFORM, KIND_F64, 0, out)
        elif k == KIND_F16:
            philox_run_of(job, s, low, index, n, UNIFORM, KIND_F16, 0, out)
        else:
            philox_run_of(job, s, low, index, n, UNIFORM, KIND_BF16, 0, out)
    elif d == NORMAL:
        if plain:
            philox_run_of(job, s, low, index, n, NORMAL, KIND_F32, PLAIN, out)
        elif k == KIND_F32:
            philox_run_of(job, s, low, index, n, NORMAL, KIND_F32, 0, out)
        elif k == KIND_F64:
            philox_run_of(job, s, low, index, n, NORMAL, KIND_F64, 0, out)
        elif k == KIND_F16:
            philox_run_of(job, s, low, index, n, NORMAL, KIND_F16, 0, out)
        else:
            philox_run_of(job, s, low, index, n, NORMAL, KIND_BF16, 0, out)
    elif k == KIND_F64:
        philox_run_of(job, s, low, index, n, TRUNCATED, KIND_F64, m, out)
    elif m == 0 and k == KIND_F32:
        philox_run_of(job, s, low, index, n, TRUNCATED, KIND_F32, 0, out)
    elif k == KIND_F32:
        philox_run_of(job, s, low, index, n, TRUNCATED, KIND_F32, m, out)
    elif k == KIND_F16:
        philox_run_of(job, s, low, index, n, TRUNCATED, KIND_F16, m, out)
    else:
        philox_run_of(job, s, low, index, n, TRUNCATED, KIND_BF16, m, out)


cdef void random_bits(const u32* words, u64 start, u32* out, Py_ssize_t n) noexcept nogil:
    """out[i] := word start + i."""
    cdef RandomJob job
    cdef philox_stream s
    job.distribution = BITS
    memcpy(job.words, words, 16)
    philox_start(&s, words, start >> 34)
    philox_run_of(&job, &s, &s, start, n, BITS, KIND_U32, 0, <char*> out)


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
