"""The loops of `_cpu` for arrays on a GPU, and what these arrays are asked for.

Files and functions have the names that they have in `_cpu`. Importing this package imports neither
Numba nor an array library; the modules in it need ``numba.cuda``.
"""

import contextlib
import functools
import importlib.util
import math
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

# As which dtype kernels see the numbers of an array.
_KERNEL_DTYPES = {
    "bool": "uint8",
    "float16": "uint16",
    "bfloat16": "uint16",
    "complex64": "float32",
    "complex128": "float64",
}
_INSTALL = "pip install 'fasttx[cuda]'"


def status() -> str:
    """Whether transforms can run on a device here, in one line, and what is missing if not."""
    try:
        from numba import cuda
    except ImportError as error:
        return f"not available: {error}; {_INSTALL}"
    if _simulated():
        return "simulator (NUMBA_ENABLE_CUDASIM is set)"
    if not installed():
        return f"not available: numba-cuda is not installed; {_INSTALL}"
    if cuda.is_available():
        device = cuda.get_current_device()
        name = device.name.decode() if isinstance(device.name, bytes) else device.name
        return f"{name}, compute capability {'.'.join(map(str, device.compute_capability))}"
    reason = str(cuda.cuda_error() or "no device, or no NVVM to compile with").split()
    return f"no CUDA driver was found: {' '.join(reason)}"


def installed() -> bool:
    """Whether numba-cuda is there; what Numba itself brings can only simulate."""
    return importlib.util.find_spec("numba_cuda") is not None


@functools.cache
def check_installed() -> None:
    """Raise ImportError, with what to install, if kernels can be neither compiled nor simulated."""
    if not (installed() or _simulated()):
        raise ImportError(f"device arrays need numba-cuda, which is not installed: {_INSTALL}")


@functools.cache
def require() -> Any:
    """Return the module ``numba.cuda`` when kernels can run.

    Raises
    ------
    ImportError
        If numba-cuda is not installed; the message says how to install it.
    RuntimeError
        If it is, and found no driver or no device.
    """
    check_installed()
    from numba import cuda

    if _simulated() or cuda.is_available():
        return cuda
    raise RuntimeError(f"device arrays need a CUDA driver and a device: {status()}")


def _simulated() -> bool:
    from numba import config

    return bool(config.ENABLE_CUDASIM)


class NumbaArray:
    """What a transform asks of a device array; here one of Numba's, real or simulated.

    Attributes
    ----------
    array : device array
        The caller's own object.
    shape : tuple of int
    dtype : str
        Name of the dtype in NumPy's words.
    contiguous : bool
        Whether elements follow each other in memory in C order.
    """

    library = "a Numba device array"
    writable = True

    def __init__(self, array):
        self.array = array
        self.shape = tuple(array.shape)
        self.dtype = array.dtype.name
        self.contiguous = array.is_c_contiguous()

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        parts = 2 if self.dtype.startswith("complex") else 1
        return self.size * np.dtype(_kernel_dtype(self.dtype)).itemsize * parts

    def compact(self):
        """Return the same elements in C order, copied on the device."""
        raise NotImplementedError(
            f"x is {self.library} with strides {tuple(self.array.strides)}; accepted on a device "
            "now are C-contiguous arrays, and strided ones of CuPy and torch, which can copy them"
        )

    def empty(self, shape, dtype):
        """Return a new array of this library and device."""
        cuda = require()
        given = self._dtype(dtype)
        return type(self)(cuda.device_array(shape, given, stream=self.array.stream))

    def reshape(self, shape):
        """Return the same elements, contiguous, as an array of that shape."""
        return type(self)(self.array.reshape(shape))

    def host(self) -> np.ndarray:
        """Return the elements as a NumPy array, copied; the call waits for them."""
        return self.array.copy_to_host()

    def _dtype(self, name):
        # NumPy may not know the name of the array's own dtype: bfloat16.
        return self.array.dtype if name == self.dtype else np.dtype(name)

    def flat(self):
        """Return the real numbers of a contiguous array, 1-D, as a kernel takes them.

        There is no copy; bool and numbers of 8 and 16 bits that are not integers are seen as
        unsigned integers, complex numbers as pairs.
        """
        return self.array.reshape(self.size).view(_kernel_dtype(self.dtype))

    @property
    def address(self) -> int:
        """Where the array begins in memory."""
        return 0 if _simulated() else self.array.device_ctypes_pointer.value or 0

    @property
    def device(self) -> int:
        """Number of the device."""
        return 0 if _simulated() else self.array.gpu_data.context.device.id

    def context(self):
        """Return a context manager that makes the array's device current."""
        if _simulated():
            return contextlib.nullcontext()
        return require().gpus[self.device]

    def stream(self):
        """Return the stream to launch on, as Numba takes it."""
        return self.array.stream

    def replace(self, result):
        """Make `result` the elements of this array, if it is another one; return the caller's."""
        if result is not self:
            self._assign(result.array)
        return self.array


class _Foreign(NumbaArray):
    """Common to libraries whose arrays Numba knows only by their address."""

    def flat(self):
        dtype = _kernel_dtype(self.dtype)
        count = self.size << self.dtype.startswith("complex")
        # Of version 2 and without a stream: nothing to wait for, the kernel is on the array's own.
        memory = {"shape": (count,), "typestr": dtype.str, "data": (self.address, False)}
        return require().from_cuda_array_interface(
            {**memory, "version": 2}, owner=self.array, sync=False
        )

    @property
    def device(self):
        return self._device()[0]

    @contextlib.contextmanager
    def context(self):
        # Both libraries have to agree on the device: each keeps its own idea of the current one.
        index, guard = self._device()
        with guard, require().gpus[index]:
            yield

    def stream(self):
        pointer = self._stream_pointer()
        return _external_stream(self._device()[0], pointer) if pointer else 0


