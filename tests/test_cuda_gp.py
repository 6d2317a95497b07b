"""Points, kernels and Gram matrices on a device: compiled to PTX, and on a GPU."""

import re

import numpy as np
import pytest

from fasttx.gp import FastGram
from fasttx.kernels import DSIKernel, SIKernel
from fasttx.qmc import DigitalNet, Lattice


@pytest.fixture
def small(monkeypatch):
    """Tables of few points, so that there are several blocks."""
    from fasttx._cuda import points

    monkeypatch.setattr(points, "BITS", 2)
    points._kernel.cache_clear()
    yield
    points._kernel.cache_clear()


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (lambda: DigitalNet(34, rng=1, replications=2), "float64"),
        (lambda: DigitalNet(3, rng=1, randomize="nus", order="gray", bits=30), "float32"),
        (lambda: Lattice(2, rng=1, bits=64), "uint64"),
    ],
)
def test_points_have_the_bits_of_the_host(ptx_device, small, make, dtype):
    host, device = make(), make()
    name = "random_raw" if dtype[0] == "u" else "random"
    for n in (16, 21):
        x = getattr(host, name)(n, dtype=dtype)
        out = ptx_device(np.full(x.shape, 7, dtype))
        assert getattr(device, name)(out=out) is out
        np.testing.assert_array_equal(out.host, x)


@pytest.mark.slow
@pytest.mark.parametrize(("d", "dtype"), [(1, "float64"), (4, "float32"), (40, "float64")])
@pytest.mark.parametrize("make", [DigitalNet, Lattice])
def test_blocks_of_whole_size(ptx_device, make, d, dtype):
    """Points that begin in the middle of a block, and end in another one."""
    host, device = (make(d, rng=1, order="gray").fast_forward(5000) for _ in range(2))
    out = ptx_device(np.zeros((4500, d), dtype))
    device.random(out=out)
    np.testing.assert_array_equal(out.host, host.random(4500, dtype=dtype))


NET_KERNEL = DSIKernel(3, alpha=[1, 2], dims=[0, 1]) * DSIKernel(3, alpha=4, dims=[2])
NET_KERNEL += DSIKernel(3, alpha=[3, 5], dims=[1, 2])
LATTICE_KERNEL = SIKernel(3, alpha=[1, 2, 5], weights=0.4)


@pytest.mark.parametrize(
    ("kernel", "dtype", "stable"),
    [
        (NET_KERNEL, "float64", True),
        (LATTICE_KERNEL, "float32", False),
        (LATTICE_KERNEL.derivative([0, 1, 0], [0, 0, 0]), "uint64", False),
    ],
)
def test_columns(ptx_device, kernel, dtype, stable):
    engine = DigitalNet(3, rng=3) if kernel.sequence == "net" else Lattice(3, rng=3)
    x = engine.random_raw(9) if dtype == "uint64" else engine.random(9, dtype=dtype)
    y = kernel.column(ptx_device(x), stable=stable).host
    expected = kernel.column(x, stable=stable)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-14 * np.abs(expected).max())


def test_a_gradient(ptx_device):
    kernel, x = NET_KERNEL, DigitalNet(3, rng=3).random(9)
    g = np.random.default_rng(2).standard_normal(9)
    found = kernel.column_pullback(ptx_device(x), None, ptx_device(g)).host
    np.testing.assert_allclose(found, kernel.column_pullback(x, None, g), rtol=1e-12)


def test_a_matrix(ptx_device):
    kernel = SIKernel(2, alpha=2).derivative([0, 1], [0, 0])
    x, z = (Lattice(2, rng=seed).random(5) for seed in range(2))
    found = kernel(ptx_device(x), ptx_device(z[:3])).host
    np.testing.assert_allclose(found, kernel(x, z[:3]), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("engine", "kernel", "dtype"),
    [
        (DigitalNet(3, rng=5), DSIKernel(3), "float64"),
        pytest.param(Lattice(3, rng=5), SIKernel(3, alpha=1), "float64", marks=pytest.mark.slow),
        pytest.param(
            DigitalNet(3, rng=5, randomize="nus"),
            DSIKernel(3, alpha=1),
            "float64",
            marks=pytest.mark.slow,
        ),
        pytest.param(DigitalNet(3, rng=5), DSIKernel(3), "float32", marks=pytest.mark.slow),
    ],
)
def test_gram(ptx_device, no_transfers, engine, kernel, dtype):
    n = 16
    x = engine.random(n)
    host, given = FastGram(x, kernel, 0.1, dtype=dtype), ptx_device(x)
    with no_transfers(32):  # what is said of the points, the least eigenvalue and a norm
        gram = FastGram(given, kernel, 0.1, dtype=dtype)
    bound = {"rtol": 1e-11} if dtype == "float64" else {"rtol": 2e-4, "atol": 2e-5}
    np.testing.assert_allclose(gram.column.host, host.column, **bound)
    assert gram.logdet() == pytest.approx(host.logdet(), rel=bound["rtol"])
    b = np.random.default_rng(4).standard_normal(n)
    with no_transfers():
        y = gram.solve(ptx_device(b))
    np.testing.assert_allclose(y.host, host.solve(b), **bound)
    np.testing.assert_allclose((gram @ y).host, b, **bound)
    x[[5, 8]] = x[[8, 5]]
    with pytest.raises(ValueError, match="these points are not a"):
        FastGram(ptx_device(x), kernel)


