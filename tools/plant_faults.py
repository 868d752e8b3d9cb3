"""Plant one fault after another in small modules and count which `ic.check` names: rule, parameter and cause.

    python tools/plant_faults.py [FAMILY ...]       # tables in Markdown, and what was missed

Every fault is planted in PyTorch's own start from seed 0, in every weight where it does harm: sizes in front of a
normalisation and in tables are left alone, small ones in branches and heads too.
"""

import collections
import copy
import math
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


FAMILIES = {"perceptron": perceptron, "convolutions": pictures, **torch_families.FAMILIES}
SIZE = {"SIG305", "SIG302", "SAT201", "SAT202", "SIG304", "OUT601", "OUT602"}
SMALL = {"SIG305", "SIG301", "SIG303"}
COPIES = {"TEN803", "SYM101", "RNG502"}


def of_weight(w, context):
    """(name, change of the parameters in place, rules, tensors that may be named, causes) for one weight."""
    loud = not (w.after and w.after <= {"norm"})
    saturating = w.activation is not None and w.activation.saturating
    last = {"OUT602"} if any(a.output and w in a.local for a in context.activities) else set()

    def on(name, act):
        return lambda p: act(p[name])
    if w.std == 0:
        loud = False                               # an adapter's zeros: no factor makes more of them
    if loud and "output" not in w.after:
        factor = (300 / max(w.misfit, 1e-3)) ** 0.5 * (3 if saturating else 1)
        yield "scale", on(w.name, lambda p: p.mul_(factor)), SIZE, {w.name}, {"weight_scale", "layout"}
        yield ("mean", on(w.name, lambda p: p.add_(3 * w.std + 10 / w.fan_in)), SIZE | {"SIG301", "SAT203"}, {w.name},
               {"weight_mean"})
        if w.main and not w.after & {"sum", "product", "norm"} and not w.gate:
            yield "tiny", on(w.name, lambda p: p.mul_(1e-3)), SMALL, {w.name}, {"weight_scale"}
        wrong = w.fan_out if w.taps > 1 else w.fan_out * w.taps
        if w.size >= 512 and max(wrong, w.fan_in) > 2.5 * min(wrong, w.fan_in):
            std = math.sqrt(max(w.gain2, 1) / wrong)
            yield "wrong fan", on(w.name, lambda p: p.normal_(std=std)), SIZE, {w.name}, {"layout"}
    if "sum" in w.after and loud and math.isfinite(w.writes):
        yield ("branch", on(w.name, lambda p: p.mul_(200 / max(w.writes, 1e-2))), SIZE, {w.name}, {"weight_scale"})
    yield "not finite", on(w.name, lambda p: p.view(-1)[:1].fill_(float("nan"))), {"NUM401"}, {w.name}, {"data"}
    yield "constant", on(w.name, lambda p: p.fill_(0.1)), {"TEN802", "SYM101"}, {w.name}, {"symmetry"}
    if w.std:
        yield "copied", on(w.name, lambda p: p[1].copy_(p[0])), COPIES, {w.name}, {"symmetry", "data"}
    if w.bias and w.activation is not None and w.activation.dies and loud:
        yield "dead", on(w.bias, lambda p: p.fill_(-50)), {"SAT203"}, {w.bias}, {"bias"}
    if w.bias and (saturating or "lstm" in str(w.place)) and loud:
        yield ("closed gate" if w.gate else "saturated bias", on(w.bias, lambda p: p.fill_(-50)), {"SAT201"} | last,
               {w.bias}, {"bias"})


def fatal(module, args, context):
    """Two layers of zeros in a row, where by trial neither moves in a few steps."""
    way = [s.weights[0] for s in context.steps if len(s.weights) == 1 and not s.beside and not s.weights[0].table]
    for a, b in zip(way, way[1:]):
        zero = [n for w in (a, b) for n in (w.name, w.bias) if n]
        if a.trainable and b.trainable and a.name != b.name and stays(module, args, zero):
            yield ("zero", lambda p, zero=zero: [p[n].zero_() for n in zero], {"SYM104", "SYM101", "TEN802"},
                   {a.name, b.name}, {"symmetry"})


def stays(module, args, zero):
    """Are these parameters, set to 0, still 0 after four steps of training?"""
    net = copy.deepcopy(module)
    mine = dict(net.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for n in zero:
            mine[n].zero_()
    steps = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(4):
        steps.zero_grad()
        out = [v for v in torch.utils._pytree.tree_leaves(net(*args)) if v.is_floating_point()]
        sum((v * torch.randn(v.shape, generator=torch.Generator().manual_seed(2))).sum() for v in out).backward()
        steps.step()
    return not any(mine[n].any() for n in zero if mine[n].ndim > 1)


def of_input(module, args, context):
    """(name, arguments, rules, causes) for inputs of numbers that no norm reads first."""
    if len(context.features) == len(args) == 1 and not context.features[0].normed and context.features[0].rows >= 32:
        yield "input scale", (args[0] * 100,), {"INP701"}, {"input_scale"}
        yield "input offset", (args[0] + 20,), {"INP701"}, {"input_offset"}


def aliases(module, names):
    """All names of some parameters: a head may be the embedding's table."""
    mine = [module.get_parameter(n) for n in names]
    return {n for n, p in module.named_parameters(remove_duplicate=False) if any(p is m for m in mine)}


def faulty(module, args, context):
    """(fault, where, module with it, arguments, rules, tensors, causes) of one family."""
    seen, faults = set(), []
    for w in context.weights:
        if not w.table and w.trainable and w.name not in seen and w.size >= 16:
            seen.add(w.name)
            faults += of_weight(w, context)
    for name, act, rules, tensors, causes in [*faults, *fatal(module, args, context)]:
        bad = copy.deepcopy(module)
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(1)
            act(dict(bad.named_parameters(remove_duplicate=False)))
        yield name, ", ".join(sorted(tensors)), bad, args, rules, aliases(module, tensors), causes
    for name, given, rules, causes in of_input(module, args, context):
        yield name, "x", module, given, rules, set(), causes


def planted(module, args):
    """(fault, what was planted where, found?, what was found) of one family."""
    mend = ic.check(module, args)._mend
    for name, where, bad, given, rules, same, causes in faulty(module, args, mend.context):
        found = mend.judge(bad)[0] if given is args else ic.check(bad, given).findings
        found = [f for f in found if f.severity != "info"]
        yield name, where, any(f.rule in rules and f.cause in causes and (not same or same & {f.tensor, *f.tensors})
                               for f in found), found


def main():
    """Count, and say what was missed."""
    kinds, families = (collections.defaultdict(lambda: [0, 0]) for _ in range(2))
    missed = []
    for family in sys.argv[1:] or FAMILIES:
        for name, where, hit, found in planted(*FAMILIES[family]()):
            for row in (kinds[name], families[family]):
                row[0] += hit
                row[1] += 1
            if not hit:
                missed.append(f"{family} {name} {where}: " + (", ".join(
                    f"{f.rule} {f.tensor} {f.cause}" for f in found[:4]) or "nothing"))
    for title, table in (("fault", kinds), ("family", families)):
        print(f"| {title} | found | of |\n|---|---|---|")
        for name, (hits, of) in table.items():
            print(f"| {name} | {hits} | {of} |")
        print()
    hits, of = (sum(v[k] for v in kinds.values()) for k in (0, 1))
    print(f"{hits} of {of}: {100 * hits / max(of, 1):.1f}% with rule, parameter and cause.\n")
    print("\n".join(f"* {line}" for line in missed), flush=True)


if __name__ == "__main__":
    main()
