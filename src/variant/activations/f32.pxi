# phi and phi' on a vector of floats, of the activations that keep their accuracy within float32; the others are
# widened (f64.pxi). Same forms and names as there.

cdef extern from *:
    """
    /* Centres c near 1.2 n whose tanh is the float T to 2^-35: T carries no error of its own; K = 1 - T^2. */
    static const float ACT_TANH_CENTRE[8] = {
        0.0f, 1.2016185522079468f, 2.40285062789917f, 3.6046907901763916f,
        4.804519176483154f, 6.0077338218688965f, 7.166473388671875f, 8.317766189575195f};
    static const float ACT_TANH_VALUE[8] = {
        0.0f, 0.8341476321220398f, 0.9837669134140015f, 0.9985218644142151f,
        0.9998657703399658f, 0.9999879002571106f, 0.9999988079071045f, 0.9999998807907104f};
    static const float ACT_TANH_SLOPE[8] = {
        1.0f, 0.3041977286338806f, 0.03220266103744507f, 0.0029540862888097763f,
        0.00026844130479730666f, 2.41993348026881e-05f, 2.3841839720262215e-06f, 2.3841853646899835e-07f};
    /* tanh(c + r) = T + r (P1 + r (P2 + ...)) in 32 intervals of |x|, 0.65 ULP: c, T (as above), P1 ... P4 */
    static const float ACT_TANH32[6][32] = {
        {0.6843329668045044f, 0.8392434120178223f, 0.9888162016868591f, 1.1453255414962769f, 1.2964752912521362f,
        1.4477354288101196f, 1.595982551574707f, 1.748048186302185f, 1.9845620393753052f, 2.2778258323669434f,
        2.57780122756958f, 2.888274669647217f, 3.183851480484009f, 3.503199338912964f, 3.823647975921631f,
        4.073121547698975f, 4.605037212371826f, 5.199077129364014f, 5.78804874420166f, 6.467113971710205f,
        6.931471347808838f, 7.565727233886719f, 8.317766189575195f, 8.667011260986328f, 0.0f, 0.11446226388216019f,
        0.19075019657611847f, 0.26742035150527954f, 0.34301841259002686f, 0.41880980134010315f, 0.49478375911712646f,
        0.5717112421989441f},
        {0.5943290591239929f, 0.6854081153869629f, 0.7568570971488953f, 0.8161996006965637f, 0.8608130216598511f,
        0.8952441811561584f, 0.9210615754127502f, 0.9411529898643494f, 0.9629204869270325f, 0.9792032241821289f,
        0.9885321259498596f, 0.9938203692436218f, 0.9965736865997314f, 0.9981895089149475f, 0.9990457892417908f,
        0.9994205236434937f, 0.9997999668121338f, 0.9999390244483948f, 0.9999812245368958f, 0.9999951720237732f,
        0.9999980926513672f, 0.999999463558197f, 0.9999998807907104f, 0.9999999403953552f, 0.0f, 0.1139649897813797f,
        0.18846985697746277f, 0.26122283935546875f, 0.3301694393157959f, 0.3959272801876068f, 0.45800498127937317f,
        0.5166149139404297f},
        {0.646773636341095f, 0.5302163362503052f, 0.4271678328514099f, 0.3338184952735901f, 0.25900110602378845f,
        0.1985379010438919f, 0.15164557099342346f, 0.11423101276159286f, 0.07278335839509964f, 0.0411604642868042f,
        0.022803887724876404f, 0.01232084445655346f, 0.006840777583420277f, 0.0036176263820379972f,
        0.0019074762240052223f, 0.0011586121981963515f, 0.00039991619996726513f, 0.00012190840061521158f,
        3.753706914721988e-05f, 9.654530003899708e-06f, 3.8143343772389926e-06f, 1.0726739674282726e-06f,
        2.3841130314394832e-07f, 1.1860900173132904e-07f, 1.0f, 0.9870119094848633f, 0.9644790291786194f,
        0.9317625761032104f, 0.8909881114959717f, 0.8432415723800659f, 0.790231466293335f, 0.7331090569496155f},
        {-0.3843947649002075f, -0.36341580748558044f, -0.3233036994934082f, -0.272463858127594f, -0.22295193374156952f,
        -0.17774002254009247f, -0.1396750658750534f, -0.10750924050807953f, -0.07008431106805801f,
        -0.04030700773000717f, -0.022544756531715393f, -0.01224558800458908f, -0.006818325258791447f,
        -0.003611193969845772f, -0.0019054474541917443f, -0.0011582693550735712f, -0.0003993797581642866f,
        -0.00012183631770312786f, -3.754683712031692e-05f, -9.631947250454687e-06f, -3.822378403128823e-06f,
        -1.074536385203828e-06f, -2.3770864743255515e-07f, -1.1868380767054987e-07f, 1.071698989107972e-05f,
        -0.11248388141393661f, -0.18177470564842224f, -0.24339722096920013f, -0.2941768765449524f,
        -0.3338622748851776f, -0.36192983388900757f, -0.3787350654602051f},
        {0.012423055246472359f, 0.07190946489572525f, 0.10196436196565628f, 0.11090023070573807f, 0.10547693073749542f,
        0.09290436655282974f, 0.07810533791780472f, 0.06313031911849976f, 0.04336213693022728f, 0.02585350163280964f,
        0.014749697409570217f, 0.008103913627564907f, 0.004535605665296316f, 0.0024122740142047405f,
        0.0012747118016704917f, 0.0007727697375230491f, 0.0002719913609325886f, 8.309606346301734e-05f,
        2.561629116826225e-05f, 6.525629942188971e-06f, 2.5704009658511495e-06f, 7.270994615282689e-07f,
        1.5999628999452398e-07f, 7.697099846382116e-08f, -0.33419057726860046f, -0.3159777820110321f,
        -0.28706514835357666f, -0.24689212441444397f, -0.19981032609939575f, -0.14889386296272278f,
        -0.09769082069396973f, -0.048792075365781784f},
        {0.12007107585668564f, 0.07199085503816605f, 0.03014211542904377f, 0.0006118797464296222f,
        -0.016379423439502716f, -0.02388337440788746f, -0.025317784398794174f, -0.023453477770090103f,
        -0.018328605219721794f, -0.011652960442006588f, -0.006869235076010227f, -0.003893348854035139f,
        -0.002167975530028343f, -0.0011903428239747882f, -0.0006495315465144813f, -0.00035679753636941314f,
        -0.000144061486935243f, -4.270537101547234e-05f, -1.2666871953115333e-05f, -3.706884172061109e-06f,
        -1.1150571026519174e-06f, -3.28804617311107e-07f, -9.545249213260831e-08f, -2.8550726227649648e-08f,
        0.019443582743406296f, 0.07269518077373505f, 0.11419135332107544f, 0.14514952898025513f, 0.16381986439228058f,
        0.17009669542312622f, 0.1651936024427414f, 0.1513761281967163f}};
    """
    const float* ACT_TANH_CENTRE
    const float* ACT_TANH_VALUE
    const float* ACT_TANH_SLOPE
    const float (*ACT_TANH32)[32]

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    static void act_tanh_each_f32(const float *z, float *y, Py_ssize_t n) __attribute__((noinline));
    #endif
    """


# --- sigmoid family ----------------------------------------------------------------------------------------------
cdef inline vecf act_sigmoid_f32(vecf z, vecf a) noexcept nogil:
    """1/(1 + exp(-z)) as c/(c + c exp(-z)), c = 2^-32, so that the result may be a denormal (act_logistic_f64)."""
    cdef vecf s, p, c = act_c(2.3283064365386962890625e-10)
    cdef vecf x = vecf_min(act_c(104.0), vecf_max(act_c(-30.0), -z))
    act_reduce_f32(x, NULL, 127.0 - 32.0, &s, &p)
    cdef vecf near
    if VECTOR_FUSES:
        return c / (vecf_muladd(s, p, c) + s)
    near = vecf_min(act_c(2.384185791015625e-07), s)         # 2^10 c
    return c / (vecf_muladd(s, p, c + near) + (s - near))


cdef inline vecf act_logistic_slope_f32(vecf z, float factor) noexcept nogil:
    """factor e/(1 + e)^2, e = exp(-|z|): accurate where y (1 - y) is 0."""
    cdef vecf big = act_exp_f32(-vecf_abs(z), NULL)
    cdef vecf e = big * vecf_set(ACT_UNSCALEF)
    return (big / vecf_muladd(e, e + act_c(2.0), act_c(1.0))) * vecf_set(factor * ACT_UNSCALEF)


cdef inline vecf act_sigmoid_slope_f32(vecf z, vecf a) noexcept nogil:
    return act_logistic_slope_f32(z, 1.0)


cdef inline vecf act_tanh_table_f32(vecf z, const vecf* low, const vecf* high) noexcept nogil:
    """tanh(c + r) = T + r P(r) in 32 intervals; the tables' halves come in registers."""
    cdef vecf x = vecf_min(act_c(9.1), vecf_abs(z))          # tanh is 1 in float32 from 9.011 on
    cdef veci32 n = vecf_bits(vecf_muladd(x, act_c(1.64), act_c(1.0))) >> 20
    cdef vecf r = x - vecf_lookup32(low[0], high[0], n)
    cdef vecf p = vecf_lookup32(low[5], high[5], n)
    p = vecf_muladd(p, r, vecf_lookup32(low[4], high[4], n))
    p = vecf_muladd(p, r, vecf_lookup32(low[3], high[3], n))
    p = vecf_muladd(p, r, vecf_lookup32(low[2], high[2], n))
    p = vecf_muladd(p, r, vecf_lookup32(low[1], high[1], n))    # not negative: z's sign is all it lacks
    return vecf_from_bits(vecf_bits(p) | (vecf_bits(z) & veci32_set(-2147483648)))


