"""The families that reader, proof and signals share: each runs, and each can be exported."""

import pytest

pytest.importorskip("torch")

from torch_families import FAMILIES


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_runs_and_is_made_the_same_twice(name):
    import torch
    (a, args), (b, again) = FAMILIES[name](), FAMILIES[name]()
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert all(torch.equal(x, y) for x, y in zip(args, again, strict=True))
    a(*args)
