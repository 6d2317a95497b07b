"""Scratch of a method on a device: arrays, sums, ranks and lists, the same bits each time.

Sums are taken in an order that depends on their length alone; atomic operations are on integers,
and lists that they fill are sorted afterwards.
"""

import functools

import numpy as np

from . import NumbaArray, launch
from .memory import SIMULATED, cuda, inlined

_PIECE = 4 if SIMULATED else 64  # numbers that a thread goes through, one after the other
_SUMMING = 8 if SIMULATED else 1 << 14  # threads of a sum's first step


class Workspace:
    """Allocates and launches beside an array: on its device and its library's current stream."""

    def __init__(self, like: NumbaArray):
        self.like, self.stream = like, like.stream()

    def array(self, shape, dtype: str) -> NumbaArray:
        """A new array of the library."""
        return self.like.empty(shape, dtype)

    def new(self, count: int, dtype: str):
        """A new flat array, as kernels take it."""
        if dtype == "uint64":  # not every library has these
            return self.new(count, "int64").view(np.uint64)
        return self.array((max(count, 1),), dtype).flat()

    def zeros(self, count: int, dtype: str):
        """A flat array of zeros."""
        array = self.new(count, dtype)
        self.fill(array, count, 0)
        return array

    def fill(self, array, count: int, value) -> None:
        """Set the first numbers to a value."""
        self.run(_fill(), count, array, count, value)

    def copy(self, dst, src, count: int, start: int = 0) -> None:
        """Copy numbers from place `start` on to the first places."""
        self.run(_copy(), count, dst, src, count, start)

    def add(self, y, x, a: float, b: float, count: int) -> None:
        """The first numbers of y become a x + b y."""
        self.run(_add(), count, y, x, a, b, count)

    def table(self, values: np.ndarray):
        """A flat copy of an array on the host."""
        flat = np.ascontiguousarray(values).reshape(-1)
        return cuda.to_device(flat if flat.size else np.zeros(1, flat.dtype), stream=self.stream)

    def host(self, array) -> np.ndarray:
        """A copy of a flat array on the host; waits for it."""
        return array.copy_to_host(stream=self.stream)

    def number(self, array, place: int) -> int:
        """One int64, on the host."""
        out = self.new(1, "int64")
        self.copy(out, array, 1, place)
        return int(self.host(out)[0])

    def run(self, kernel, count: int, *arguments) -> None:
        """Launch with one thread for each of `count` places."""
        if count:
            launch.over(kernel, count, self.stream, *arguments)

    def dot(self, x, y, count: int, start: int = 0, step: int = 1) -> float:
        """Sum of products of every `step`-th number from place `start` on, on the host."""
        threads = min(_SUMMING, max(count, 1))
        parts, out = self.new(threads, "float64"), self.new(1, "float64")
        self.run(_dot(), threads, parts, x, y, start, step, count, threads)
        self.run(_total(), 1, out, parts, threads)
        return float(self.host(out)[0])

    def largest(self, x, count: int) -> float:
        """Largest magnitude, on the host; infinity if there is a number that is not finite."""
        threads = min(_SUMMING, max(count, 1))
        parts, out = self.new(threads, "float64"), self.new(1, "float64")
        self.run(_largest(), threads, parts, x, count, threads)
        self.run(_largest(), 1, out, parts, threads, 1)
        return float(self.host(out)[0])

    def ranks(self, counts, size: int):
        """Sums of all int64 numbers before each: an array of size + 1, with the total last."""
        out = self.new(size + 1, "int64")
        self._ranks(counts, out, size)
        return out

    def _ranks(self, counts, out, size):
        pieces = -(-size // _PIECE)
        if pieces <= 1:
            self.run(_rank(), 1, out, counts, out, size, 0)
            return
        sums = self.new(pieces, "int64")
        self.run(_piece(), pieces, sums, counts, size)
        starts = self.new(pieces + 1, "int64")
        self._ranks(sums, starts, pieces)
        self.run(_rank(), pieces, out, counts, starts, size, 1)

    def lists(self, places, items: int, size: int):
        """The items at each of `size` places: where lists begin (size + 1 numbers), and the lists.

        Each list is in ascending order.
        """
        counts, order = self.zeros(size, "int64"), self.new(items, "int64")
        self.run(_count(), items, counts, places, items)
        starts = self.ranks(counts, size)
        self.run(_file(), items, order, counts, starts, places, items)
        self.run(_sort(), size, order, starts, size)
        return starts, order


@inlined
def thread():
    """Number of the thread in its grid."""
    return cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x


@functools.cache
def _fill():
    @cuda.jit
    def fill(array, count, value):
        i = thread()
        if i < count:
            array[i] = value

    return fill


@functools.cache
def _copy():
    @cuda.jit
    def copy(dst, src, count, start):
        i = thread()
        if i < count:
            dst[i] = src[start + i]

    return copy


@functools.cache
def _add():
    @cuda.jit
    def add(y, x, a, b, count):
        i = thread()
        if i < count:
            y[i] = a * x[i] + b * y[i]

    return add


@functools.cache
def _dot():
    @cuda.jit
    def dot(parts, x, y, start, step, count, threads):
        i = thread()
        if i < threads:
            total = 0.0
            for k in range(i, count, threads):
                total += x[start + k * step] * y[start + k * step]
            parts[i] = total

    return dot


@functools.cache
def _total():
    @cuda.jit
    def total(out, parts, count):
        if thread() == 0:
            value = 0.0
            for k in range(count):
                value += parts[k]
            out[0] = value

    return total


@functools.cache
def _largest():
    @cuda.jit
    def largest(parts, x, count, threads):
        i = thread()
        if i < threads:
            value = 0.0
            for k in range(i, count, threads):
                size = abs(x[k])
                if not size <= value:  # NaN too
                    value = size if size >= value else np.inf
            parts[i] = value

    return largest


@functools.cache
def _piece():
    @cuda.jit
    def piece(sums, counts, size):
        i = thread()
        start = i * _PIECE
        if start < size:
            total = np.int64(0)
            for k in range(start, min(start + _PIECE, size)):
                total += counts[k]
            sums[i] = total

    return piece


@functools.cache
def _rank():
    @cuda.jit
    def rank(out, counts, starts, size, several):
        i = thread()
        start = i * _PIECE
        if start < size or i == 0:
            total = np.int64(0)
            if several:
                total = starts[i]
            for k in range(start, min(start + _PIECE, size)):
                out[k] = total
                total += counts[k]
            if start + _PIECE >= size:
                out[size] = total

    return rank


@functools.cache
def _count():
    @cuda.jit
    def count(counts, places, items):
        i = thread()
        if i < items:
            cuda.atomic.add(counts, places[i], 1)

    return count


@functools.cache
def _file():
    @cuda.jit
    def file(order, counts, starts, places, items):
        i = thread()
        if i < items:
            left = cuda.atomic.sub(counts, places[i], 1)
            order[starts[places[i]] + left - 1] = i

    return file


@functools.cache
def _sort():
    @cuda.jit
    def sort(order, starts, size):
        i = thread()
        if i < size:
            for k in range(starts[i] + 1, starts[i + 1]):
                item, at = order[k], k
                while at > starts[i] and order[at - 1] > item:
                    order[at] = order[at - 1]
                    at -= 1
                order[at] = item

    return sort
