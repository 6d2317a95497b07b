"""Points, kernels and Gram matrices on a device, under Numba's CUDA simulator.

`test_cuda_simulator.py` runs this file in a process of its own.
"""

import numpy as np
import pytest
from numba import config, cuda

from fasttx import _cuda
from fasttx._cuda import elementwise, reduce
from fasttx.gp import FastGram
from fasttx.kernels import DSIKernel, Gaussian, SIKernel
from fasttx.qmc import DigitalNet, Faure, Halton, Lattice

assert config.ENABLE_CUDASIM, "set NUMBA_ENABLE_CUDASIM=1"

# Unsigned integers wrap around.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in scalar")
to = cuda.to_device


def back(x):
    return x.copy_to_host()


# Elementwise arithmetic and reductions


@pytest.mark.parametrize("shape", [(7,), (2, 8, 4), (3, 4, 3), (1, 8, 1)])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_elementwise(shape, dtype):
    rng = np.random.default_rng(1)
    axis = 1 if len(shape) > 1 else 0
    x, z = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape) for _ in range(2))
    x, z = (a.astype(dtype) if dtype[0] == "c" else a.real.astype(dtype) for a in (x, z))
    y = rng.random(shape[axis]).astype("float32" if dtype == "float32" else "float64") + 1
    along = y.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    cases = [
        ("multiply", y, 1, axis, x * along),
        ("divide", y, 1, axis, x / along),
        ("divide by root", y, 1, axis, x / np.sqrt(along)),
        ("multiply", z, 1, None, x * z),
        ("axpy", z, 3, None, 3 * x + z),
        ("scale", None, 3, None, 3 * x),
    ]
    if dtype[0] == "c":
        cases.append(("multiply by conjugate", z, 1, None, x * z.conj()))
    for operation, other, s, where, expected in cases:
        given = _cuda.wrap(to(x))
        second = None if other is None else _cuda.wrap(to(other))
        out = elementwise.apply(operation, given, given, second, s, axis=where)
        np.testing.assert_allclose(back(out.array), expected, rtol=1e-6)


def test_elementwise_converts():
    x = np.arange(6.0) + 1j
    real = _cuda.wrap(to(np.zeros(6, "float32")))
    elementwise.apply("copy", real, _cuda.wrap(to(x)))
    np.testing.assert_array_equal(back(real.array), np.arange(6))
    number = _cuda.wrap(to(np.ones(6, complex)))
    elementwise.apply("copy", number, real)
    np.testing.assert_array_equal(back(number.array), np.arange(6))


