"""Lattices and their construction against exact rationals, brute force and published points."""

import itertools
import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fasttx
from fasttx.qmc import (
    DigitalNet,
    Lattice,
    lattice_error,
    lattice_vector,
    read_lddata,
    write_lddata,
)

PI = Fraction("3.14159265358979323846264338327950288419716939937510582097494459")


def squared_error(vector, n, weights, alpha):
    """In exact arithmetic, but for 60 digits of pi."""
    bernoulli = {
        1: lambda x: x * x - x + Fraction(1, 6),
        2: lambda x: x**4 - 2 * x**3 + x * x - Fraction(1, 30),
        3: lambda x: x**6 - 3 * x**5 + Fraction(5, 2) * x**4 - x * x / 2 + Fraction(1, 42),
    }[alpha]
    factor = (-1) ** (alpha + 1) * (2 * PI) ** (2 * alpha) / math.factorial(2 * alpha)
    total = Fraction(0)
    for i in range(n):
        term = Fraction(1)
        for z, gamma in zip(vector, weights, strict=True):
            term *= 1 + Fraction(gamma) * factor * bernoulli(Fraction(i * int(z) % n, n))
        total += term
    return float(total / n - 1)


def kernel(x):
    """Of the Korobov space with alpha = 1, less one."""
    return 2 * np.pi**2 * (x * x - x + 1 / 6)


def candidates(n):
    return [z for z in range(1, n // 2 + 1) if math.gcd(z, n) == 1]


def products(vector, n, weights):
    i = np.arange(n)
    factors = [1 + g * kernel(i * int(z) % n / n) for z, g in zip(vector, weights, strict=True)]
    return np.prod(factors, axis=0)


def by_brute_force(n, weights):
    """Component-by-component construction, the smallest of candidates that are equally good."""
    vector = [1]
    for j in range(1, len(weights)):
        errors = [products([*vector, z], n, weights[: j + 1]).mean() - 1 for z in candidates(n)]
        best = np.flatnonzero(np.array(errors) <= min(errors) * (1 + 1e-9))[0]
        vector.append(candidates(n)[best])
    return vector


# Construction


@pytest.mark.parametrize("alpha", [1, 2, 3])
@pytest.mark.parametrize(("vector", "n"), [([1, 3, 5], 8), ([1, 12, 7], 31), ([2, 5, 1], 12)])
def test_error_is_exact(vector, n, alpha):
    weights = [1.0, 0.25, 0.5]
    expected = squared_error(vector, n, weights, alpha)
    assert lattice_error(vector, n, weights, alpha) ** 2 == pytest.approx(expected, rel=1e-12)


def test_error_is_the_sum_over_the_dual_lattice():
    vector, n, weights, most = (1, 3), 8, (0.7, 0.3), 2000
    h = np.arange(-most, most + 1)
    size = np.maximum(np.abs(h), 1.0) ** 4
    first = np.where(h == 0, 1.0, weights[0] / size)
    second = np.where(h == 0, 1.0, weights[1] / size)
    total = sum(
        first[(h * vector[0]) % n == r].sum() * second[(-h * vector[1]) % n == r].sum()
        for r in range(n)
    )
    assert lattice_error(vector, n, weights, alpha=2) ** 2 == pytest.approx(total - 1, rel=1e-8)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 7, 8, 16, 31, 37, 64, 127, 128, 256, 257])
def test_vector_is_that_of_brute_force(n):
    for weights in (1 / np.arange(1.0, 7) ** 2, np.full(6, 0.05)):
        vector = lattice_vector(n, 6, weights=weights)
        assert vector.dtype == np.uint64
        assert vector.tolist() == by_brute_force(n, weights)


@pytest.mark.parametrize("n", [1 << 14, 16381])
def test_each_component_of_many_points_is_the_best(n):
    weights = np.array([1.0, 0.5, 0.25])
    vector = lattice_vector(n, 3, weights=weights)
    rest = products(vector[:2], n, weights[:2])
    values = kernel(np.arange(n) / n)
    sums = [rest @ values[np.arange(n) * z % n] for z in [*candidates(n)[:3000], int(vector[2])]]
    assert sums[-1] <= min(sums) * (1 + 1e-6)


