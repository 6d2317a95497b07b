"""What arrays may look like: views, orders, read-only, empty; and what is refused."""

import tracemalloc

import numpy as np
import pytest

import fasttx

N = 16


def make(shape, dtype=np.float64):
    return np.random.default_rng(7).integers(-9, 10, shape).astype(dtype)


BASE = make((6, N, 10))
VIEWS = {
    "contiguous": lambda x: x,
    "strided": lambda x: x[::2, :, 1:7],
    "reversed": lambda x: x[::-1, ::-1, ::-1],
    "reversed axis": lambda x: x[:, ::-1],
    "fortran": np.asfortranarray,
    "transposed": lambda x: x.transpose(2, 0, 1).transpose(1, 2, 0),
    "column": lambda x: x[:1, :, 3:4],
    "line": lambda x: x[2, :, 5][None, :, None],
}


@pytest.mark.parametrize("dtype", ["float32", "complex128", "float16", "int64"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_layout(view, dtype):
    base = BASE.astype(dtype)
    x = VIEWS[view](base)
    before = base.copy()
    expected = fasttx.fwht(np.ascontiguousarray(x), axis=1)
    assert np.array_equal(fasttx.fwht(x, axis=1), expected)
    assert np.array_equal(base, before)  # the input is left alone
    result = fasttx.fwht(x, axis=1, overwrite_x=True)
    assert result is x
    assert np.array_equal(x, expected)


def test_overwriting_a_view_touches_nothing_else():
    base = BASE.copy()
    view = base[::2, ::-1, 1:7]
    expected = base.copy()
    expected[::2, ::-1, 1:7] = fasttx.fwht(view, axis=1)
    fasttx.fwht(view, axis=1, overwrite_x=True)
    assert np.array_equal(base, expected)


@pytest.mark.parametrize("k", [19, 20])
def test_long_strided_line_in_place(k):
    base = np.zeros((1 << k, 2), np.float32)
    base[:, 0] = make(1 << k)
    x = base[:, 0]
    expected = fasttx.fwht(x, norm="forward")
    assert fasttx.fwht(x, norm="forward", overwrite_x=True) is x
    assert np.array_equal(x, expected)
    assert not base[:, 1].any()


@pytest.mark.parametrize("workers", [1, 2])
def test_in_place_means_no_copy(workers):
    """At most 2 MB a thread, whatever the axis, the strides or the length."""
    shapes = [((1 << 22,), 0), ((2048, 2048), 0), ((2048, 2048), 1), ((1 << 20, 3), 0)]
    shapes += [((12 << 18,), 0), ((8, 1 << 18), 0)]
    cases = [(np.ones(shape, np.float32), axis) for shape, axis in shapes]
    cases += [(np.ones((1 << 21, 2), np.float32)[:, 0], 0)]
    cases += [(np.ones((2048, 2, 1024), np.float32)[:, 0], axis) for axis in (0, 1)]
    cases += [(np.asfortranarray(np.ones((2048, 2048), np.float32)), axis) for axis in (0, 1)]
    cases += [(np.ones((256, 1 << 14), np.float16), 1), (np.ones((4096, 1024), np.float16), 0)]
    for x, axis in cases:
        fasttx.fwht(x, axis=axis, norm="ortho", overwrite_x=True, workers=workers)  # compiles
        tracemalloc.start()
        try:
            fasttx.fwht(x, axis=axis, norm="ortho", overwrite_x=True, workers=workers)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < workers * 2 << 20, (x.shape, x.strides, axis, peak)


def test_orders_in_place_take_one_row():
    x = np.ones((6, 1 << 19), np.float32)
    fasttx.fwht(x, norm="ortho", order="dyadic", overwrite_x=True)  # compiles
    tracemalloc.start()
    try:
        y = fasttx.fwht(x, norm="ortho", order="dyadic", overwrite_x=True, workers=1)
        assert y is x
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * x[0].nbytes
    assert np.allclose(x, 1, atol=1e-5)


def test_overwrite_is_a_permission_that_must_fit():
    for x in (make(N, np.int32), make((N,)).tolist(), np.ones(N, bool)):
        before = np.array(x)
        assert fasttx.fwht(x, overwrite_x=True) is not x
        assert np.array_equal(x, before)
    x = make(N, np.int64)
    assert fasttx.fwht(x, overwrite_x=True) is x
    x = make(N, np.int64)
    before = x.copy()
    fasttx.fwht(x, norm="ortho", overwrite_x=True)
    fasttx.fwht(make(N), 8, overwrite_x=True)
    assert np.array_equal(x, before)


def test_read_only_input():
    for shape in ((N,), (1 << 15,)):
        x = make(shape)
        expected = fasttx.fwht(x)
        x.flags.writeable = False
        y = fasttx.fwht(x, overwrite_x=True)
        assert y is not x
        assert np.array_equal(y, expected)
        assert y.flags.writeable
    rows = np.broadcast_to(make(N), (3, N))
    assert np.array_equal(fasttx.fwht(rows), np.broadcast_to(fasttx.fwht(make(N)), (3, N)))


def test_empty_batches():
    for shape in ((0, 8), (3, 0, 8), (0, 3, 1)):
        assert fasttx.fwht(np.zeros(shape)).shape == shape
        assert fasttx.fwht(np.zeros(shape, np.int32)).dtype == np.int64
        assert fasttx.zeta(np.zeros(shape)).shape == shape
        assert fasttx.xor_convolve(np.zeros(shape), np.zeros(shape)).shape == shape
    with pytest.raises(ValueError, match=r"invalid number of data points \(0\)"):
        fasttx.fwht(np.zeros((3, 0)))
    assert fasttx.fwht(np.zeros((3, 0)), 4).tolist() == np.zeros((3, 4)).tolist()


def test_sequences_subclasses_and_byte_order():
    assert fasttx.fwht((1, 1)).tolist() == [2, 0]
    swapped = make(N).astype(">f8")
    y = fasttx.fwht(swapped, overwrite_x=True)
    assert np.array_equal(y, fasttx.fwht(make(N)))
    assert y.dtype == np.float64
    records = make((2, N)).view(np.recarray)
    assert type(fasttx.fwht(records)) is np.ndarray
    assert np.array_equal(fasttx.fwht(records), fasttx.fwht(make((2, N))))


def test_unaligned_memory():
    for dtype in ("float32", "float64", "complex64", "int64"):
        raw = np.zeros(8 * 4096 + 1, np.uint8)[1:]
        x = raw[: 4096 * np.dtype(dtype).itemsize // 8 * 8].view(dtype)[:1024]
        x[:] = make(1024)
        assert np.array_equal(fasttx.fwht(x), fasttx.fwht(make(1024).astype(dtype)))


@pytest.mark.parametrize("transform", [fasttx.fwht, fasttx.ifwht, fasttx.zeta, fasttx.mobius])
class TestRefusals:
    def test_axis(self, transform):
        for axis in (1, -2, 7):
            with pytest.raises(np.exceptions.AxisError, match=f"axis {axis} is out of bounds"):
                transform(make(N), axis=axis)
        with pytest.raises(ValueError, match="out of bounds for array of dimension 0"):
            transform(3.0)
        with pytest.raises(TypeError):
            transform(make(N), axis=0.5)

    def test_dtype(self, transform):
        for x in (["a", "b"], [None, 1], np.zeros(2, "M8[s]"), np.zeros(2, np.longdouble), {}):
            with pytest.raises(TypeError, match="accepted are bool, integers"):
                transform(x)

    def test_length(self, transform):
        for n in (0, -4):
            with pytest.raises(ValueError, match=rf"invalid number of data points \({n}\)"):
                transform(make(N), n)
        with pytest.raises(TypeError):
            transform(make(N), 4.0)

    def test_workers(self, transform):
        for workers in (0, -1):
            with pytest.raises(ValueError, match=f"workers must be at least 1.*got {workers}"):
                transform(make(N), workers=workers)
        with pytest.raises(TypeError, match="workers must be an integer"):
            transform(make(N), workers=1.5)


def test_unsupported_length_names_the_next():
    for n, following in ((6, 8), (13, 16), (100000, 102400)):
        supported = fasttx.next_hadamard_len(n)
        assert supported <= following
        with pytest.raises(ValueError, match=rf"{n}.*{supported}"):
            fasttx.fwht(np.zeros(n))
    for transform in (fasttx.zeta, fasttx.mobius):
        with pytest.raises(ValueError, match="power of two; got 12"):
            transform(np.zeros(12))


def test_unknown_names_change_nothing():
    x = make(N)
    before = x.copy()
    with pytest.raises(ValueError, match="Invalid norm value 'unit'"):
        fasttx.fwht(x, norm="unit", overwrite_x=True)
    with pytest.raises(ValueError, match="order 'walsh' is not one of 'hadamard'"):
        fasttx.fwht(x, order="walsh", overwrite_x=True)
    with pytest.raises(ValueError, match="power of two; got 12"):
        fasttx.fwht(x[:12], order="dyadic", overwrite_x=True)
    with pytest.raises(ValueError, match="power of two; got 24"):
        fasttx.hadamard_permutation(24, "sequency")
    assert np.array_equal(x, before)


def test_axes_and_shapes_of_several():
    x = make((4, 8))
    with pytest.raises(ValueError, match="all axes must be unique"):
        fasttx.fwhtn(x, axes=(0, 0))
    with pytest.raises(ValueError, match="out of bounds"):
        fasttx.fwhtn(x, axes=(0, 2))
    with pytest.raises(ValueError, match="s has 3 entries, axes has 2"):
        fasttx.fwhtn(x, s=(2, 2, 2), axes=(0, 1))
    with pytest.raises(ValueError, match="s has 3 entries"):
        fasttx.fwhtn(x, s=(2, 2, 2))
    with pytest.raises(ValueError, match="invalid number of data points"):
        fasttx.fwhtn(x, s=(4, 0))
    before = x.copy()
    with pytest.raises(ValueError, match="length"):
        fasttx.fwhtn(x[:3], overwrite_x=True)
    assert np.array_equal(x, before)


def test_jax_arrays_on_the_cpu_are_host_arrays():
    jax = pytest.importorskip("jax")
    x = jax.numpy.arange(8, dtype="float32")
    y = fasttx.fwht(x)
    assert type(y) is np.ndarray
    assert np.array_equal(y, fasttx.fwht(np.asarray(x)))
    for transformed in (jax.jit, jax.vmap, lambda f: jax.grad(lambda x: f(x).sum())):
        with pytest.raises(TypeError, match=r"Tracer, a value that JAX traces; accepted are"):
            transformed(fasttx.fwht)(x)
