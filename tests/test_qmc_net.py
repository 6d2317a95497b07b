"""Digital nets beside SciPy's Sobol' points, generation digit by digit and counts of intervals."""

import itertools
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import qmc

from fasttx.qmc import DigitalNet, _matrices, sobol_matrices

RANDOMIZED = ["lms+shift", "shift", "lms", "nus"]


def gray(i):
    return i ^ (i >> 1)


def by_hand(matrices, shift, i):
    """Digits of a point, in Python's integers."""
    point = [int(s) for s in shift]
    for c, columns in enumerate(matrices.T):
        if i >> c & 1:
            point = [p ^ int(v) for p, v in zip(point, columns, strict=True)]
    return point


def t_value(raw, bits):
    """The least t for which 2**m points are a (t, m, d)-net, by counting points in intervals."""
    n, d = raw.shape
    m = n.bit_length() - 1
    for volume in range(m, -1, -1):
        for cuts in itertools.product(range(volume + 1), repeat=d):
            if sum(cuts) != volume:
                continue
            cell = np.zeros(n, np.uint64)
            for j, cut in enumerate(cuts):
                digits = raw[:, j] >> np.uint64(bits - cut) if cut else 0
                cell = (cell << np.uint64(cut)) | digits
            counts = np.bincount(cell.astype(np.int64), minlength=1 << volume)
            if not (counts == n >> volume).all():
                break
        else:
            return m - volume
    return m


# --- Sobol' points --------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 7, 60])
@pytest.mark.filterwarnings("ignore:The balance properties")
def test_points_are_those_of_scipy_in_gray_order(d):
    ours = DigitalNet(d, randomize=None, order="gray").random(1000)
    np.testing.assert_array_equal(ours, qmc.Sobol(d, scramble=False, bits=53).random(1000))


def test_both_orders_have_the_same_points():
    ours = DigitalNet(5, randomize=None).random(256)
    scipys = qmc.Sobol(5, scramble=False, bits=53).random_base2(8)
    np.testing.assert_array_equal(ours[gray(np.arange(256))], scipys)
    assert qmc.discrepancy(ours) == pytest.approx(qmc.discrepancy(scipys), rel=1e-12)


@pytest.mark.parametrize(("d", "n"), [(21201, 32), (100, 2**15)])
def test_all_of_joe_and_kuos_numbers(d, n):
    ours = DigitalNet(d, randomize=None, order="gray").fast_forward(n - 16).random(16)
    theirs = qmc.Sobol(d, scramble=False, bits=53).random(n)
    np.testing.assert_array_equal(ours, theirs[-16:])


@pytest.mark.parametrize("source", ["joe-kuo", "primitive"])
def test_matrices_are_triangular_and_those_of_fewer_bits_their_corners(source):
    large, small = (sobol_matrices(9, bits, source=source, rng=3) for bits in (64, 20))
    np.testing.assert_array_equal(large[:, :20] >> np.uint64(44), small)
    for c in range(64):
        assert ((large[:, c] >> np.uint64(63 - c)) & np.uint64(1) == 1).all()
        assert c == 63 or not (large[:, c] << np.uint64(c + 1)).any()


def test_primitive_polynomials():
    listed = {1: [0b11], 2: [0b111], 3: [0b1011, 0b1101], 4: [0b10011, 0b11001]}
    for degree, polynomials in listed.items():
        assert _matrices.primitive_polynomials(degree).tolist() == polynomials
    for degree in range(5, 13):
        found = _matrices.primitive_polynomials(degree)
        assert len(found) == sympy.totient(2**degree - 1) / degree
    x = sympy.Symbol("x")
    for p in _matrices.primitive_polynomials(8).tolist():
        coefficients = [int(b) for b in f"{p:b}"]
        assert sympy.Poly(coefficients, x, modulus=2).is_irreducible


@pytest.mark.parametrize("seed", range(5))
def test_drawn_initial_numbers_keep_the_bound_on_t(seed):
    matrices = sobol_matrices(3, 7, source="primitive", rng=seed)  # degrees 0, 1 and 2
    raw = DigitalNet(3, matrices=matrices, bits=7, randomize=None).random_raw(128)
    assert t_value(raw, 7) <= 1
    assert t_value(raw[:, :2], 7) == 0