def test_smoothness_and_its_substitute():
    """Jensen's inequality, as the docstring of `lattice_vector` has it."""
    weights, n = np.array([1, 0.5, 0.25, 0.1]), 256
    rough = lattice_vector(n, 4, weights=weights ** (1 / 2))
    best = lattice_error(lattice_vector(n, 4, weights=weights, alpha=2), n, weights, alpha=2)
    error = lattice_error(rough, n, weights, alpha=2)
    assert best <= error <= lattice_error(rough, n, weights ** (1 / 2)) ** 2


def test_embedded_vector_is_that_of_brute_force():
    n, sizes, weights = 128, [16, 32, 64, 128], np.array([1, 0.8, 0.6, 0.4, 0.2])
    best = [by_brute_force(size, weights) for size in sizes]
    vector = [1]
    for j in range(1, 5):

        def worst(z, j=j):
            return max(
                (products([*vector, z], size, weights[: j + 1]).mean() - 1)
                / (products(own[: j + 1], size, weights[: j + 1]).mean() - 1)
                for size, own in zip(sizes, best, strict=True)
            )

        ratios = [worst(z) for z in candidates(n)]
        tied = np.flatnonzero(np.array(ratios) <= min(ratios) * (1 + 1e-9))[0]
        vector.append(candidates(n)[tied])
    found = lattice_vector(n, 5, weights=weights, embedded=True, first=16)
    assert found.tolist() == vector


def test_default_vector_is_what_its_docstring_says():
    vector, weights = Lattice(1024, shift=False).vector, np.full(1024, 0.005)
    assert len(set(vector.tolist())) == 1024
    assert (vector % 2 == 1).all()
    assert vector.max() < 1 << 19
    own = lattice_vector(1 << 20, 3, weights=weights[:3], embedded=True)
    for n in (1 << 10, 1 << 15, 1 << 20):
        assert lattice_error(vector[:3], n, weights[:3]) == pytest.approx(
            lattice_error(own, n, weights[:3]), rel=1e-6
        )
    for n, d in ((1 << 10, 7), (1 << 10, 100), (1 << 13, 10), (1 << 15, 7)):
        alone = lattice_error(lattice_vector(n, d, weights=weights[:d]), n, weights[:d])
        ratio = lattice_error(vector[:d], n, weights[:d]) / alone
        assert 1 - 1e-9 <= ratio <= {7: 1.43, 10: 1.36, 100: 1.08}[d]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: lattice_vector(12, 2),
            ValueError,
            "n must be a power of two or a prime, .* got 12",
        ),
        (lambda: lattice_vector(9, 2), ValueError, "power of two or a prime"),
        (lambda: lattice_vector(1, 2), ValueError, "from 2 to"),
        (lambda: lattice_vector(8, 0), ValueError, "d must be at least 1; got 0"),
        (lambda: lattice_vector(8, 2, weights=[1]), ValueError, r"shape \(2,\); got \(1,\)"),
        (lambda: lattice_vector(8, 2, weights=[1, 0]), ValueError, "positive and finite"),
        (lambda: lattice_vector(8, 2, weights=[1, np.nan]), ValueError, "positive and finite"),
        (lambda: lattice_vector(8, 2, alpha=5), ValueError, "from 1 to 4; got 5"),
        (lambda: lattice_vector(7, 2, embedded=True), ValueError, "powers of two.* n=7"),
        (lambda: lattice_vector(512, 2, embedded=True), ValueError, "first=1024"),
        (lambda: lattice_vector(1 << 12, 3, alpha=4), ValueError, "does not resolve"),
        (lambda: lattice_error([1.0], 8), TypeError, "integers; got dtype float64"),
        (lambda: lattice_error([[1]], 8), ValueError, r"one-dimensional .* got shape \(1, 1\)"),
        (lambda: lattice_error([-1], 8), ValueError, "negative entries; got -1"),
        (lambda: lattice_error([1], 0), ValueError, "between 1 and"),
    ],
)
def test_bad_constructions(call, error, message):
    with pytest.raises(error, match=message):
        call()


# Points


def radical_inverse(i, bits):
    return int(format(i, f"0{bits}b")[::-1], 2)


def exact_points(lattice, first, n):
    """Digits, from the definition in Python's integers."""
    bits, modulus = lattice.bits, 1 << lattice.bits
    shifts = np.atleast_2d(lattice._shift)
    index = range(first, first + n)
    if lattice.order == "gray":
        index = [i ^ (i >> 1) for i in index]
    scale = modulus // n if lattice.order == "linear" else 0
    digits = [i * scale if scale else radical_inverse(i, bits) for i in index]
    return np.array(
        [
            [
                [(v * int(z) + int(s)) % modulus for z, s in zip(lattice.vector, row, strict=True)]
                for v in digits
            ]
            for row in shifts
        ],
        dtype=np.uint64,
    )


