# Groups of words as values of a distribution and dtype, and runs of them (points C and D of philox.pxi).

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
