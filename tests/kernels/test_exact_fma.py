"""The fused multiply-adds that promise bits, as each instruction set makes them, against libm's."""

import subprocess
import sysconfig
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
FLAGS = {"base": [], "neon": [], "x86_v3": ["-mavx2", "-mfma"],
         "x86_v4": ["-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512dq"]}
PROGRAM = r"""
/* The fused multiply-adds of simd.h against libm's, on operands of every kind; prints "equal" or what differs. */
#include <stdio.h>
#include "variant/simd.h"

static uint64_t state = 0x9E3779B97F4A7C15ull;

static uint64_t word(void) {
    state ^= state << 13; state ^= state >> 7; state ^= state << 17;
    return state * 0x2545F4914F6CDD1Dull;
}

/* Doubles whose exponent lies in 2^low .. 2^high, few bits set or many; now and then 0, an infinity or a NaN. */
static double number(int low, int high) {
    uint64_t bits = word() & 0x800fffffffffffffull, kind = word() % 64;
    double x;
    if (kind < 16) bits &= ~0ull << (20 + kind * 2);
    if (kind == 62) return 0.0;
    bits |= (uint64_t)(1023 + low + (int)(word() % (uint64_t)(high - low + 1))) << 52;
    if (kind == 63) bits = word() | (word() & 1 ? 0x7ff0000000000000ull : 0);
    memcpy(&x, &bits, 8);
    return x;
}

static int same(double a, double b) { return memcmp(&a, &b, 8) == 0 || (a != a && b != b); }

int main(int argc, char **argv) {
    if (argc > 1) fma_ask();
    static const int ranges[6][2] = {{-2, 2}, {-30, 30}, {-60, 60}, {-140, 120}, {-500, 500}, {-1022, 1023}};
    for (int n = 0; n < 1000000; n++) {
        const int *r = ranges[n % 6];
        double a[8], b[8], c[8], got[8];
        float x[16], y[16], z[16], single[16];
        for (int i = 0; i < LANES_F64; i++) {
            a[i] = number(r[0], r[1]); b[i] = number(r[0], r[1]);
            c[i] = word() % 4 ? number(r[0], r[1]) : -a[i] * b[i] * (1 + (double)(word() % 3) * 0x1p-53);
        }
        vecd_store(got, vecd_fma(vecd_load(a), vecd_load(b), vecd_load(c)));
        for (int i = 0; i < LANES_F64; i++) {
            if (!same(got[i], fma(a[i], b[i], c[i]))) {
                printf("float64 %a * %a + %a: %a, not %a\n", a[i], b[i], c[i], got[i], fma(a[i], b[i], c[i]));
                return 1;
            }
        }
        for (int i = 0; i < LANES_F32; i++) {
            x[i] = (float)number(r[0] / 8, r[1] / 8); y[i] = (float)number(r[0] / 8, r[1] / 8);
            z[i] = word() % 4 ? (float)number(r[0] / 8, r[1] / 8) : -x[i] * y[i] * (1 + (float)(word() % 3) * 0x1p-24f);
        }
        vecf_store(single, vecf_fma(vecf_load(x), vecf_load(y), vecf_load(z)));
        for (int i = 0; i < LANES_F32; i++) {
            float want = fmaf(x[i], y[i], z[i]);
            if (!same(single[i], want) || !same(float_fma(x[i], y[i], z[i]), want)) {
                printf("float32 %a * %a + %a: %a, not %a\n", x[i], y[i], z[i], single[i], want);
                return 1;
            }
        }
    }
    puts("equal");
    return 0;
}
"""


@pytest.mark.skipif(sysconfig.get_platform().startswith("win"), reason="needs a C compiler that is called cc")
def test_as_libm(tmp_path, isa):
    program, text = tmp_path / "exact_fma", tmp_path / "exact_fma.c"
    text.write_text(PROGRAM)
    subprocess.run(["cc", "-O3", "-w", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", *FLAGS[isa],
                    f"-I{SOURCE}", str(text), "-o", str(program), "-lm"], check=True)
    for told in ([], ["by the CPU's instruction where there is one"]):
        assert subprocess.run([program, *told], capture_output=True, text=True, check=True).stdout == "equal\n"
