"""Cubature beside closed-form integrals, dense algebra and the definitions of its error bounds."""

import warnings

import numpy as np
import pytest
from scipy import integrate, linalg, stats

from fasttx.gp import CubatureResult, bayesian_cubature, qmc_cubature
from fasttx.kernels import DSIKernel, SIKernel
from fasttx.qmc import DigitalNet, Lattice
from tests.genz import FAMILIES, Genz

BOTH = pytest.mark.parametrize("cubature", [bayesian_cubature, qmc_cubature])
SEQUENCES = pytest.mark.parametrize("sequence", ["net", "lattice"])
ERROR_TYPES = pytest.mark.parametrize("error_type", ["MLE", "GCV", "full"])
HARD = {name: Genz(name, [1.0, 2.0, 1.5], [0.3, 0.6, 0.45]) for name in FAMILIES}
KEISTER = {2: 1.808186429263620, 3: 2.168309102165481}


def keister(x):
    """In normal variables: cos of the distance over the density, as in Keister's integral."""
    radius = np.linalg.norm(stats.norm.ppf(x), axis=1)
    return np.pi ** (x.shape[1] / 2) * np.cos(radius / np.sqrt(2))


def product_of_sines(x):
    return np.prod(np.sin(5 * x), axis=1)


def at(cubature, n, f, d, **options):
    """The result at n points, whatever its error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\w+ did not reach")
        return cubature(f, d, abs_tol=1e-300, n_init=n, n_max=n, **options)


class Recorder:
    """A function that remembers the points at which it was evaluated."""

    def __init__(self, f):
        self.f, self.points = f, []

    def __call__(self, x):
        self.points.append(x.copy())
        return self.f(x)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_oracle(family):
    g = Genz(family, [1.5, 2.5], [0.3, 0.6])
    found, _ = integrate.nquad(
        lambda *x: g(np.array([x]))[0], [[0, 1]] * 2, opts=[{"points": [0.3]}, {"points": [0.6]}]
    )
    assert found == pytest.approx(g.integral, abs=1e-9)


# Integrals


@BOTH
@SEQUENCES
@pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-4])
def test_keister(cubature, sequence, tol):
    found = cubature(keister, 2, abs_tol=tol, rng=7, sequence=sequence)
    assert found.success
    assert found.status == "converged"
    assert abs(found.integral - KEISTER[2]) <= found.error <= tol
    assert isinstance(found.integral, float)
    assert found.interval == (found.integral - found.error, found.integral + found.error)


@BOTH
@pytest.mark.parametrize("family", FAMILIES)
def test_genz(cubature, family):
    g = HARD[family]
    tol = 2e-2 if family == "discontinuous" else 2e-3
    found = cubature(g, g.d, abs_tol=0, rel_tol=tol, rng=3)
    assert found.success
    assert abs(found.integral - g.integral) <= tol * abs(g.integral)
    if family != "discontinuous":
        periodic = cubature(g, g.d, abs_tol=0, rel_tol=tol, rng=3, sequence="lattice")
        assert abs(periodic.integral - g.integral) <= tol * abs(g.integral)


@BOTH
def test_corner_peak_in_fifty_dimensions(cubature):
    g = Genz("corner peak", np.full(50, 1 / 512))
    found = cubature(g, 50, abs_tol=0, rel_tol=1e-3, rng=1)
    assert found.success
    assert found.integral == pytest.approx(g.integral, rel=1e-3)
    # Changes of variables with slopes would bring their 50th powers; the baker's map has none.
    found = cubature(g, 50, rel_tol=1e-3, abs_tol=0, rng=1, sequence="lattice", transform="baker")
    assert found.integral == pytest.approx(g.integral, rel=1e-3)


@BOTH
@SEQUENCES
def test_signs(cubature, sequence):
    g = Genz("oscillatory", [1.0, 2.0], [0.3, 0.0])
    assert g.integral < -0.5
    options = {"abs_tol": 0, "rel_tol": 1e-3, "rng": 2, "sequence": sequence}
    minus, plus = cubature(g, 2, **options), cubature(lambda x: -g(x), 2, **options)
    assert minus.integral == pytest.approx(g.integral, rel=1e-3)
    assert (minus.integral, minus.error, minus.n) == (-plus.integral, plus.error, plus.n)
    low, high = minus.interval
    assert low < g.integral < high < 0


@pytest.mark.parametrize("transform", ["none", "baker", "C0", "C1", "C1sin", "C2sin"])
@BOTH
def test_changes_of_variables(cubature, transform):
    """They keep integrals, and the smoother they are the faster those of lattices converge."""
    powers = np.arange(4)
    for sequence in ("net", "lattice"):
        found = at(
            cubature,
            2**12,
            lambda x: x[:, :1] ** powers,
            2,
            rng=5,
            sequence=sequence,
            transform=transform,
        )
        np.testing.assert_allclose(found.integral, 1 / (1 + powers), atol=2e-4)
    if transform not in ("none", "baker"):
        tolerance = {"C0": 1e-6, "C1": 1e-9, "C1sin": 1e-9, "C2sin": 1e-11}[transform]
        np.testing.assert_allclose(found.integral, 1 / (1 + powers), atol=tolerance)


# Many integrals at once


@BOTH
@SEQUENCES
def test_each_output_to_its_tolerance(cubature, sequence):
    scales = np.array([[1.0, 1e-4, -1e3], [2.0, 50.0, -3.0]])

    def f(x):
        easy = x[:, 0] * scales[0][:, None]
        hard = keister(x) * scales[1][:, None]
        return np.stack([easy, hard]).transpose(2, 0, 1)

    exact = scales * np.array([[0.5], [KEISTER[2]]])
    found = cubature(f, 2, abs_tol=0, rel_tol=1e-3, rng=1, sequence=sequence)
    assert found.integral.shape == found.error.shape == (2, 3)
    assert (found.error <= 1e-3 * np.abs(found.integral)).all()
    np.testing.assert_allclose(found.integral, exact, rtol=1e-3)
    # The hardest determines the number of points, and each is what it would be alone.
    alone = cubature(keister, 2, abs_tol=0, rel_tol=1e-3, rng=1, sequence=sequence)
    assert found.n == alone.n
    np.testing.assert_allclose(found.integral[1], scales[1] * alone.integral, rtol=1e-12)
    np.testing.assert_allclose(found.error[1], np.abs(scales[1]) * alone.error, rtol=1e-6)


@BOTH
@SEQUENCES
def test_complex_numbers(cubature, sequence):
    a = np.array([3.0, -1.0])
    exact = np.prod(np.expm1(1j * a) / (1j * a))
    found = cubature(lambda x: np.exp(1j * x @ a), 2, abs_tol=1e-3, rng=4, sequence=sequence)
    assert isinstance(found.integral, complex)
    assert abs(found.integral - exact) <= found.error <= 1e-3
    parts = at(
        cubature,
        found.n,
        lambda x: np.stack([np.cos(x @ a), np.sin(x @ a)], axis=1),
        2,
        rng=4,
        sequence=sequence,
    )
    np.testing.assert_allclose(parts.integral, [found.integral.real, found.integral.imag])
    assert found.error == pytest.approx(np.hypot(*parts.error))


@BOTH
def test_outputs_of_other_kinds(cubature):
    for f, exact in (
        (lambda x: x[:, 0] < 0.25, 0.25),
        (lambda x: (4 * x[:, 0]).astype(int), 1.5),
        (lambda x: x[:, 0].astype(np.float32), 0.5),
        (lambda x: x[:, 0].tolist(), 0.5),
    ):
        assert cubature(f, 1, abs_tol=1e-3, rng=0).integral == pytest.approx(exact, abs=1e-3)
    constant = cubature(lambda x: np.full(len(x), -0.1), 3)
    assert constant.integral == pytest.approx(-0.1, rel=1e-15)
    assert constant.error == 0


# What is known of errors


def posterior(kernel, x, y, error_type, confidence):
    """Mean and half width of the interval of the integral, by dense algebra."""
    n, one, upper = len(x), np.ones(len(x)), (1 + confidence) / 2
    inverse = np.linalg.inv(kernel(x))
    power = inverse @ inverse if error_type == "GCV" else inverse
    constant = (one @ power @ y) / (one @ power @ one)
    rest = y - constant
    means = np.full(n, kernel.mean)
    mean = constant * (1 - means @ inverse @ one) + means @ inverse @ y
    variance = kernel.integral - means @ inverse @ means
    if error_type == "MLE":
        scale = rest @ inverse @ rest / n
    elif error_type == "GCV":
        scale = rest @ power @ rest / np.trace(inverse)
    else:
        scale = rest @ inverse @ rest / (n - 1)
        variance += (1 - means @ inverse @ one) ** 2 / (one @ inverse @ one)
        return mean, stats.t.ppf(upper, n - 1) * np.sqrt(scale * variance)
    return mean, stats.norm.ppf(upper) * np.sqrt(scale * variance)


def objective(kernel, x, y, error_type):
    """What the weight of the kernel minimises."""
    one, matrix = np.ones(len(x)), kernel(x)
    inverse = np.linalg.inv(matrix)
    power = inverse @ inverse if error_type == "GCV" else inverse
    rest = y - (one @ power @ y) / (one @ power @ one)
    if error_type == "GCV":
        return np.log(rest @ power @ rest) - 2 * np.log(np.trace(inverse))
    return np.log(rest @ inverse @ rest) + np.linalg.slogdet(matrix)[1] / len(x)


@ERROR_TYPES
@pytest.mark.parametrize(
    ("sequence", "alpha"), [("net", 1), ("net", 2), ("net", 3), ("lattice", 1), ("lattice", 2)]
)
def test_against_dense_algebra(sequence, alpha, error_type):
    kinds = {"net": DSIKernel, "lattice": SIKernel}
    for n, confidence in ((16, 0.9), (64, 0.99)):
        make = {"net": DigitalNet, "lattice": Lattice}[sequence]
        points = make(3, rng=n)
        x = points.random(n)
        points.reset()
        found = at(
            bayesian_cubature,
            n,
            product_of_sines,
            3,
            sequence=sequence,
            transform="none",
            alpha=alpha,
            error_type=error_type,
            confidence=confidence,
            points=points,
        )
        y = product_of_sines(x)
        kernel = kinds[sequence](3, alpha, weights=found.hyperparameters[0])
        mean, error = posterior(kernel, x, y, error_type, confidence)
        assert found.integral == pytest.approx(mean, rel=1e-9)
        assert found.error == pytest.approx(error, rel=1e-5)
        best = objective(kernel, x, y, error_type)
        others = np.exp(np.arange(-12, 5.1, 0.5))
        losses = [objective(kinds[sequence](3, alpha, weights=w), x, y, error_type) for w in others]
        assert best <= min(losses) + 2e-3


@ERROR_TYPES
@pytest.mark.parametrize("sequence", ["net", "lattice"])
def test_coverage(sequence, error_type):
    """99 % intervals of 200 randomizations hold the integral at least 97 times of 100."""
    options = {"sequence": sequence, "error_type": error_type}
    found = [at(bayesian_cubature, 256, keister, 3, rng=s, **options) for s in range(200)]
    held = [abs(r.integral - KEISTER[3]) <= r.error for r in found]
    assert np.mean(held) >= 0.97
    if error_type == "MLE":  # not by being too wide
        assert np.median([r.error for r in found]) < {"net": 0.2, "lattice": 0.02}[sequence]


@pytest.mark.slow
@ERROR_TYPES
@pytest.mark.parametrize("family", FAMILIES)
def test_coverage_of_genz(family, error_type):
    """On nets of 256 points, and where the tolerance was met."""
    g = HARD[family]
    for options in ({"abs_tol": 1e-300, "n_max": 256}, {"abs_tol": 0, "rel_tol": 2e-2}):
        held = []
        for seed in range(200):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "bayesian_cubature did not reach")
                r = bayesian_cubature(g, 3, rng=seed, error_type=error_type, **options)
            held.append(abs(r.integral - g.integral) <= r.error)
        assert np.mean(held) >= 0.97, options


@pytest.mark.parametrize(("alpha", "slope"), [(1, 0.9), (2, 1.9), (3, 2.8)])
def test_higher_order(alpha, slope):
    """Errors on interlaced nets decay as n**-alpha, their bounds as n**-((alpha + 1) / 2)."""

    def f(x):
        return np.prod(1 / (1 + x), axis=1)

    logs, errors, bounds = (6, 14), [], []
    for m in logs:
        found = [
            at(
                bayesian_cubature,
                1 << m,
                f,
                2,
                alpha=alpha,
                # Linear scrambling does better than the order says, on most seeds.
                points=DigitalNet(2, interlace=alpha, randomize="shift", rng=seed),
            )
            for seed in range(8)
        ]
        errors.append(np.linalg.norm([r.integral - np.log(2) ** 2 for r in found]))
        bounds.append(np.median([r.error for r in found]))
    assert np.log2(errors[0] / errors[1]) / (logs[1] - logs[0]) >= slope
    assert np.log2(bounds[0] / bounds[1]) / (logs[1] - logs[0]) >= (alpha + 1) / 2 - 0.25


def test_interlacing_is_the_default():
    options = {"alpha": 2, "abs_tol": 1e-4}
    by_itself = bayesian_cubature(keister, 2, rng=1, **options)
    given = bayesian_cubature(keister, 2, points=DigitalNet(2, interlace=2, rng=1), **options)
    assert (by_itself.integral, by_itself.error) == (given.integral, given.error)


@pytest.mark.parametrize(("sequence", "alpha"), [("lattice", 4), ("lattice", 3), ("net", 6)])
def test_smooth_kernels_do_not_pretend_to_be_exact(sequence, alpha):
    """Where the variance is below its round-off, the bound is not."""
    for n in (2**8, 2**12):
        found = at(
            bayesian_cubature,
            n,
            lambda x: np.exp(x[:, 0]),
            1,
            rng=3,
            sequence=sequence,
            alpha=alpha,
            transform="C2sin" if sequence == "lattice" else None,
        )
        assert abs(found.integral - np.expm1(1)) <= found.error < 1e-3
        assert found.error > 0


# The bound from the decay of coefficients


def naive_coefficients(y, sequence):
    """By Hadamard's matrix, or NumPy's FFT of values in the order of the lattice."""
    n = len(y)
    if sequence == "net":
        return np.abs(linalg.hadamard(n) @ y) / n
    m = n.bit_length() - 1
    order = [int(f"{i:0{m}b}"[::-1], 2) for i in range(n)]
    return np.abs(np.fft.fft(y[order])) / n


def naive_sums(y, sequence):
    """S_{m, l} for all l, with the order of Algorithm 1 of [1]_ of `qmc_cubature` by its words."""
    n = len(y)
    size, order = naive_coefficients(y, sequence), list(range(n))
    m = n.bit_length() - 1
    for level in range(m - 1, 0, -1):
        for k in range(1, 2**level):
            if size[order[k + 2**level]] > size[order[k]]:
                for j in range(0, n, 2 ** (level + 1)):
                    a, b = j + k, j + k + 2**level
                    order[a], order[b] = order[b], order[a]
    size = size[order]
    return {level: size[2 ** (level - 1) : 2**level].sum() for level in range(1, m + 1)}


@SEQUENCES
def test_the_bound_by_its_definition(sequence):
    for n in (64, 256, 1024):
        f = Recorder(HARD["discontinuous"])
        found = at(qmc_cubature, n, f, 3, rng=n, sequence=sequence, transform="none")
        m = n.bit_length() - 1
        y = f.f(f.points[0])
        assert found.integral == pytest.approx(y.mean())
        expected = 5 * 2.0**-m * naive_sums(y, sequence)[m - 4]
        assert found.error == pytest.approx(expected, rel=1e-9)
        wider = at(
            qmc_cubature,
            n,
            f,
            3,
            rng=n,
            sequence=sequence,
            transform="none",
            inflate=lambda m: 10 * 2.0**-m,
        )
        assert wider.error == pytest.approx(2 * expected, rel=1e-9)


def test_outside_the_cone():
    """Whether a warning comes is decided by inequalities between blocks seen at different m."""
    f, n_init, n = keister, 64, 1024
    y = f(DigitalNet(2, rng=1).random(n))
    sums = {m: naive_sums(y[: 1 << m], "net") for m in range(6, 11)}
    seen = set()
    for factor in (5.0, 1.0, 0.3, 0.1, 0.01):

        def inflate(m, factor=factor):
            return factor * 2.0**-m

        low, high = {}, {}
        for m, blocks in sums.items():
            for level in range(m - 4, m + 1):
                lag = m - level
                share = inflate(lag) / (1 + inflate(4)) / 2.0**-4 * 2.0**-lag
                low.setdefault(level, []).append(blocks[level] / (1 + share))
                if share < 1:
                    high.setdefault(level, []).append(blocks[level] / (1 - share))
        inside = all(max(low[level]) <= min(high[level]) for level in high)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            # A tolerance that is met by 1024 points and not before.
            tol = inflate(9) * sums[9][5] * 0.99
            found = qmc_cubature(f, 2, abs_tol=tol, n_init=n_init, n_max=n, rng=1, inflate=inflate)
        messages = [str(w.message) for w in caught]
        assert found.n == n
        assert any("decay too erratically" in message for message in messages) == (not inside)
        assert all(w.filename == __file__ and w.category is RuntimeWarning for w in caught)
        seen.add(inside)
    assert seen == {True, False}


# Going on, and stopping


@BOTH
@SEQUENCES
def test_resume(cubature, sequence):
    options = {"sequence": sequence}
    f = Recorder(keister)
    loose = cubature(f, 2, abs_tol=1e-1, rng=9, n_init=128, **options)
    before = (loose.integral, loose.error, loose.n, loose.state.n)
    tight = cubature(f, 2, abs_tol=1e-4, resume=loose, **options)
    whole = cubature(keister, 2, abs_tol=1e-4, rng=9, n_init=128, **options)
    assert tight.n > loose.n
    assert tight.integral == whole.integral
    assert tight.error == whole.error
    assert (tight.n, tight.status) == (whole.n, whole.status)
    # No point is asked for twice, and the earlier result stays what it was.
    assert sum(map(len, f.points)) == tight.n
    assert len(np.unique(np.concatenate(f.points), axis=0)) == tight.n
    assert (loose.integral, loose.error, loose.n, loose.state.n) == before
    again = cubature(keister, 2, abs_tol=1e-4, resume=loose, **options)
    assert (again.integral, again.n) == (tight.integral, tight.n)
    # A looser tolerance costs nothing.
    count = len(f.points)
    assert cubature(f, 2, abs_tol=1.0, resume=tight, **options).n == tight.n
    assert len(f.points) == count


@BOTH
@SEQUENCES
def test_limit(cubature, sequence):
    options = {"abs_tol": 1e-9, "n_init": 64, "sequence": sequence}
    name = cubature.__name__
    with pytest.warns(RuntimeWarning, match=f"{name} did not reach .* n_max = 256 ") as caught:
        found = cubature(keister, 2, n_max=256, rng=3, **options)
    assert caught[0].filename == __file__
    assert (found.status, found.success, found.n) == ("limit", False, 256)
    assert found.error > 1e-9
    with pytest.warns(RuntimeWarning, match="n_max = 1024"):
        more = cubature(keister, 2, n_max=1024, resume=found, **options)
    assert more.integral == at(cubature, 1024, keister, 2, rng=3, sequence=sequence).integral


@BOTH
def test_exceptions_of_the_integrand(cubature):
    class Broken(Exception):
        pass

    def breaking(x):
        if len(x) >= 512:
            raise Broken("disk full")
        return keister(x)

    with pytest.raises(Broken, match="disk full") as raised:
        cubature(breaking, 2, abs_tol=1e-5, n_init=128, rng=2)
    error = raised.value
    assert "go on with resume=error.partial" in error.__notes__[0]
    assert isinstance(error.partial, CubatureResult)
    assert (error.partial.n, error.partial.status) == (512, "limit")
    rest = cubature(keister, 2, abs_tol=1e-4, resume=error.partial)
    whole = cubature(keister, 2, abs_tol=1e-4, n_init=128, rng=2)
    assert (rest.integral, rest.error, rest.n) == (whole.integral, whole.error, whole.n)
    # There is nothing to go on with where the first call fails.
    with pytest.raises(Broken) as raised:
        cubature(breaking, 2, n_init=512)
    assert not hasattr(raised.value, "partial")


@BOTH
def test_values_that_are_no_values(cubature):
    def holes(x):
        return np.where(x[:, 0] < 0.1, np.nan, x[:, 0])

    with pytest.raises(ValueError, match=r"f is not finite at \d+ of 1024 points, the first being"):
        cubature(holes, 2, n_init=1024)
    with pytest.raises(ValueError, match="not finite at 1024 of 1024"):
        cubature(lambda x: np.full((len(x), 2), [1, np.inf]), 2, n_init=1024)
    for wrong in (
        lambda x: 1.0,
        lambda x: x[1:, 0],
        lambda x: x.T,
        lambda x: x[:, 0].sum(),
        lambda x: [],
    ):
        with pytest.raises(ValueError, match="f must return 1024 rows for 1024 points; got"):
            cubature(wrong, 2, n_init=1024)
    for wrong in (lambda x: ["a"] * len(x), lambda x: np.full(len(x), None)):
        with pytest.raises(TypeError, match="f must return numbers; got dtype"):
            cubature(wrong, 2)
    with pytest.raises(TypeError, match="'int' object is not callable"):
        cubature(3, 2)


@BOTH
def test_outputs_that_change(cubature):
    def first_call_then(first, then):
        calls = []

        def f(x):
            calls.append(len(x))
            return first(x) if len(calls) == 1 else then(x)

        return f

    options = {"n_init": 64, "abs_tol": 1e-9, "n_max": 128}
    f = first_call_then(lambda x: x, lambda x: x[:, :1])
    with pytest.raises(ValueError, match=r"f returned rows of shape \(1,\), and \(2,\) before"):
        cubature(f, 2, **options)
    f = first_call_then(lambda x: x[:, 0], lambda x: 1j * x[:, 0])
    with pytest.raises(TypeError, match="f returned complex numbers, and real ones before"):
        cubature(f, 2, **options)
    f = first_call_then(lambda x: x[:, 0] + 0j, lambda x: x[:, 0])
    with pytest.warns(RuntimeWarning, match="did not reach"):
        assert cubature(f, 2, **options).integral == pytest.approx(0.5, abs=1e-2)


# Points and arguments


@BOTH
@SEQUENCES
def test_points(cubature, sequence):
    f = Recorder(keister)
    points = {"net": DigitalNet, "lattice": Lattice}[sequence](2, rng=8)
    options = {"sequence": sequence, "transform": "none"}
    found = at(cubature, 1024, f, 2, points=points, workers=1, **options)
    x = np.concatenate(f.points)
    assert x.shape == (1024, 2)
    assert ((x > 0) & (x < 1)).all()
    np.testing.assert_array_equal(x, points.reset().random(1024))
    for other in ({"points": points, "workers": 2}, {"rng": 8}, {"rng": np.random.default_rng(8)}):
        same = at(cubature, 1024, keister, 2, **options, **other)
        assert (same.integral, same.error) == (found.integral, found.error)
    # Corners are points of nets and lattices that are not randomized; integrands may have poles.
    plain = {"net": {"randomize": None}, "lattice": {"shift": False}}[sequence]
    corner = type(points)(2, **plain)
    found = at(cubature, 1024, lambda x: np.log(x[:, 0]), 2, points=corner, **options)
    assert np.isfinite(found.integral)


@BOTH
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"abs_tol": -1e-3}, "abs_tol must be a number, at least 0; got -0.001"),
        ({"abs_tol": np.nan}, "abs_tol must be a number, at least 0; got nan"),
        ({"abs_tol": None}, "abs_tol must be a number, at least 0; got None"),
        ({"abs_tol": [0.1, 0.2]}, r"abs_tol must be a number, at least 0; got \[0.1, 0.2\]"),
        ({"rel_tol": np.inf}, "rel_tol must be a number, at least 0; got inf"),
        ({"rel_tol": 1j}, "rel_tol must be a number, at least 0; got 1j"),
        ({"abs_tol": 0}, "one of abs_tol and rel_tol must be positive"),
        ({"n_init": 1000}, "n_init must be a power of two, at least 2; got 1000"),
        ({"n_init": 1}, "n_init must be a power of two, at least 2; got 1"),
        ({"n_max": 0}, "n_max must be a power of two, at least 2; got 0"),
        ({"n_init": 128, "n_max": 64}, "n_init must not exceed n_max; got 128 and 64"),
        ({"sequence": "sobol"}, r"sequence must be one of \('net', 'lattice'\); got 'sobol'"),
        ({"transform": "sine"}, r"transform must be one of \('none', .*'C2sin'\); got 'sine'"),
        ({"d": 0}, "d must be at least 1; got 0"),
        ({"d": -2}, "d must be at least 1; got -2"),
        ({"points": Lattice(2)}, "points must be a DigitalNet of dimension 2"),
        ({"points": DigitalNet(3)}, "points must be a DigitalNet of dimension 2"),
        ({"points": DigitalNet(2), "sequence": "lattice"}, "points must be a Lattice of dim"),
        ({"points": DigitalNet(2, order="gray")}, "in radical-inverse order, without replications"),
        ({"points": Lattice(2, order="linear"), "sequence": "lattice"}, "in radical-inverse order"),
        ({"points": DigitalNet(2, replications=4)}, "in radical-inverse order, without repl"),
        ({"points": DigitalNet(2, randomize="nus")}, 'scrambled by randomize="nus"'),
    ],
)
def test_arguments(cubature, options, message):
    f = Recorder(keister)
    given = {"d": 2, **options}
    with pytest.raises(ValueError, match=message):
        cubature(f, given.pop("d"), **given)
    assert not f.points


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"error_type": "mle"}, r"error_type must be one of \('MLE', 'GCV', 'full'\); got 'mle'"),
        ({"confidence": 1}, "confidence must be between 0 and 1; got 1"),
        ({"confidence": np.nan}, "confidence must be between 0 and 1; got nan"),
        ({"alpha": 0}, 'alpha must be integers from 1 on with digits="all"; got 0'),
        ({"alpha": 1.5}, 'alpha must be integers from 1 on with digits="all"; got 1.5'),
        ({"alpha": 0, "sequence": "lattice"}, "alpha must be .*; got 0"),
    ],
)
def test_arguments_of_bayesian_cubature(options, message):
    f = Recorder(keister)
    with pytest.raises(ValueError, match=message):
        bayesian_cubature(f, 2, **options)
    assert not f.points


@BOTH
def test_other_arguments(cubature):
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        cubature(keister, 2.0)
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        cubature(keister, 2, n_init=256.0)
    with pytest.raises(TypeError, match="resume must be the result of an earlier call"):
        cubature(keister, 2, resume=1.8)
    earlier = cubature(keister, 2, abs_tol=0.1, rng=0)
    with pytest.raises(ValueError, match="resume is of dimension 2 on a net; got d=3, 'net'"):
        cubature(keister, 3, resume=earlier)
    with pytest.raises(ValueError, match="resume is of dimension 2 on a net; got d=2, 'lattice'"):
        cubature(keister, 2, resume=earlier, sequence="lattice")


def test_few_points_for_the_bound():
    with pytest.raises(ValueError, match="n_init must be at least 64; got 32"):
        qmc_cubature(keister, 2, n_init=32)
