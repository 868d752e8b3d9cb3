# Building blocks of the activations: exp, expm1, log1p, erfc, atan, sin on vectors.
#
# Design
# A. Branch-free on all lanes, so that a lane's result depends on its input alone (lane-uniform) and the array's
#    tail can run through a padded buffer with the same code.
# B. muladd: one rounding with FMA hardware, two without. The bounds of docs/explanation/accuracy.md hold for both; the
#    bits are those of the instruction set (x86_v3 and x86_v4 agree, base differs in the last place). What
#    separate products and sums everywhere cost on AVX2 stands there too.
# C. Exponentials of negative arguments come scaled by a power of two, so that a result that is a denormal is
#    rounded once, at the end.
# D. Polynomials are minimax or Chebyshev fits (tools/fit_elementary.py), highest coefficient first.

from libc.math cimport cos as c_cos, fabs as c_fabs, sin as c_sin

cdef extern from *:
    """
    /* expm1(r) = r + r^2 q(r), |r| <= ln(2)/2: 0.16 and 0.22 ULP */
    static const double ACT_EXPM1[10] = {
        0x1.af7697b5597fap-26, 0x1.28a2ab5053fbcp-22, 0x1.71ddea11b5f94p-19, 0x1.a019a68605ba4p-16,
        0x1.a01a01b5d2f9cp-13, 0x1.6c16c17f37632p-10, 0x1.111111110e6e3p-7, 0x1.55555555520f4p-5,
        0x1.555555555555cp-3, 0x1.0000000000005p-1};
    static const float ACT_EXPM1F[5] = {
        0.0013946450781077147f, 0.008366583846509457f, 0.04166628047823906f, 0.1666654348373413f, 0.5f};
    /* log1p(e) = d (1 + v p(v)), d = e/(1 + e/2), v = d^2 <= 4/9: 0.01 and 0.08 ULP */
    static const double ACT_LOG1P[10] = {
        0x1.5c8a5c752be5dp-24, 0x1.559c49f05d777p-23, 0x1.efdd84a2d4e8fp-21, 0x1.106768807a7fcp-18,
        0x1.3b1de32637c9ap-16, 0x1.745cb39b50506p-14, 0x1.c71c741f8d18ap-12, 0x1.249249208575bp-9,
        0x1.99999999a0840p-7, 0x1.5555555555535p-4};
    static const float ACT_LOG1PF[4] = {
        0.0005473527126014233f, 0.0021874329540878534f, 0.01250678114593029f, 0.08333301544189453f};
    /* atan(t) = t + t v p(v), v = t^2 <= (sqrt 2 - 1)^2: 0.01 ULP */
    static const double ACT_ATAN[11] = {
        -0x1.259d3cc6ddd02p-6, 0x1.37ed3b48b9a12p-5, -0x1.9cdc2526231f8p-5, 0x1.df1167294771ep-5,
        -0x1.10ebdd98f4463p-4, 0x1.3b111c6412c6cp-4, -0x1.745cf90b1374cp-4, 0x1.c71c70e7a1fe0p-4,
        -0x1.24924922b11fap-3, 0x1.99999999958ebp-3, -0x1.555555555553dp-2};
    static const float ACT_ATANF[5] = {
        -0.06083223968744278f, 0.10595915466547012f, -0.1424383819103241f, 0.19998489320278168f,
        -0.33333316445350647f};
    /* sin(r) = r + r v p(v), v = r^2 <= (pi/2)^2: 0.003 and 0.1 ULP */
    static const double ACT_SINE[8] = {
        0x1.8827f99939653p-49, -0x1.ae430e2429084p-41, 0x1.6123caeeeeee2p-33, -0x1.ae6454ca75a64p-26,
        0x1.71de3a5285e6fp-19, -0x1.a01a01a014878p-13, 0x1.11111111110c1p-7, -0x1.5555555555555p-3};
    static const float ACT_SINEF[4] = {
        2.6057059585582465e-06f, -0.0001980957022169605f, 0.008333065547049046f, -0.16666659712791443f};
    /* (1 + 2t) exp(t^2) erfc(t) = p(w), w = (t - 4)/(t + 4), 0 <= t <= 28.3: 0.18 ULP */
    static const double ACT_ERFCX[23] = {
        -0x1.ed6f68c021439p-30, -0x1.d31002f91a7c4p-27, -0x1.08e640fef345fp-27, 0x1.ee96c989fbd39p-24,
        0x1.0cc2685cf2f30p-24, -0x1.c04528932d6fdp-21, 0x1.43ca365ec4e58p-22, 0x1.7fb6ec95e6987p-18,
        -0x1.78a57983f893cp-17, -0x1.996aba4329234p-16, 0x1.3be0bc1f89f11p-13, -0x1.a1de7c45891efp-13,
        -0x1.8d4a9e4c0b4adp-11, 0x1.49c671878ebb3p-8, -0x1.09623882bcf5dp-6, 0x1.3079edfa1b2c5p-5,
        -0x1.0fb06dfe4a562p-4, 0x1.7fee004df5a96p-4, -0x1.9ddb23c3e95fcp-4, 0x1.16ecefcfa60c1p-4,
        0x1.f7f5df66fd8f3p-7, -0x1.1df1ad154a29dp-3, 0x1.3ba5916e9fd7fp+0};
    /* erf(t) = t p(t^2), t <= 1: 0.07 ULP */
    static const double ACT_ERF_SMALL[12] = {
        -0x1.ac9585a44fe29p-31, 0x1.d76af6ca49787p-27, -0x1.5c131500d3f88p-23, 0x1.b981d78881a5dp-20,
        -0x1.f4ca838adb73bp-17, 0x1.f9a2be4f731a1p-14, -0x1.c02db0665e53dp-11, 0x1.565bccfa44156p-8,
        -0x1.b82ce31203772p-6, 0x1.ce2f21a040f66p-4, -0x1.812746b0379c1p-2, 0x1.20dd750429b6dp+0};
    /* the same with w = (t - 3)/(t + 3), t <= 10.4: 0.05 ULP; and of erf: 0.02 ULP */
    static const float ACT_ERFCXF[11] = {
        -0.00027452450012788177f, -0.0007906396058388054f, 0.002000023378059268f, 0.0025775546673685312f,
        -0.02379356324672699f, 0.06829312443733215f, -0.11927210539579391f, 0.1296466886997223f,
        -0.047562308609485626f, -0.13562114536762238f, 1.2530080080032349f};
    static const float ACT_ERF_SMALLF[7] = {
        7.875874871388078e-05f, -0.000801686430349946f, 0.005189087241888046f, -0.02685421146452427f,
        0.11283594369888306f, -0.3761262595653534f, 1.1283791065216064f};
    #define ACT_UNSCALE 0x1p-512
    #define ACT_UNSCALEF 0x1p-64f
    /* Klambauer et al. 2017, eq. 14: scale, and scale times alpha */
    #define ACT_SELU_SCALE 1.0507009873554804934193349852946
    #define ACT_SELU_LEFT 1.758099340847376859940218
    """
    const double* ACT_EXPM1
    const float* ACT_EXPM1F
    const double* ACT_LOG1P
    const float* ACT_LOG1PF
    const double* ACT_ATAN
    const float* ACT_ATANF
    const double* ACT_SINE
    const float* ACT_SINEF
    const double* ACT_ERFCX
    const double* ACT_ERF_SMALL
    const float* ACT_ERFCXF
    const float* ACT_ERF_SMALLF
    const double ACT_UNSCALE
    const float ACT_UNSCALEF
    const double ACT_SELU_SCALE
    const double ACT_SELU_LEFT


