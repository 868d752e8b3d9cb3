"""Tensors by themselves: each planted fault is found and it alone; what libraries write by default is no fault."""

import numpy as np
import pytest

from initcore.files import check_file

RNG = np.random.default_rng(41)


def normal(*shape, fan=None):
    return (RNG.normal(size=shape) / np.sqrt(fan or shape[-1])).astype(np.float32)


def transformer():
    """Names and shapes of one block of a language model, drawn afresh."""
    return {"model.embed_tokens.weight": 0.02 * normal(90, 32, fan=1),
            **{f"layers.0.self_attn.{k}_proj.weight": normal(32, 32) for k in "qkvo"},
            "layers.0.mlp.gate_proj.weight": normal(64, 32), "layers.0.mlp.up_proj.weight": normal(64, 32),
            "layers.0.mlp.down_proj.weight": normal(32, 64), "layers.0.norm.weight": np.ones(32, np.float32),
            "experts.weight": normal(4, 16, 32), "conv.weight": normal(8, 4, 3, 3, fan=36),
            "lstm.weight_ih_l0": normal(64, 16), "layers.0.norm.bias": np.zeros(32, np.float32)}


def found(arrays, tmp_path, **options):
    np.savez(tmp_path / "t.npz", **arrays)
    report = check_file(tmp_path / "t.npz", **options)
    assert report.network is None and report.coverage.tensors == 1
    return {(f.rule, f.tensor, f.severity) for f in report.findings}


def test_a_good_file_has_no_findings(tmp_path):
    assert found(transformer(), tmp_path) == set()


def test_half_types_and_small_values_are_no_faults(tmp_path):
    arrays = {k: v.astype(np.float16) for k, v in transformer().items()}
    assert found(arrays, tmp_path) == set()
    arrays = transformer() | {"table.weight": RNG.integers(-1, 2, (3000, 3)).astype(np.float32),
                              "narrow.weight": normal(5000, 1).astype(np.float16), "one.weight": normal(1, 1)}
    assert {f for f in found(arrays, tmp_path) if f[0] != "TEN803"} == set()
    assert found({"narrow.weight": normal(5000, 1).astype(np.float16), **transformer()}, tmp_path) == set()


UP, DOWN, Q, CONV = ("layers.0.mlp.up_proj.weight", "layers.0.mlp.down_proj.weight", "layers.0.self_attn.q_proj.weight",
                     "conv.weight")


def planted(name, change):
    arrays = transformer()
    arrays[name] = arrays[name].copy()
    change(arrays[name])
    return arrays


@pytest.mark.parametrize("name, change, rules", [
    (UP, lambda w: w.__setitem__((3, 4), np.nan), {"NUM401"}),
    (CONV, lambda w: w.__setitem__((3, 0, 1, 1), -np.inf), {"NUM401"}),
    (DOWN, lambda w: w.__setitem__((3, 4), 1e20), {"NUM402"}),
    (DOWN, lambda w: w.__setitem__((3, 4), 1e5), {"NUM403"}),
    (UP, lambda w: w.__imul__(np.float32(1e-40)), {"TEN801", "NUM402", "TEN804"}),
    (UP, lambda w: w.__imul__(np.float32(1e-12)), {"NUM403", "TEN804"}),
    (UP, lambda w: w.__setitem__(..., 0.25), {"TEN802"}),
    (UP, lambda w: w.__setitem__(17, w[5]), {"TEN803"}),
    (UP, lambda w: w.__setitem__((slice(None), 30), w[:, 2]), {"TEN803"}),
    (Q, lambda w: w.__setitem__(slice(8, 16), w[:8]), {"RNG502"}),
    (Q, lambda w: w.__setitem__((slice(None), slice(16, 32)), w[:, :16]), {"RNG502"}),
    ("experts.weight", lambda w: w.__setitem__(3, w[1]), {"RNG502"}),
    ("lstm.weight_ih_l0", lambda w: w.__setitem__(slice(32, 64), w[:32]), {"RNG502"}),
    (CONV, lambda w: w.__setitem__(5, w[2]), {"TEN803"}),
    ("model.embed_tokens.weight", lambda w: w.__setitem__(slice(80, 90), 0), set()),
    ("model.embed_tokens.weight", lambda w: w.__setitem__(slice(80, 90), w[0]), {"TEN803"}),
])
def test_one_fault(name, change, rules, tmp_path):
    with np.errstate(all="ignore"):
        arrays = planted(name, change)
    said = found(arrays, tmp_path)
    assert {rule for rule, _, _ in said} == rules and {tensor for _, tensor, _ in said} <= {name}


