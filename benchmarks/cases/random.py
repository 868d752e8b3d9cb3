"""Filling arrays with random numbers, against NumPy's fastest generators, PyTorch and JAX. One thread unless said."""

import functools

import numpy as np

from initcore import random as icr

from .._case import case

N = 1_000_000
KEY = icr.Key(0)
GENERATORS = (np.random.PCG64, np.random.PCG64DXSM, np.random.SFC64, np.random.MT19937, np.random.Philox)


def _numpy(c, call):
    """Every NumPy bit generator is a rival; a target names them all and so means the best."""
    for bits in GENERATORS:
        c.rival(f"numpy {bits.__name__}", functools.partial(call, np.random.Generator(bits(1))))


NUMPY = "|".join(f"numpy {bits.__name__}" for bits in GENERATORS)


def _jax(c, draw):
    with c.optional("jax") as jax:
        key, jitted = jax.random.key(0), jax.jit(lambda k: draw(jax, k))
        c.rival("jax", lambda: jitted(key).block_until_ready())


def _torch(c, draw, n=N):
    with c.optional("torch") as torch:
        t = torch.empty(n)
        c.rival("torch", lambda: draw(torch, t))


def _moments(make, mean, std):
    def check():
        x = make().astype(np.float64)
        np.testing.assert_allclose([x.mean(), x.std()], [mean, std], atol=5 / x.size**0.5)
    return check


@case("random", "normal f32 1e6", target={"torch": 3.0, NUMPY: 6.0, "jax": 8.0})
def _(c):
    out, other = np.empty(N, np.float32), np.empty(N, np.float32)
    c.ours = lambda: icr.normal(N, rng=KEY, out=out)
    _torch(c, lambda torch, t: t.normal_())
    _numpy(c, lambda g: g.standard_normal(out=other, dtype=np.float32))
    _jax(c, lambda jax, k: jax.random.normal(k, (N,)))
    c.check = _moments(c.ours, 0, 1)


@case("random", "uniform f32 1e6", target={"torch": 4.0, NUMPY: 2.5})
def _(c):
    out, other = np.empty(N, np.float32), np.empty(N, np.float32)
    c.ours = lambda: icr.uniform(N, rng=KEY, out=out)
    _torch(c, lambda torch, t: t.uniform_())
    _numpy(c, lambda g: g.random(out=other, dtype=np.float32))
    c.check = _moments(c.ours, 0.5, 12**-0.5)


@case("random", "truncated normal f32 1e6, +-2 sigma", target={"torch": 20.0, "jax": 8.0})
def _(c):
    out = np.empty(N, np.float32)
    c.ours = lambda: icr.truncated_normal(N, rng=KEY, out=out)
    _torch(c, lambda torch, t: torch.nn.init.trunc_normal_(t, 0.0, 1.0, -2.0, 2.0))
    _jax(c, lambda jax, k: jax.random.truncated_normal(k, -2, 2, (N,)))
    c.check = _moments(c.ours, 0, 0.87962566103423978)


@case("random", "normal f32 over raw words 1e6", target={"words": 2.2}, at_most=True)
def _(c):
    out, words = np.empty(N, np.float32), np.empty(N, np.uint32)
    c.ours = lambda: icr.normal(N, rng=KEY, out=out)
    c.rival("words", lambda: icr.bits(N, rng=KEY, out=words))
    c.check = _moments(c.ours, 0, 1)


def _half(dtype):
    @case("random", f"normal {dtype} over f32 1e6", target={"float32": 1.3}, at_most=True)
    def _(c):
        out, single = icr.normal(N, rng=KEY, dtype=dtype), np.empty(N, np.float32)
        c.ours = lambda: icr.normal(N, rng=KEY, dtype=dtype, out=out)
        c.rival("float32", lambda: icr.normal(N, rng=KEY, out=single))

        def check():
            wide = out.astype(np.float32) if out.dtype != np.uint16 else (out.astype(np.uint32) << 16).view(np.float32)
            np.testing.assert_allclose(wide, icr.normal(N, rng=KEY), rtol=2.0**-8, atol=1e-7)
        c.check = check


_half("float16")
_half("bfloat16")


@case("random", "normal f64 1e6", target={NUMPY: 1.8})
def _(c):
    out, other = np.empty(N), np.empty(N)
    c.ours = lambda: icr.normal(N, rng=KEY, dtype="float64", out=out)
    _numpy(c, lambda g: g.standard_normal(out=other))
    c.check = _moments(c.ours, 0, 1)


@case("random", "normal f32 1e7, 2 threads over 1", target={"1 thread": 1.8}, threads=2, rounds=20)
def _(c):
    n = 10 * N
    out, other = np.empty(n, np.float32), np.empty(n, np.float32)
    c.ours = lambda: icr.normal(n, rng=KEY, out=out, threads=2)
    c.rival("1 thread", lambda: icr.normal(n, rng=KEY, out=other, threads=1))
    c.check = lambda: np.testing.assert_array_equal(c.ours(), icr.normal(n, rng=KEY))


@case("random", "normal f32 1000, one call", target={"torch": 1.0}, rounds=200)
def _(c):
    out = np.empty(1000, np.float32)
    c.ours = lambda: icr.normal(1000, rng=KEY, out=out)
    _torch(c, lambda torch, t: t.normal_(), 1000)
    c.check = lambda: np.testing.assert_array_equal(c.ours(), icr.normal(N, rng=KEY)[:1000])
