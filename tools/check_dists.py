"""Check a built wheel and sdist: size, contents, nothing generated inside.

Usage: python tools/check_dists.py dist/*.whl dist/*.tar.gz
"""

import sys
import tarfile
import zipfile
from pathlib import Path

LIMIT = 2_000_000
NEEDED = ["pytest_initcore.py", "initcore_command.py", "initcore/py.typed",
          "initcore/kernels.pyi", "initcore/kernels.pxd",
          "initcore/_table.pxd", "initcore/__init__.pxd", "initcore/data/digits.npz",
          "initcore/data/LICENSE-digits.txt", "initcore/rules/calibration.json"]
SOURCES = ["setup.py", "pyproject.toml", "src/_variant.pyx", "src/kernels.pyx", "src/variant/simd.h",
           "src/doors/dense.pxi", "tests/conftest.py", "LICENSE"]


def wheel(path: Path) -> list[str]:
    """What is wrong with a wheel."""
    names = zipfile.ZipFile(path).namelist()
    wrong = [f"{path.stat().st_size} bytes, over {LIMIT}"] if path.stat().st_size > LIMIT else []
    wrong += [f"{n} is missing" for n in NEEDED if n not in names]
    wrong += [f"{n} does not belong here" for n in names if n.endswith((".c", ".pyx", ".pxi", ".h", ".o"))]
    wrong += [f"no compiled {n}" for n in ("_variant_base", "kernels") if not any(f"/{n}." in m for m in names)]
    return wrong


def sdist(path: Path) -> list[str]:
    """What is wrong with a source distribution."""
    names = [n.split("/", 1)[1] for n in tarfile.open(path).getnames() if "/" in n]
    wrong = [f"{n} is missing" for n in SOURCES if n not in names]
    return wrong + [f"{n} does not belong here" for n in names if n.endswith((".c", ".so", ".o"))]


def main(paths: list[str]) -> int:
    """Print what is wrong; exit 1 where anything is."""
    bad = 0
    for path in map(Path, paths):
        wrong = wheel(path) if path.suffix == ".whl" else sdist(path)
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {'ok' if not wrong else '; '.join(wrong)}")
        bad |= bool(wrong)
    return bad


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
