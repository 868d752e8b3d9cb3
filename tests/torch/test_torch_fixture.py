"""The pytest fixture takes modules."""

import importlib.metadata
import os
from pathlib import Path

import pytest

pytest.importorskip("torch")

import initcore as ic

pytest_plugins = ["pytester"]


def test_assert_trainable_judges_modules(pytester, monkeypatch):
    """In a process of its own: what pytester imports in this one it takes out again, and PyTorch bears that badly."""
    home = str(Path(ic.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")])))
    installed = any(e.value == "pytest_initcore" for e in importlib.metadata.entry_points(group="pytest11"))
    pytester.makepyfile("""
        import torch
        from torch import nn

        def network(std=None):
            torch.manual_seed(3)
            net = nn.Sequential(nn.Linear(14, 30), nn.Tanh(), nn.Linear(30, 22), nn.Tanh(), nn.Linear(22, 4))
            if std is not None:
                nn.init.normal_(net[2].weight, std=std)
            return net, torch.randn(48, 14), torch.randint(4, (48,))

        def test_sound(assert_trainable):
            assert assert_trainable(*network(), optimizer="adam").whole

        def test_by_its_shape(assert_trainable):
            assert_trainable(network()[0], (16, 14), fail_level="warn")

        def test_tied(assert_trainable):
            net, x, y = network()
            for p in net[2:].parameters():
                nn.init.constant_(p, 0.1)
            assert_trainable(net, x, y)

        def test_saturated(assert_trainable):
            assert_trainable(*network(9.0), fail_level="warn")
    """)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", *([] if installed else ["-p", "pytest_initcore"]))
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines(["*SYM101 2.weight*", "*SAT201 2.weight*", "*model.get_parameter('2.weight')*"])
