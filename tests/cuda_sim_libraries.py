"""What is asked of CuPy, JAX and torch: stand-ins for them, which compute in Numba's simulator.

They check calls, addresses and the order of events, not the libraries.
"""

import contextlib
import ctypes
import sys
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from numba import config, cuda

import fasttx
from fasttx import _cuda
from fasttx._cuda.jax import JaxArray

assert config.ENABLE_CUDASIM, "set NUMBA_ENABLE_CUDASIM=1"


class Lent:
    """A NumPy array with what fasttx asks of the arrays of a library.

    `log` has the copies made on the device, and what happens to arrays of JAX.
    """

    def __init__(self, host, log, dtype=None):
        self.host, self.log = host, log
        self.shape, self.ndim, self.dtype = host.shape, host.ndim, dtype or host.dtype
        self.device = contextlib.nullcontext()

    def _like(self, host):
        return type(self)(host, self.log, self.dtype)

    def reshape(self, shape):
        self.log.append("reshape")
        return self._like(self.host.reshape(shape))

    def copy_(self, other):
        self.log.append("assign")
        self.host[...] = other.host


class LentCupy(Lent):
    def __init__(self, host, log, dtype=None):
        super().__init__(host, log, dtype)
        self.flags = SimpleNamespace(c_contiguous=host.flags.c_contiguous)
        self.data = SimpleNamespace(ptr=host.ctypes.data)

    __cuda_array_interface__ = None

    def __setitem__(self, index, other):
        assert index is Ellipsis
        self.copy_(other)


class LentTorch(Lent):
    is_cuda, layout, requires_grad = True, "strided", False

    def is_contiguous(self):
        return self.host.flags.c_contiguous

    def contiguous(self):
        self.log.append("compact")
        return self._like(np.ascontiguousarray(self.host))

    def is_neg(self):
        return False

    is_conj = is_neg

    def resolve_neg(self):
        return self

    resolve_conj = resolve_neg

    def data_ptr(self):
        return self.host.ctypes.data


class LentJax(Lent):
    owner, ready = SimpleNamespace(platform="gpu", local_hardware_id=0), False
    devices = (owner,)

    def __init__(self, host, log, dtype=None):
        super().__init__(host, log, dtype)
        order = tuple(range(host.ndim))
        if not host.flags.c_contiguous:
            order = order[::-1]
        self.format = SimpleNamespace(layout=SimpleNamespace(major_to_minor=order))
        self.devices = lambda: LentJax.devices

    def block_until_ready(self):
        self.ready = True
        return self

    def unsafe_buffer_pointer(self):
        return self.host.ctypes.data

    def __del__(self):
        self.log.append("delete")


@pytest.fixture(params=["cupy", "jax", "torch"])
def lend(request, monkeypatch):
    """Make an array of a stand-in for a library, which computes in the simulator."""
    log, kind = [], {"cupy": LentCupy, "jax": LentJax, "torch": LentTorch}[request.param]
    stream = SimpleNamespace(ptr=0, cuda_stream=0)

    def empty(shape, dtype, device=None):
        host = np.full(shape, 0x55, np.dtype(str(dtype).removeprefix("torch.")))
        return kind(host, log, dtype if request.param == "torch" else None)

    def compacted(x):
        log.append("compact")
        return kind(np.ascontiguousarray(x.host), log)

    narrowed = {"float64": np.dtype("float32"), "int64": np.dtype("int32")}
    library = SimpleNamespace(
        # CuPy
        ndarray=kind,
        ascontiguousarray=compacted,
        # JAX
        Array=kind,
        core=SimpleNamespace(Tracer=()),
        dtypes=SimpleNamespace(canonicalize_dtype=lambda d: narrowed.get(d, np.dtype(d))),
        numpy=SimpleNamespace(empty=empty),
        # torch
        Tensor=kind,
        strided="strided",
        float32="torch.float32",
        float64="torch.float64",
        is_grad_enabled=lambda: True,
        autograd=SimpleNamespace(
            graph=SimpleNamespace(increment_version=lambda x: log.append("version"))
        ),
        # CuPy and torch
        empty=empty,
        cuda=SimpleNamespace(
            get_current_stream=lambda: stream,
            current_stream=lambda: stream,
            device=lambda index: contextlib.nullcontext(),
        ),
    )
    fake = type(cuda.to_device(np.zeros(1)))

    def seen(memory, owner, sync):
        (count,), dtype = memory["shape"], np.dtype(memory["typestr"])
        assert owner.host.nbytes == count * dtype.itemsize
        assert not sync
        if isinstance(owner, LentJax):
            assert owner.ready
            log.append("kernel")
        numbers = (ctypes.c_char * owner.host.nbytes).from_address(memory["data"][0])
        return fake(np.frombuffer(numbers, dtype))

    def default_stream():
        return SimpleNamespace(synchronize=lambda: log.append("done"))

    monkeypatch.setitem(sys.modules, request.param, library)
    monkeypatch.setattr(cuda, "from_cuda_array_interface", seen, raising=False)
    monkeypatch.setattr(cuda, "default_stream", default_stream, raising=False)
    monkeypatch.setattr(cuda, "gpus", {0: contextlib.nullcontext()})
    for wrapper in (_cuda.CupyArray, _cuda.TorchArray):
        monkeypatch.setattr(wrapper, "_device", lambda self: (0, contextlib.nullcontext()))

    def make(host):
        return kind(host, log, f"torch.{host.dtype}" if request.param == "torch" else None)

    make.library, make.log = request.param, log
    return make


