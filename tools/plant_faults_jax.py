"""The faults of plant_faults.py in networks of JAX with the same weights: does `ic.check` find them, and say the same?

    python tools/plant_faults_jax.py [FAMILY ...]       # tables in Markdown, what was missed, what differs

Every fault is planted in the PyTorch module of tests/oracles/jax_families.py; its tensors are carried over to the JAX
function, and both are judged. They agree on a fault where the same rules name the same parameters and causes.
"""

import collections
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "oracles"))
import jax_families
from plant_faults import faulty

import initcore as ic
import initcore.jax as ij


def told(findings, names):
    """{(rule, parameter, cause)} in JAX's names; of inputs without a name."""
    return {(f.rule, "" if f.rule.startswith("INP") else names.get(f.tensor, f.tensor), f.cause) for f in findings}


def real(findings):
    """Without what is only information."""
    return [f for f in findings if f.severity != "info"]


def names_it(found, names, rules, same, causes):
    """Does a finding name rule, parameter and cause?"""
    return any(f.rule in rules and f.cause in causes and
               (not same or same & {names.get(n, n) for n in (f.tensor, *f.tensors)}) for f in found)


def judged(family):
    """(fault, where, found in JAX?, found in PyTorch?, JAX's findings, PyTorch's findings) of one family."""
    make, fn = jax_families.TWINS[family]
    module, args = make()
    jax_families.quiet(module)
    stack = getattr(make, "stack", "")
    params, names = jax_families.carried(module, stack)
    there, here = ic.check(module, args)._mend, ij.check(ij.Model(fn, params), jax_families.inputs(args))._mend
    for name, where, bad, given, rules, tensors, causes in faulty(module, args, there.context):
        if given is args:
            theirs, ours = there.judge(bad)[0], here.judge(jax_families.carried(bad, stack)[0])[0]
        else:
            theirs, ours = ic.check(bad, given).findings, ij.check(ij.Model(fn, params), jax_families.inputs(
                given)).findings
        theirs, ours = real(theirs), real(ours)
        same = {names[n] for n in tensors}
        yield (name, where, names_it(ours, {}, rules, same, causes), names_it(theirs, names, rules, same, causes),
               told(ours, {}), told(theirs, names))


def main():
    """Count, and say what was missed and what differs."""
    kinds, families = (collections.defaultdict(lambda: [0, 0, 0, 0]) for _ in range(2))
    missed, differ = [], []
    for family in sys.argv[1:] or jax_families.TWINS:
        for name, where, hit, theirs, ours_said, theirs_said in judged(family):
            for row in (kinds[name], families[family]):
                for k, v in enumerate((hit, theirs, ours_said == theirs_said, 1)):
                    row[k] += v
            if not hit:
                missed.append(f"{family} {name} {where}: {sorted(map(str, ours_said)) or 'nothing'}")
            if ours_said != theirs_said:
                differ.append(f"{family} {name} {where}: only JAX {sorted(map(str, ours_said - theirs_said))}, "
                              f"only PyTorch {sorted(map(str, theirs_said - ours_said))}")
    for title, table in (("fault", kinds), ("family", families)):
        print(f"| {title} | JAX | PyTorch | same | of |\n|---|---|---|---|---|")
        for name, row in table.items():
            print(f"| {name} | {' | '.join(map(str, row))} |")
        print()
    hits, theirs, same, of = (sum(v[k] for v in families.values()) for k in range(4))
    print(f"JAX {hits}, PyTorch {theirs} of {of} with rule, parameter and cause; {same} times the same findings.\n")
    for title, lines in (("Missed by JAX", missed), ("Different", differ)):
        print(f"{title}:", *(f"* {line}" for line in lines), sep="\n")


if __name__ == "__main__":
    main()
