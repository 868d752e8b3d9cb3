"""Extensions of initcore and their instruction sets. Everything declarative stands in pyproject.toml.

What Python calls (src/doors) is always compiled with bounds, None and initialisation checks; the environment
variable INITCORE_CHECKED=1 turns them on in the kernels (src/variant) as well. INITCORE_SANITIZE=1 builds with
AddressSanitizer and UndefinedBehaviorSanitizer (GCC, tools/sanitize.sh).
"""

import os
import platform
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

CHECKED = os.environ.get("INITCORE_CHECKED", "0") not in ("", "0")
SANITIZE = os.environ.get("INITCORE_SANITIZE", "0") not in ("", "0")
MSVC = platform.system() == "Windows" and "GCC" not in platform.python_compiler()

DIRECTIVES = {
    "language_level": 3,
    "wraparound": False,
    "cdivision": True,
    "freethreading_compatible": True,
    "embedsignature": True,
}
FLAGS = ["/O2", "/fp:precise"] if MSVC else [
    "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-fno-strict-aliasing", "-g0", "-Wno-psabi"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"] if SANITIZE else []
if SANITIZE:
    FLAGS = ["-O1" if f == "-O3" else "-g1" if f == "-g0" else f for f in FLAGS]
AVX2 = ["-mavx", "-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mf16c", "-mlzcnt", "-mmovbe"]
ISA_FLAGS = {
    "base": [],
    "neon": [],
    "x86_v3": AVX2,
    "x86_v4": [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl",
               "-mprefer-vector-width=512"],
}


def variants():
    """The instruction sets built here: baseline, AVX2 and AVX-512 on x86-64; on 64-bit Arm the baseline is NEON."""
    machine = os.environ.get("INITCORE_MACHINE", platform.machine()).lower()     # where another one is built for
    if MSVC:
        return ["base"]
    if machine in ("aarch64", "arm64"):
        return ["neon"]
    return ["base", "x86_v3", "x86_v4"] if machine in ("x86_64", "amd64") else ["base"]


def extension(name, source, folder, checked, flags=()):
    """One extension module of a source and its folder, cythonized in its own, since some of them share one source.

    The flags are set after cythonize: Cython keeps them per source file and would mix the variants'.
    """
    bare = Extension(f"initcore.{name}", [source], include_dirs=["src", numpy.get_include()],
                     depends=sorted(str(p) for p in Path(folder).rglob("*.*")))
    checks = dict.fromkeys(("boundscheck", "initializedcheck", "nonecheck"), checked)
    [ext] = cythonize([bare], build_dir=f"build/cython/{name}", include_path=["src", "."],
                      compiler_directives=DIRECTIVES | checks, force=CHECKED)
    ext.extra_compile_args = [*FLAGS, *SANITIZERS, *flags]
    ext.extra_link_args = SANITIZERS
    return ext


def build_list():
    """The variants, each told its name and flags, and the dispatcher."""
    built = []
    for isa in variants():
        flags = ISA_FLAGS[isa]
        named = [f'-DINITCORE_ISA="{isa}"', f'-DINITCORE_FLAGS="{" ".join([*FLAGS, *flags])}"']
        built.append(extension(f"_variant_{isa}", "src/_variant.pyx", "src/variant", CHECKED, [*flags, *named]))
    return [*built, extension("kernels", "src/kernels.pyx", "src/doors", True)]


setup(ext_modules=build_list(), options={"build_ext": {"parallel": True}})     # the extensions at once