def test_without_scipys_file_the_numbers_are_drawn(monkeypatch):
    def missing():
        raise FileNotFoundError

    monkeypatch.setattr(_matrices, "_scipy_numbers", missing)
    with pytest.warns(RuntimeWarning, match="Joe and Kuo's direction numbers is missing"):
        matrices = sobol_matrices(40)
    np.testing.assert_array_equal(matrices, sobol_matrices(40, source="primitive", rng=0))


# --- Any matrices ---------------------------------------------------------------------------------


@st.composite
def nets(draw):
    d, bits, columns = draw(st.integers(1, 5)), draw(st.integers(1, 64)), draw(st.integers(1, 64))
    seed, order = draw(st.integers(0, 99)), draw(st.sampled_from(["radical-inverse", "gray"]))
    rng = np.random.default_rng(seed)
    matrices = rng.integers(0, 1 << bits, (d, columns), np.uint64)
    net = DigitalNet(d, matrices=matrices, order=order, bits=bits, randomize="shift", rng=seed)
    first = draw(st.integers(0, net.max_points - 1))
    n = draw(st.integers(0, min(300, net.max_points - first)))
    return net.fast_forward(first), first, n


@settings(max_examples=60, deadline=None)
@given(nets())
def test_points_by_hand(drawn):
    net, first, n = drawn
    raw = net.random_raw(n)
    number = gray if net.order == "gray" else int
    for i in {0, n // 3, n // 2, n - 1} & set(range(n)):
        assert raw[i].tolist() == by_hand(net.matrices, net.shift, number(first + i))
    net.num_generated = first
    x = net.random(n)
    net.num_generated = first
    single = net.random(n, dtype=np.float32)
    for places, floats in ((53, x), (24, single)):
        drop = max(0, net.bits - places)
        for value, digits in zip(floats[: n and 3].flat, raw.flat, strict=False):
            exact = Fraction(int(digits) >> drop << drop, 1 << net.bits)
            assert Fraction(float(value)) == exact < 1


@pytest.mark.parametrize("order", ["radical-inverse", "gray"])
@pytest.mark.parametrize("randomize", ["lms+shift", "nus"])
def test_points_do_not_depend_on_calls_or_threads(order, randomize):
    def engine():
        return DigitalNet(3, order=order, randomize=randomize, replications=2, rng=1)

    whole = engine().random(5000, workers=1)
    net = engine()
    pieces = [net.random(k, workers=3) for k in (1, 0, 255, 256, 2000, 2488)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)
    np.testing.assert_array_equal(engine().random(5000, workers=4), whole)
    np.testing.assert_array_equal(engine().fast_forward(4321).random(500), whole[:, 4321:4821])
    np.testing.assert_array_equal(net.reset().random(64), whole[:, :64])
    np.testing.assert_array_equal(net.reset().random_raw(64), whole[:, :64] * 2.0**53)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.random(64), whole[:, 64:128])


def test_many_dimensions_and_a_first_column_alone():
    net = DigitalNet(3000, rng=0)
    x = net.random_raw(40)
    assert x[37].tolist() == by_hand(net.matrices, net.shift, 37)
    one = DigitalNet(2, matrices=[[1], [1]], bits=1, randomize=None)
    np.testing.assert_array_equal(one.random(), [[0, 0]])
    np.testing.assert_array_equal(one.random(), [[0.5, 0.5]])


def test_outputs():
    net = DigitalNet(3, rng=2, bits=32, replications=2)
    out = np.empty((2, 100, 3), np.float32)
    assert net.random(out=out) is out
    raw = net.reset().random_raw(100, dtype=np.uint32)
    assert raw.dtype == np.uint32
    np.testing.assert_array_equal(raw >> np.uint32(8), out * 2.0**24)
    x = net.reset().random(100)
    assert x.dtype == np.float64
    np.testing.assert_array_equal(x, raw * 2.0**-32)


