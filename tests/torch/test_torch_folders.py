"""What transformers saves in a folder is the network that its config.json tells: numbers, proof, faults."""

import warnings

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch_transformers  # noqa: E402
from exact_program import run  # noqa: E402

import initcore.torch as it  # noqa: E402
from initcore import symmetry  # noqa: E402
from initcore.files import check_file, open_weights  # noqa: E402


def saved(module, folder):
    """The folder; the library's own warnings are its affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module.save_pretrained(folder)
    return folder


def statuses(program):
    """What is proved, axis by axis in the order of the network."""
    found = symmetry.analyze(program, optimizer="adam")
    return sorted(s for la in found.layers for s in la.status), sum(la.effective_width for la in found.layers)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert", "vit"])
def test_the_folder_holds_what_the_model_computes_and_the_same_proof(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module, kwargs = torch_transformers.make(name)
    module = module.eval()
    with torch.no_grad():
        for name_, p in module.named_parameters():              # two hidden units of one layer, drawn twice
            if name_.endswith(("layers.1.mlp.gate_proj.weight", "layers.1.mlp.up_proj.weight",
                               "layer.1.intermediate.dense.weight", "layers.1.mlp.fc1.weight")):
                p[3] = p[2]
            if name_.endswith(("layers.1.mlp.down_proj.weight", "layer.1.output.dense.weight", "h.1.mlp.c_fc.weight",
                               "layers.1.mlp.fc2.weight")):
                p[:, 3] = p[:, 2]
            if name_.endswith("h.1.mlp.c_proj.weight"):
                p[3] = p[2]
    weights = open_weights(saved(module, tmp_path))
    program = weights.graph(weights)
    assert program.coverage.share == 1 and not program.coverage.opaque
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = module(**kwargs)
        made = run(program, [next(iter(kwargs.values()))])
    wanted = wanted[0] if isinstance(wanted, tuple) else wanted.logits
    torch.testing.assert_close(made[0], wanted, rtol=1e-5, atol=1e-6)
    assert statuses(program) == statuses(it.program(module, (), kwargs))
    report = check_file(tmp_path, optimizer="adam")
    found = [f for f in report.findings if f.rule == "SYM101"]
    assert len(found) == 1 and "2 of" in found[0].message and report.coverage.network == 1
    assert any(note.startswith("config.json tells: kind") for note in report.notes)
