"""Where a call comes from, by what PyTorch notes beside it: the module's path, the user's file and line."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..program import Place

_FRAME = re.compile(r'File "([^"]+)", line (\d+), in ')


def where(path: str, stack_trace: str, users: Callable[[str], bool]) -> Place:
    """The deepest frame in a file of the user's; none in a plain Sequential.

    >>> where("L['self'].up", 'File "net.py", line 4, in forward\\n  File "nn/linear.py", line 134, in forward',
    ...       lambda file: not file.startswith("nn/"))
    Place(module='up', file='net.py', line=4)
    """
    own = [frame for frame in _FRAME.findall(stack_trace) if users(frame[0])]
    file, line = own[-1] if own else ("", "0")
    return Place(path.removeprefix("L['self'].").replace("_orig_mod.", ""), file, int(line[:9]))