cdef void act_tanh_each_f32 "act_tanh_each_f32"(const float* z, float* y, Py_ssize_t n) noexcept nogil:
    """y := tanh(z), for VECTOR_TABLES: 40% less time than act_tanh_f32, if nothing but the tables is kept."""
    cdef vecf[6] low
    cdef vecf[6] high
    cdef float[LANES_F32] rest
    cdef Py_ssize_t i, whole = n // LANES_F32 * LANES_F32
    cdef int k
    for k in range(6):
        low[k] = vecf_load(ACT_TANH32[k])
        high[k] = vecf_load(ACT_TANH32[k] + LANES_F32)
    for i from 0 <= i < whole by LANES_F32:
        vecf_store(y + i, act_tanh_table_f32(vecf_load(z + i), low, high))
    if whole < n:
        memset(rest, 0, sizeof(rest))
        memcpy(rest, z + whole, (n - whole) * sizeof(float))
        vecf_store(rest, act_tanh_table_f32(vecf_load(rest), low, high))
        memcpy(y + whole, rest, (n - whole) * sizeof(float))


cdef inline vecf act_tanh_f32(vecf z, vecf a) noexcept nogil:
    """tanh(c + r) = T + K t/(1 + T t), t = tanh(r) = r A/(A + u G), u = r^2, |r| <= 0.61, from the nearest of eight
    centres c; written T + (K r - K r N/(A + N)), N = u G + T r A, so that near 0 the result is r less a correction.
    A is linear, G = g + u: a rational fit of 0.026 ULP."""
    cdef vecf x = vecf_min(act_c(9.02), vecf_abs(z))         # tanh is 1 in float32 from 9.011 on
    cdef veci32 n = vecf_bits(vecf_muladd(x, act_c(0.83038), act_c(12582912.0)))
    cdef vecf value = vecf_lookup8(ACT_TANH_VALUE, n)
    cdef vecf r = x - vecf_lookup8(ACT_TANH_CENTRE, n)
    cdef vecf u = r * r
    cdef vecf top = vecf_muladd(u, act_c(10.07772242), act_c(106.17287242))
    cdef vecf bottom = vecf_muladd(u, u + act_c(35.39094821), (value * r) * top)
    cdef vecf first = vecf_lookup8(ACT_TANH_SLOPE, n) * r
    return vecf_copysign(value + vecf_muladd(-first, bottom / (top + bottom), first), z)


