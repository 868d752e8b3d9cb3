"""What torch.export.save writes is read back without PyTorch: the numbers and the proof of the live module."""

import warnings

import pytest

torch = pytest.importorskip("torch")

from exact_program import run  # noqa: E402
from torch_families import FAMILIES  # noqa: E402

import initcore.torch as it  # noqa: E402
from initcore import symmetry  # noqa: E402
from initcore.files import check_file, open_weights  # noqa: E402

NAMES = ["lenet", "resnet18", "densenet", "gpt", "llama", "lstm", "gru", "dit", "moe_top2"]


def prepared(name):
    """A family's module in float64 without draws, and its arguments."""
    module, args = FAMILIES[name]()
    for part in module.modules():
        if isinstance(part, (torch.nn.Dropout, torch.nn.modules.dropout._DropoutNd)):
            part.p = 0.0
        if isinstance(part, torch.nn.MultiheadAttention):
            part.dropout = 0.0
    return module.double(), tuple(a.double() if torch.is_tensor(a) and a.is_floating_point() else a for a in args)


def saved(module, args, path):
    """The file of the exported module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(module, args, strict=False), path)
    return path


def statuses(program, optimizer):
    """What is proved of a program, axis by axis."""
    return [(la.name, la.status, la.labels.tolist()) for la in symmetry.analyze(program, optimizer=optimizer).layers]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_holds_what_the_module_computes_and_the_same_proof(name, tmp_path):
    module, args = prepared(name)
    with torch.no_grad():
        for p in module.parameters():
            if p.dim() > 1:
                p[1] = p[0]                                   # a unit, channel, token drawn twice
    path = saved(module, args, tmp_path / "net.pt2")
    weights = open_weights(path)
    program = weights.graph(weights)
    assert program.coverage.share == it.program(module, args).coverage.share
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = module(*args)
        made = run(program, [a for a in args if torch.is_tensor(a)])
    wanted = [wanted] if torch.is_tensor(wanted) else [t for t in wanted if torch.is_tensor(t)]
    for a, b in zip(made, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
    assert statuses(program, "adam") == statuses(it.program(module, args), "adam")


def test_a_fault_is_told_as_of_the_live_module(tmp_path):
    module, args = FAMILIES["gpt"]()
    with torch.no_grad():
        for part in (module.blocks[0].up, module.blocks[0].down):
            part.weight.fill_(0.02)
            part.bias.zero_()
    live = {(f.rule, f.tensor) for f in it.check(module, args).findings if f.rule.startswith("SYM")}
    report = check_file(saved(module, args, tmp_path / "net.pt2"))
    assert {(f.rule, f.tensor) for f in report.findings if f.rule.startswith("SYM")} == live and live
    assert report.coverage.network == 1 and not report.ok
