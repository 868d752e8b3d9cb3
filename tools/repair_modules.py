"""Plant faults in small modules, repair them, and train the repaired copies beside sound ones.

    python tools/repair_modules.py [FAMILY ...]     # tables in Markdown, and what did not learn

One fault of each kind a family (see plant_faults.py), in a weight picked by the seed. A repaired copy must pass its own
check, and explain `ALIKE` of what the family's own start explains of random targets that are learnt by heart on the
same rows, by the best of three learning rates of Adam. Inputs off scale are standardised for training, as their finding
asks, beside a copy repaired with ``fold=False``; the check is passed by the folded copy with the raw inputs.
"""

import collections
import copy
import random
import sys

import plant_faults
import torch

import initcore as ic

STEPS, RATES, ALIKE = 80, (3e-3, 3e-2, 3e-4), 0.8


def explained(net, args):
    """The share of random targets' squares that is learnt by heart, at best."""
    best = 0.0
    for rate in RATES:
        one, total = copy.deepcopy(net), None
        optimizer = torch.optim.Adam([p for p in one.parameters() if p.requires_grad], rate)
        torch.manual_seed(0)
        for _ in range(STEPS):
            out = next(v for v in torch.utils._pytree.tree_leaves(one(*args)) if v.is_floating_point())
            if total is None:
                total = torch.randn(out.shape, generator=torch.Generator().manual_seed(3))
            loss = (out - total).square().mean() / total.square().mean()
            if not loss < 1e12:
                break
            best = max(best, 1 - loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return best


def picked(module, args):
    """One fault of each kind."""
    context = ic.check(module, args)._mend.context
    kinds = collections.defaultdict(list)
    for fault in plant_faults.faulty(module, args, context):
        kinds[fault[0]].append(fault)
    return [random.Random(name).choice(faults) for name, faults in kinds.items()]


def main():
    """Repair and train, and say what did not learn."""
    torch.set_num_threads(1)
    rows, missed = collections.defaultdict(lambda: [0, 0, 0]), []
    for family in sys.argv[1:] or plant_faults.FAMILIES:
        module, args = plant_faults.FAMILIES[family]()
        goal = explained(module, args)
        for name, where, bad, given, *_ in picked(module, args):
            mended = ic.check(bad, given).repair(rng=1)
            report = ic.check(mended, given)
            left = [f for f in report.findings if f.severity != "info" and not f.rule.startswith("INP")]
            share = explained(mended, given) if where != "x" else explained(
                ic.check(bad, given).repair(rng=1, fold=False), tuple((x - x.mean()) / x.std() for x in given))
            rows[family][0] += report.ok and not left
            rows[family][1] += share >= ALIKE * goal
            rows[family][2] += 1
            if left or share < ALIKE * goal:
                missed.append(f"{family} {name} {where}: explains {share:.2f}, its own start {goal:.2f}, planted "
                              f"{explained(bad, given):.2f}; " + (", ".join(
                                  f"{f.rule} {f.tensor} {f.cause}" for f in left[:3]) or "passes"))
        print(f"| {family} | " + " | ".join(map(str, rows[family])) + " |", flush=True)
    print("| all | " + " | ".join(str(sum(r[i] for r in rows.values())) for i in range(3)) + " |\n")
    print("\n".join(f"* {m}" for m in missed))


if __name__ == "__main__":
    main()
