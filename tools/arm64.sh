#!/usr/bin/env bash
# The 64-bit Arm variant ("neon"), cross-compiled and run under emulation: stream v1's golden hashes, G1 to G3 and a sample
# of the kernels against their NumPy twins; then its assembly is looked at: fused multiply-adds in every loop that should
# have them, no call of libm's fma. Speed is not measured: an emulator's says nothing.
# Needs Debian 12, Python 3.11 with setuptools, Cython and NumPy, and (as root, installed where missing) the packages
# gcc-aarch64-linux-gnu and qemu-user. The interpreter, libc and NumPy for Arm are unpacked in a folder of their own and
# leave the system as it was. Two to three minutes. Where these cannot be had (another system, no root, no registry) it
# says so and exits with 77. Usage: tools/arm64.sh [FOLDER THAT KEEPS THE DOWNLOADS]
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
keep=${1:-$work/keep}
python=${PYTHON:-python3}
mkdir -p "$keep" "$work/tree"

not_here() { printf 'arm64: not on this machine: %s\n' "$1"; exit 77; }
apt_get() { timeout 600 apt-get -q "$@" >> "$work/apt.log" 2>&1 || { tail -n 3 "$work/apt.log"; not_here "apt-get failed"; }; }

command -v apt-get > /dev/null || not_here "no apt-get"
grep -qs '^VERSION_ID="12"' /etc/os-release || not_here "not Debian 12"
"$python" -c 'import sys, setuptools, Cython, numpy; sys.exit(sys.version_info[:2] != (3, 11))' 2> /dev/null \
    || not_here "$python is no Python 3.11 with setuptools, Cython and NumPy"
if ! command -v aarch64-linux-gnu-gcc > /dev/null || ! command -v qemu-aarch64 > /dev/null; then
    [ "$(id -u)" = 0 ] || not_here "the cross compiler is missing, and only root can install it"
    apt_get update
    apt_get install -y --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
fi

root=$keep/root                             # what an Arm machine has: libc, Python, its headers, NumPy
if [ ! -e "$root/ready" ]; then
    mkdir -p "$root" "$keep/debs" "$work/lists/partial" "$work/cache/archives/partial"
    apt=(-o APT::Architectures::=arm64 -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache"
         -o APT::Sandbox::User=root)
    apt_get "${apt[@]}" update
    wanted=()
    for name in libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libssl3 libffi8 libbz2-1.0 liblzma5 libuuid1 python3.11-minimal \
                libpython3.11-minimal libpython3.11-stdlib libpython3.11-dev; do wanted+=("$name:arm64"); done
    (cd "$keep/debs" && apt_get "${apt[@]}" download "${wanted[@]}")
    for package in "$keep"/debs/*.deb; do dpkg -x "$package" "$root"; done
    "$python" -m pip download -q --no-deps --only-binary=:all: --python-version 3.11 --platform manylinux_2_28_aarch64 \
        --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64 -d "$keep/wheels" numpy || not_here "no NumPy for Arm"
    "$python" -m zipfile -e "$keep"/wheels/numpy-*.whl "$root/site"
    touch "$root/ready"
fi

(cd "$top" && git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work/tree")
cd "$work/tree"
INITCORE_MACHINE=aarch64 CC=aarch64-linux-gnu-gcc LDSHARED="aarch64-linux-gnu-gcc -shared" \
    CFLAGS="-I$root/usr/include/python3.11 -I$root/usr/include" \
    "$python" setup.py -q build_ext --inplace > "$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
for built in initcore/*.so; do mv "$built" "${built%%.*}.cpython-311-aarch64-linux-gnu.so"; done

export QEMU_LD_PREFIX=$root PYTHONDONTWRITEBYTECODE=1 OPENBLAS_CORETYPE=ARMV8 OPENBLAS_NUM_THREADS=1
emulated() {
    PYTHONHOME=$root/usr PYTHONPATH=$work/tree:$root/site:$work/tree/tests/oracles:$work/tree \
        qemu-aarch64 "$root/usr/bin/python3.11" "$@"
}
emulated -c 'import numpy' || not_here "the emulator does not run NumPy"
emulated tools/arm64_checks.py
"$python" tools/arm64_assembly.py initcore/_variant_neon*.so