def test_is_an_engine_of_scipy():
    net = DigitalNet(2, rng=np.random.default_rng(5))
    assert isinstance(net, qmc.QMCEngine)
    np.testing.assert_array_equal(net.random(8), DigitalNet(2, rng=5).random(8))
    assert set(net.reset().integers(0, u_bounds=4, n=16)[:, 0].tolist()) == {0, 1, 2, 3}
    normal = qmc.MultivariateNormalQMC([0, 0], engine=DigitalNet(2, rng=1)).random(64)
    assert abs(normal.mean()) < 0.1


# --- Randomization --------------------------------------------------------------------------------


@pytest.mark.parametrize("randomize", RANDOMIZED)
def test_a_net_stays_a_net(randomize):
    plain = DigitalNet(3, randomize=None).random_raw(64)
    expected = t_value(plain, 53)
    net = DigitalNet(3, randomize=randomize, replications=3, rng=4)
    for _ in range(2):
        for raw in net.random_raw(64):
            assert t_value(raw, 53) == expected
            for j in range(3):
                assert t_value(raw[:, j : j + 1], 53) == 0


@pytest.mark.parametrize("randomize", ["lms+shift", "shift", "lms"])
@pytest.mark.parametrize("interlace", [1, 2])
def test_differences_are_linear_in_the_number(randomize, interlace):
    raw = DigitalNet(4, randomize=randomize, interlace=interlace, rng=6).random_raw(256)
    i, j = np.random.default_rng(0).integers(0, 256, (2, 500))
    np.testing.assert_array_equal(raw[i] ^ raw[j], raw[i ^ j] ^ raw[0])


def rows_of(matrix, rows):
    """A matrix over GF(2), most significant digit first, from its columns."""
    return np.array([[int(c) >> (rows - 1 - r) & 1 for c in matrix] for r in range(rows)])


def test_linear_scrambling_multiplies_by_uniform_triangular_matrices():
    rows, extended, copies = 4, 7, 4096
    columns = sobol_matrices(2, rows) << np.uint64(extended - rows)
    net = DigitalNet(
        2, matrices=columns, bits=extended, randomize="lms", replications=copies, rng=0
    )
    total = np.zeros((2, extended, rows))
    for j in range(2):
        c = rows_of(columns[j], extended)[:rows]
        inverse = np.array(sympy.Matrix(c.tolist()).inv_mod(2))
        for r in range(copies):
            left = rows_of(net.matrices[r, j], extended) @ inverse % 2
            total[j] += left.astype(int)
    lower = np.tril_indices(extended, -1, rows)
    assert (total[:, np.arange(rows), np.arange(rows)] == copies).all()
    assert not total[:, *np.triu_indices(extended, 1, rows)].any()
    deviation = (total[:, *lower] / copies - 0.5) * 2 * math.sqrt(copies)
    assert stats.chi2.sf((deviation**2).sum(), deviation.size) > 1e-3


@pytest.mark.parametrize("randomize", ["shift", "lms+shift", "nus"])
def test_each_point_is_uniform(randomize):
    x = DigitalNet(2, randomize=randomize, replications=4000, rng=8).random(6)
    for i in (0, 5):
        cells = np.bincount((x[:, i] @ [8, 64]).astype(int) % 64, minlength=64)
        assert cells.sum() == 4000
        for j in range(2):
            assert stats.kstest(x[:, i, j], "uniform").pvalue > 1e-3
        pairs = np.bincount((x[:, i, 0] * 8).astype(int) * 8 + (x[:, i, 1] * 8).astype(int))
        assert stats.chisquare(pairs).pvalue > 1e-3


def leading(x):
    """Number of binary digits."""
    return np.array([int(v).bit_length() for v in x.flat]).reshape(x.shape)


@pytest.mark.parametrize("bits", [1, 5, 6, 7, 53, 64])
def test_nested_scrambling_keeps_where_points_part(bits):
    n = min(64, 1 << bits)
    plain = DigitalNet(2, bits=bits, randomize=None).random_raw(n)
    raw = DigitalNet(2, bits=bits, randomize="nus", rng=1).random_raw(n)
    i, j = np.triu_indices(n, 1)
    np.testing.assert_array_equal(leading(raw[i] ^ raw[j]), leading(plain[i] ^ plain[j]))


