"""Elementwise activations: the figures of tanh and sigmoid, and every activation against NumPy's way of writing it."""

import math

import numpy as np

import initcore as ic

from .._case import case

GROUP = "elementwise"
N = 100_000
forward, backward = ic.kernels.activation_forward, ic.kernels.activation_backward


def _data(dtype, n=N):
    return np.random.default_rng(0).standard_normal(n).astype(dtype)


def _close(got, want):
    """Equal to a few units in the last place of the larger of the value and 1/4."""
    np.testing.assert_allclose(got, want, rtol=20 * np.finfo(got.dtype).eps, atol=5 * np.finfo(got.dtype).eps)


def _rivals(c, name, z):
    """PyTorch eager in inference mode, and jitted JAX."""
    with c.optional("torch") as torch:
        t, to = torch.from_numpy(z), torch.empty(len(z), dtype=getattr(torch, z.dtype.name))
        call = getattr(torch, name)

        def eager():
            with torch.inference_mode():
                return call(t, out=to)
        c.rival("torch", eager)
    with c.optional("jax") as jax:
        jax.config.update("jax_enable_x64", True)
        jitted = jax.jit(jax.numpy.tanh if name == "tanh" else jax.nn.sigmoid)
        j = jax.numpy.asarray(z)
        c.rival("jax", lambda: jitted(j).block_until_ready())


@case(GROUP, "tanh f32 100000", target={"numpy": 5.0, "torch|jax": 1.6})
def _(c):
    z = _data("float32")
    out, theirs = np.empty_like(z), np.empty_like(z)
    c.ours = lambda: forward("tanh", z, out=out)
    c.rival("numpy", lambda: np.tanh(z, out=theirs))
    _rivals(c, "tanh", z)
    c.check = lambda: _close(forward("tanh", z), np.tanh(z))


@case(GROUP, "sigmoid f32 100000", target={"scipy": 8.0, "torch|jax": 1.7})
def _(c):
    z = _data("float32")
    out, theirs = np.empty_like(z), np.empty_like(z)
    c.ours = lambda: forward("sigmoid", z, out=out)
    with c.optional("scipy.special", "scipy") as special:
        expit = special.expit
        c.rival("scipy", lambda: expit(z, out=theirs))
    _rivals(c, "sigmoid", z)
    c.check = lambda: _close(forward("sigmoid", z), 1 / (1 + np.exp(-z.astype(np.float64))))


@case(GROUP, "tanh f64 100000", target={"numpy|torch|jax": 3.0})
def _(c):
    z = _data("float64")
    out, theirs = np.empty_like(z), np.empty_like(z)
    c.ours = lambda: forward("tanh", z, out=out)
    c.rival("numpy", lambda: np.tanh(z, out=theirs))
    _rivals(c, "tanh", z)
    c.check = lambda: _close(forward("tanh", z), np.tanh(z))


def _large(name):
    @case(GROUP, f"{name} f32 1e7, 2 threads", target={"copyto": 1.25}, at_most=True, threads=2, rounds=20)
    def _(c):
        z = _data("float32", 10_000_000)
        out = np.empty_like(z)
        c.ours = lambda: forward(name, z, out=out, threads=2)
        c.rival("copyto", lambda: np.copyto(out, z))
        c.check = lambda: np.testing.assert_array_equal(forward(name, z, threads=2)[::1000], forward(name, z[::1000]))


for _name in ("tanh", "sigmoid"):
    _large(_name)


def _erf():
    """The error function a NumPy user has: SciPy's, else the standard library's."""
    try:
        from scipy.special import erf
        return erf
    except ImportError:
        return np.vectorize(math.erf, otypes=["d"])


erf = _erf()
_S, _A, _C = 1.0507009873554805, 1.6732632423543772, math.sqrt(2 / math.pi)


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _inner(z):
    return _C * (z + 0.044715 * z * z * z)


def _pdf(z):
    return np.exp(-0.5 * z * z) * (1 / math.sqrt(2 * math.pi))


def _gelu_tanh_slope(z):
    t = np.tanh(_inner(z))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * _C * (1 + 3 * 0.044715 * z * z)


def _silu_slope(z):
    s = _sigmoid(z)
    return s * (1 + z * (1 - s))


def _mish_slope(z):
    t = np.tanh(np.log1p(np.exp(z)))
    return t + z * (1 - t * t) * _sigmoid(z)


# name -> (phi, phi') as a NumPy user writes them.
NUMPY_WAY = {
    "identity": (lambda z: z.copy(), lambda z: np.ones_like(z)),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * (1 - _sigmoid(z))),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "hard_sigmoid": (lambda z: np.clip(z / 6 + 0.5, 0, 1), lambda z: np.where(np.abs(z) < 3, z.dtype.type(1 / 6), 0)),
    "hard_tanh": (lambda z: np.clip(z, -1, 1), lambda z: (np.abs(z) < 1).astype(z.dtype)),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2),
    "arctan": (np.arctan, lambda z: 1 / (1 + z * z)),
    "erf": (erf, lambda z: (2 / math.sqrt(math.pi)) * np.exp(-z * z)),
    "softplus": (lambda z: np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))), _sigmoid),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "leaky_relu": (lambda z: np.maximum(z, 0.01 * z), lambda z: np.where(z > 0, z.dtype.type(1), z.dtype.type(0.01))),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda z: np.exp(np.minimum(z, 0))),
    "selu": (lambda z: _S * np.where(z > 0, z, _A * np.expm1(np.minimum(z, 0))),
             lambda z: _S * np.where(z > 0, 1, _A * np.exp(np.minimum(z, 0)))),
    "gelu": (lambda z: 0.5 * z * (1 + erf(z * math.sqrt(0.5))),
             lambda z: 0.5 * (1 + erf(z * math.sqrt(0.5))) + z * _pdf(z)),
    "gelu_tanh": (lambda z: 0.5 * z * (1 + np.tanh(_inner(z))), _gelu_tanh_slope),
    "silu": (lambda z: z * _sigmoid(z), _silu_slope),
    "mish": (lambda z: z * np.tanh(np.log1p(np.exp(z))), _mish_slope),
    "sin": (np.sin, np.cos),
}


def _pair(name, dtype):
    phi, slope = NUMPY_WAY[name]

    @case(GROUP, f"{name} forward {dtype}", target={"numpy": 1.0}, rounds=20)
    def _(c):
        z = _data(dtype)
        out = np.empty_like(z)
        c.ours = lambda: forward(name, z, out=out)
        c.rival("numpy", lambda: phi(z))
        c.check = lambda: _close(forward(name, z), phi(z))

    @case(GROUP, f"{name} backward {dtype}", target={"numpy": 1.0}, rounds=20)
    def _(c):
        z, dy = _data(dtype), _data(dtype)[::-1].copy()
        out = np.empty_like(z)
        c.ours = lambda: backward(name, z, dy, out=out)
        c.rival("numpy", lambda: dy * slope(z))
        c.check = lambda: _close(backward(name, z, np.ones_like(dy)), slope(z))


for _name in NUMPY_WAY:
    for _dtype in ("float32", "float64"):
        _pair(_name, _dtype)


@case(GROUP, "tanh f32 8, one call", target={"numpy": 0.5})
def _(c):
    z = _data("float32", 8)
    out, theirs = np.empty_like(z), np.empty_like(z)
    c.ours = lambda: forward("tanh", z, out=out)
    c.rival("numpy", lambda: np.tanh(z, out=theirs))
    c.check = lambda: _close(forward("tanh", z), np.tanh(z))
