"""Kernels of lattices and nets beside exact rationals, sympy's polynomials and dense algebra."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import kernels as sklearn_kernels

import fasttx
from fasttx.kernels import DSIKernel, SIKernel

ONE = 1 << 53
# Where digits are few, many, or end in long runs.
SPECIAL = [0, 1, 2, 3, ONE // 2, ONE // 2 - 1, ONE // 2 + 1, ONE - 1, ONE // 64, 5 * ONE // 16]
DIGITS = np.array(SPECIAL + [ONE >> b for b in range(1, 54)], np.uint64)


def random_digits(shape, seed=0):
    return np.random.default_rng(seed).integers(0, ONE, shape, dtype=np.uint64)


def values(kernel, digits):
    """The kernel of one coordinate, of unit weight and scale, as a function of a difference."""
    points = np.asarray(digits, np.uint64)[:, None]
    return kernel.column(points, np.zeros(1, np.uint64), stable=True)


# --- Exact values ---------------------------------------------------------------------------------


def positions(k):
    """Positions of the ones of k, from 1 on, the largest first."""
    return [p for p in range(k.bit_length(), 0, -1) if k >> (p - 1) & 1]


def beyond(q, m):
    """Sum of 2**-(sum of positions) over sets of q positions above m."""
    return Fraction(1, 2 ** (m * q)) / math.prod(2**j - 1 for j in range(1, q + 1))


def brute_force(alpha, x, m):
    """sum_(k >= 1) 2**-mu(k) wal_k(x / 2**m), all k that agree in the first m bits at once."""
    # Above m at least alpha ones, of which the lowest that counts is at i: i - m - 1 bits are free.
    full = Fraction(1, 2 ** (m + 1 + (m + 1) * (alpha - 1))) / (1 - Fraction(1, 2 ** (alpha - 1)))
    full /= math.prod(2**j - 1 for j in range(1, alpha))
    total = Fraction(-1)
    for k in range(1 << m):
        ones = positions(k)
        weight = full + sum(
            beyond(q, m) * Fraction(1, 2 ** sum(ones[: alpha - q])) for q in range(alpha)
        )
        total += (-1) ** sum(x >> (m - p) & 1 for p in ones) * weight
    return total


def by_positions(alpha, digits):
    """The same series for 53 digits: sums over sets of positions, from the last to the first."""
    rows = [Fraction(0)] + [beyond(alpha - r, 53) for r in range(1, alpha + 1)]
    for p in range(53, 0, -1):
        sign = -1 if digits >> (53 - p) & 1 else 1
        power = Fraction(sign, 2**p)
        first = (1 + sign) * rows[0] + power * rows[1]
        rows = [first] + [rows[r] + power * rows[r + 1] for r in range(1, alpha)] + [rows[alpha]]
    return sum(rows) - 1


def test_dsi_known_values():
    places = [0, ONE // 2, 5 * ONE // 16, ONE // 64]
    for alpha, expected in {
        1: [1, 1 - 3 / 2, 1 - 3 / 4, 1 - 3 / 64],
        2: [3 / 2, -1 / 4, 1 / 4, 1.3671875],
        3: [25 / 18, -5 / 24, 0.263020833333333, 1.3128662109375],
        4: [407 / 294, -0.205357142857143, 0.262300037202381, 1.31088883536203],
    }.items():
        found = values(DSIKernel(1, alpha=alpha, weights=1.0), places)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("alpha", [2, 3, 4, 5, 7])
def test_dsi_beside_walsh_series(alpha):
    m = 6
    exact = [brute_force(alpha, x, m) for x in range(1 << m)]
    for x in range(1, 1 << m, 7):  # the oracle of the next test
        assert abs(by_positions(alpha, x << (53 - m)) - exact[x]) < Fraction(1, 2**60)
    digits = np.arange(1 << m, dtype=np.uint64) << np.uint64(53 - m)
    found = values(DSIKernel(1, alpha=alpha, weights=1.0), digits)
    assert max(abs(Fraction(f) - e) for f, e in zip(found, exact, strict=True)) < 8e-16


@pytest.mark.parametrize("alpha", [2, 3, 4, 5, 6, 11, 12, 13, 40])
def test_dsi_on_all_digits(alpha):
    digits = np.concatenate([DIGITS[1:], random_digits(60)])
    found = values(DSIKernel(1, alpha=alpha, weights=1.0), digits)
    exact = [by_positions(alpha, int(x)) for x in digits]
    errors = [abs(Fraction(f) - e) for f, e in zip(found, exact, strict=True)]
    assert max(errors) < 8e-16


def test_dsi_integer_and_float_order():
    x = random_digits((20, 2))
    assert np.array_equal(DSIKernel(2, alpha=3)(x), DSIKernel(2, alpha=3.0)(x))


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.5])
def test_dsi_first_digit(alpha):
    kernel = DSIKernel(1, alpha=alpha, weights=1.0, digits="first")
    found = values(kernel, DIGITS)
    nu = 1 / (1 - 2**-alpha)
    for x, value in zip(DIGITS.tolist(), found, strict=True):
        # As an integer's length, not as the logarithm of a rounded number.
        place = 54 - x.bit_length()
        expected = nu - (nu + 1) * 2 ** (-alpha * (place - 1)) if x else nu
        assert value == pytest.approx(expected, rel=1e-14, abs=1e-15)
    # The Walsh series, whose blocks k < 2**m sum up to 2**m where the first m digits are 0.
    for x in (ONE // 2, ONE // 4 + 1, 3):
        place = 54 - x.bit_length()
        series = sum(2 ** (-(1 + alpha) * a) * 2**a for a in range(place - 1))
        series -= 2 ** (-(1 + alpha) * (place - 1)) * 2 ** (place - 1)
        assert values(kernel, [x])[0] == pytest.approx(series, rel=1e-12)
    assert kernel.depends_on_first_digit


def test_order_one_is_half_of_first_digit():
    whole = values(DSIKernel(1, alpha=1, weights=1.0), DIGITS)
    first = values(DSIKernel(1, alpha=1, weights=1.0, digits="first"), DIGITS)
    np.testing.assert_array_equal(2 * whole, first)


@pytest.mark.parametrize("alpha", [1, 2, 3, 4, 8, 12, 31, 33, 60, 500])
def test_si_beside_exact_polynomials(alpha):
    digits = np.concatenate([DIGITS[:25], random_digits(20)])
    found = values(SIKernel(1, alpha=alpha, weights=1.0), digits)
    if alpha <= 33:
        polynomial = sympy.Poly(sympy.bernoulli(2 * alpha, sympy.Symbol("x"))).all_coeffs()
        coefficients = [Fraction(int(c.p), int(c.q)) for c in polynomial]
    with mpmath.workdps(60):
        for x, value in zip(digits.tolist(), found, strict=True):
            if alpha > 33:  # from the second harmonic on nothing counts
                expected = 2 * mpmath.cos(2 * mpmath.pi * mpmath.mpf(x) / ONE)
            else:
                exact = Fraction(0)
                for c in coefficients:
                    exact = exact * Fraction(x, ONE) + c
                factor = (-1) ** (alpha + 1) * (2 * mpmath.pi) ** (2 * alpha)
                factor /= mpmath.factorial(2 * alpha)
                expected = factor * exact.numerator / exact.denominator
            assert abs(mpmath.mpf(float(value)) - expected) < 1.3e-15  # of 2 and more


# --- Products -------------------------------------------------------------------------------------

KERNELS = {
    "si": SIKernel(4, alpha=[1, 2, 3, 1], weights=[0.5, 1.5, 0.1, 0.3], scale=2.0),
    "si of some": SIKernel(4, alpha=[2, 1], weights=0.4, dims=[3, 1]),
    "dsi 1": DSIKernel(4, alpha=1),
    "dsi": DSIKernel(4, alpha=[4, 2, 3, 6], weights=[0.5, 1.5, 0.1, 0.3], scale=0.3),
    "dsi of some": DSIKernel(4, alpha=[1, 5], weights=0.4, dims=[2, 0]),
    "dsi first": DSIKernel(4, alpha=[0.5, 1, 2, 3.3], digits="first", weights=0.2),
}


def one_by_one(kernel, x, z):
    """The product written out, of the kernels of single coordinates."""
    out = np.full((len(x), len(z)), kernel.scale)
    for j, k in enumerate(kernel.dims):
        extra = {"digits": kernel.digits} if isinstance(kernel, DSIKernel) else {}
        single = type(kernel)(1, alpha=kernel.alpha[j], weights=1.0, **extra)
        if isinstance(kernel, DSIKernel):
            difference = x[:, None, k] ^ z[None, :, k]
        else:
            difference = (x[:, None, k] - z[None, :, k]) & np.uint64(ONE - 1)
        part = values(single, difference.ravel()).reshape(out.shape)
        out *= 1 + kernel.weights[j] * part
    return out


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(("n", "m"), [(3, 5), (300, 2), (2, 300), (1, 1), (5, 0), (0, 5)])
def test_matrix(name, n, m):
    kernel = KERNELS[name]
    x, z = random_digits((n, 4), 1), random_digits((m, 4), 2)
    found = kernel(x, z)
    assert found.shape == (n, m)
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, one_by_one(kernel, x, z), rtol=1e-13, atol=1e-14)
    assert np.array_equal(found, kernel(x, z, workers=3))


@pytest.mark.parametrize("name", KERNELS)
def test_column(name):
    kernel, x = KERNELS[name], random_digits((700, 4))
    expected = kernel(x, x[:1])[:, 0]
    column = kernel.column(x)
    np.testing.assert_allclose(column, expected, rtol=1e-14)
    assert np.array_equal(column, kernel.column(x, workers=3))
    np.testing.assert_allclose(kernel.column(x, x[5]), kernel(x, x[5:6])[:, 0], rtol=1e-14)
    out = np.empty(700, np.float32)
    assert kernel.column(x, out=out) is out
    np.testing.assert_array_equal(out, column.astype(np.float32))
    np.testing.assert_array_equal(kernel.column(x, dtype="f4"), out)
    assert kernel.k0 == pytest.approx(column[0], rel=1e-15)
    np.testing.assert_array_equal(kernel.diagonal(3), [kernel.k0] * 3)
    assert np.all(np.diag(kernel(x[:9])) == kernel.k0)
    stable = kernel.column(x, stable=True)
    np.testing.assert_allclose(stable, column - kernel.mean, rtol=0, atol=1e-14 * kernel.k0)


def test_stable_keeps_small_differences():
    weights = np.full(3, 1e-9)
    x = random_digits((50, 3))
    for kernel in (SIKernel(3, 2, weights), DSIKernel(3, 2, weights)):
        parts = [type(kernel)(3, 2, 1.0, dims=[k]).column(x, stable=True) for k in range(3)]
        expected = 1e-9 * np.sum(parts, axis=0)  # but for products of two
        for dtype, rtol in (("f8", 1e-6), ("f4", 1e-6)):
            found = kernel.column(x, stable=True, dtype=dtype)
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-16)


def test_points_as_floats_and_as_digits():
    kernel, x = KERNELS["dsi"], random_digits((40, 4))
    floats = x / ONE
    expected = kernel(x)
    assert np.array_equal(kernel(floats), expected)
    assert np.array_equal(kernel(floats, x), expected)
    assert np.array_equal(kernel.column(floats), expected[0])
    assert np.array_equal(kernel.column(x, floats[3]), expected[3])
    short = x >> np.uint64(21)
    assert np.array_equal(kernel(short, bits=32), kernel(short << np.uint64(21)))
    long = (x << np.uint64(11)) | np.uint64(5)
    assert np.array_equal(kernel(long, bits=64), expected)
    single = (x >> np.uint64(29)).astype(np.float32) / np.float32(1 << 24)
    assert np.array_equal(kernel(single), kernel((x >> np.uint64(29)), bits=24))


def test_views_and_read_only_points():
    for name in ("si", "dsi"):
        kernel, x = KERNELS[name], random_digits((40, 8))
        expected = kernel.column(x[:, ::2].copy())
        assert np.array_equal(kernel.column(x[:, ::2]), expected)
        assert np.array_equal(kernel.column(np.asfortranarray(x[:, ::2])), expected)
        assert np.array_equal(kernel.column(x[::-1, ::2]), kernel.column(x[::-1, ::2].copy()))
        fixed = x[:, ::2].copy()
        fixed.flags.writeable = False
        assert np.array_equal(kernel.column(fixed, fixed[0]), expected)


def test_many_coordinates():
    x = random_digits((300, 700))
    for kernel in (SIKernel(700, 1), DSIKernel(700, 2)):
        np.testing.assert_allclose(
            kernel(x[:3], x[:5]), one_by_one(kernel, x[:3], x[:5]), rtol=1e-12
        )
        assert kernel.k0 < np.exp(math.log(2) * 2 * math.pi**2 / 6)  # of one size in any dimension


def test_positive_definite():
    x = random_digits((60, 4))
    for kernel in KERNELS.values():
        matrix = kernel(x)
        assert np.array_equal(matrix, matrix.T)
        assert np.linalg.eigvalsh(matrix).min() > -1e-12 * matrix[0, 0]


def test_net_and_lattice_diagonalise():
    m = 6
    i = np.arange(1 << m)
    matrices = np.random.default_rng(0).integers(0, ONE, (m, 4), dtype=np.uint64)
    net = np.zeros((1 << m, 4), np.uint64)
    for b in range(m):
        net ^= np.where((i >> b & 1)[:, None] == 1, matrices[b], np.uint64(0))
    net ^= random_digits(4, 3)
    vdc = np.array([int(f"{v:0{m}b}"[::-1], 2) for v in i], np.uint64)
    generator = np.array([1, 19, 27, 45], np.uint64)
    lattice = (vdc[:, None] * generator << np.uint64(53 - m)) + random_digits(4, 4)
    lattice &= np.uint64(ONE - 1)
    for name, kernel in KERNELS.items():
        points = lattice if kernel.sequence == "lattice" else net
        dense = np.sort(np.linalg.eigvalsh(kernel(points)))
        transform = fasttx.fwht if kernel.sequence == "net" else fasttx.fftbr
        spectrum = transform(kernel.column(points))
        assert np.abs(np.imag(spectrum)).max() < 1e-10, name
        np.testing.assert_allclose(np.sort(spectrum.real), dense, atol=1e-10, err_msg=name)


def test_mean():
    i = np.arange(1 << 12, dtype=np.uint64)
    grid = (i << np.uint64(41))[:, None]
    for alpha in (1, 2, 3, 4, 6):
        kernel = DSIKernel(1, alpha, weights=0.7, scale=3.0)
        shift = random_digits(1, alpha)
        found = kernel.column(grid ^ random_digits(1, 9), shift).mean()
        assert found == pytest.approx(kernel.mean, abs=5e-3 if alpha == 1 else 3e-3)
        assert kernel.mean == kernel.integral == 3.0
        kernel = SIKernel(1, alpha, weights=0.7, scale=3.0)
        # Exact by the rule's error, weight * 4096**(-2 alpha) * kernel.
        assert kernel.column(grid, shift).mean() == pytest.approx(3.0, abs=2e-6)


# --- Hyperparameters ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KERNELS)
def test_pullback_beside_differences(name):
    kernel, x = KERNELS[name], random_digits((600, 4))
    g = np.random.default_rng(0).standard_normal(600)
    found = kernel.column_pullback(x, x[3], g)
    assert found.shape == kernel.theta.shape
    assert found[0] == pytest.approx(g @ kernel.column(x, x[3]), rel=1e-11)
    for p, value in enumerate(found):
        step = np.zeros_like(found)
        step[p] = 1e-5
        up, down = (
            g @ kernel.clone_with_theta(kernel.theta + s).column(x, x[3]) for s in (step, -step)
        )
        assert value == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-8)
    assert np.array_equal(found, kernel.column_pullback(x, x[3], g, workers=3))
    by_default = kernel.column_pullback(x, None, g)
    assert np.array_equal(by_default, kernel.column_pullback(x, x[0], g))


def test_pullback_where_a_factor_vanishes():
    kernel = DSIKernel(2, alpha=1, weights=2.0)  # 1 + 2 (1 - 3/2) = 0 where the first digits differ
    x = np.array([[0, 0], [ONE // 2, 0], [ONE // 2, ONE // 2]], np.uint64)
    found = kernel.column_pullback(x, x[0], np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(found, [0.0, -1.0 * 3.0, 0.0])


def test_hyperparameters():
    kernel = SIKernel(5, weights=[0.5, 2.0], scale=3.0, dims=[4, 1], weight_bounds=(1e-3, 10.0))
    np.testing.assert_allclose(np.exp(kernel.theta), [3.0, 0.5, 2.0])
    np.testing.assert_allclose(np.exp(kernel.bounds), [(1e-10, 1e10)] + 2 * [(1e-3, 10.0)])
    assert kernel.hyperparameter_names == ("scale", "weights[0]", "weights[1]")
    twin = kernel.clone_with_theta(np.log([1.0, 0.1, 0.2]))
    assert (twin.scale, twin.dims, twin.d) == (pytest.approx(1.0), (4, 1), 5)
    np.testing.assert_allclose(twin.weights, [0.1, 0.2])
    assert twin.k0 != pytest.approx(kernel.k0)
    assert kernel.scale == 3.0  # kernels do not change
    np.testing.assert_allclose(SIKernel(3).weights, 2 ** (1 / 3) - 1)
    np.testing.assert_allclose(SIKernel(9, dims=[1, 2]).weights, 2**0.5 - 1)
    assert repr(kernel) == ("SIKernel(5, alpha=2, weights=[0.5, 2], scale=3, dims=(4, 1))")


def test_conventions_of_scikit_learn():
    theirs = sklearn_kernels.ConstantKernel(2.0) * sklearn_kernels.RBF([1.0, 2.0])
    ours = SIKernel(2, weights=[1.0, 2.0], scale=2.0)
    np.testing.assert_allclose(ours.theta, theirs.theta)
    assert ours.bounds.shape == theirs.bounds.shape
    assert np.array_equal(ours.clone_with_theta(ours.theta).theta, ours.theta)


# --- Derivatives ----------------------------------------------------------------------------------


@pytest.mark.parametrize("orders", [((1, 0), (0, 0)), ((0, 1), (1, 1)), ((2, 0), (1, 0))])
def test_si_derivatives_beside_differences(orders):
    kernel = SIKernel(2, alpha=4, weights=[0.5, 0.2], scale=1.5)
    rng = np.random.default_rng(0)
    x, z, h = rng.random((6, 2)) * 0.9 + 0.05, rng.random((7, 2)) * 0.9 + 0.05, 2.0**-9

    def numeric(function, orders):
        """Central differences of fourth order, one after the other."""
        for side, order in enumerate(orders):
            for k, count in enumerate(order):
                for _ in range(count):
                    step = np.zeros((2, 2))
                    step[side, k] = h

                    def function(x, z, f=function, s=step):
                        parts = [f(x + t * s[0], z + t * s[1]) for t in (-2, -1, 1, 2)]
                        return (parts[0] - 8 * parts[1] + 8 * parts[2] - parts[3]) / (12 * h)

        return function(x, z)

    derivative = kernel.derivative(*orders)
    size = np.abs(derivative(x, z)).max()
    np.testing.assert_allclose(derivative(x, z), numeric(kernel, orders), atol=1e-6 * size)
    np.testing.assert_allclose(derivative.column(x, z[2]), derivative(x, z)[:, 2], rtol=1e-12)
    wide = np.repeat(z, 50, axis=0)  # whichever of the two the runs go along
    np.testing.assert_allclose(derivative(x, wide), np.repeat(derivative(x, z), 50, axis=1))
    np.testing.assert_allclose(derivative(wide, x), kernel.derivative(*orders[::-1])(x, wide).T)
    assert derivative.mean == 0.0
    twice = kernel.derivative(orders[0], (0, 0)).derivative((0, 0), orders[1])
    assert np.array_equal(twice(x, z), derivative(x, z))


def test_si_derivatives_are_exact():
    """All orders of one coordinate beside the Fourier series, in extended precision."""
    x = np.array([0.0, 0.1875, 0.5, 0.625, 0.9375])
    for alpha in (2, 3, 20, 40):
        for a, b in itertools.product(range(3), repeat=2):
            degree = 2 * alpha - a - b
            if degree < 2 or a + b == 0:
                continue
            found = SIKernel(1, alpha, 1.0).derivative([a], [b])(x[:, None], np.zeros((1, 1)))[:, 0]
            with mpmath.workdps(40):
                factor = (-1) ** (alpha + b + 1) * (2 * mpmath.pi) ** (2 * alpha)
                factor /= mpmath.factorial(degree)
                expected = [float(factor * mpmath.bernpoly(degree, mpmath.mpf(v))) for v in x]
            size = 4 * (2 * np.pi) ** (a + b)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15 * size)


@pytest.mark.parametrize("kernel", [SIKernel(2, 3, [1.0, 0.3]), DSIKernel(2, 4, [1.0, 0.3])])
def test_values_and_derivatives_are_a_covariance(kernel):
    x = random_digits((30, 2))
    orders = [(0, 0), (1, 0), (0, 1), (1, 1)]
    joint = np.block([[kernel.derivative(a, b)(x) for b in orders] for a in orders])
    np.testing.assert_allclose(joint, joint.T, rtol=1e-12, atol=1e-9)
    scaled = joint / np.sqrt(np.outer(np.diag(joint), np.diag(joint)))
    assert np.linalg.eigvalsh(scaled).min() > -1e-12


def test_dsi_slopes_between_jumps():
    """Where x and x + h differ in late digits only, and z is short, differences are those of x."""
    rng = np.random.default_rng(0)
    z = rng.integers(0, 64, (8, 1)).astype(float) / 64
    x = rng.integers(0, 1 << 10, (50, 1)) / 1024 + 2.0**-11
    h = 2.0**-20
    for alpha in (3, 4, 5, 7):
        kernel = DSIKernel(1, alpha, 0.5)
        slope = kernel.derivative([1], [0])
        # From a dyadic rational to the next, without the jumps in between of at most 8**-20.
        numeric = (kernel(x + h, z) - kernel(x, z)) / h
        np.testing.assert_allclose(slope(x, z), numeric, atol=1e-4)
        assert np.array_equal(slope(x, z), kernel.derivative([0], [1])(x, z))
        assert slope.mean == -1.0
        average = slope.column((np.arange(1 << 10)[:, None] + 0.5) / 1024, z[0]).mean()
        assert average == pytest.approx(-1.0, abs=5e-3)


def test_derivative_pullback():
    x = random_digits((300, 3))
    g = np.random.default_rng(0).standard_normal(300)
    for kernel in (SIKernel(3, 3, [1.0, 0.3, 0.2], 2.0), DSIKernel(3, 4, [0.9, 0.3, 0.2], 2.0)):
        for orders in (((1, 0, 0), (0, 0, 0)), ((1, 0, 1), (0, 0, 1))):
            derivative = kernel.derivative(*orders)
            assert np.array_equal(derivative.theta, kernel.theta)
            found = derivative.column_pullback(x, x[7], g)
            for p, value in enumerate(found):
                step = np.zeros_like(found)
                step[p] = 1e-5
                up, down = (
                    g @ derivative.clone_with_theta(kernel.theta + s).column(x, x[7])
                    for s in (step, -step)
                )
                assert value == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-6)
            stable = derivative.column(x, stable=True)
            np.testing.assert_allclose(stable, derivative.column(x) - derivative.mean, atol=1e-12)


def test_derivative_in_a_coordinate_left_out():
    kernel, x = SIKernel(3, 2, dims=[0, 2]), random_digits((9, 3))
    derivative = kernel.derivative((0, 1, 0), (0, 0, 0))
    assert not derivative(x).any()
    assert derivative.mean == 0.0
    assert not derivative.column_pullback(x, x[0], np.ones(9)).any()


# --- Laws -----------------------------------------------------------------------------------------

number = st.integers(0, ONE - 1)


@settings(max_examples=60, deadline=None)
@given(number, number, number, st.integers(1, 6))
def test_invariance(x, z, shift, alpha):
    x, z = (np.array([[v]], np.uint64) for v in (x, z))
    shift = np.uint64(shift)
    kernel = DSIKernel(1, alpha)
    assert kernel(x, z) == kernel(x ^ shift, z ^ shift) == kernel(z, x)
    kernel, mask = SIKernel(1, alpha), np.uint64(ONE - 1)
    assert kernel(x, z) == kernel((x + shift) & mask, (z + shift) & mask) == kernel(z, x)


# --- Errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SIKernel(0), "d must be at least 1; got 0"),
        (lambda: SIKernel(2, alpha=0), "alpha must be integers from 1 on; got 0"),
        (lambda: SIKernel(2, alpha=1.5), "alpha must be integers from 1 on; got 1.5"),
        (
            lambda: SIKernel(2, alpha=[1, 2, 3]),
            r"alpha must be a number or 2 numbers; got .*\(3,\)",
        ),
        (lambda: DSIKernel(2, alpha=2.5), 'alpha must be integers from 1 on with digits="all"'),
        (lambda: DSIKernel(2, alpha=0, digits="first"), "alpha must be positive; got 0"),
        (lambda: DSIKernel(2, alpha=math.nan), "alpha must be finite"),
        (lambda: DSIKernel(2, digits="last"), 'digits must be "all" or "first"; got \'last\''),
        (lambda: SIKernel(2, weights=-1.0), "weights must be positive; got -1.0"),
        (lambda: SIKernel(2, weights=[1.0, 0.0]), "weights must be positive"),
        (lambda: SIKernel(2, weights=[math.nan, 1]), "weights must be finite"),
        (lambda: SIKernel(2, scale=0.0), "scale must be positive; got 0.0"),
        (lambda: SIKernel(2, scale=math.nan), "scale must be positive; got nan"),
        (lambda: SIKernel(2, dims=[2]), r"dims must be different integers from 0 to 1; got \[2\]"),
        (lambda: SIKernel(2, dims=[1, 1]), "dims must be different integers"),
        (lambda: SIKernel(2, dims=[]), "dims must be different integers"),
        (lambda: SIKernel(2, weight_bounds=(2, 1)), "weight_bounds must be two positive numbers"),
        (lambda: SIKernel(2).clone_with_theta([0.0]), r"theta must have shape \(3,\); got \(1,\)"),
        (lambda: SIKernel(2, 1).derivative((1, 0), (0, 0)), "need alpha of at least 2; got 1"),
        (lambda: SIKernel(2).derivative((1,), (0, 0)), "order_x must be 2 integers from 0 on"),
        (lambda: SIKernel(2).derivative((1, 0), (0, -1)), "order_z must be 2 integers from 0 on"),
        (lambda: DSIKernel(1, 2).derivative([1], [0]), "need alpha of at least 3; got 2"),
        (lambda: DSIKernel(1, 9).derivative([2], [0]), "have orders 0 and 1"),
        (lambda: DSIKernel(1, 3, 1.1).derivative([1], [0]), "for weights up to 1; got 1.1"),
        (lambda: DSIKernel(1, 3, digits="first").derivative([1], [0]), "constant between jumps"),
    ],
)
def test_bad_parameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kernel", [SIKernel(2), DSIKernel(2)])
def test_bad_points(kernel):
    good, out = np.full((3, 2), 0.5), np.full(3, 7.0)
    for bad in (-0.1, 1.0, math.nan, math.inf):
        x = good.copy()
        x[1, 1] = bad
        for call in (kernel, lambda x: kernel.column(x, out=out), lambda x: kernel(good, x)):
            with pytest.raises(ValueError, match=r"points must lie in \[0, 1\)"):
                call(x)
        with pytest.raises(ValueError, match=r"points must lie in \[0, 1\)"):
            kernel.column(good, x[1])
    assert (out == 7.0).all()
    for x in (good[:, :1], good[0], good[None]):
        with pytest.raises(ValueError, match=r"points must have shape \(n, 2\)"):
            kernel(x)
    with pytest.raises(TypeError, match=r"floats in .* or uint64 digits; got int64"):
        kernel(np.zeros((2, 2), np.int64))
    with pytest.raises(ValueError, match="digits beyond bits=53"):
        kernel(np.full((1, 2), ONE, np.uint64))
    with pytest.raises(ValueError, match="bits must be between 1 and 64; got 65"):
        kernel(np.zeros((1, 2), np.uint64), bits=65)
    with pytest.raises(ValueError, match=r"x0 must have shape \(2,\); got \(3,\)"):
        kernel.column(good, np.zeros(3))
    with pytest.raises(ValueError, match=r"g must have shape \(3,\); got \(2,\)"):
        kernel.column_pullback(good, None, np.zeros(2))
    with pytest.raises(ValueError, match=r"out must be .* of shape \(3,\); got shape \(2,\)"):
        kernel.column(good, out=np.zeros(2))
    with pytest.raises(TypeError, match="dtype must be float32 or float64; got int64"):
        kernel.column(good, dtype=int)
    with pytest.raises(ValueError, match="points must not be empty"):
        kernel.column(good[:0])
