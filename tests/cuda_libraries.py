"""The libraries whose arrays on a GPU the tests use, each with the same methods."""

import numpy as np
import pytest


class Numba:
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


class Torch:
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