# What the compiler makes of kernels


def compiled(kernel, cc):
    from fasttx._cuda import memory

    code = memory.ptx(kernel, cc)
    assert f".target sm_{cc[0]}{cc[1]}" in code
    assert not re.search(r"\.local\b|\bcall\b", code)
    return code


def accesses(code, kind, space="global"):
    return [re.sub(r"\.nc\b", "", name) for name in re.findall(rf"\b{kind}\.{space}\S*", code)]


@pytest.mark.parametrize("cc", [(8, 0), (9, 0)], ids=["sm_80", "sm_90"])
@pytest.mark.parametrize(("dtype", "name"), [("float64", "v2.f64"), ("float32", "v4.f32")])
def test_elementwise_moves_vectors(nvvm, dtype, name, cc):
    from fasttx._cuda import elementwise

    width = int(name[1])
    kernel = elementwise._kernel("divide", dtype, dtype, dtype, width, "along", False)
    code = compiled(kernel, cc)
    assert accesses(code, "ld") == [f"ld.global.{name}"] * 2
    assert accesses(code, "st") == [f"st.global.{name}"]
    assert dtype == "float64" or ".f64" not in code


@pytest.mark.parametrize("cc", [(8, 0), (9, 0)], ids=["sm_80", "sm_90"])
@pytest.mark.parametrize(("kind", "name"), [("float64", "v2.f64"), ("float32", "v4.f32")])
def test_points_are_written_in_vectors(nvvm, kind, name, cc):
    from fasttx._cuda import points

    code = compiled(points._kernel("net", kind, int(name[1]), False, 0), cc)
    assert set(accesses(code, "st")) == {f"st.global.{name}"}
    assert kind == "float64" or ".f64" not in code
    assert sum(map(int, re.findall(r"\.shared [^;]*\[(\d+)\];", code))) <= 48 << 10


@pytest.mark.parametrize("cc", [(8, 0), (9, 0)], ids=["sm_80", "sm_90"])
@pytest.mark.parametrize(("family", "kinds"), [("dsi", (1, 2, 3, 4, 7)), ("si", (0, 1))])
def test_kernels_keep_all_in_registers(nvvm, family, kinds, cc):
    from fasttx._cuda import product_kernels

    options = ("leaf", 0), "float64", "float64", True, False
    code = compiled(product_kernels._matrix(family, (kinds,), *options), cc)
    assert len(accesses(code, "st")) == 1
    assert not re.search(r"\b(?:div|rem)\.", code)


# On a GPU


@pytest.mark.cuda
@pytest.mark.parametrize("d", [1, 4, 7, 40])
def test_points_on_a_gpu(library, d):
    if not library.in_place:
        with pytest.raises(ValueError, match="out must be a writable"):
            DigitalNet(d).random(out=library.to(np.zeros((8, d))))
        return
    for engine in (DigitalNet, Lattice):
        host, device = engine(d, rng=1), engine(d, rng=1)
        for n in (1 << 14, 1000):
            for dtype in ("float64", "float32"):
                out = library.to(np.zeros((n, d), dtype))
                expected = host.random(n, dtype=dtype)
                np.testing.assert_array_equal(library.back(device.random(out=out)), expected)


@pytest.mark.cuda
@pytest.mark.parametrize("engine", [DigitalNet, Lattice])
def test_gram_on_a_gpu(library, no_transfers, engine):
    n, kernel = 1 << 14, (DSIKernel if engine is DigitalNet else SIKernel)(4, alpha=2)
    x = engine(4, rng=2).random(n)
    host, given = FastGram(x, kernel, 1e-3), library.to(x)
    with no_transfers(24):
        gram = FastGram(given, kernel, 1e-3)
    np.testing.assert_allclose(library.back(gram.column), host.column, rtol=1e-12)
    assert gram.logdet() == pytest.approx(host.logdet(), rel=1e-12)
    b = np.random.default_rng(1).standard_normal((n, 2))
    given = library.to(b)
    with no_transfers():
        solution = gram.solve(given)
    y = library.back(solution)
    np.testing.assert_allclose(y, host.solve(b), rtol=1e-9, atol=1e-9 * np.abs(y).max())
    again = library.back(gram.solve(library.to(b)))
    np.testing.assert_array_equal(again, y)