cdef inline vecf act_tanh_slope_f32(vecf z, vecf a) noexcept nogil:
    return act_logistic_slope_f32(z + z, 4.0)


cdef inline vecf act_softplus_f32(vecf z, vecf a) noexcept nogil:
    """max(z, 0) + log1p(exp(-|z|))."""
    cdef vecf e = act_exp_f32(-vecf_abs(z), NULL) * vecf_set(ACT_UNSCALEF)
    return vecf_max(act_c(0.0), z) + act_log1p_f32(e)


# --- algebraic and circular --------------------------------------------------------------------------------------
cdef inline vecf act_softsign_f32(vecf z, vecf a) noexcept nogil:
    """z/(1 + |z|)."""
    cdef vecf x = vecf_min(act_c(1e30), vecf_abs(z))
    return vecf_copysign(vecf_quotient(x, x + act_c(1.0)), z)


cdef inline vecf act_softsign_slope_f32(vecf z, vecf a) noexcept nogil:
    cdef vecf i = vecf_quotient(act_c(1.0), vecf_min(act_c(1e30), vecf_abs(z)) + act_c(1.0))
    return i * i


cdef inline vecf act_sin_f32(vecf z, vecf a) noexcept nogil:
    """sin(z): frequency 1 only, others need more of the product than a float holds (act_sin_f64)."""
    return act_sine_f32(z, 0.0)


cdef inline vecf act_sin_slope_f32(vecf z, vecf a) noexcept nogil:
    return act_sine_f32(z, 0.5)


cdef inline vecf act_arctan_f32(vecf z, vecf a) noexcept nogil:
    return act_atan_f32(z)


cdef inline vecf act_arctan_slope_f32(vecf z, vecf a) noexcept nogil:
    """1/(1 + z^2) as c/(c + t^2), t = 2^-16 z, c = 2^-32: nothing overflows before the result is 0."""
    cdef vecf t = z * act_c(1.52587890625e-05), c = act_c(2.3283064365386962890625e-10)
    return c / vecf_muladd(t, t, c)