cdef inline vecf act_c(double x) noexcept nogil:
    """A constant rounded to float32, in every lane."""
    return vecf_set(<float> x)


cdef inline vecd act_horner_f64(const double* c, int n, vecd x) noexcept nogil:
    """c[0] x^(n-1) + ... + c[n-1]."""
    cdef vecd p = vecd_set(c[0])
    cdef int k
    for k in range(1, n):
        p = vecd_muladd(p, x, vecd_set(c[k]))
    return p


cdef inline vecf act_horner_f32(const float* c, int n, vecf x) noexcept nogil:
    """c[0] x^(n-1) + ... + c[n-1]."""
    cdef vecf p = vecf_set(c[0])
    cdef int k
    for k in range(1, n):
        p = vecf_muladd(p, x, vecf_set(c[k]))
    return p


# --- exponentials ------------------------------------------------------------------------------------------------
cdef inline void act_reduce_f64(vecd x, const vecd* low, double bias, vecd* s, vecd* p) noexcept nogil:
    """exp(x + low) 2^(bias - 1023) = s + s p: s a power of two, p = expm1(r), |r| <= ln(2)/2
    (fdlibm's split of ln 2)."""
    cdef vecd magic = vecd_set(6755399441055744.0 + bias)       # 1.5 * 2^52: the integer stands in the low bits
    cdef vecd q = vecd_muladd(x, vecd_set(1.4426950408889634074), magic)
    cdef vecd n = q - magic
    cdef vecd r = vecd_muladd(n, vecd_set(-6.93147180369123816490e-01), x)
    r = vecd_muladd(n, vecd_set(-1.90821492927058770002e-10), r)
    if low != NULL:
        r = r + low[0]
    s[0] = vecd_from_bits(vecd_bits(q) << 52)
    p[0] = vecd_muladd(r * r, act_horner_f64(ACT_EXPM1, 10, r), r)


