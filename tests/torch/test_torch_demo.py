"""initcore demo shards: what it claims, on real processes; and its sentence where PyTorch is missing."""

import sys

import pytest

torch = pytest.importorskip("torch")

from initcore import demo, errors  # noqa: E402


def test_the_story_of_the_shards():
    said = []
    document = demo.shards(said.append)
    plain, zero = document["starts"]
    for entry in (plain, zero):
        assert entry["stock"]["halves_equal"] and not entry["seeded"]["halves_equal"]
        assert all(layer["distinct_before"] == layer["units"] // 2 for layer in entry["stock"]["layers"])
        for layer in entry["stock"]["layers"]:                          # the proof comes true
            assert layer["distinct_after"] == layer["effective_width"]
        for layer in entry["seeded"]["layers"]:
            assert layer["distinct_after"] == layer["units"] and not layer["tied"]
        assert entry["seeded"]["loss_differs_by"] < 1e-12
    assert [layer["tied"] for layer in plain["stock"]["layers"]] == [0, 0]
    assert [layer["alike"] for layer in plain["stock"]["layers"]] == [32, 32]
    assert [layer["tied"] for layer in zero["stock"]["layers"]] == [0, 32]
    assert document["same_bits_on_one_and_two"] and "the same bits" in said[-1]


def test_without_pytorch_it_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(errors.MissingExtraError, match=r"pip install 'initcore\[torch\]'"):
        demo.shards()
