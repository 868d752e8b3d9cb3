"""Orthogonal initialisers: error bound, Haar distribution, the blocked product against explicit reflections."""

import math

import numpy as np
import pytest
from scipy import stats

import initcore as ic
from initcore import initializers as init
from initcore.fans import LAYOUTS, fans
from initcore.initializers import _householder

EPS = {"float16": 2.0 ** -10, "bfloat16": 2.0 ** -7, "float32": 2.0 ** -23, "float64": 2.0 ** -52}


def error(q):
    """Largest entry of Q'Q - I over the shorter side, in float64."""
    q = np.asarray(q).astype(np.float64)
    q = q if q.shape[0] >= q.shape[1] else q.T
    return abs(q.T @ q - np.eye(q.shape[1])).max()


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (7, 3), (3, 7), (64, 64), (97, 96), (96, 97), (130, 300), (300, 130),
                                   (257, 257), (1000, 2), (1, 500)])
def test_orthogonality(shape, dtype):
    for seed in range(3 if max(shape) < 50 else 1):
        assert error(init.orthogonal(shape, rng=seed, dtype=dtype)) <= 10 * max(shape) * EPS[dtype]


def explicit(n, m, key):
    """H_1 ... H_m D applied one reflection at a time, in float64, to the same Gaussian vectors."""
    g = ic.random.normal((n, m), rng=key, dtype="float64")
    q = np.eye(n)
    signs = np.ones(m)
    for k in range(m):
        v = np.zeros(n)
        v[k:] = g[k:, k]
        signs[k] = -1 if v[k] >= 0 else 1
        v[k] += math.copysign(np.linalg.norm(v[k:]), v[k])
        q -= np.outer(q @ v, v) * (2 / (v @ v))
    return q[:, :m] * signs


B = _householder._BLOCK


@pytest.mark.parametrize("n, m", [(1, 1), (2, 1), (2, 2), (5, 5), (17, 16), (33, 33), (B, B), (B + 1, B),
                                  (B + 1, B + 1), (2 * B + 5, 2 * B + 1), (3 * B, 40), (300, 200)])
def test_blocks_against_one_reflection_at_a_time(n, m):
    key = ic.Key(n)
    want = explicit(n, m, key)
    got = init.orthogonal((n, m), rng=key, dtype="float64")
    assert abs(got - want).max() < 1e-13 * math.sqrt(n)
    assert abs(init.orthogonal((n, m), rng=key) - want).max() < 1e-5
    assert np.array_equal(init.orthogonal((n, m), rng=key, gain=2, dtype="float64"), 2 * got)


def test_transposed_layouts_share_the_numbers():
    for n, m in [(5, 3), (3, 5), (4, 4), (130, 70)]:
        a = init.orthogonal((n, m), rng=2)
        assert np.array_equal(init.orthogonal((m, n), rng=2, layout="oi"), a.T)
        assert a.flags.c_contiguous


def draws(n, m, count, gain=1.0):
    """``count`` independent n x m matrices: the groups of one kernel."""
    w = init.orthogonal((count * m, n), layout="oi", groups=count, rng=ic.Key(n * 100 + m), dtype="float64", gain=gain)
    return w.reshape(count, m, n).transpose(0, 2, 1)


@pytest.mark.parametrize("n, m", [(1, 1), (2, 2), (4, 4), (5, 2), (2, 5)])
def test_haar_entries(n, m):
    """Every entry has the law of a coordinate of a uniform point on the sphere: q^2 ~ Beta(1/2, (N - 1)/2)."""
    q = draws(n, m, 1500)
    side = max(n, m)
    assert abs(abs(q[:, 0, 0]) <= 1 + 1e-12).all()
    for i in range(n):
        for j in range(m):
            x = q[:, i, j]
            assert abs((x > 0).mean() - 0.5) < 5 * 0.5 / math.sqrt(len(q))
            if side > 1:
                assert stats.kstest(x ** 2, stats.beta(0.5, (side - 1) / 2).cdf).pvalue > 1e-5
            else:
                assert np.allclose(abs(x), 1)


def test_haar_traces():
    """Diaconis and Shahshahani 1994: E tr Q = 0, E (tr Q)^2 = 1, E (tr Q)^4 = 3, E tr Q^2 = 1; det is a fair coin."""
    q = draws(5, 5, 3000)
    t, t2 = np.trace(q, axis1=1, axis2=2), np.trace(q @ q, axis1=1, axis2=2)
    n = math.sqrt(len(q))
    assert abs(t.mean()) < 5 / n
    assert abs((t ** 2).mean() - 1) < 5 * math.sqrt(2) / n
    assert abs((t ** 4).mean() - 3) < 5 * math.sqrt(96) / n
    assert abs(t2.mean() - 1) < 5 * math.sqrt(2) / n
    det = np.linalg.det(q)
    assert np.allclose(abs(det), 1) and abs((det > 0).mean() - 0.5) < 5 * 0.5 / n
    # Invariance: a fixed rotation changes neither side's law (the trace of R Q is again 0, 1, 3).
    r = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]
    for turned in (r @ q, q @ r):
        t = np.trace(turned, axis1=1, axis2=2)
        assert abs(t.mean()) < 5 / n and abs((t ** 2).mean() - 1) < 5 * math.sqrt(2) / n
        assert abs((t ** 4).mean() - 3) < 5 * math.sqrt(96) / n


