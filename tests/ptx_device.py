"""A device without a device: launches of compiled kernels go to the machine for PTX.

Under `ptx_device` the public functions take a `HostArray`, with the numbers in a NumPy array, and
do on it what they do on an array of Numba's: the same passes, the same compiled kernels.
"""

import contextlib
import functools
import sys
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from tests import ptx_machine


class HostArray:
    """What the library asks of a Numba device array, over a NumPy array.

    Tests read the numbers as `host`; the library has to copy them to the host, which is noted.
    """

    __cuda_ndarray__ = True
    stream = 0
    transfers: ClassVar[list[int]] = []  # bytes of each copy to the host

    def __init__(self, host):
        self._host = host
        self.shape, self.dtype, self.strides = host.shape, host.dtype, host.strides
        self.device_ctypes_pointer = SimpleNamespace(value=host.ctypes.data)
        self.gpu_data = SimpleNamespace(context=SimpleNamespace(device=SimpleNamespace(id=0)))

    @property
    def host(self):
        reader = sys._getframe(1).f_globals["__name__"]
        assert not reader.startswith("fasttx"), f"{reader} reads the memory of a device"
        return self._host

    def copy_to_host(self, stream=0):
        self.transfers.append(self._host.nbytes)
        return self._host.copy()

    def __array__(self, dtype=None, copy=None):
        return self.copy_to_host().astype(dtype or self.dtype, copy=False)

    def is_c_contiguous(self):
        return self.host.flags.c_contiguous

    def reshape(self, size):
        return HostArray(self.host.reshape(size))

    def view(self, dtype):
        return HostArray(self.host.view(dtype))

    def __getitem__(self, rows):
        return HostArray(self.host[rows])


@functools.cache
def compiled(function, types):
    """PTX of a kernel for arguments of these Numba types."""
    from numba import cuda

    code, _ = cuda.compile(function, types, cc=(9, 0), device=False, abi="numba", output="ptx")
    return code


def launched(dispatcher, configuration):
    """What a launch does: compile for these arguments, and run."""
    import numba

    blocks, threads, *_ = configuration

    def launch(*arguments):
        arguments = [a.host if isinstance(a, HostArray) else a for a in arguments]
        arguments = [np.int64(a) if isinstance(a, int) else a for a in arguments]
        arguments = [np.float64(a) if isinstance(a, float) else a for a in arguments]
        types = tuple(
            numba.from_dtype(a.dtype)[::1] if a.ndim else numba.from_dtype(a.dtype)
            for a in arguments
        )
        ptx_machine.run(compiled(dispatcher.py_func, types), blocks, threads, *arguments)

    return launch


@pytest.fixture
def ptx_device(nvvm, monkeypatch):
    """A function that puts a NumPy array on the device that is not there."""
    from numba import cuda

    from fasttx import _cuda
    from fasttx._cuda import launch, memory

    def device_array(shape, dtype, stream=0):
        poison = np.full(int(np.prod(shape)) * np.dtype(dtype).itemsize, 0xA5, np.uint8)
        return HostArray(poison.view(dtype).reshape(shape))

    fake = SimpleNamespace(device_array=device_array, gpus={0: contextlib.nullcontext()})
    monkeypatch.setattr(_cuda, "require", lambda: fake)
    monkeypatch.setattr(launch, "MIN_BLOCKS", 1)
    monkeypatch.setattr(cuda, "synchronize", lambda: None)
    monkeypatch.setattr(cuda, "to_device", lambda a, stream=0: HostArray(a.copy()))
    monkeypatch.setattr(type(memory.jit(lambda x: None)), "__getitem__", launched)
    launch._on_device.cache_clear()
    yield lambda a: HostArray(np.array(a))
    launch._on_device.cache_clear()
