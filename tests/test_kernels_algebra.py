"""Sums and products of kernels, and stationary kernels beside scikit-learn's and mpmath."""

import math

import mpmath
import numpy as np
import pytest
from sklearn.gaussian_process import kernels as sklearn_kernels

from fasttx.kernels import (
    DSIKernel,
    Gaussian,
    Kernel,
    Matern,
    ProductKernel,
    RationalQuadratic,
    SIKernel,
    SumKernel,
)
from fasttx.structured import MultilevelToeplitz, Toeplitz

ONE = 1 << 53

A = DSIKernel(4, alpha=[2, 3], weights=[0.5, 0.2], scale=2.0, dims=[0, 2])
B = DSIKernel(4, alpha=1, weights=0.7, scale=0.5, dims=[1])
C = DSIKernel(4, alpha=4)
P = SIKernel(4, alpha=3, weights=[0.5, 0.2], scale=2.0, dims=[0, 2])
Q = SIKernel(4, alpha=2, weights=0.7, scale=0.5, dims=[3])

# How a kernel is made of others, and how the matrix is made of theirs.
ALGEBRA = {
    "sum": (A + C, lambda x, z: A(x, z) + C(x, z)),
    "product": (A * B, lambda x, z: A(x, z) * B(x, z)),
    "overlap": (A * C, lambda x, z: A(x, z) * C(x, z)),
    "multiple": (3 * (A + B) * 0.5, lambda x, z: 1.5 * (A(x, z) + B(x, z))),
    "multiple of a product": (2.5 * (A * B), lambda x, z: 2.5 * A(x, z) * B(x, z)),
    "nested": (A * B + 0.1 * C, lambda x, z: A(x, z) * B(x, z) + 0.1 * C(x, z)),
    "lattice": (P * Q + P, lambda x, z: P(x, z) * (Q(x, z) + 1)),
    "grid": (
        Gaussian(4) * Matern(4, 1.5, 0.5) + RationalQuadratic(4),
        lambda x, z: Gaussian(4)(x, z) * Matern(4, 1.5, 0.5)(x, z) + RationalQuadratic(4)(x, z),
    ),
}


def digits(n, d=4, seed=0):
    return np.random.default_rng(seed).integers(0, ONE, (n, d), dtype=np.uint64)


def check_pullback(kernel, x, rtol=1e-6):
    """Derivatives by the hyperparameters beside central differences."""
    g = np.random.default_rng(1).standard_normal(len(x))
    found = kernel.column_pullback(x, x[3], g)
    assert found.shape == kernel.theta.shape == (len(kernel.hyperparameter_names),)
    assert kernel.bounds.shape == (found.size, 2)
    for p, value in enumerate(found):
        step = np.zeros_like(found)
        step[p] = 1e-5
        up, down = (
            g @ kernel.clone_with_theta(kernel.theta + s).column(x, x[3]) for s in (step, -step)
        )
        assert value == pytest.approx((up - down) / 2e-5, rel=rtol, abs=1e-8)


