"""Values and gradients of a program run in NumPy are PyTorch's: random programs, operations one by one, families."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from random_programs import MODES, Random  # noqa: E402
from run_program import values  # noqa: E402

from initcore._running import Unrun, forward, unrolled  # noqa: E402


def agree(program, inputs, seed=0):
    """Compare every value, and the gradient of every parameter and input, in float64."""
    at = {p.value: torch.tensor(np.array(p.read()), dtype=torch.float64, requires_grad=True)
          for p in program.parameters}
    xs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) if x.dtype.kind == "f" else torch.tensor(x)
          for x in inputs]
    theirs = values(program, xs, at)
    plain, _ = unrolled(program)
    theirs.update(zip(plain.outputs, [theirs[v] for v in program.outputs]))
    run = forward(plain, [dict(zip(program.inputs, inputs))], {v: t.detach().numpy() for v, t in at.items()})
    for v, a in ((v, a) for v, a in run.values.items() if v in theirs):
        b = theirs[v].detach().numpy()
        assert np.allclose(a[0], b, rtol=1e-9, atol=1e-9 * max(float(np.abs(b[np.isfinite(b)]).max(initial=0)), 1)), v
    rng = np.random.default_rng(seed)
    seeds = {v: rng.normal(size=v.shape) for v in plain.outputs if theirs[v].is_floating_point()}
    sum((theirs[v] * torch.tensor(g)).sum() for v, g in seeds.items()).backward()
    found = {}
    run.backward({v: [g] for v, g in seeds.items()}, lambda v, g: found.setdefault(v, g[0]))
    for v, t in [*at.items(), *zip(program.inputs, xs)]:
        if t.grad is not None and float(t.grad.abs().max()) > 0:
            scale = float(t.grad.abs().max())
            assert np.allclose(found[v], t.grad.numpy(), rtol=1e-7, atol=1e-9 * scale), v


@pytest.mark.parametrize("seed", range(24))
def test_random_programs_have_pytorchs_values_and_gradients(seed):
    rng = np.random.default_rng(seed)
    program = Random(rng, MODES[seed % len(MODES)] if seed % 3 else "random").program()
    inputs = [rng.normal(size=v.shape) for v in program.inputs]
    if any(op.kind == "opaque" for op in program.ops):
        with pytest.raises(Unrun, match="opaque at opaque is not evaluated"):
            agree(program, inputs)
    else:
        agree(program, inputs)
