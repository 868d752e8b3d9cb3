"""Stream v1 is frozen: SHA-256 of one million values of each distribution and dtype, under Key(2024).child("golden").

A change here is a new stream version, never a repair. `python tests/random/test_stream_golden.py` prints the table.
"""

import hashlib
import sys

import numpy as np
import pytest

from initcore import random as icr

N = 1_000_000
KEY = icr.Key(2024).child("golden")
CALLS = {
    "uniform": lambda n, dtype: icr.uniform(n, rng=KEY, dtype=dtype),
    "uniform(-0.1, 0.3)": lambda n, dtype: icr.uniform(n, low=-0.1, high=0.3, rng=KEY, dtype=dtype),
    "normal": lambda n, dtype: icr.normal(n, rng=KEY, dtype=dtype),
    "normal(0.1, 0.02)": lambda n, dtype: icr.normal(n, mean=0.1, std=0.02, rng=KEY, dtype=dtype),
    "truncated(-2, 2)": lambda n, dtype: icr.truncated_normal(n, rng=KEY, dtype=dtype),
    "truncated(1, inf)": lambda n, dtype: icr.truncated_normal(n, lower=1, upper=np.inf, rng=KEY, dtype=dtype),
    "truncated(5.5, 1e6)": lambda n, dtype: icr.truncated_normal(n, lower=5.5, upper=1e6, rng=KEY, dtype=dtype),
    "truncated(37, 38)": lambda n, dtype: icr.truncated_normal(n, lower=37, upper=38, rng=KEY, dtype=dtype),
}
DTYPES = ("float16", "bfloat16", "float32", "float64")


def digest(a):
    """SHA-256 of the little-endian bytes."""
    words = np.ascontiguousarray(a).view(f"u{a.itemsize}")
    return hashlib.sha256(words.astype(words.dtype.newbyteorder("<"), copy=False).tobytes()).hexdigest()


def table(n=N):
    """(distribution, dtype) -> digest of n values."""
    found = {("bits", "uint32"): digest(icr.bits(n, rng=KEY)),
             ("bits from 2**34 - 500000", "uint32"): digest(icr.bits(n, rng=KEY, start=2**34 - 500_000))}
    return found | {(name, dtype): digest(call(n, dtype)) for name, call in CALLS.items() for dtype in DTYPES}


