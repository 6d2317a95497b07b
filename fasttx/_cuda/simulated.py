"""The machine of `trace` under Numba's simulator: bodies run on numbers.

Integers are Python's, but those of unsigned dtypes wrap around as NumPy's do.
"""

import math

import numpy as np

from . import memory

_SHARED_BYTES = 48 << 10


def run(body, cuda, *arguments):
    """Run a body as one thread does; numbers overflow silently, as on a device."""
    with np.errstate(all="ignore"):
        body(Machine(cuda), *arguments)


class Machine:
    """What a body asks for, done at once; `emitted.Machine` is its twin."""

    def __init__(self, cuda):
        self.cuda = cuda
        self.thread, self.block = int(cuda.threadIdx.x), int(cuda.blockIdx.x)
        self._room, self._used = None, 0

    # Values

    def constant(self, value, dtype):
        return _number(value, dtype)

    def convert(self, x, dtype):
        if dtype.startswith("u"):
            return np.array(int(x) & (1 << 8 * np.dtype(dtype).itemsize) - 1, np.uint64).astype(
                dtype
            )[()]
        return _number(x, dtype)

    def bits(self, x, dtype):
        given = np.dtype(dtype)
        if isinstance(x, int):
            half = 1 << 8 * given.itemsize - 1  # what the bits mean where there are no others
            x = np.array((x + half) % (2 * half) - half, f"i{given.itemsize}")[()]
        return _number(x.view(dtype), dtype)

    def where(self, condition, x, y):
        chosen, other = (x, y) if condition else (y, x)
        constant = isinstance(other, np.generic) and not isinstance(chosen, np.generic)
        return type(other)(chosen) if constant else chosen

    # Functions

    def fma(self, x, y, z):
        # A product of singles is exact in double precision.
        return type(x)(float(x) * float(y) + float(z))

    def minimum(self, x, y):
        return np.fmin(x, y)

    def maximum(self, x, y):
        return np.fmax(x, y)

    def larger(self, x, y):
        return np.maximum(x, y)

    def product(self, x, y):
        return x * y

    def absolute(self, x):
        return abs(x)

    def sqrt(self, x):
        return np.sqrt(x)

    def rint(self, x):
        return np.rint(x)

    def floor(self, x):
        return np.floor(x)

    def library(self, name, *values):
        return type(values[0])(_LIBRARY[name](*map(float, values)))

    def reverse(self, x):
        return np.uint32(int(f"{int(x):032b}"[::-1], 2))

    def ones(self, x):
        return type(x)(int(x).bit_count())

    def length(self, x):
        return type(x)(int(x).bit_length())

    def rounded(self, x, name):
        return _number(memory.widened(memory.narrowed(x, name), name), x.dtype.name)

    # Threads

    def sync(self):
        self.cuda.syncthreads()

    # Memory

    def load(self, array, index, name, number, width=1, where=None):
        if where is not None and not where:
            return [_number(0, number)] * width
        return [_number(memory.widened(array[index + i], name), number) for i in range(width)]

    def store(self, array, index, values, name, where=None):
        if where is None or where:
            for i, value in enumerate(values):
                array[index + i] = memory.narrowed(value, name)

    def shared(self, number, size):
        if self._room is None:  # the simulator gives one array for a line of a program
            self._room = self.cuda.shared.array(_SHARED_BYTES, np.uint8)
        start = self._used
        self._used += -(-size * np.dtype(number).itemsize // 16) * 16
        return self._room[start : start + size * np.dtype(number).itemsize].view(number), number

    def get(self, shared, index):
        return _number(shared[0][index], shared[1])

    def put(self, shared, index, x):
        shared[0][index] = x

    # Control flow

    def when(self, condition, body):
        if condition:
            body()

    def either(self, condition, then, otherwise):
        return then() if condition else otherwise()

    def loop(self, count, carried, body):
        for i in range(count):
            carried = body(i, carried)
        return carried


def _number(value, dtype):
    if dtype in ("int32", "int64"):
        return int(value)
    return bool(value) if dtype == "bool" else np.dtype(dtype).type(value)


_LIBRARY = {
    "sinpi": lambda x: math.sin(math.pi * x),
    "cospi": lambda x: math.cos(math.pi * x),
    **{name: getattr(math, name) for name in ("sin", "cos", "exp", "log", "log2", "exp2", "erf")},
}
