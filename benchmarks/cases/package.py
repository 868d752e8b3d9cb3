"""What it costs to have initcore: import time, beside NumPy's."""

import json
import os
import subprocess
import sys

from .._case import Case, case


def _python(code: str) -> str:
    env = {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)        # an installed package has its byte code; compiling is no import
    return subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout


@case("package", "import initcore over import numpy", target={"import numpy": 1.4}, at_most=True, rounds=20)
def _(c: Case) -> None:
    c.ours = lambda: _python("import initcore")
    c.rival("import numpy", lambda: _python("import numpy"))

    def check() -> None:
        loaded = json.loads(_python("import json, sys, initcore; print(json.dumps(list(sys.modules)))"))
        assert "numpy" in loaded and not {"scipy", "torch", "rich", "typer"} & set(loaded)

    c.check = check
