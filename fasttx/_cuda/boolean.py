"""Boolean functions on a GPU: their forms, and one number for each."""

import functools

import numba
import numpy as np

from . import NumbaArray, check_dtype, launch, wrap
from .memory import cuda
from .workspace import Workspace, thread

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")


def check(f) -> NumbaArray:
    """The wrapper of a device array of values."""
    return check_dtype(wrap(f), DTYPES, "f")


def values(given: NumbaArray) -> tuple[bool, bool, bool, bool]:
    """Whether there are values 0, 1, -1 and others; the host waits for these four."""
    with given.context():
        given = given if given.contiguous else given.compact()
        space = Workspace(given)
        there = space.zeros(4, "int32")
        space.run(_look(), given.size, there, given.flat(), given.size)
        zero, one, minus, other = (bool(v) for v in space.host(there))
    return zero, one, minus, other


def encode(given: NumbaArray, off: int, on: int, signs: bool):
    """Write `on` where f is 1 as int32, `off` where it is 0; `signs` says how f is written."""
    with given.context():
        given = given if given.contiguous else given.compact()
        space = Workspace(given)
        out = space.array(given.shape, "int32")
        arrays = out.flat(), given.flat()
        true = -1 if signs else 1
        space.run(_encode(), given.size, *arrays, true, off, on, given.size)
    return out.array


def odd(counts):
    """Lowest bits of a device array of int64, as uint8."""
    return _converted(counts, "uint8", _odd())


def square(spectrum):
    """Squares of a device array of int64, as float64."""
    return _converted(spectrum, "float64", _square())


def rounded(sums):
    """The nearest int64 of a device array of float64."""
    return _converted(sums, "int64", _round())


def _converted(x, dtype, kernel):
    given = wrap(x)
    with given.context():
        space = Workspace(given)
        out = space.array(given.shape, dtype)
        space.run(kernel, given.size, out.flat(), given.flat(), given.size)
    return out.array


def largest(x, measure: str, dtype: str, factor: int, start: int):
    """``start + factor * m`` for the largest measure m along the last axis, or whether it is 0.

    Parameters
    ----------
    x : device array of int64 or uint8, shape (..., 2**n)
    measure : {"size", "half", "degree", "immunity", "first"}
        Of the value x[u]: its magnitude, or half of that; 1 more than the number of ones of u,
        where x[u] is not 0; n + 1 less that number, there and but for u = 0; the magnitude of x[0].
    dtype : {"int64", "bool"}
    factor, start : int

    Returns
    -------
    device array, shape (...)
        Of that dtype; 0-d for one function.
    """
    given = wrap(x)
    with given.context():
        space, size = Workspace(given), given.shape[-1]
        out = space.array(given.shape[:-1], dtype)
        if out.size:
            kernel = _largest(measure, dtype)
            blocks = max(out.size, launch.MIN_BLOCKS)
            sizes = size, out.size, factor, start
            kernel[blocks, launch.THREADS, space.stream](out.flat(), given.flat(), *sizes)
    return out.array


@functools.cache
def _look():
    @cuda.jit
    def look(there, f, count):
        i = thread()
        if i < count:
            kind = 3
            if f[i] == 0:
                kind = 0
            elif f[i] == 1:
                kind = 1
            elif f[i] == -1:
                kind = 2
            if there[kind] == 0:  # all that write, write the same
                there[kind] = 1

    return look


@functools.cache
def _encode():
    @cuda.jit
    def encode(out, f, true, off, on, count):
        i = thread()
        if i < count:
            out[i] = on if f[i] == true else off

    return encode


@functools.cache
def _odd():
    @cuda.jit
    def odd(out, x, count):
        i = thread()
        if i < count:
            out[i] = x[i] & 1

    return odd


@functools.cache
def _square():
    @cuda.jit
    def square(out, x, count):
        i = thread()
        if i < count:
            value = np.float64(x[i])
            out[i] = value * value

    return square


@functools.cache
def _round():
    @cuda.jit
    def rounding(out, x, count):
        i = thread()
        if i < count:
            out[i] = np.int64(x[i] + 0.5 if x[i] > 0 else x[i] - 0.5)

    return rounding


@functools.cache
def _largest(measure, dtype):
    """Kernel: a block for each row."""
    threads, whole = launch.THREADS, dtype == "int64"

    @cuda.jit
    def run(out, x, size, rows, factor, start):
        most = cuda.shared.array(threads, numba.int64)
        lane, row = cuda.threadIdx.x, np.int64(cuda.blockIdx.x)
        if row >= rows:
            return
        found, n = np.int64(0), np.int64(0)
        while size >> n > 1:
            n += 1
        stop = 1 if measure == "first" else size
        for u in range(lane, stop, threads):
            value = np.int64(x[row * size + u])
            if measure == "size" or measure == "first":
                value = abs(value)
            elif measure == "half":
                value = abs(value) // 2
            elif value != 0:
                weight = np.int64(cuda.popc(np.uint64(u)))
                value = weight + 1 if measure == "degree" else n + 1 - weight
                if measure == "immunity" and u == 0:
                    value = np.int64(0)
            found = max(found, value)
        most[lane] = found
        step = threads // 2
        while step:
            cuda.syncthreads()
            if lane < step:
                most[lane] = max(most[lane], most[lane + step])
            step //= 2
        if lane == 0:
            value = start + factor * most[0]
            if whole:
                out[row] = value
            else:
                out[row] = value == 0

    return run