GOLDEN = {
    ("bits", "uint32"): "9fdb9e628d55b6273d51ae0ce7cf20c52f1bd11cb06ec6bd23c9d4a83e674d7f",
    ("bits from 2**34 - 500000", "uint32"): "3b01c3468a67126bfd3178dc03c547c27f5ad729c5cd938bcfe34178fa567b48",
    ("uniform", "float16"): "2e9f538769a0f46c7f6c2ffdadee341559f6c929f0a1f1d51777de9f79fc5cd2",
    ("uniform", "bfloat16"): "2650f90e1e751f1ba495ad318ba6de464fb27df6c7819c4ca4a6136c48dd9c18",
    ("uniform", "float32"): "63a7d0ae4830646f3df0079daf6502052b2c4bd3662b56da3209f89b56a511f9",
    ("uniform", "float64"): "ebdc8a950a1deca2f947892b39a9228f54fe970982feda84719d0dabe4791f08",
    ("uniform(-0.1, 0.3)", "float16"): "c7b13ba9b5fb37ca864c337db25d1fdf2a3588320224a57d33c888b36418056f",
    ("uniform(-0.1, 0.3)", "bfloat16"): "bc7879e3dc5286c7d4245a4ae980c0e59a109b70553cb4d0b48b9f38f5d20d06",
    ("uniform(-0.1, 0.3)", "float32"): "83086a9a3290f36dcfc6f854754b80ac16ba6a76c39bf5e1564a49a748fdf366",
    ("uniform(-0.1, 0.3)", "float64"): "776944b0c6e2bf81d080528415da5dafcbd6a4b0e152b3561a9c25f62d204c76",
    ("normal", "float16"): "e9b3e976312239d8cc30ccfa4030ff2bf582273f6a00d6c86182b8c692b2bfe8",
    ("normal", "bfloat16"): "ebacaa48b21d8420bbce02c83c91953548dfff522b37f119ec6a5a63c93dcaa4",
    ("normal", "float32"): "ede04ea2d22ef787c9d79f926be1ff8d59438c5f12e6c2432249c33811eb733d",
    ("normal", "float64"): "2f40759238da75f407920e641f38ab0ee2f8a6f15222e1ed9d8bcdd96b8108d2",
    ("normal(0.1, 0.02)", "float16"): "614797fd4709734440ef13fb1b7f2bcdddd21e369446301b6cbe0580da97aa7f",
    ("normal(0.1, 0.02)", "bfloat16"): "9fede36adabe22c26d9bd9918391ff6627f2ec6c226be8cf0242106533a23895",
    ("normal(0.1, 0.02)", "float32"): "0e831e4187e1d09cab9295a42eb7f7f5bcd35f2d57aeb96ead3f592f17227fc3",
    ("normal(0.1, 0.02)", "float64"): "6ea49c4123bb7cb773731e431a1deed781d1cf216cd0b2f04d60b890c75770f2",
    ("truncated(-2, 2)", "float16"): "01e518516a15d4d0c27b94cc558209afb36e03391dfe4ee26c96823b08a1490b",
    ("truncated(-2, 2)", "bfloat16"): "e2999b237e1aa26265f9d26d6fbfef7751058072f3248aec88ec23215a6c08d3",
    ("truncated(-2, 2)", "float32"): "b2143a64bee0c6c7f0be22f9b537fe6d949a18df64c92f14f38593fa39960dba",
    ("truncated(-2, 2)", "float64"): "5abe1c3f19d2cc586fe393f2fc5f0c1355d6b768136bff466c3885d930422299",
    ("truncated(1, inf)", "float16"): "c7b322e861a1e932d3728273b16580ff9347b08b474af5f97ee2df37d9321ba4",
    ("truncated(1, inf)", "bfloat16"): "0bb9712f05cdce83cbb6f9903314affe0e7aed7671e062fc326b016c219ded57",
    ("truncated(1, inf)", "float32"): "7cffba3eb7d2deb31f81345b3b8ff2c17897e0f493940e36d9d099190f93168e",
    ("truncated(1, inf)", "float64"): "5870a3249189fe5bf9787628160e98285885b74ca843af47947a1049cb669f35",
    ("truncated(5.5, 1e6)", "float16"): "2e7730975201e742dd531483f3f974ad239e085271b7b94ea8e4eb693b382632",
    ("truncated(5.5, 1e6)", "bfloat16"): "a568d0c1e4c7236a9b22b68b21b8345dd5b2b5b9d760758154440a18bf5a65c3",
    ("truncated(5.5, 1e6)", "float32"): "4dccf1ab231cf9138462c9749585f445431a08eae3d8c2e8a9bfd7c741f4811b",
    ("truncated(5.5, 1e6)", "float64"): "b50d005af209405ece913da5fd229db01bd079548de5cd982314fcb06cfcdb91",
    ("truncated(37, 38)", "float16"): "006eeabf12e90d126fc4436066f92baafc4511f1afebfdb5a69961d498f38197",
    ("truncated(37, 38)", "bfloat16"): "f59d2cfed0b4294ca773501bbc55524c4559b8472e05c77762e34128c1548892",
    ("truncated(37, 38)", "float32"): "af76459c21d86aff5d7c42ca6b048cea935d31d8ad38082d7baa9ca490b06353",
    ("truncated(37, 38)", "float64"): "e8aee8cb3d5acf55beb1642cf313a16fbab50530acdce94be8c262fd940e0ffc",
}


@pytest.fixture(scope="module")
def made():
    return table()


def test_nothing_is_missing(made):
    assert made.keys() == GOLDEN.keys()


@pytest.mark.parametrize("which", GOLDEN, ids=" ".join)
def test_stream_v1(made, which):
    assert made[which] == GOLDEN[which]


def test_stream_v1_on_every_variant(run_on, isa):
    """The other instruction sets, by running this file there."""
    printed = run_on(isa, f"import runpy; runpy.run_path({__file__!r}, run_name='__main__')")
    assert [line.split('"')[5] for line in printed.splitlines()] == list(GOLDEN.values())


def test_the_baseline_needs_no_fma_instruction(run_on, isa, monkeypatch):
    """Without it the bits are the same, slowly: a sample of each distribution."""
    monkeypatch.setenv("INITCORE_NO_FMA", "1")
    printed = run_on(isa, f"import runpy, sys; sys.argv = ['', '20000']; "
                          f"runpy.run_path({__file__!r}, run_name='__main__')")
    assert [line.split('"')[5] for line in printed.splitlines()] == list(table(20_000).values())


if __name__ == "__main__":
    for (distribution, kind), value in table(*map(int, sys.argv[1:])).items():
        sys.stdout.write(f'    ("{distribution}", "{kind}"): "{value}",\n')