def test_results_are_of_the_same_kind(lend):
    x = np.random.default_rng(1).standard_normal((3, 8)).astype("float32")
    given = lend(x.copy())
    y = fasttx.fwht(given)
    assert type(y) is type(given)
    assert y.dtype == given.dtype
    np.testing.assert_allclose(y.host, fasttx.fwht(x), rtol=1e-6)
    np.testing.assert_array_equal(given.host, x)
    assert not {"compact", "assign"} & set(lend.log)


def test_overwriting(lend):
    x = np.random.default_rng(2).standard_normal((3, 8)).astype("float32")
    given = lend(x.copy())
    if lend.library == "jax":
        for function in (fasttx.fwht, fasttx.ifwhtn):
            with pytest.raises(TypeError, match=r"JAX array, which cannot be overwritten"):
                function(given, overwrite_x=True)
        np.testing.assert_array_equal(given.host, x)
        assert not lend.log
    else:
        assert fasttx.fwht(given, overwrite_x=True) is given
        np.testing.assert_allclose(given.host, fasttx.fwht(x), rtol=1e-6)
        assert set(lend.log) <= {"version"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_strided_arrays(lend, overwrite):
    x = np.random.default_rng(3).standard_normal((8, 3)).astype("float32")
    given = lend(x.copy().T)
    if lend.library == "jax":
        with pytest.raises(NotImplementedError, match="layout of memory of its own"):
            fasttx.fwht(given)
        return
    y = fasttx.fwht(given, overwrite_x=overwrite)
    assert (y is given) == overwrite
    np.testing.assert_allclose(y.host, fasttx.fwht(x.T), rtol=1e-6)
    np.testing.assert_array_equal(given.host, y.host if overwrite else x.T)
    assert [entry for entry in lend.log if entry != "version"] == ["compact"] + [
        "assign"
    ] * overwrite


@pytest.mark.parametrize(
    ("dtype", "seen", "count"),
    [
        ("bool", "uint8", 6),
        ("uint8", "uint8", 6),
        ("int64", "int64", 6),
        ("float16", "uint16", 6),
        ("float32", "float32", 6),
        ("complex64", "float32", 12),
        ("complex128", "float64", 12),
        (ml_dtypes.bfloat16, "uint16", 6),
        (ml_dtypes.float8_e4m3fn, "uint8", 6),
        (ml_dtypes.float8_e5m2, "uint8", 6),
    ],
)
def test_as_what_kernels_see_numbers(lend, dtype, seen, count):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    flat = _cuda.wrap(lend(x)).flat()
    assert flat.shape == (count,)
    assert flat.dtype == seen
    np.testing.assert_array_equal(flat.copy_to_host(), x.reshape(-1).view(seen))


def test_numbers_of_numba_arrays():
    x = np.array([[True, False]])
    np.testing.assert_array_equal(_cuda.wrap(cuda.to_device(x)).flat().copy_to_host(), [1, 0])
    assert _cuda.wrap(cuda.to_device(x)).flat().dtype == "uint8"


def test_several_arrays_share_a_device(lend, monkeypatch):
    one, two = (_cuda.wrap(lend(np.ones(4, "float32"))) for _ in range(2))
    _cuda.same_device(one)
    _cuda.same_device(one, two)
    with pytest.raises(TypeError, match="and a Numba device array; accepted are arrays of one"):
        _cuda.same_device(one, _cuda.wrap(cuda.to_device(np.ones(2))))
    numba = _cuda.wrap(cuda.to_device(np.ones(2))), _cuda.wrap(cuda.to_device(np.ones(2)))
    _cuda.same_device(*numba)
    monkeypatch.setattr(numba[1], "stream", lambda: 7)
    with pytest.raises(ValueError, match="Numba device arrays of two streams"):
        _cuda.same_device(*numba)
    monkeypatch.setattr(type(two), "device", property(lambda self: int(self is two)))
    with pytest.raises(ValueError, match=r"shape \(4,\) on device 0 and .* on device 1; all"):
        _cuda.same_device(one, two)


@pytest.mark.parametrize("lend", ["jax"], indirect=True)
def test_jax_and_kernels_wait_for_each_other(lend):
    """No memory is given back before the kernels that use it are done."""
    x = np.random.default_rng(4).standard_normal((2, 12)).astype("float32")
    given = lend(x)
    y = fasttx.fwht(given)  # two passes, with scratch between them
    np.testing.assert_allclose(y.host, fasttx.fwht(x), rtol=1e-5, atol=1e-6)
    assert lend.log == ["kernel"] * 4 + ["done", "delete"]
    assert not JaxArray._in_use.arrays


@pytest.mark.parametrize("lend", ["jax"], indirect=True)
def test_jax_copies_no_array_that_kernels_may_write(lend):
    given = _cuda.wrap(lend(np.ones((2, 4), "float32")))
    with given.context():
        given.flat()
        y = given.reshape((8,))
        y.flat()
    assert lend.log == ["kernel", "done", "reshape", "kernel", "done"]
    assert y.array.shape == (8,)


@pytest.mark.parametrize("lend", ["jax"], indirect=True)
def test_jax_refuses_what_it_would_narrow(lend):
    with pytest.raises(TypeError, match=r"the result has dtype int64.*jax_enable_x64"):
        fasttx.fwht(lend(np.ones(4, "int32")))
    assert "kernel" not in lend.log


@pytest.mark.parametrize("lend", ["jax"], indirect=True)
def test_jax_arrays_elsewhere_are_refused(lend, monkeypatch):
    given = lend(np.ones(4, "float32"))
    for devices, message in (
        ((LentJax.owner, SimpleNamespace(platform="gpu")), "accepted are a CPU and one CUDA"),
        ((SimpleNamespace(platform="tpu"),), "platform='tpu'"),
    ):
        monkeypatch.setattr(LentJax, "devices", devices)
        with pytest.raises(TypeError, match=message):
            fasttx.fwht(given)