@pytest.mark.parametrize("name", ALGEBRA)
def test_sums_and_products(name):
    kernel, expected = ALGEBRA[name]
    x, z = digits(40), digits(9, seed=5)
    np.testing.assert_allclose(kernel(x, z), expected(x, z), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(kernel(x), expected(x, x), rtol=1e-13, atol=1e-14)
    column = kernel.column(x)
    np.testing.assert_allclose(column, expected(x, x[:1])[:, 0], rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(
        kernel.column(x, z[0]), expected(x, z[:1])[:, 0], rtol=1e-13, atol=1e-14
    )
    out = np.empty(40, np.float32)
    assert kernel.column(x, out=out) is out
    np.testing.assert_array_equal(out, column.astype(np.float32))
    assert kernel.k0 == pytest.approx(column[0], rel=1e-14)
    check_pullback(kernel, x)
    twin = kernel.clone_with_theta(kernel.theta)
    np.testing.assert_allclose(twin.column(x), column, rtol=1e-13)
    theta = kernel.theta
    theta[kernel.scale_indices] += np.log(3.0)
    np.testing.assert_allclose(kernel.clone_with_theta(theta).column(x), 3 * column, rtol=1e-13)
    assert np.linalg.eigvalsh(kernel(x)).min() > -1e-12 * kernel.k0


def test_what_sums_and_products_know():
    for kernel in (A + B, A * B):
        assert kernel.dims == (0, 1, 2)
        assert kernel.sequence == "net"
        assert not kernel.depends_on_first_digit
        np.testing.assert_array_equal(kernel.theta, [*A.theta, *B.theta])
        assert kernel.hyperparameter_names[0] == "first.scale"
        assert kernel.hyperparameter_names[-1] == "second.weights[0]"
    first = DSIKernel(4, 2.5, digits="first")
    assert (B + first).depends_on_first_digit
    assert (B * first).depends_on_first_digit
    assert (P + Q).sequence == "lattice"
    assert (Gaussian(2) + Matern(2)).sequence is None
    assert isinstance(A + B, SumKernel)
    assert isinstance(A * B, ProductKernel)
    assert isinstance(2 * A, DSIKernel)
    assert repr(2 * B) == "DSIKernel(4, alpha=1, weights=0.7, scale=1, dims=(1,))"
    assert repr(B + B) == f"SumKernel({B!r}, {B!r})"
    assert B.weights == [0.7]


def test_means():
    assert (A + B).mean == 2.5
    assert (A * B).mean == (A * B).integral == 1.0
    x = digits(50)
    for kernel in (A + C, A * B, A * B + C, P * Q):
        stable = kernel.column(x, stable=True)
        np.testing.assert_allclose(stable, kernel.column(x) - kernel.mean, atol=1e-13)
    tiny = DSIKernel(4, 2, 1e-9, dims=[0]) * DSIKernel(4, 2, 1e-9, dims=[1])
    parts = [DSIKernel(4, 2, 1e-9, dims=[k]).column(x, stable=True) for k in range(2)]
    found = tiny.column(x, stable=True, dtype="f4")
    np.testing.assert_allclose(found, np.sum(parts, axis=0), rtol=1e-6, atol=1e-17)
    with pytest.raises(ValueError, match=r"the mean of a product .* \[0, 2\] in common"):
        _ = (A * C).mean
    with pytest.raises(ValueError, match=r"the difference from the mean of a product .* \[0, 2\]"):
        (A * C).column(x, stable=True)
    with pytest.raises(NotImplementedError, match="the mean of Gaussian is not known"):
        _ = Gaussian(2).mean
    with pytest.raises(ValueError, match="stable=True needs a kernel whose mean is known"):
        Gaussian(4).column(x, stable=True)


def test_derivatives_of_sums_and_products():
    x, z = digits(8), digits(7, seed=1)
    orders = (1, 0, 0, 0), (0, 0, 0, 1)
    none = (0, 0, 0, 0)
    left, right = P.derivative(orders[0], none), Q.derivative(none, orders[1])
    derivative = (P * Q).derivative(*orders)
    np.testing.assert_allclose(derivative(x, z), left(x, z) * right(x, z), rtol=1e-13)
    check_pullback(derivative, x)
    both = SIKernel(4, 3)
    derivative = (P + both).derivative(orders[0], orders[0])
    expected = P.derivative(orders[0], orders[0])(x, z) + both.derivative(orders[0], orders[0])(
        x, z
    )
    np.testing.assert_allclose(derivative(x, z), expected, rtol=1e-13)
    assert not (Q + Q).derivative(*orders)(x, z).any()  # coordinate 0 is not among theirs
    with pytest.raises(ValueError, match=r"a derivative of a product .* \[0, 2\] in common"):
        (P * P).derivative(*orders)
    with pytest.raises(NotImplementedError, match="Gaussian has no derivatives"):
        Gaussian(1).derivative([1], [0])


def test_what_cannot_be_combined():
    with pytest.raises(ValueError, match="a net and one for a lattice have no common point sets"):
        A + P
    with pytest.raises(ValueError, match="a lattice and one for a grid have no common point sets"):
        P * Gaussian(4)
    with pytest.raises(ValueError, match="of points of one dimension; got 4 and 3"):
        A + DSIKernel(3)
    for factor in (0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="multiplied by positive numbers; got"):
            factor * A
    for wrong in ("a", None, [1.0], 1j):
        with pytest.raises(TypeError):
            A * wrong
        with pytest.raises(TypeError):
            A + wrong
    with pytest.raises(ValueError, match=r"theta must have shape \(5,\); got \(4,\)"):
        (A + B).clone_with_theta(np.zeros(4))


# --- Stationary kernels ---------------------------------------------------------------------------

SCALES = np.array([0.7, 1.3])
PEERS = {
    "gaussian": (Gaussian(2, SCALES, 2.0), sklearn_kernels.RBF(SCALES)),
    "rational quadratic": (
        RationalQuadratic(2, 0.7, 0.9, 2.0),
        sklearn_kernels.RationalQuadratic(length_scale=0.9, alpha=0.7),
    ),
} | {
    f"matern {nu}": (Matern(2, nu, SCALES, 2.0), sklearn_kernels.Matern(SCALES, nu=nu))
    for nu in (0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.7)
}


@pytest.mark.parametrize("name", PEERS)
def test_stationary_beside_scikit_learn(name):
    kernel, peer = PEERS[name]
    rng = np.random.default_rng(0)
    x, z = 3 * rng.standard_normal((30, 2)), 3 * rng.standard_normal((7, 2))
    np.testing.assert_allclose(kernel(x, z), 2 * peer(x, z), rtol=1e-11, atol=1e-300)
    np.testing.assert_allclose(kernel(x), 2 * peer(x), rtol=1e-11, atol=1e-300)
    np.testing.assert_allclose(kernel.column(x), kernel(x, x[:1])[:, 0], rtol=1e-12)
    np.testing.assert_allclose(kernel.column(x, z[1]), kernel(x, z[1:2])[:, 0], rtol=1e-12)
    assert kernel.k0 == kernel(x[:1])[0, 0] == 2.0
    check_pullback(kernel, x)


@pytest.mark.parametrize("nu", [0.01, 0.7, 3.0, 19.9, 20.0, 33.3, 200.0])
def test_matern_beside_mpmath(nu):
    kernel, distances = Matern(1, nu), np.array([1e-100, 1e-8, 1e-3, 0.1, 0.7, 2.0, 6.0, 40.0])
    found = kernel(np.zeros((1, 1)), distances[:, None])[0]
    with mpmath.workdps(50):
        for r, value in zip(distances, found, strict=True):
            s = mpmath.sqrt(2 * mpmath.mpf(nu)) * mpmath.mpf(r)
            expected = 2 ** (1 - mpmath.mpf(nu)) / mpmath.gamma(nu) * s**nu * mpmath.besselk(nu, s)
            assert value == pytest.approx(float(expected), rel=1e-11, abs=1e-300), r


@pytest.mark.parametrize(
    "kernel", [Gaussian(1, 0.4), Matern(1, 1.5, 2.0, 3.0), RationalQuadratic(1, 2.0, 2.0)]
)
def test_grid_in_one_dimension(kernel):
    gram = kernel.grid(20, 0.5, noise=0.1)
    assert isinstance(gram, Toeplitz)
    dense = kernel(0.5 * np.arange(20)[:, None]) + 0.1 * np.eye(20)
    np.testing.assert_allclose(gram.to_dense(), dense, rtol=1e-14)
    y = np.random.default_rng(0).standard_normal(20)
    np.testing.assert_allclose(gram @ y, dense @ y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gram.solve(y), np.linalg.solve(dense, y), rtol=1e-8)
    assert gram.logdet() == pytest.approx(np.linalg.slogdet(dense)[1], rel=1e-11)


@pytest.mark.parametrize("kernel", [Gaussian(3, [0.4, 1.0, 2.0]), Matern(3, 0.5, 2.0)])
def test_grid_in_several_dimensions(kernel):
    shape, spacing = (4, 1, 5), (0.5, 1.0, 2.0)
    gram = kernel.grid(shape, spacing, noise=0.01)
    assert isinstance(gram, MultilevelToeplitz)
    x = np.indices(shape).reshape(3, -1).T * spacing
    dense = kernel(x) + 0.01 * np.eye(20)
    np.testing.assert_allclose(gram.to_dense(), dense, rtol=1e-14)
    y = np.random.default_rng(0).standard_normal(20)
    np.testing.assert_allclose(gram.solve(y), np.linalg.solve(dense, y), rtol=1e-6, atol=1e-8)
    assert gram.logdet() == pytest.approx(np.linalg.slogdet(dense)[1], rel=1e-9)
    assert kernel.grid(3).shape == (27, 27)


def test_stationary_hyperparameters():
    kernel = RationalQuadratic(2, 0.5, [1.0, 2.0], 3.0)
    np.testing.assert_allclose(np.exp(kernel.theta), [3.0, 1.0, 2.0, 0.5])
    assert kernel.hyperparameter_names == ("scale", "length_scale[0]", "length_scale[1]", "mixture")
    twin = kernel.clone_with_theta(np.log([1.0, 0.1, 0.2, 4.0]))
    assert twin.mixture == pytest.approx(4.0)
    assert kernel.mixture == 0.5
    np.testing.assert_allclose(twin.length_scale, [0.1, 0.2])
    assert repr(kernel) == "RationalQuadratic(2, length_scale=[1, 2], scale=3, mixture=0.5)"
    assert repr(Matern(1, 2.5)) == "Matern(1, length_scale=[1], scale=1, nu=2.5)"
    assert isinstance(kernel, Kernel)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian(0), "d must be at least 1; got 0"),
        (
            lambda: Gaussian(2, [1, 2, 3]),
            r"length_scale must be a number or 2 numbers; got .*\(3,\)",
        ),
        (lambda: Gaussian(2, [1, 0]), "length_scale must be positive"),
        (lambda: Gaussian(2, math.nan), "length_scale must be positive; got nan"),
        (lambda: Gaussian(2, scale=-1), "scale must be positive; got -1"),
        (lambda: Matern(2, 0.0), "nu must be positive and at most 200; got 0.0"),
        (lambda: Matern(2, math.inf), "nu must be positive and at most 200; got inf"),
        (lambda: RationalQuadratic(2, -1), "mixture must be positive; got -1"),
        (lambda: Gaussian(2).clone_with_theta([1]), r"theta must have shape \(3,\); got \(1,\)"),
        (lambda: Gaussian(2).grid((3,)), "shape and spacing must be of 2 numbers"),
        (lambda: Gaussian(2).grid((3, 0)), "shape and spacing must be positive"),
        (lambda: Gaussian(2).grid(3, math.nan), "shape and spacing must be positive"),
        (lambda: Gaussian(2).grid(3, noise=-1), "noise must not be negative; got -1"),
        (lambda: Gaussian(2)(np.zeros((3, 1))), r"points must have shape \(n, 2\); got \(3, 1\)"),
        (lambda: Gaussian(1)([[math.nan]]), "points must be finite"),
        (lambda: Gaussian(1).column([[0.0]], [0.0, 1.0]), r"x0 must have shape \(1,\); got \(2,\)"),
        (lambda: Gaussian(1).column_pullback([[0.0]], None, [1, 2]), r"g must have shape \(1,\)"),
    ],
)
def test_bad_stationary_parameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_points_of_stationary_kernels():
    with pytest.raises(TypeError, match="points must be real numbers; got complex128"):
        Gaussian(1)([[1j]])
    x = digits(5)
    np.testing.assert_allclose(Gaussian(4)(x), Gaussian(4)(x / ONE), rtol=1e-14)
    np.testing.assert_allclose(Gaussian(4)(x, bits=60), Gaussian(4)(x / 2.0**60), rtol=1e-14)
