#!/usr/bin/env bash
# tools/sanitize.sh [CALLS]: build with AddressSanitizer and UndefinedBehaviorSanitizer (GCC) and run so many calls of
# tools/fuzz.py on every variant of this machine, and the tests of what is refused on the best one. Works on a copy of
# the tracked files.
set -euo pipefail
calls=${1:-20000}
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$top"
git ls-files -z | xargs -0 cp --parents -t "$work"
cd "$work"
INITCORE_SANITIZE=1 python setup.py -q build_ext --inplace

# The sanitizers' libraries come first in a Python that was built without them; it leaks by design, and a MemoryError is
# an answer. Findings go to a file, which is shown: pytest would keep them.
run() {
    env LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" PYTHONPATH="$work" \
        PYTHONSAFEPATH=1 PYTHONMALLOC=malloc UBSAN_OPTIONS="print_stacktrace=1:log_path=$work/finding" \
        ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1:log_path=$work/finding" "$@" \
        || { cat "$work"/finding* >&2; return 1; }
}
isas=$(run python -c 'from initcore.kernels import variants
print(*(n for n, state in variants().items() if state in ("in use", "available")))')
for isa in $isas; do
    printf -- '--- %s\n' "$isa"
    INITCORE_ISA=$isa run python tools/fuzz.py --calls "$calls" --seed 18
done
# The tests are mostly NumPy, which is slow under the sanitizers: once, on the best variant.
INITCORE_ISA=${isas%% *} run python -m pytest -q -x -p no:cacheprovider tests/kernels/test_refusals.py \
    tests/kernels/test_losses.py tests/kernels/test_signals.py tests/kernels/test_ties_kernels.py \
    -k 'not variant and not field_arithmetic'
