"""Record the operations that it.program finds in every family: ``python -m tools.golden_operations``."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests" / "torch" / "golden_operations.json"


def main() -> None:
    sys.path[:0] = [str(ROOT / "tests" / "oracles"), str(ROOT / "tests" / "torch")]
    if not TARGET.exists():
        TARGET.write_text('{"torch": "", "families": {}}')
    import torch
    from test_torch_program import operations
    from torch_families import FAMILIES

    import initcore.torch as it
    found = {name: operations(it.program(*make())) for name, make in FAMILIES.items()}
    version = ".".join(torch.__version__.split(".")[:2])
    TARGET.write_text(json.dumps({"torch": version, "families": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