def test_the_same_draws_in_two_tensors(tmp_path):
    """Copies, transposed copies, other widths of one stream, other scales; a tied embedding is meant."""
    base = RNG.standard_normal(32 * 64).astype(np.float32) / 6
    for other in (base.reshape(64, 32), 3 * base.reshape(64, 32), base.reshape(64, 32).T.copy(),
                  base[:1600].reshape(50, 32)):
        arrays = transformer() | {UP: base.reshape(64, 32), "layers.1.mlp.up_proj.weight": other}
        assert found(arrays, tmp_path) == {("RNG501", "layers.1.mlp.up_proj.weight", "warn")}
    arrays = transformer()
    assert found(arrays | {"lm_head.weight": arrays["model.embed_tokens.weight"]}, tmp_path) == set()
    assert found(arrays | {"ema." + k: v for k, v in arrays.items()}, tmp_path) == set()


def test_extreme_values_warn_in_words_only(tmp_path):
    """Values near the ends of the type: findings, no NumPy warnings (which are errors here)."""
    for scale in (1e300, 1e-300, 5e-324):
        arrays = transformer() | {UP: normal(64, 32).astype(float) * scale, DOWN: normal(64, 32).astype(float) * scale}
        assert {tensor for _, tensor, _ in found(arrays, tmp_path)} <= {UP, DOWN}
        with np.errstate(all="raise"):
            assert found(arrays, tmp_path)


def test_spread_needs_the_absence_of_norms(tmp_path):
    arrays = {k: v for k, v in transformer().items() if "norm" not in k}
    arrays[UP] = 40 * arrays[UP]
    assert found(arrays, tmp_path) == {("TEN804", UP, "warn")}
    assert found(arrays | {"bn.running_mean": np.zeros(4)}, tmp_path) == set()
    assert found(arrays, tmp_path, ignore="TEN804") == set() == found(arrays, tmp_path, thresholds={"TEN804.high": 1e4})


def test_what_is_meant_to_be_one_number(tmp_path):
    arrays = transformer() | {"layers.0.q_proj.lora_B.weight": np.zeros((32, 4), np.float32),
                              "layers.0.q_proj.lora_A.weight": normal(4, 32),
                              "relative_position_bias_table": np.zeros((25, 4), np.float32),
                              "gamma": np.full((1, 8, 1, 1), 1e-6, np.float32), "cls": np.zeros((1, 1, 32), np.float32)}
    assert found(arrays, tmp_path) == {("TEN802", "layers.0.q_proj.lora_B.weight", "info")}


def test_an_optimisers_state_may_be_tiny(tmp_path):
    arrays = transformer() | {"optimizer.state.0.exp_avg_sq": np.full((64, 32), 1e-42, np.float32),
                              "optimizer.state.0.exp_avg": np.zeros((64, 32), np.float32)}
    assert found(arrays, tmp_path) == set()


def test_layers_that_pytorch_copies_are_told_and_no_fault(tmp_path):
    """nn.TransformerEncoder starts from copies of one layer; the same draws in another layer's place are a fault."""
    one = {"self_attn.in_proj_weight": normal(48, 16), "self_attn.out_proj.weight": normal(16, 16),
           "linear1.weight": normal(32, 16), "linear2.weight": normal(16, 32)}
    arrays = {f"encoder.layers.{i}.{name}": a for i in (0, 1) for name, a in one.items()}
    arrays["encoder.norm.weight"] = np.ones(16, np.float32)
    assert {(rule, severity) for rule, _, severity in found(arrays, tmp_path)} == {("RNG501", "info")}
    arrays["encoder.layers.1.linear1.weight"] = 2 * one["linear1.weight"]
    assert ("RNG501", "encoder.layers.1.linear1.weight", "warn") in found(arrays, tmp_path)
