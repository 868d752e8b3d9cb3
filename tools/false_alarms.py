"""Sound networks, and what `ic.check` says of them: nothing that objects is wanted.

    python tools/false_alarms.py [--seeds 3] [families] [transformers] [trained] [FOLDER of a model of transformers]

families : every family of the tests in PyTorch's own start, under each optimiser, without and with targets.
transformers : GPT-2, BERT, ViT, Llama and T5 at their own initialisation, with 2 and with 12 layers.
trained : an MLP, a CNN and a transformer trained on digits, with ``stage="trained"`` and without.
FOLDER : a downloaded checkpoint, at both stages, on random tokens.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "oracles"))
import torch_families
import torch_trained

import initcore as ic


def families(seeds):
    """(name, module, x, targets, options) of every family."""
    for name, make in torch_families.FAMILIES.items():
        for seed in range(seeds):
            module, args = make()
            torch.manual_seed(seed)
            for m in module.modules():
                if seed and hasattr(m, "reset_parameters") and name != "siren":
                    m.reset_parameters()
            targets = targets_of(module, args)
            for optimizer in ("sgd", "adam"):
                yield f"{name} seed {seed} {optimizer}", module, args, None, {"optimizer": optimizer}
                if targets is not None:
                    yield f"{name} seed {seed} {optimizer} y", module, args, targets, {"optimizer": optimizer}


def targets_of(module, args):
    """Random classes of the main output; None where that has no axis of classes."""
    with torch.no_grad(), torch.random.fork_rng():
        out = module(*args)
    if not isinstance(out, torch.Tensor) or out.ndim < 2 or out.shape[-1] < 2:
        return None
    shape = (*out.shape[:1], *out.shape[2:]) if out.ndim == 4 else out.shape[:-1]
    return torch.randint(out.shape[1 if out.ndim == 4 else -1], shape)


def transformers(seeds):
    """(name, module, x, targets, options) of the models that transformers builds."""
    import transformers as t
    words = {"vocab_size": 61, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    small = {"hidden_size": 48, "intermediate_size": 96, "num_attention_heads": 4}
    for seed in range(seeds):
        for layers in (2, 12):
            deep = {**small, "num_hidden_layers": layers}
            makers = {
                "gpt2": (lambda n=layers: t.GPT2LMHeadModel(t.GPT2Config(
                    n_positions=32, n_embd=48, n_layer=n, n_head=3, use_cache=False, **words)), "labels"),
                "llama": (lambda d=deep: t.LlamaForCausalLM(t.LlamaConfig(
                    **d, **words, num_key_value_heads=2, use_cache=False)), "labels"),
                "bert": (lambda d=deep: t.BertModel(t.BertConfig(**d, **words)), ""),
                "bert classifier": (lambda d=deep: t.BertForSequenceClassification(t.BertConfig(**d, **words)), "y"),
                "vit": (lambda d=deep: t.ViTForImageClassification(t.ViTConfig(**d, image_size=16, patch_size=4)), "x"),
                "t5": (lambda n=layers: t.T5ForConditionalGeneration(t.T5Config(
                    d_model=48, d_ff=96, d_kv=12, num_heads=4, num_layers=n, use_cache=False, vocab_size=61,
                    decoder_start_token_id=0)), "labels"),
                "t5 encoder": (lambda n=layers: t.T5EncoderModel(t.T5Config(
                    d_model=48, d_ff=96, d_kv=12, num_heads=4, num_layers=n, use_cache=False, vocab_size=61)), "")}
            for name, (make, takes) in makers.items():
                torch.manual_seed(seed)
                ids = torch.randint(3, 61, (16, 10))
                x = {"pixel_values": torch.randn(16, 3, 16, 16)} if takes == "x" else {"input_ids": ids}
                if takes == "labels":
                    x["labels"] = ids
                y = torch.randint(2, (16,)) if takes in ("x", "y") else None
                yield f"{name} {layers} layers seed {seed}", make(), x, y, {"optimizer": "adam"}


def trained(seeds):
    """(name, module, x, targets, options) of the trained models."""
    (x, y), _ = torch_trained.digits()
    for name in torch_trained.TRAINED:
        net, right = torch_trained.make(name)
        for options in ({"stage": "trained"}, {}):
            for given in (y[:256], None):
                said = options.get("stage", "no stage") + " y" * (given is not None)
                yield f"{name} ({right:.0%} right) {said}", net, x[:256], given, options
        yield f"{name} by its shape", net, None if name == "mlp" else (64, 64), None, {"stage": "trained"}


def checkpoint(folder):
    """(name, module, x, targets, options) of a model of transformers in a folder."""
    from transformers import AutoModel
    model = AutoModel.from_pretrained(folder)
    x = {"input_ids": torch.randint(1000, 20000, (8, 24), generator=torch.Generator().manual_seed(0))}
    for options in ({"stage": "trained"}, {}):
        yield f"{Path(folder).name} {options.get('stage', 'no stage')}", model, x, None, options


def judged(name, module: nn.Module, x, y, options):
    """One check, printed."""
    start = time.perf_counter()
    report = ic.check(module, x, y, **options)
    told = [f for f in report.findings if f.severity != "info"]
    print(f"{name}: {report.verdict}, {len(report.findings) - len(told)} informations, "
          f"{time.perf_counter() - start:.1f} s {'; '.join(report.notes)}", flush=True)
    for f in told:
        print(f"    {f.severity} {f.rule} {f.tensor} {f.cause} {f.measured}: {f.message[:160]}", flush=True)
    return [f.severity for f in told]


def main():
    """Judge them all, and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*", default=["families", "transformers", "trained"])
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    groups = {"families": families, "transformers": transformers, "trained": lambda seeds: trained(seeds)}
    for what in asked.what:
        runs = groups[what](asked.seeds) if what in groups else checkpoint(what)
        severities = [judged(*run) for run in runs]
        print(f"{what}: {len(severities)} checks, {sum('fail' in s for s in severities)} with a fail, "
              f"{sum('warn' in s for s in severities)} with a warning", flush=True)


if __name__ == "__main__":
    main()