class CupyArray(_Foreign):
    """A ``cupy.ndarray``."""

    library = "a CuPy array"

    def __init__(self, array):
        self.array = array
        self.shape = tuple(array.shape)
        self.dtype = array.dtype.name
        self.contiguous = array.flags.c_contiguous

    def host(self):
        return self.array.get()

    def compact(self):
        return CupyArray(sys.modules["cupy"].ascontiguousarray(self.array))

    def empty(self, shape, dtype):
        return CupyArray(sys.modules["cupy"].empty(shape, self._dtype(dtype)))

    @property
    def address(self):
        return self.array.data.ptr

    def _assign(self, values):
        self.array[...] = values

    def _device(self):
        return self.array.device.id, self.array.device

    def _stream_pointer(self):
        return sys.modules["cupy"].cuda.get_current_stream().ptr


class TorchArray(_Foreign):
    """A dense ``torch.Tensor`` on a CUDA device."""

    library = "a torch tensor"

    def __init__(self, array):
        torch = sys.modules["torch"]
        if array.layout is not torch.strided:
            raise TypeError(f"x has layout {array.layout}; accepted are dense torch tensors")
        if array.requires_grad and torch.is_grad_enabled():
            raise NotImplementedError(
                "x requires a gradient: the functions of fasttx.torch propagate it; for a result "
                "without one pass x.detach(), or call under torch.no_grad()"
            )
        self.array = array
        self.shape = tuple(array.shape)
        self.dtype = str(array.dtype).removeprefix("torch.")
        # Lazily negated or conjugated views have other values in memory.
        lazy = array.is_neg() or array.is_conj()
        self.contiguous = array.is_contiguous() and not lazy

    def host(self):
        return self.array.detach().cpu().numpy()

    def compact(self):
        return TorchArray(self.array.resolve_conj().resolve_neg().contiguous())

    def empty(self, shape, dtype):
        torch = sys.modules["torch"]
        return TorchArray(torch.empty(shape, dtype=getattr(torch, dtype), device=self.array.device))

    @property
    def address(self):
        return self.array.data_ptr()

    def replace(self, result):
        # Autograd saves tensors for later and must know of writes that it did not do itself.
        sys.modules["torch"].autograd.graph.increment_version(self.array)
        return super().replace(result)

    def _assign(self, values):
        self.array.copy_(values)

    def _device(self):
        index = self.array.device.index
        return index, sys.modules["torch"].cuda.device(index)

    def _stream_pointer(self):
        return sys.modules["torch"].cuda.current_stream().cuda_stream


def _kernel_dtype(name):
    return np.dtype("uint8" if name.startswith("float8") else _KERNEL_DTYPES.get(name, name))


@functools.lru_cache(maxsize=64)
def _external_stream(device, pointer):
    # Numba's cache of launch configurations asks for the same object each time.
    return require().external_stream(pointer)


def wrap(x, overwrite: bool = False) -> NumbaArray:
    """Return the wrapper of a device array.

    Raises
    ------
    TypeError
        If `x` is of a library that is not supported on devices, or to be overwritten and of one
        whose arrays cannot be.
    ImportError
        If numba-cuda is missing.
    """
    check_installed()
    given = _wrapped(x)
    if overwrite and not given.writable:
        raise TypeError(
            f"x is {given.library}, which cannot be overwritten; accepted is overwrite_x=False"
        )
    return given


def _wrapped(x):
    for library, cls, wrapper in (
        ("torch", "Tensor", TorchArray),
        ("cupy", "ndarray", CupyArray),
        ("jax", "Array", _jax_array),
    ):
        # A library that nobody imported cannot have made x.
        if library in sys.modules and isinstance(x, getattr(sys.modules[library], cls)):
            return wrapper(x)
    if getattr(x, "__cuda_ndarray__", False):
        return NumbaArray(x)
    raise TypeError(
        f"x is a {type(x).__module__}.{type(x).__qualname__}; accepted on a device now are arrays "
        "of CuPy, JAX, torch and Numba"
    )


def _jax_array(x):
    from .jax import JaxArray

    return JaxArray(x)


def check_dtype(given: NumbaArray, dtypes: Iterable[str], name: str = "x") -> NumbaArray:
    """`given`, if its dtype is one of those; `name` is the argument's in the error."""
    if given.dtype not in dtypes:
        accepted = ", ".join(dtypes)
        raise TypeError(f"{name} has dtype {given.dtype}; accepted on a device are {accepted}")
    return given


def same_device(*given: NumbaArray) -> None:
    """Check that one kernel may take all these arrays.

    Raises
    ------
    TypeError
        If they are of several libraries: each has a stream of its own.
    ValueError
        If they are on several devices, or on several of Numba's streams.
    """
    first = given[0]
    for other in given[1:]:
        if other.library != first.library:
            raise TypeError(
                f"got {first.library} and {other.library}; accepted are arrays of one library"
            )
        if other.library == NumbaArray.library and other.stream() != first.stream():
            raise ValueError("got Numba device arrays of two streams; all must be of one")
        if other.device != first.device:
            one, two = (
                f"{a.library} of shape {a.shape} on device {a.device}" for a in (first, other)
            )
            raise ValueError(f"got {one} and {two}; all arrays must be on one device")
