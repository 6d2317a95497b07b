"""Gram systems beside the dense matrices of the same kernels."""

import numpy as np
import pytest
from scipy.stats import qmc as scipy_qmc

import fasttx
from fasttx.gp import FastGram
from fasttx.kernels import DSIKernel, SIKernel
from fasttx.qmc import DigitalNet, Lattice

D = 3
KERNELS = {
    "si 1": SIKernel(D, alpha=1, weights=[1, 0.5, 0.1], scale=2.0),
    "si 2": SIKernel(D, alpha=[2, 1, 3], weights=0.3),
    "dsi 1": DSIKernel(D, alpha=1, weights=[0.9, 0.5, 0.1], scale=0.5),
    "dsi 2": DSIKernel(D, alpha=2),
    "dsi 4": DSIKernel(D, alpha=[4, 2, 3], weights=0.5),
    "dsi 6": DSIKernel(D, alpha=6, weights=0.5),
    "dsi first": DSIKernel(D, alpha=1.5, digits="first", weights=0.3),
    "sum": DSIKernel(D, alpha=2, dims=[0, 2]) + 0.5 * DSIKernel(D, alpha=1, dims=[1]),
    "product": SIKernel(D, dims=[0]) * SIKernel(D, alpha=1, dims=[1, 2]),
}


def engines(sequence):
    if sequence == "lattice":
        for order in ("radical-inverse", "gray", "linear"):
            yield Lattice(D, order=order, rng=5)
        yield Lattice(D, shift=False)
        return
    for order in ("radical-inverse", "gray"):
        for randomize in ("lms+shift", "shift", "lms", None):
            yield DigitalNet(D, order=order, randomize=randomize, rng=5)
    yield DigitalNet(D, interlace=2, rng=5)