@pytest.mark.parametrize("n", [0, 1, 5, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reductions(n, dtype):
    x = np.random.default_rng(n).random(n).astype(dtype) + 0.5
    wide = x.astype(float)
    cases = {
        ("sum", "value"): wide.sum(),
        ("sum", "square"): (wide**2).sum(),
        ("sum", "log"): np.log(wide).sum(),
        ("min", "value"): wide.min(initial=np.inf),
        ("max", "magnitude"): wide.max(initial=-np.inf),
    }
    for (operation, term), expected in cases.items():
        found = reduce.scalar(reduce.reduce(_cuda.wrap(to(x)), operation, term))
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    if n == 5:
        x[3] = np.nan
        for operation in ("min", "max", "sum"):
            assert np.isnan(reduce.scalar(reduce.reduce(_cuda.wrap(to(x)), operation)))


# Points


POINTS = [
    (lambda: DigitalNet(3, rng=1), "float64"),
    (lambda: DigitalNet(2, rng=1, order="gray", interlace=2), "float32"),
    (lambda: DigitalNet(9, rng=1, randomize="shift", replications=2), "float64"),
    (lambda: DigitalNet(4, rng=1, bits=30), "uint32"),
    (lambda: DigitalNet(3, rng=1, randomize="nus"), "float64"),
    (lambda: Lattice(2, rng=1, order="gray"), "float64"),
    (lambda: Lattice(6, rng=1, order="linear"), "float32"),
    (lambda: Lattice(2, rng=1, replications=3), "uint64"),
]


@pytest.mark.parametrize(("make", "dtype"), POINTS)
def test_points_have_the_bits_of_the_host(make, dtype):
    host, device = make(), make()
    name = "random_raw" if dtype[0] == "u" else "random"
    for n in (16, 21) if host.order != "linear" else (16,):
        x = getattr(host, name)(n, dtype=dtype)
        out = to(np.full(x.shape, 7, dtype))
        assert getattr(device, name)(out=out) is out
        np.testing.assert_array_equal(back(out), x)
    assert device.num_generated == host.num_generated


def test_errors_of_points():
    net, out = DigitalNet(3, rng=1), to(np.full((4, 3), 7.0))
    for call, error, message in (
        (lambda: net.random(5, out=out), ValueError, r"shape \(5, 3\); got shape \(4, 3\)"),
        (lambda: net.random_raw(out=out), TypeError, "uint32 or uint64; got float64"),
        (lambda: net.random(out=to(np.ones((4, 3), "int32"))), TypeError, "got int32"),
        (lambda: Halton(3).random(out=out), NotImplementedError, "Halton is made on the host"),
        (lambda: Faure(3).random(out=out), NotImplementedError, "Faure is made on the host"),
        (
            lambda: DigitalNet(3, randomize="nus", interlace=2).random(out=out),
            NotImplementedError,
            "nus.*interlace > 1 is on the host only",
        ),
        (
            lambda: DigitalNet(3, matrices=[[1, 2]] * 3, bits=2).random(8, out=out),
            ValueError,
            "this sequence has 4 points",
        ),
    ):
        with pytest.raises(error, match=message):
            call()
    assert net.num_generated == 0
    np.testing.assert_array_equal(back(out), np.full((4, 3), 7.0))


# Kernels


NET_KERNELS = [
    DSIKernel(3),
    DSIKernel(3, alpha=[1, 3, 4], weights=[0.2, 0.5, 0.9], scale=2.5),
    DSIKernel(3, alpha=[5, 12], dims=[2, 0]),
    DSIKernel(3, alpha=[0.5, 1, 2.25], digits="first"),
    DSIKernel(3, alpha=4).derivative([1, 0, 0], [0, 1, 1]),
    DSIKernel(3, dims=[0, 1]) + 0.5 * DSIKernel(3, alpha=1, dims=[2]),
    (DSIKernel(3, dims=[0]) + DSIKernel(3, dims=[1], alpha=3))
    * (2 * DSIKernel(3, alpha=1, dims=[2])),
]
LATTICE_KERNELS = [
    SIKernel(3, alpha=1),
    SIKernel(3, alpha=[2, 3, 20], weights=0.4),
    SIKernel(3, alpha=3).derivative([1, 0, 0], [0, 2, 0]),
    SIKernel(3, dims=[2]) * (SIKernel(3, alpha=1, dims=[0]) + SIKernel(3, alpha=2, dims=[1])),
]


def points_of(kernel, n):
    engine = DigitalNet if kernel.sequence == "net" else Lattice
    return engine(kernel.d, rng=3).random(n)


@pytest.mark.parametrize("kernel", NET_KERNELS + LATTICE_KERNELS)
@pytest.mark.parametrize("stable", [False, True])
def test_columns(kernel, stable):
    x = points_of(kernel, 9)
    expected = kernel.column(x, stable=stable)
    bound = 4e-15 * kernel.k0 if "derivative" not in repr(kernel) else 4e-13
    given = to(x)
    y = kernel.column(given, stable=stable)
    assert type(y) is type(given)
    assert y.dtype == "float64"
    np.testing.assert_allclose(back(y), expected, rtol=1e-13, atol=bound)


@pytest.mark.parametrize("kernel", [NET_KERNELS[4], NET_KERNELS[5], LATTICE_KERNELS[2]])
def test_matrices(kernel):
    x = points_of(kernel, 7)
    for z in (None, x[:2], np.concatenate([x, x])):
        expected = kernel(x, z)
        found = kernel(to(x), None if z is None else to(z))
        np.testing.assert_allclose(back(found), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "kernel", [NET_KERNELS[1], NET_KERNELS[4], NET_KERNELS[6], LATTICE_KERNELS[3]]
)
def test_gradients(kernel):
    x, g = points_of(kernel, 7), np.random.default_rng(2).standard_normal(7)
    for x0 in (None, x[2]):
        expected = kernel.column_pullback(x, x0, g)
        found = kernel.column_pullback(to(x), None if x0 is None else to(x0), to(g))
        bound = 1e-12 * np.abs(expected).max()
        np.testing.assert_allclose(back(found), expected, rtol=1e-12, atol=bound)


def test_dtypes_of_columns():
    kernel, net = DSIKernel(3), DigitalNet(3, rng=1, bits=60)
    raw = net.random_raw(8)
    for bits in (60, 64):
        y = kernel.column(to(raw), bits=bits, x0=to(raw[3]), dtype="float32")
        expected = kernel.column(raw, bits=bits, x0=raw[3], dtype="float32")
        assert y.dtype == "float32"
        np.testing.assert_allclose(back(y), expected, rtol=1e-7)
    x = net.reset().random(8, dtype="float32")
    out = to(np.zeros(8, "float32"))
    assert kernel.column(to(x), out=out) is out
    np.testing.assert_allclose(back(out), kernel.column(x), rtol=1e-6)


def test_no_points_give_nan():
    x = np.array([[0.5, 0.5], [-0.1, 0.5], [0.5, 1.0], [0.25, np.nan]])
    for kernel in (DSIKernel(2), SIKernel(2)):
        y = back(kernel.column(to(x)))
        np.testing.assert_array_equal(np.isnan(y), [False, True, True, True])
        assert np.isnan(back(kernel.column(to(x), to(x[1])))).all()
        digits = np.array([[5, 5], [1 << 53, 5]], np.uint64)
        y = back(kernel.column(to(digits)))
        np.testing.assert_array_equal(np.isnan(y), [False, True])


def test_errors_of_kernels():
    kernel, x = DSIKernel(3), np.full((4, 3), 0.5)
    given = to(x)
    for call, error, message in (
        (lambda: kernel.column(to(x[:, :2].copy())), ValueError, r"shape \(n, 3\); got \(4, 2\)"),
        (lambda: kernel.column(to(x.astype("int32"))), TypeError, "uint64 digits.*got int32"),
        (lambda: kernel.column(given, x[0]), TypeError, "x0 must be a Numba device array.*ndarray"),
        (lambda: kernel.column(x, given), TypeError, "x0 is on a device and points"),
        (lambda: kernel.column(given, to(x[0, :2].copy())), ValueError, r"x0 must have shape \(3,"),
        (lambda: kernel.column(given, out=to(np.zeros(3))), ValueError, r"shape \(4,\); got"),
        (lambda: kernel.column(given, dtype="float16"), TypeError, "float32 or float64; got"),
        (lambda: kernel.column(given, bits=65), ValueError, "bits must be between 1 and 64"),
        (lambda: kernel.column(to(x[:0])), ValueError, "points must not be empty"),
        (lambda: kernel.column_pullback(given, None, x[:, 0]), TypeError, "g must be a Numba"),
        (lambda: kernel.column_pullback(given, None, given), ValueError, r"g must have shape \(4,"),
        (lambda: Gaussian(3)(given), NotImplementedError, "Gaussian is on the host only"),
        (lambda: kernel(x, given), TypeError, "z is on a device and x"),
    ):
        with pytest.raises(error, match=message):
            call()


# Gram matrices


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("engine", "kernel"),
    [
        (DigitalNet(3, rng=5), NET_KERNELS[0]),
        (DigitalNet(3, rng=5, order="gray"), NET_KERNELS[5]),
        (DigitalNet(3, rng=5, randomize="nus"), NET_KERNELS[3]),
        (Lattice(3, rng=5), LATTICE_KERNELS[0]),
        (Lattice(3, rng=5, order="linear"), LATTICE_KERNELS[0]),
    ],
)
def test_gram(engine, kernel, dtype):
    n, rng = 8, np.random.default_rng(4)
    engine.reset()
    gram = FastGram(to(engine.random_raw(n)), kernel, 0.1, dtype=dtype)
    host = FastGram(engine.reset(), kernel, 0.1, n=n, dtype=dtype)
    bound = {"rtol": 1e-11} if dtype == "float64" else {"rtol": 2e-4, "atol": 2e-5}
    np.testing.assert_allclose(back(gram.column), host.column, **bound)
    np.testing.assert_allclose(back(gram.eigenvalues), host.eigenvalues, **bound)
    np.testing.assert_array_equal(back(gram.points), host.points)
    assert gram.jitter == host.jitter == 0
    assert gram.logdet() == pytest.approx(host.logdet(), rel=bound["rtol"])
    for shape, names in (((n,), ("solve", "dot")), ((n, 3), ("inv_sqrt", "__matmul__"))):
        b = rng.standard_normal(shape)
        given = to(b)
        for name in names:
            y = getattr(gram, name)(given)
            assert y.dtype == dtype
            np.testing.assert_allclose(back(y), getattr(host, name)(b), **bound)
        np.testing.assert_array_equal(back(given), b)
    np.testing.assert_allclose(back(gram.matvec(to(b[:, 0].copy()))), host.matvec(b[:, 0]), **bound)


def test_points_as_floats():
    kernel, x = DSIKernel(2), DigitalNet(2, rng=5).random(8)
    gram, host = FastGram(to(x), kernel, 1e-3), FastGram(x, kernel, 1e-3)
    np.testing.assert_allclose(back(gram.eigenvalues), host.eigenvalues, rtol=1e-12)
    one = FastGram(to(x[:1].copy()), kernel, 1e-3)
    assert one.logdet() == pytest.approx(FastGram(x[:1], kernel, 1e-3).logdet())


def test_jitter():
    """Points that coincide leave a singular matrix."""
    x = np.tile([[0.0], [0.5]], (4, 1))
    gram, host = FastGram(to(x), DSIKernel(1)), FastGram(x, DSIKernel(1))
    assert host.jitter > 0
    assert gram.jitter == pytest.approx(host.jitter)


def test_what_points_are_is_checked():
    net = DigitalNet(2, rng=5).random(16)
    lattice = Lattice(2, rng=5).random(16)
    # A few units of the last digits are forgiven.
    near = lattice + np.random.default_rng(1).integers(-3, 4, lattice.shape) * 2.0**-53
    FastGram(to(near), SIKernel(2), 0.1)
    outside, wrong = net.copy(), net.copy()
    outside[3, 1], wrong[[5, 9]] = 1.0, wrong[[9, 5]]
    for x, kernel, error, message in (
        (wrong, DSIKernel(2), ValueError, "not a digital net"),
        (
            DigitalNet(2, rng=5, randomize="nus").random(16),
            DSIKernel(2),
            NotImplementedError,
            "nested uniform scrambling need a kernel",
        ),
        (net, SIKernel(2), ValueError, "not a rank-1 lattice"),
        (Lattice(2, rng=5, order="gray").random(16), SIKernel(2), ValueError, "Gray order"),
        (outside, DSIKernel(2), ValueError, r"points must lie in \[0, 1\)"),
        (net[:12], DSIKernel(2), NotImplementedError, "must be a power of two; got 12"),
        (net[:0], DSIKernel(2), ValueError, "points must not be empty"),
        (net[:, :1], DSIKernel(2), ValueError, r"shape \(n, 2\); got \(16, 1\)"),
        (net, Gaussian(2), ValueError, "neither digitally"),
    ):
        with pytest.raises(error, match=message):
            FastGram(to(np.ascontiguousarray(x)), kernel)


def test_errors_of_gram():
    x, b = DigitalNet(2, rng=5).random(8), np.ones(8)
    gram, host = FastGram(to(x), DSIKernel(2), 0.1), FastGram(x, DSIKernel(2), 0.1)
    for call, error, message in (
        (lambda: gram.solve(b), TypeError, "b must be a Numba device array"),
        (lambda: gram @ b, TypeError, "b must be a Numba device array"),
        (lambda: host.solve(to(b)), TypeError, "b is on a device and the points are not"),
        (lambda: host @ to(b), TypeError, "b is on a device and the points are not"),
        (lambda: gram.solve(to(np.ones(4))), ValueError, r"shape \(8,\) or \(8, k\); got \(4,\)"),
        (lambda: gram.solve(to(np.ones(8, complex))), TypeError, "float32 or float64"),
        (lambda: gram.sample(1), NotImplementedError, "host only"),
        (lambda: gram.extend(), NotImplementedError, "host only"),
    ):
        with pytest.raises(error, match=message):
            call()


@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_not_finite_stays_so():
    gram, y = FastGram(to(DigitalNet(2, rng=5).random(8)), DSIKernel(2), 0.1), np.ones(8)
    y[3] = np.inf
    assert not np.isfinite(back(gram.solve(to(y)))).any()