cdef inline void act_reduce_f32(vecf x, const vecf* low, float bias, vecf* s, vecf* p) noexcept nogil:
    """exp(x + low) 2^(bias - 127) = s + s p: s a power of two, p = expm1(r), |r| <= ln(2)/2 (Cephes' split of ln 2)."""
    cdef vecf magic = vecf_set(<float> 12582912.0 + bias)       # 1.5 * 2^23
    cdef vecf q = vecf_muladd(x, act_c(1.4426950408889634074), magic)
    cdef vecf n = q - magic
    cdef vecf r = vecf_muladd(n, act_c(-0.693359375), x)
    r = vecf_muladd(n, act_c(2.12194440e-4), r)
    if low != NULL:
        r = r + low[0]
    s[0] = vecf_from_bits(vecf_bits(q) << 23)
    p[0] = vecf_muladd(r * r, act_horner_f32(ACT_EXPM1F, 5, r), r)


cdef inline void act_exp_parts_f64(vecd x, const vecd* low, vecd* s, vecd* p) noexcept nogil:
    """2^512 exp(x + low) = s + s p, x <= 0: for products that are to be rounded once, (y + y p) s."""
    act_reduce_f64(vecd_max(vecd_set(-800.0), x), low, 1023.0 + 512.0, s, p)


cdef inline vecd act_exp_f64(vecd x, const vecd* low) noexcept nogil:
    """2^512 exp(x + low), x <= 0; 0 from x = -746 on."""
    cdef vecd s, p
    act_exp_parts_f64(x, low, &s, &p)
    return vecd_muladd(s, p, s)


cdef inline void act_exp_parts_f32(vecf x, const vecf* low, vecf* s, vecf* p) noexcept nogil:
    """2^64 exp(x + low) = s + s p, x <= 0: for products that are to be rounded once, (y + y p) s."""
    act_reduce_f32(vecf_max(act_c(-120.0), x), low, 127.0 + 64.0, s, p)


cdef inline vecf act_exp_f32(vecf x, const vecf* low) noexcept nogil:
    """2^64 exp(x + low), x <= 0; exp(x) is 0 from x = -104 on."""
    cdef vecf s, p
    act_exp_parts_f32(x, low, &s, &p)
    return vecf_muladd(s, p, s)


cdef inline vecd act_expm1_f64(vecd x) noexcept nogil:
    """exp(x) - 1, x <= 0."""
    cdef vecd s, p
    act_reduce_f64(vecd_max(vecd_set(-50.0), x), NULL, 1023.0, &s, &p)
    return vecd_copysign(vecd_muladd(s, p, s - vecd_set(1.0)), x)


cdef inline vecf act_expm1_f32(vecf x) noexcept nogil:
    """exp(x) - 1, x <= 0."""
    cdef vecf s, p
    act_reduce_f32(vecf_max(act_c(-30.0), x), NULL, 127.0, &s, &p)
    return vecf_copysign(vecf_muladd(s, p, s - act_c(1.0)), x)


cdef inline vecd act_log1p_f64(vecd e) noexcept nogil:
    """log(1 + e), 0 <= e <= 1, by the series of atanh."""
    cdef vecd d = e / vecd_muladd(e, vecd_set(0.5), vecd_set(1.0))
    cdef vecd v = d * d
    return vecd_muladd(d * v, act_horner_f64(ACT_LOG1P, 10, v), d)


