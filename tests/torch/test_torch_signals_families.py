"""No false alarms: every family at its own start is left alone."""

import pytest

pytest.importorskip("torch")

import torch_families
import torch_transformers

import initcore as ic


@pytest.mark.parametrize("name", ["resnet18", "unet", "gpt", "vit", "gru", "dit"])
def test_pytorchs_own_start_is_left_alone(name):
    module, args = torch_families.FAMILIES[name]()
    report = ic.check(module, args)
    assert report.ok and report.whole and report.symmetry.ok
    assert not [f for f in report.findings if f.severity == "warn"], report


@pytest.mark.parametrize("name", ["gpt2", "t5"])
def test_transformers_own_start_is_left_alone(name):
    pytest.importorskip("transformers")
    module, kwargs = torch_transformers.make(name)
    report = ic.check(module, kwargs)
    assert report.whole and not [f for f in report.findings if f.severity != "info"], report


def test_a_dead_layer_of_a_few_channels_is_named():
    module, args = torch_families.FAMILIES["vgg"]()
    module[2].bias.data.fill_(-50)
    found = [f for f in ic.check(module, args).findings if f.rule == "SAT203"]
    assert [(f.severity, f.tensor, f.cause) for f in found] == [("fail", "2.bias", "bias")]


def test_a_branch_that_drowns_its_skip_is_named():
    module, args = torch_families.FAMILIES["gpt"]()
    module.blocks[1]["down"].weight.data.mul_(200)
    found = [f for f in ic.check(module, args).findings if f.rule == "SIG302"]
    assert [(f.tensor, f.cause) for f in found] == [("blocks.1.down.weight", "weight_scale")]