@pytest.mark.parametrize("n", [1, 2, 16, 64, 48, 43])
@pytest.mark.parametrize("name", KERNELS)
def test_against_the_dense_matrix(name, n):
    kernel = KERNELS[name]
    rng = np.random.default_rng(0)
    for engine in engines(kernel.sequence):
        if n & (n - 1) and getattr(engine, "order", "") in ("linear", "gray"):
            continue
        noise = 0.01
        points = engine.random(n)
        dense = kernel(points) + noise * np.eye(n)
        gram = FastGram(points, kernel, noise)
        assert gram.jitter == 0
        np.testing.assert_array_equal(gram.points, points)
        b = rng.standard_normal((n, 2))
        np.testing.assert_allclose(gram @ b, dense @ b, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(gram.solve(b), np.linalg.solve(dense, b), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(gram.logdet(), np.linalg.slogdet(dense)[1], rtol=1e-9, atol=1e-9)
        white = gram.inv_sqrt(np.eye(n))
        np.testing.assert_allclose(white @ dense @ white.T, np.eye(n), atol=1e-9)
        if n & (n - 1) == 0:
            found = np.sort(gram.eigenvalues)
            np.testing.assert_allclose(found, np.linalg.eigvalsh(dense), rtol=1e-8, atol=1e-10)
        else:
            with pytest.raises(ValueError, match="power of two"):
                _ = gram.eigenvalues
        # The engine itself, and its digits, give the same.
        fresh = FastGram(engine.reset(), kernel, noise, n=n)
        np.testing.assert_array_equal(fresh @ b, gram @ b)
        raw = FastGram(engine.reset().random_raw(n), kernel, noise, bits=engine.bits)
        np.testing.assert_array_equal(raw @ b, gram @ b)


def test_column_at_the_first_point():
    """K = F diag(sqrt(n) F k) F^H for the column at x_0, and not at 0."""
    n, kernel = 64, KERNELS["dsi 2"]
    x = DigitalNet(D, rng=1).random(n)
    gram = FastGram(x, kernel)
    np.testing.assert_allclose(gram.column, kernel(x, x[:1])[:, 0], rtol=1e-14)
    np.testing.assert_allclose(gram.eigenvalues, fasttx.fwht(gram.column), rtol=1e-12, atol=1e-12)
    wrong = fasttx.fwht(kernel(x, np.zeros((1, D)))[:, 0])
    assert not np.allclose(np.sort(wrong), np.sort(gram.eigenvalues))


def test_nested_scrambling():
    n = 128
    x = DigitalNet(D, randomize="nus", rng=3).random(n)
    for name in ("dsi 1", "dsi first"):
        dense = KERNELS[name](x)
        gram = FastGram(x, KERNELS[name])
        np.testing.assert_allclose(gram @ np.eye(n), dense, atol=1e-12)
        np.testing.assert_allclose(gram.logdet(), np.linalg.slogdet(dense)[1], rtol=1e-9)
    kernel, b = KERNELS["dsi 2"], np.random.default_rng(0).standard_normal((n, 2))
    dense = kernel(x) + 1e-3 * np.eye(n)
    gram = FastGram(x, kernel, 1e-3)
    np.testing.assert_allclose(gram @ b, dense @ b, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gram.solve(b), np.linalg.solve(dense, b), rtol=1e-7, atol=1e-7)
    with pytest.raises(ValueError, match="first differing digit"):
        gram.logdet()
    with pytest.raises(np.linalg.LinAlgError, match="conjugate gradients reached"):
        gram.solve(b, tol=1e-15, maxiter=2)


@pytest.mark.parametrize("name", ["dsi 2", "si 2", "dsi 1"])
def test_extend(name):
    kernel = KERNELS[name]
    engine = next(engines(kernel.sequence))
    x = engine.random(256)
    gram = FastGram(x[:64], kernel, 0.1)
    for n in (128, 256):
        gram = gram.extend(x[n // 2 : n])
        whole = FastGram(x[:n], kernel, 0.1)
        np.testing.assert_allclose(gram.eigenvalues, whole.eigenvalues, rtol=1e-12)
        np.testing.assert_array_equal(gram.column, whole.column)
        assert gram.shape == (n, n)
    grown = FastGram(engine.reset(), kernel, 0.1, n=128).extend()
    np.testing.assert_allclose(grown.eigenvalues, gram.eigenvalues, rtol=1e-12)
    with pytest.raises(ValueError, match="not a"):
        gram.extend(np.random.default_rng(0).random((256, D)))


def test_others_points():
    """SciPy's Sobol' points are in Gray order; a lattice in floating point is off by rounding."""
    x = scipy_qmc.Sobol(D, rng=2).random(256)
    kernel = KERNELS["dsi 4"]
    b = np.random.default_rng(0).standard_normal(256)
    np.testing.assert_allclose(FastGram(x, kernel) @ b, kernel(x) @ b, rtol=1e-11, atol=1e-11)
    index = np.arange(256)[:, None]
    x = (index * np.array([1, 75, 101]) / 256 + [0.1, 0.77, 0.3]) % 1.0
    kernel = KERNELS["si 2"]
    np.testing.assert_allclose(FastGram(x, kernel) @ b, kernel(x) @ b, rtol=1e-11, atol=1e-11)


def test_samples_have_the_covariance():
    n = 8
    for name in ("dsi 2", "si 1"):
        gram = FastGram(next(engines(KERNELS[name].sequence)).random(n), KERNELS[name], 0.1)
        draws = gram.sample(rng=0, size=40000)
        dense = gram @ np.eye(n)
        np.testing.assert_allclose(draws @ draws.T / 40000, dense, atol=0.05 * dense.max())
        assert gram.sample(rng=0).shape == (n,)


def test_single_precision():
    gram = FastGram(DigitalNet(D, rng=0), KERNELS["dsi 2"], 0.1, n=1024, dtype=np.float32)
    b = np.ones(1024, np.float32)
    assert (gram @ b).dtype == np.float32
    twin = FastGram(DigitalNet(D, rng=0), KERNELS["dsi 2"], 0.1, n=1024)
    np.testing.assert_allclose(gram.solve(b), twin.solve(b), rtol=1e-4)


def test_operator():
    gram = FastGram(Lattice(D, rng=0), KERNELS["si 2"], n=32)
    fasttx.testing.dottest(gram.matvec, gram.rmatvec, (32,))
    z = np.arange(32) * (1 + 2j)
    np.testing.assert_allclose(gram @ z, (gram @ np.arange(32.0)) * (1 + 2j))
    assert gram.T @ np.ones(32) == pytest.approx(gram @ np.ones(32))


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        (np.random.default_rng(0).random((64, D)), {}, "not a digital net"),
        (Lattice(D, rng=0).random(64), {}, "not a digital net"),
        (DigitalNet(D, rng=0).random(64)[::-1], {"noise": -1.0}, "noise"),
        (np.full((4, D), 1.0), {}, r"\[0, 1\)"),
        (np.full((4, D), np.nan), {}, r"\[0, 1\)"),
        (np.zeros((4, 2)), {}, r"shape \(n, 3\)"),
        (np.zeros((0, D)), {}, "empty"),
        (DigitalNet(2, rng=0), {"n": 4}, "2 dimensions"),
        (DigitalNet(D, rng=0, replications=2), {"n": 4}, "replications"),
        (DigitalNet(D, rng=0).fast_forward(8), {"n": 4}, "reset"),
    ],
)
def test_bad_points(points, options, message):
    with pytest.raises(ValueError, match=message):
        FastGram(points, KERNELS["dsi 2"], **options)


def test_bad_vectors():
    gram = FastGram(DigitalNet(D, rng=0), KERNELS["dsi 2"], n=8)
    with pytest.raises(ValueError, match=r"\(8,\) or \(8, k\)"):
        gram.solve(np.ones(9))
    with pytest.raises(ValueError, match="not finite"):
        gram.solve(np.full(8, np.nan))
    with pytest.raises(TypeError, match="missing"):
        FastGram(DigitalNet(D, rng=0), KERNELS["dsi 2"])
    with pytest.raises(ValueError, match="not a rank-1 lattice"):
        FastGram(DigitalNet(D, rng=0).random(64), KERNELS["si 2"])