@settings(max_examples=40, deadline=None)
@given(
    order=st.sampled_from(["radical-inverse", "gray"]),
    d=st.integers(1, 9),
    bits=st.sampled_from([12, 24, 32, 53, 64]),
    first=st.integers(0, 900),
    n=st.integers(0, 700),
    replications=st.sampled_from([None, 2]),
    seed=st.integers(0, 5),
)
def test_points_are_exact(order, d, bits, first, n, replications, seed):
    lattice = Lattice(d, order=order, bits=bits, replications=replications, rng=seed)
    expected = exact_points(lattice, first, n)
    expected = expected if replications else expected[0]
    expected = expected.reshape(*((replications,) if replications else ()), n, d)
    raw = lattice.fast_forward(first).random_raw(n)
    np.testing.assert_array_equal(raw, expected)
    x = lattice.reset().fast_forward(first).random(n)
    drop = max(0, bits - 53)
    np.testing.assert_array_equal(x, np.ldexp((expected >> drop).astype(float), drop - bits))
    single = lattice.reset().fast_forward(first).random(n, dtype=np.float32)
    drop = max(0, bits - 24)
    np.testing.assert_array_equal(
        single, np.ldexp((expected >> drop).astype(np.float32), drop - bits)
    )
    if bits <= 32:
        small = lattice.reset().fast_forward(first).random_raw(n, dtype=np.uint32)
        np.testing.assert_array_equal(small, expected)


@pytest.mark.parametrize("n", [1, 2, 64, 1024])
def test_linear_order(n):
    lattice = Lattice(3, order="linear", replications=2, rng=1)
    np.testing.assert_array_equal(lattice.random_raw(n), exact_points(lattice, 0, n))
    # The same points as in the other orders.
    other = Lattice(3, replications=2, rng=1).random_raw(n)
    np.testing.assert_array_equal(np.sort(other, axis=1), np.sort(lattice.reset().random_raw(n), 1))
    assert lattice.num_generated == n


def test_formula_of_the_docstring():
    vector, shift, n = [1, 7, 5], np.array([0.25, 0.5, 0.125]), 16
    x = Lattice(3, vector=vector, shift=shift, order="linear").random(n)
    np.testing.assert_array_equal(x, (np.arange(n)[:, None] / n * vector + shift) % 1)


def test_calls_do_not_change_the_points():
    whole = Lattice(5, rng=3).random(1 << 15)
    lattice = Lattice(5, rng=3)
    parts = np.concatenate([lattice.random(n) for n in (1, 255, 3, 10000, 0, 22509)])
    np.testing.assert_array_equal(parts, whole)
    for workers in (1, 3):
        out = np.empty_like(whole)
        assert lattice.reset().random(out=out, workers=workers) is out
        np.testing.assert_array_equal(out, whole)
    shared = Lattice(3, replications=3, rng=3).random(1 << 12, workers=2)
    np.testing.assert_array_equal(shared, Lattice(3, replications=3, rng=3).random(1 << 12))


def test_shifts():
    given = np.array([[0.5, 0.25], [0.125, 1 - 2.0**-53]])
    lattice = Lattice(2, shift=given, replications=2)
    np.testing.assert_array_equal(lattice.random(1)[:, 0], given)
    np.testing.assert_array_equal(lattice.shift, given)
    np.testing.assert_array_equal(Lattice(2, shift=given[1]).random(1), given[1:])
    np.testing.assert_array_equal(Lattice(2, shift=False).shift, [0, 0])
    random = Lattice(2, replications=200, rng=0).shift
    assert random.shape == (200, 2)
    assert len(np.unique(random)) == 400
    assert abs(random.mean() - 0.5) < 0.05
    assert Lattice(1, bits=64, rng=2).random(1000).max() < 1


def test_matrix_of_a_shift_invariant_kernel_is_diagonal_in_fftbr():
    x = Lattice(3, rng=2).random(64)

    def kernels(y):
        return np.prod(1 + 0.1 * kernel((x - y) % 1), axis=-1)

    gram = np.array([kernels(y) for y in x])
    values = fasttx.fftbr(gram[:, 0])
    transformed = fasttx.ifftbr(fasttx.fftbr(np.eye(64)) * values).real
    np.testing.assert_allclose(transformed, gram, atol=1e-12)
    assert values.real.min() > 0


