"""it.program: every family is covered whole, by the operations that were recorded."""

import json
from collections import Counter
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch_families import FAMILIES  # noqa: E402

import initcore.torch as it  # noqa: E402

GOLDEN = json.loads((Path(__file__).parent / "golden_operations.json").read_text())


def operations(program):
    """What a program does, in the vocabulary's words and in the framework's."""
    named = Counter(op.kind + (f" {word}" if (word := op.attributes.get("activation") or op.attributes.get("function")
                                              or op.attributes.get("method") or op.attributes.get("cell")) else "")
                    for op in program.ops)
    return {"operations": dict(sorted(named.items())),
            "sources": dict(sorted(Counter(op.source for op in program.ops).items()))}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_covered_whole_by_the_recorded_operations(name):
    module, args = FAMILIES[name]()
    program = it.program(module, args)
    assert program.coverage.share == 1 and not any(op.kind == "opaque" for op in program.ops)
    assert {n for p in program.parameters for n in p.names} == {n for n, _ in module.named_parameters(
        remove_duplicate=False)} | {n for n, _ in module.named_buffers(remove_duplicate=False)}
    if torch.__version__.startswith(GOLDEN["torch"]):
        assert operations(program) == GOLDEN["families"][name]
