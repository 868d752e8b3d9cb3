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
