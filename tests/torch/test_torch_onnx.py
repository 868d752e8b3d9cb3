"""What torch.onnx.export writes is read as the program that the module computes, and its faults are found."""

import warnings

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from exact_program import run  # noqa: E402
from torch_families import FAMILIES  # noqa: E402

from initcore.files import check_file, open_weights  # noqa: E402

NAMES = ["mlp", "lenet", "resnet18", "unet", "densenet", "gpt", "bert", "t5", "lstm", "gru", "rnn", "moe_dense"]


def exported(module, args, path):
    """The file of the module in evaluation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, args, path, dynamo=False, opset_version=18)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_the_file_holds_what_the_module_computes(name, tmp_path):
    module, args = FAMILIES[name]()
    module = module.double().eval()
    args = tuple(a.double() if torch.is_tensor(a) and a.is_floating_point() else a for a in args)
    path = exported(module, args, tmp_path / "net.onnx")
    weights = open_weights(path)
    program = weights.graph(weights)
    assert program.coverage.share == 1 and not program.coverage.opaque
    with torch.no_grad():
        wanted = module(*args)
        made = run(program, [a for a in args if torch.is_tensor(a)])
    wanted = [wanted] if torch.is_tensor(wanted) else [t for t in wanted if torch.is_tensor(t)]
    for a, b in zip(made, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)      # the exporter writes an epsilon in float32
    report = check_file(path)
    assert report.ok and report.coverage.network == 1 and not report.findings, str(report)


def test_a_tied_block_is_found(tmp_path):
    module, args = FAMILIES["gpt"]()
    with torch.no_grad():
        for part in (module.blocks[1].up, module.blocks[1].down):
            part.weight.fill_(0.03)
            part.bias.zero_()
    report = check_file(exported(module, args, tmp_path / "net.onnx"), optimizer="adamw")
    assert not report.ok and {f.rule for f in report.findings if f.severity == "fail"} == {"SYM101"}
    assert any("transposed copy" in note for note in report.notes)      # the head, which shares the embedding
