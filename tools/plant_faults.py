"""Plant one fault after another in small modules and count which `ic.check` names: rule, parameter and cause.

    python tools/plant_faults.py [FAMILY ...]       # a table in Markdown, and what was missed

Every fault is planted in PyTorch's own start from seed 0, in every weight where it does harm: sizes in front of a
normalisation and in tables are left alone.
"""

import collections
import copy
import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "oracles"))
import torch_families

import initcore as ic


def perceptron():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 40), nn.Sigmoid(),
                         nn.Linear(40, 5)), (torch.randn(64, 20),)


def pictures():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 24, 3, padding=1), nn.Tanh(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(384, 32), nn.ReLU(), nn.Linear(32, 10)), (
                             torch.randn(32, 3, 8, 8),)


FAMILIES = {"perceptron": perceptron, "convolutions": pictures,
            **{k: torch_families.FAMILIES[k] for k in ("lenet", "vgg", "gpt", "llama", "bert", "vit", "lstm", "gru",
                                                       "moe_dense", "critics")}}
SIZE = {"SIG305", "SIG302", "SAT201", "SAT202", "SIG304", "OUT601", "OUT602"}


def faults(w):
    """(name, change in place, rules, tensor, causes) for one weight."""
    def of(name, rules, causes, tensor, act):
        return name, act, rules, tensor, causes
    loud = not (w.after and w.after <= {"norm"})
    saturating = w.activation is not None and w.activation.saturating
    if loud and "output" not in w.after:
        factor = (300 / max(w.misfit, 1e-3)) ** 0.5 * (3 if saturating else 1)
        yield of("scale", SIZE, {"weight_scale", "layout"}, w.name, lambda p: p.mul_(factor))
        yield of("mean", SIZE | {"SIG301", "SAT203"}, {"weight_mean"}, w.name,
                 lambda p: p.add_(3 * w.std + 10 / w.fan_in))
    yield of("not finite", {"NUM401"}, {"data"}, w.name, lambda p: p.view(-1)[:1].fill_(float("nan")))
    yield of("constant", {"TEN802", "SYM101"}, {"symmetry"}, w.name, lambda p: p.fill_(0.1))
    yield of("copied", {"TEN803", "SYM101", "RNG502"}, {"symmetry", "data"}, w.name, lambda p: p[1].copy_(p[0]))
    if w.bias and w.activation is not None and w.activation.dies and loud:
        yield of("dead", {"SAT203"}, {"bias"}, w.bias, lambda p: p.fill_(-50))
    if w.bias and (saturating or "lstm" in str(w.place)) and loud:
        yield of("saturated bias", {"SAT201"}, {"bias"}, w.bias, lambda p: p.fill_(-50))


def aliases(module, name):
    """All names of one parameter: a head may be the embedding's table."""
    mine = module.get_parameter(name)
    return {n for n, p in module.named_parameters(remove_duplicate=False) if p is mine}


def main():
    """Count, and say what was missed."""
    table, missed = collections.defaultdict(lambda: [0, 0]), []
    for family in sys.argv[1:] or FAMILIES:
        module, args = FAMILIES[family]()
        mend = ic.check(module, args)._mend
        done = set()
        for w in mend.context.weights:
            if w.table or not w.trainable or w.name in done or w.size < 48:
                continue
            done.add(w.name)
            for name, act, rules, tensor, causes in faults(w):
                bad = copy.deepcopy(module)
                with torch.no_grad():
                    act(bad.get_parameter(tensor))
                found = [f for f in mend.judge(bad)[0] if f.severity != "info"]
                same = aliases(module, tensor)
                hit = any(f.rule in rules and f.cause in causes and same & {f.tensor, *f.tensors} for f in found)
                table[name][0] += hit
                table[name][1] += 1
                if not hit:
                    missed.append(f"{family} {name} {tensor}: " + (", ".join(
                        f"{f.rule} {f.tensor} {f.cause}" for f in found[:4]) or "nothing"))
    print("| fault | found | of |\n|---|---|---|")
    for name, (hits, of) in table.items():
        print(f"| {name} | {hits} | {of} |")
    hits, of = (sum(v[k] for v in table.values()) for k in (0, 1))
    print(f"| all | {hits} | {of} |\n\n{100 * hits / max(of, 1):.1f}% with rule, parameter and cause.\n")
    print("\n".join(f"* {line}" for line in missed))


if __name__ == "__main__":
    main()