def test_integrates_trigonometric_polynomials_off_the_dual_lattice():
    n, lattice = 64, Lattice(2, vector=[1, 19], rng=5)
    x = lattice.random(n)
    for h in itertools.product(range(-5, 6), repeat=2):
        mean = np.exp(2j * np.pi * (x @ h)).mean()
        phase = np.exp(2j * np.pi * (lattice.shift @ h))
        assert abs(mean - (phase if (h[0] + 19 * h[1]) % n == 0 else 0)) < 1e-12


def test_longer_lattices_than_the_table():
    vector = lattice_vector(1 << 22, 2)
    last = Lattice(2, vector=vector, shift=False).fast_forward((1 << 22) - 1).random(2)
    assert last[0, 0] == 1 - 2.0**-22
    assert last[1, 0] == 2.0**-23
    assert Lattice(2, vector=[1, 3]).max_points == 1 << 53


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Lattice(1025), ValueError, "default vector has 1024 .* d=1025.* lattice_vector"),
        (
            lambda: Lattice(2).fast_forward((1 << 20) + 1),
            ValueError,
            r"2\*\*20 points, .* lattice_v",
        ),
        (lambda: Lattice(3, vector=[1, 3]), ValueError, "the vector has 2 components; got d=3$"),
        (lambda: Lattice(1, vector=[0.5]), TypeError, "integers"),
        (
            lambda: Lattice(2, order="natural"),
            ValueError,
            "radical-inverse, gray, linear; got 'nat",
        ),
        (lambda: Lattice(2, shift=[0.5]), ValueError, r"shape \(2,\); got \(1,\)"),
        (lambda: Lattice(2, shift=[0.5, 1.0]), ValueError, r"in \[0, 1\)"),
        (lambda: Lattice(2, shift=[0.5, np.nan]), ValueError, r"in \[0, 1\)"),
        (lambda: Lattice(2, shift=False, replications=2), ValueError, "replications=2 need shifts"),
        (lambda: Lattice(2, bits=8).random(257), ValueError, "256 points"),
        (lambda: Lattice(2, order="linear").random(3), ValueError, "power of two; got n=3"),
        (lambda: Lattice(2, order="linear").fast_forward(2), ValueError, "all at once"),
    ],
)
def test_bad_lattices(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_linear_order_is_not_extensible():
    lattice = Lattice(2, order="linear", rng=0)
    lattice.random(8)
    with pytest.raises(ValueError, match="all at once: 8 were, 8 more"):
        lattice.random(8)
    assert lattice.num_generated == 8
    assert lattice.reset().random(16).shape == (16, 2)


# Files


@settings(max_examples=25, deadline=None)
@given(
    bits=st.integers(1, 64), d=st.integers(1, 4), columns=st.integers(1, 40), seed=st.integers(0, 9)
)
def test_matrices_make_a_round_trip(tmp_path_factory, bits, d, columns, seed):
    path = tmp_path_factory.mktemp("net") / "net.txt"
    top = (1 << bits) - 1
    rng = np.random.default_rng(seed)
    matrices = rng.integers(0, top, size=(d, columns), dtype=np.uint64, endpoint=True)
    write_lddata(path, matrices=matrices, bits=bits, comments=["one", "two"])
    data = read_lddata(path)
    np.testing.assert_array_equal(data.matrices, matrices)
    assert (data.kind, data.bits, data.points, data.dimensions) == ("dnet", bits, 1 << columns, d)
    assert data.comments[:2] == ("one", "two")
    assert data.vector is None


def test_vectors_make_a_round_trip(tmp_path):
    vector = lattice_vector(1 << 12, 5)
    write_lddata(tmp_path / "z.txt", vector=vector, points=1 << 12, comments=["by CBC"])
    data = read_lddata(str(tmp_path / "z.txt"))
    np.testing.assert_array_equal(data.vector, vector)
    assert (data.kind, data.points, data.dimensions) == ("lattice", 1 << 12, 5)
    assert data.comments == ("by CBC",)
    assert data.matrices is None
    x = Lattice(5, vector=data.vector, rng=0).random(8)
    np.testing.assert_array_equal(x, Lattice(5, vector=vector, rng=0).random(8))


def test_reads_the_example_of_the_format_and_more_lines_than_dimensions(tmp_path):
    text = """# lattice
# A lattice rule, non-embedded, in 'lattice' format
3        # 3 dimensions
65536    # modulus = n = 65536 points
# coordinates of the generating vector, starting at j=1:
1

19463
17213
5895
"""
    path = tmp_path / "z.txt"
    path.write_text(text)
    assert read_lddata(path).vector.tolist() == [1, 19463, 17213, 5895]


@pytest.mark.parametrize("size", ["4 # supports 2^2 points", "2 # columns"])
def test_reads_files_of_the_repository(tmp_path, size):
    """The first columns of mps.nx_s5_alpha2_m32.txt and the points that QMCPy documents for it."""
    path = tmp_path / "net.txt"
    path.write_text(
        f"# dnet\n2 # base\n3 # dimensions\n{size}\n32 # bits\n# matrices\n"
        "3257382277 2477329768\n1944968812 568064078\n2097857767 432157757\n"
    )
    data = read_lddata(path)
    expected = [
        [0, 0, 0],
        [0.75841841, 0.45284834, 0.48844557],
        [0.57679828, 0.13226272, 0.10061957],
        [0.31858402, 0.32113875, 0.39369111],
    ]
    net = DigitalNet(3, matrices=data.matrices, bits=data.bits, randomize=None)
    np.testing.assert_allclose(net.random(4), expected, atol=5e-9)


NET = "# dnet\n2\n2\n2\n4\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "must be '# lattice'"),
        ("lattice\n1\n", 1, "got 'lattice'"),
        ("# plattice\n2\n", 1, "got '# plattice'"),
        ("# dnetup\n2\n", 1, "got '# dnetup'"),
        ("# lattice\n", 1, "the number of dimensions is missing"),
        ("# lattice\n2 # dimensions\n", 2, "the number of points is missing"),
        ("# lattice\n2\n0\n", 3, "the number of points must be one positive integer"),
        ("# lattice\n2\n8\n1\n", 4, "the file ends after 1 of 2 dimensions"),
        ("# lattice\n2\n8\n1\n3.5\n", 5, "nonnegative integers; got '3.5'"),
        ("# lattice\n2\n8\n1\n-3\n", 5, "nonnegative integers; got '-3'"),
        ("# lattice\n2\n8\n1\n3 5\n", 5, r"must have 1 integer\(s\)"),
        ("# dnet\n3\n2\n2\n4\n1 2\n2 1\n", 5, "in base 3"),
        ("# dnet\n2\n2\n2\n65\n1 2\n2 1\n", 5, "at most 64 rows are read; these have 65"),
        (NET + "1 2\n\n# a comment\n3\n", 9, r"must have 2 integer\(s\), as the others; got 1"),
        (NET + "1 2\n3 16\n", 7, "must be less than 16; got 16"),
        ("# dnet\n2\n2\n8\n4\n1 2\n3 4\n", 7, "2 columns where the header says 8"),
    ],
)
def test_malformed_files(tmp_path, text, line, message):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))}, line {line}: .*{message}"):
        read_lddata(path)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, TypeError, "exactly one"),
        ({"vector": [1], "matrices": [[1]]}, TypeError, "exactly one"),
        ({"vector": [1]}, ValueError, "a vector needs points, .* got None"),
        ({"vector": [1, 9], "points": 8}, ValueError, "from 0 to 7; got 1 to 9"),
        ({"vector": [0.5], "points": 8}, TypeError, "integers; got dtype float64"),
        ({"vector": [], "points": 8}, TypeError, "got dtype float64"),
        ({"matrices": [[1]]}, ValueError, "matrices need bits"),
        ({"matrices": [1, 2], "bits": 3}, ValueError, r"2 dimension\(s\); got shape \(2,\)"),
        ({"matrices": [[8]], "bits": 3}, ValueError, "from 0 to 7"),
        ({"vector": [1], "points": 8, "comments": ["a\nb"]}, ValueError, "single lines"),
    ],
)
def test_bad_writes_touch_nothing(tmp_path, arguments, error, message):
    path = tmp_path / "kept.txt"
    path.write_text("as before")
    with pytest.raises(error, match=message):
        write_lddata(path, **arguments)
    assert path.read_text() == "as before"


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_lddata(tmp_path / "none.txt")