cdef inline vecf act_log1p_f32(vecf e) noexcept nogil:
    """log(1 + e), 0 <= e <= 1, by the series of atanh."""
    cdef vecf d = e / vecf_muladd(e, act_c(0.5), act_c(1.0))
    cdef vecf v = d * d
    return vecf_muladd(d * v, act_horner_f32(ACT_LOG1PF, 4, v), d)


# --- error function ----------------------------------------------------------------------------------------------
cdef inline vecd act_erfcx_f64(vecd x, double scale) noexcept nogil:
    """exp(t^2) erfc(t), t = scale x, 0 <= t <= 28.3."""
    cdef vecd w = vecd_muladd(x, vecd_set(scale), vecd_set(-4.0)) / vecd_muladd(x, vecd_set(scale), vecd_set(4.0))
    return act_horner_f64(ACT_ERFCX, 23, w) / vecd_muladd(x, vecd_set(2.0 * scale), vecd_set(1.0))


cdef inline vecd act_exp_square_f64(vecd a, double factor) noexcept nogil:
    """2^512 exp(-factor a^2), factor a power of two: the square's rounding error is carried along."""
    cdef vecd h = a * a
    cdef vecd low = vecd_product_error(a, a, h)
    low = low * vecd_set(-factor)
    return act_exp_f64(h * vecd_set(-factor), &low)


cdef inline vecd act_square_decay_f64(vecd y, vecd a, double factor) noexcept nogil:
    """2^512 y exp(-factor a^2) as s (y + y p): the exponential itself is not rounded."""
    cdef vecd h = a * a, s, p
    cdef vecd low = vecd_product_error(a, a, h)
    low = low * vecd_set(-factor)
    act_exp_parts_f64(h * vecd_set(-factor), &low, &s, &p)
    return s * vecd_muladd(y, p, y)


cdef inline vecf act_erfcx_f32(vecf x, double scale) noexcept nogil:
    """exp(t^2) erfc(t), t = scale x, 0 <= t <= 10.4."""
    cdef vecf w = vecf_muladd(x, act_c(scale), act_c(-3.0)) / vecf_muladd(x, act_c(scale), act_c(3.0))
    return act_horner_f32(ACT_ERFCXF, 11, w) / vecf_muladd(x, act_c(2.0 * scale), act_c(1.0))


cdef inline vecf act_exp_square_f32(vecf a, float factor) noexcept nogil:
    """2^64 exp(-factor a^2), factor a power of two: the square's rounding error is carried along."""
    cdef vecf h = a * a
    cdef vecf low = vecf_product_error(a, a, h)
    low = low * vecf_set(-factor)
    return act_exp_f32(h * vecf_set(-factor), &low)


cdef inline vecf act_square_decay_f32(vecf y, vecf a, float factor) noexcept nogil:
    """2^64 y exp(-factor a^2) as s (y + y p): the exponential itself is not rounded."""
    cdef vecf h = a * a, s, p
    cdef vecf low = vecf_product_error(a, a, h)
    low = low * vecf_set(-factor)
    act_exp_parts_f32(h * vecf_set(-factor), &low, &s, &p)
    return s * vecf_muladd(y, p, y)


# --- circular functions ------------------------------------------------------------------------------------------
cdef inline vecd act_atan_f64(vecd x) noexcept nogil:
    """atan(x); |x| is brought below tan(pi/8) by (|x| - 1)/(|x| + 1) or -1/|x|."""
    cdef vecd a = vecd_abs(x), one = vecd_set(1.0), zero = vecd_set(0.0)
    cdef veci64 middle = vecd_lt(vecd_set(0.41421356237309503), a), high = vecd_lt(vecd_set(2.4142135623730951), a)
    cdef vecd num = vecd_select(high, -one, vecd_select(middle, a - one, a))
    cdef vecd den = vecd_select(high, a, vecd_select(middle, a + one, one))
    cdef vecd base = vecd_select(high, vecd_set(1.57079632679489661923),
                                 vecd_select(middle, vecd_set(0.78539816339744830962), zero))
    cdef vecd low = vecd_select(high, vecd_set(6.123233995736766e-17),
                                vecd_select(middle, vecd_set(3.061616997868383e-17), zero))
    cdef vecd t = num / den
    cdef vecd v = t * t
    return vecd_copysign(base + (vecd_muladd(t * v, act_horner_f64(ACT_ATAN, 11, v), low) + t), x)


