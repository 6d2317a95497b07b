"""Arrays of JAX on a GPU; importing this module imports neither Numba nor JAX."""

import contextlib
import sys
import threading

import numpy as np

from . import _Foreign, require


class _InUse(threading.local):
    """Arrays of a thread that its kernels may not be done with."""

    def __init__(self):
        self.arrays = []


class JaxArray(_Foreign):
    """A ``jax.Array`` on one CUDA device.

    JAX has no current stream and orders nothing with what others launch. The host therefore waits
    for arrays before a kernel gets them, and for the kernels before JAX gets the result. Until then
    all these arrays are kept: JAX, which also owns the memory of results and scratch, would give
    that of a deleted array to the next one at once.
    """

    library = "a JAX array"
    writable = False
    _in_use = _InUse()

    def __init__(self, array):
        devices = list(array.devices())
        if len(devices) != 1 or devices[0].platform != "gpu":
            where = ", ".join(map(str, devices))
            raise TypeError(f"x is a JAX array on {where}; accepted are a CPU and one CUDA device")
        self.array, self._owner = array, devices[0]
        self.shape = tuple(array.shape)
        self.dtype = array.dtype.name
        layout = getattr(getattr(array, "format", None), "layout", None)
        order = getattr(layout, "major_to_minor", range(array.ndim))
        self.contiguous = tuple(order) == tuple(range(array.ndim))

    def compact(self):
        raise NotImplementedError(
            "x is a JAX array in a layout of memory of its own; accepted on a device now are those "
            "in JAX's default layout"
        )

    def reshape(self, shape):
        self._finish()  # before JAX copies what kernels may still write
        return JaxArray(self.array.reshape(shape))

    def host(self):
        self._finish()
        return np.asarray(self.array)

    def empty(self, shape, dtype):
        jax = sys.modules["jax"]
        if jax.dtypes.canonicalize_dtype(dtype).name != dtype:
            raise TypeError(
                f"the result has dtype {dtype}, which JAX has only after "
                'jax.config.update("jax_enable_x64", True)'
            )
        return JaxArray(jax.numpy.empty(shape, dtype, device=self._owner))

    def flat(self):
        self._in_use.arrays.append(self.array.block_until_ready())
        return super().flat()

    @property
    def address(self):
        return self.array.unsafe_buffer_pointer()

    def _assign(self, values):
        raise TypeError(f"x is {self.library}, which cannot be overwritten")

    @property
    def device(self):
        return self._owner.local_hardware_id

    @contextlib.contextmanager
    def context(self):
        with require().gpus[self.device]:
            try:
                yield
            finally:
                self._finish()

    def _finish(self):
        require().default_stream().synchronize()
        self._in_use.arrays.clear()

    def stream(self):
        return 0