def test_nested_scrambling_draws_independent_bits_at_the_nodes():
    copies, bits = 6000, 9  # three digits of the first subtree are there, six of the second
    matrices = np.array([[1 << 8, 1 << 2]])  # points that part at the first and seventh digit
    raw = DigitalNet(
        1, matrices=matrices, bits=bits, randomize="nus", replications=copies, rng=3
    ).random_raw(4)[..., 0]
    plain = DigitalNet(1, matrices=matrices, bits=bits, randomize=None).random_raw(4)[:, 0]
    nodes = {}
    for i in range(4):
        for r in range(bits):
            flips = ((raw[:, i] ^ plain[i]) >> np.uint64(bits - 1 - r)) & np.uint64(1)
            node = r, int(plain[i]) >> (bits - r)
            if node in nodes:  # points that agree so far are flipped alike
                np.testing.assert_array_equal(nodes[node], flips)
            nodes[node] = flips
    assert len(nodes) == 1 + 2 * 6 + 4 * 2
    signs = np.array(list(nodes.values())) * 2.0 - 1
    means = signs.mean(axis=1) * math.sqrt(copies)
    products = (signs @ signs.T / math.sqrt(copies))[np.triu_indices(len(nodes), 1)]
    # Sums of independent signs: normal, of variance 1 and uncorrelated.
    assert stats.chi2.sf((means**2).sum(), means.size) > 1e-3
    assert stats.chi2.sf((products**2).sum(), products.size) > 1e-3
    assert abs(products).max() < 4.5


def test_coordinates_and_replications_are_scrambled_independently():
    raw = DigitalNet(6, randomize="nus", replications=500, rng=0).random_raw(1)[:, 0]
    signs = ((raw[..., None] >> np.arange(53, dtype=np.uint64)) & np.uint64(1)) * 2.0 - 1
    by_coordinate = np.einsum("rjb,rkb->jk", signs, signs)[np.triu_indices(6, 1)]
    assert (abs(by_coordinate) < 4.5 * math.sqrt(500 * 53)).all()
    one = signs[:, 0]
    by_replication = (one @ one.T)[np.triu_indices(500, 1)] / math.sqrt(53)
    assert abs(by_replication.mean()) < 0.02
    assert by_replication.var() == pytest.approx(1, abs=0.05)


def rms_error(f, integral, n, **options):
    x = DigitalNet(2, replications=64, rng=5, **options).random(n)
    return math.sqrt(np.mean((f(x).mean(axis=-1) - integral) ** 2))


def smooth(x):
    return np.exp(x).prod(axis=-1)


@pytest.mark.parametrize("randomize", ["nus", "lms+shift"])
def test_variance_of_scrambled_nets_falls_as_n_cubed(randomize):
    few, many = (rms_error(smooth, (math.e - 1) ** 2, n, randomize=randomize) for n in (64, 4096))
    slope = math.log2(many / few) / 6
    assert -1.7 < slope < -1.3  # -3/2, but for a logarithm


@pytest.mark.parametrize("randomize", ["shift", "lms+shift", "nus"])
def test_interlaced_nets_have_higher_order(randomize):
    options = {"randomize": randomize, "interlace": 2}
    few, many = (rms_error(smooth, (math.e - 1) ** 2, n, **options) for n in (32, 1024))
    assert math.log2(many / few) / 5 < -1.95


# --- Interlacing ----------------------------------------------------------------------------------