cdef inline vecf act_atan_f32(vecf x) noexcept nogil:
    """atan(x), as act_atan_f64."""
    cdef vecf a = vecf_abs(x), one = act_c(1.0), zero = act_c(0.0)
    cdef veci32 middle = vecf_lt(act_c(0.41421356237309503), a)
    cdef veci32 high = vecf_lt(act_c(2.4142135623730951), a)
    cdef vecf num = vecf_select(high, -one, vecf_select(middle, a - one, a))
    cdef vecf den = vecf_select(high, a, vecf_select(middle, a + one, one))
    cdef vecf base = vecf_select(high, act_c(1.57079632679489661923),
                                 vecf_select(middle, act_c(0.78539816339744830962), zero))
    cdef vecf t = num / den
    cdef vecf v = t * t
    return vecf_copysign(base + vecf_muladd(t * v, act_horner_f32(ACT_ATANF, 5, v), t), x)


cdef inline vecd act_sine_f64(vecd x, double turn) noexcept nogil:
    """sin(x) for turn 0, cos(x) for turn 1/2.

    x = (n - turn) pi + r, so that the result is (-1)^n sin(r); pi in three parts of which two products are exact
    (Cody and Waite 1980) up to |x| = 2^20; libm beyond, lane by lane.
    """
    cdef vecd magic = vecd_set(6755399441055744.0)
    cdef vecd q = vecd_muladd(x, vecd_set(0.31830988618379067154), vecd_set(turn)) + magic
    cdef vecd n = q - magic - vecd_set(turn)
    cdef vecd r = vecd_muladd(n, vecd_set(-5.825464112186712e-20),
                              vecd_muladd(n, vecd_set(-1.215420100718692e-10),
                                          vecd_muladd(n, vecd_set(-3.1415926534682512), x)))
    cdef vecd v = r * r
    cdef vecd y = vecd_muladd(r * v, act_horner_f64(ACT_SINE, 8, v), r)
    y = vecd_from_bits(vecd_bits(vecd_copysign(y, r)) ^ (vecd_bits(q) << 63))
    if veci64_mask(vecd_lt(vecd_set(1048576.0), vecd_abs(x))):
        y = act_sine_far(x, y, turn)
    return y


cdef inline vecf act_sine_f32(vecf x, float turn) noexcept nogil:
    """As act_sine_f64: pi in four parts, three products exact up to |x| = 3000."""
    cdef vecf magic = act_c(12582912.0)
    cdef vecf q = vecf_muladd(x, act_c(0.31830988618379067154), vecf_set(turn)) + magic
    cdef vecf n = q - magic - vecf_set(turn)
    cdef vecf r = vecf_muladd(n, act_c(-0.0004793405532836914),
                              vecf_muladd(n, act_c(-3.14111328125), x))
    r = vecf_muladd(n, act_c(-5.126688136514179e-12), vecf_muladd(n, act_c(-3.1781382858753204e-08), r))
    cdef vecf v = r * r
    cdef vecf y = vecf_muladd(r * v, act_horner_f32(ACT_SINEF, 4, v), r)
    y = vecf_from_bits(vecf_bits(vecf_copysign(y, r)) ^ (vecf_bits(q) << 31))
    if veci32_mask(vecf_lt(act_c(3000.0), vecf_abs(x))):
        y = act_sine_far_f32(x, y, turn)
    return y


cdef vecf act_sine_far_f32(vecf x, vecf y, float turn) noexcept nogil:
    """y with the lanes where |x| > 3000 taken from libm's double functions."""
    cdef float xs[LANES_F32]
    cdef float ys[LANES_F32]
    cdef int k
    vecf_store(xs, x)
    vecf_store(ys, y)
    for k in range(LANES_F32):
        if c_fabs(xs[k]) > 3000.0:
            ys[k] = <float> (c_sin(xs[k]) if turn == 0 else c_cos(xs[k]))
    return vecf_load(ys)


cdef vecd act_sine_far(vecd x, vecd y, double turn) noexcept nogil:
    """y with the lanes where |x| > 2^20 taken from libm."""
    cdef double xs[LANES_F64]
    cdef double ys[LANES_F64]
    cdef int k
    vecd_store(xs, x)
    vecd_store(ys, y)
    for k in range(LANES_F64):
        if c_fabs(xs[k]) > 1048576.0:
            ys[k] = c_sin(xs[k]) if turn == 0 else c_cos(xs[k])
    return vecd_load(ys)
