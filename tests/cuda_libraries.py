"""The libraries whose arrays on a GPU the tests use, each with the same methods."""

import contextlib
import os
import sys

import numpy as np
import pytest

from tests.ptx_device import HostArray


class Numba:
    in_place = True

    def __init__(self):
        from numba import cuda

        self.cuda = cuda

    def to(self, a):
        return self.cuda.to_device(a)

    def back(self, x):
        return x.copy_to_host()

    def strided(self, a):
        pytest.skip("strided Numba arrays are refused")


class Cupy:
    in_place = True

    def __init__(self):
        self.cupy = pytest.importorskip("cupy")

    def to(self, a):
        return self.cupy.asarray(a)

    def back(self, x):
        return self.cupy.asnumpy(x)

    def strided(self, a):
        return self.cupy.asarray(np.ascontiguousarray(a.T)).T

    def on(self, index):
        return self.cupy.cuda.Device(index)

    def stream(self):
        return self.cupy.cuda.Stream(non_blocking=True)

    def busy(self):
        a = self.cupy.ones((4096, 4096), "float32")
        for _ in range(8):
            a = a @ a / 4096


class Jax:
    in_place = False  # arrays cannot be changed

    def __init__(self):
        # Tests of several libraries share the memory of the device.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        self.jax = pytest.importorskip("jax")
        self.jax.config.update("jax_enable_x64", True)
        try:
            self.devices = self.jax.devices("cuda")
        except RuntimeError:
            pytest.skip("this JAX has no CUDA")

    def to(self, a):
        return self.jax.device_put(a, self.jax.config.jax_default_device or self.devices[0])

    def back(self, x):
        return np.asarray(x)

    def strided(self, a):
        pytest.skip("arrays of JAX have no strides")

    def on(self, index):
        return self.jax.default_device(self.devices[index])

    def stream(self):
        return contextlib.nullcontext()

    def busy(self):
        a = self.jax.numpy.ones((4096, 4096), "float32")
        for _ in range(8):
            a = a @ a / 4096


class Torch:
    in_place = True

    def __init__(self):
        self.torch = pytest.importorskip("torch")
        if not self.torch.cuda.is_available():
            pytest.skip("this torch has no CUDA")

    def to(self, a):
        return self.torch.from_numpy(a.copy()).cuda()

    def back(self, x):
        return x.cpu().numpy()

    def strided(self, a):
        return self.to(np.ascontiguousarray(a.T)).T

    def on(self, index):
        return self.torch.cuda.device(index)

    def stream(self):
        return self.torch.cuda.stream(self.torch.cuda.Stream())

    def busy(self):
        a = self.torch.ones((4096, 4096), device="cuda")
        for _ in range(8):
            a = a @ a / 4096


@contextlib.contextmanager
def no_transfers(most=0):
    """Makes copies from a device to the host an error, where they are more than `most` bytes."""
    copied = 0

    def count(size):
        nonlocal copied
        copied += size
        assert copied <= most, f"{copied} bytes were copied from the device to the host"

    def counted(function):
        """A method of torch's or CuPy's arrays; of tensors on the CPU it may do what it will."""

        def method(self, *arguments, **options):
            if getattr(self, "is_cuda", True):
                count(self.nbytes)
            return function(self, *arguments, **options)

        return method

    def device_to_host(dst, src, size, stream=0):
        count(size)
        return copy(dst, src, size, stream)

    before = len(HostArray.transfers)
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        if "torch" in sys.modules:
            tensor = sys.modules["torch"].Tensor
            for name in ("cpu", "numpy", "item", "tolist", "__array__", "__bool__", "__float__"):
                patch.setattr(tensor, name, counted(getattr(tensor, name)))
        if "cupy" in sys.modules:
            array = sys.modules["cupy"].ndarray
            for name in ("get", "item", "tolist"):
                patch.setattr(array, name, counted(getattr(array, name)))
        if "jax" in sys.modules and not most:
            stack.enter_context(
                sys.modules["jax"].transfer_guard_device_to_host("disallow_explicit")
            )
        with contextlib.suppress(ImportError):
            from numba.cuda.cudadrv import driver

            copy = driver.device_to_host
            patch.setattr(driver, "device_to_host", device_to_host)
        yield
    count(sum(HostArray.transfers[before:]))