def in_turn(numbers, rows, bits):
    """Digits of numbers in turn, as text."""
    texts = [f"{int(x):0{rows}b}" for x in numbers]
    digits = "".join("".join(column) for column in zip(*texts, strict=True))
    return int(digits[:bits].ljust(bits, "0"), 2)


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("randomize", ["nus", "lms", None])
@pytest.mark.parametrize("bits", [10, 53])
def test_interlacing_by_hand(factor, randomize, bits):
    rows = math.ceil(bits / factor)
    net = DigitalNet(2, interlace=factor, bits=bits, randomize=randomize, rng=9)
    base = DigitalNet(
        2 * factor,
        matrices=sobol_matrices(2 * factor, bits)[:, :rows] >> np.uint64(bits - rows),
        bits=rows,
        randomize=randomize,
        rng=9,
    )
    raw = net.random_raw(1 << min(rows, 7))
    inner = base.random_raw(len(raw))
    for point, group in zip(raw, inner, strict=True):
        for j in range(2):
            assert int(point[j]) == in_turn(group[factor * j : factor * (j + 1)], rows, bits)


# --- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "linear"}, "order must be one of radical-inverse, gray; got 'linear'"),
        ({"randomize": "owen"}, "randomize must be one of 'lms\\+shift', .*None; got 'owen'"),
        ({"randomize": None, "replications": 4}, "replications=4 need a randomization"),
        ({"interlace": 0}, "interlace must be between 1 and the number of bits, 53; got 0"),
        ({"interlace": 9, "bits": 8}, "interlace must be between 1 .*, 8; got 9"),
        ({"bits": 65}, "bits must be between 1 and 64; got 65"),
        ({"matrices": [[1, 2]]}, r"shape \(2, columns\), .* got \(1, 2\)"),
        ({"matrices": [[1], [1]], "interlace": 2}, r"shape \(4, columns\)"),
        ({"matrices": np.zeros((2, 65), int)}, "1 to 64 columns"),
        ({"matrices": [[1], [-1]]}, r"from 0 to 2\*\*53 - 1, .* got -1 to 1"),
        ({"matrices": [[1], [256]], "bits": 8}, r"from 0 to 2\*\*8 - 1, .* got 1 to 256"),
        ({"replications": 0}, "replications must be at least 1"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        DigitalNet(2, **options)


def test_bad_types_and_dimensions():
    with pytest.raises(TypeError, match="matrices must consist of integers; got dtype float64"):
        DigitalNet(1, matrices=[[0.5]])
    with pytest.raises(ValueError, match=r'at most 21201 coordinates; got 21202\..*"primitive"'):
        DigitalNet(21202)
    with pytest.raises(ValueError, match="d must be at least 1; got 0"):
        sobol_matrices(0)
    with pytest.raises(ValueError, match="bits must be between 1 and 64; got 0"):
        sobol_matrices(1, 0)
    with pytest.raises(ValueError, match='source must be "joe-kuo" or "primitive"; got \'sobol\''):
        sobol_matrices(1, source="sobol")


def test_points_come_to_an_end():
    net = DigitalNet(2, matrices=sobol_matrices(2, 10)[:, :5], bits=10, rng=0)
    assert net.max_points == 32
    net.random(30)
    with pytest.raises(ValueError, match="has 32 points, of which 30 were taken; 3 more"):
        net.random(3)
    with pytest.raises(ValueError, match="has 32 points, of which 30 were taken; 3 more"):
        net.fast_forward(3)
    assert net.random(2).shape == (2, 2)
    assert DigitalNet(2, bits=64).max_points == 1 << 62


def test_bad_requests_change_nothing():
    net = DigitalNet(2, rng=0)
    out = np.full((4, 2), 7.0)
    with pytest.raises(ValueError, match=r"shape \(5, 2\); got shape \(4, 2\)"):
        net.random(5, out=out)
    with pytest.raises(ValueError, match="C-contiguous"):
        net.random(4, out=np.full((2, 4), 7.0).T)
    with pytest.raises(TypeError, match="dtype must be float32 or float64; got int64"):
        net.random(4, dtype=int)
    with pytest.raises(TypeError, match="53 digits do not fit in uint32; use uint64"):
        net.random_raw(4, dtype=np.uint32)
    with pytest.raises(ValueError, match="n must not be negative; got -1"):
        net.random(-1)
    with pytest.raises(ValueError, match="workers must be at least 1"):
        net.random(4, out=out, workers=0)
    assert net.num_generated == 0
    assert (out == 7).all()