def test_haar_in_one_large_matrix():
    """Eigenvalue angles of a Haar matrix repel each other: |tr Q^k| stays near sqrt(k), free phases would give 13."""
    q = init.orthogonal((160, 160), rng=11).astype(np.float64)
    angles = np.angle(np.linalg.eigvals(q))
    for k in range(1, 6):
        assert abs(np.exp(1j * k * angles).sum()) < 5 * math.sqrt(k) + 1
    assert abs(np.mean(q ** 2) * 160 - 1) < 1e-5
    assert abs(np.mean(q ** 4) / (3 / (160 * 162)) - 1) < 5 * math.sqrt(10.7) / 160


def as_matrices(w, layout, groups):
    """(groups, out, in * space) from any layout."""
    o, i = layout.index("o"), layout.index("i")
    w = w.transpose([o, i, *(k for k, c in enumerate(layout) if c in "dhw")])
    split = 1 if layout in ("iow", "woi", "iohw", "hwoi", "iodhw", "dhwoi") else 0
    return np.stack([part.reshape(part.shape[0], -1) for part in np.split(w, groups, axis=split)])


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_kernels_in_every_layout(layout, groups):
    sizes = {"i": 6, "o": 8, "d": 2, "h": 3, "w": 5}
    shape = tuple(sizes[c] for c in layout)
    arguments = {"layout": layout, "groups": groups, "rng": 5, "dtype": "float64"}
    w = as_matrices(init.orthogonal(shape, gain=3.0, **arguments), layout, groups)
    assert all(error(part / 3) < 1e-13 for part in w)
    if groups == 2:
        assert abs(w[0] - w[1]).max() > 0.1
    both = fans(shape, layout=layout, groups=groups)
    w = as_matrices(init.spectral(shape, **arguments), layout, groups)
    assert np.allclose(np.linalg.svd(w, compute_uv=False), math.sqrt(both.fan_out / both.fan_in), rtol=1e-13)
    if len(layout) > 2:
        w = init.delta_orthogonal(shape, **arguments)
        centre = tuple(slice(sizes[c] // 2, sizes[c] // 2 + 1) if c in "dhw" else slice(None) for c in layout)
        assert all(error(part) < 1e-13 for part in as_matrices(w[centre], layout, groups))
        w[centre] = 0
        assert not w.any()


def test_delta_orthogonal_keeps_the_norm_of_images():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, 6, 6))
    w = init.delta_orthogonal((7, 4, 3, 3), layout="oihw", rng=0, dtype="float64")
    spectrum = np.fft.fft2(x)
    kernel = np.zeros((7, 4, 6, 6))
    kernel[:, :, :3, :3] = w
    y = np.fft.ifft2(np.einsum("oihw,ihw->ohw", np.fft.fft2(kernel), spectrum)).real     # a circular convolution
    assert np.linalg.norm(y) == pytest.approx(np.linalg.norm(x), rel=1e-13)
    for groups in (1, 2):
        g = init.delta_orthogonal((8, 4, 5), layout="oiw", groups=groups, rng=0, dtype="float64")[:, :, 2]
        assert all(error(part) < 1e-13 for part in np.split(g, groups))


def test_variants_agree_to_rounding(run_on, isa):
    code = ("import numpy as np, initcore.initializers as i; "
            "print(i.orthogonal((150, 120), rng=0).astype(float).ravel()[::97].tolist())")
    here = init.orthogonal((150, 120), rng=0).ravel()[::97]
    assert np.allclose(eval(run_on(isa, code)), here, atol=2e-6)


def test_threads_do_not_change_bits():
    for shape in [(700, 600), (2, 900)]:
        assert np.array_equal(init.orthogonal(shape, rng=0), init.orthogonal(shape, rng=0, threads=3))


def test_empty():
    for shape in [(0, 3), (3, 0), (0, 0)]:
        assert init.orthogonal(shape, rng=0).shape == shape
    assert init.delta_orthogonal((4, 4, 0), layout="oiw", rng=0).shape == (4, 4, 0)
    assert init.orthogonal((0, 3, 3, 3), layout="oihw", rng=0).shape == (0, 3, 3, 3)
