"""What `tools/arm64.sh` looks for in the assembly of the Arm variant: `python tools/arm64_assembly.py FILE.so`.

In each function of the dense kernels and the fills that has a loop of vector multiplications, the multiply-adds must be
fused (fmla, fmls, fmadd): none of float products followed by additions apart. libm's fma and fmaf must not be called.
"""

import re
import subprocess
import sys

INNER = ("tile_f32", "tile_f64", "strip_f32", "strip_f64", "stream_f32", "stream_f64")


def functions(text):
    """name -> instructions."""
    name, body = None, {}
    for line in text.splitlines():
        if head := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
            name = head[1]
            body[name] = []
        elif name and "\t" in line:
            body[name].append(line.split("\t", 1)[1].strip())
    return body


def main(path):
    """Print what was found; 1 where it is not as promised."""
    text = subprocess.run(["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", path], capture_output=True,
                          text=True, check=True).stdout
    calls = {what for what in re.findall(r"\bbl\s+[0-9a-f]+ <(\w+)@plt>", text) if what in ("fma", "fmaf")}
    bad = [f"calls {what} of libm" for what in sorted(calls)]
    body = functions(text)
    for inner in INNER:
        found = [code for name, code in body.items() if name.endswith("_" + inner) or f"_{inner}." in name]
        fused = sum(op.startswith(("fmla", "fmls")) for code in found for op in code)
        apart = sum(bool(re.match(r"fmul\s+v", op)) for code in found for op in code)
        if not found:                   # inlined into its callers
            found = [code for name, code in body.items() if "product" in name or "sweep" in name]
            fused = sum(op.startswith(("fmla", "fmls")) for code in found for op in code)
        print(f"{inner}: {fused} fused multiply-adds, {apart} products apart")
        if not fused or apart:
            bad.append(f"{inner}: not all multiply-adds are fused")
    print("\n".join(bad) if bad else "no call of fma or fmaf")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
