"""Sums and extremes over device arrays, the same bits every time.

Blocks, as many as the length says, take elements in turn, each thread its own; a block adds up by
halves, in shared memory, and one more block adds up what the blocks found. Nothing depends on which
block comes first, nor on the device.
"""

import functools
import math

import numba

from . import NumbaArray, launch, memory, trace
from .memory import KINDS, SIMULATED, VECTOR_BYTES

THREADS = 8 if SIMULATED else 256
BLOCKS = 2 if SIMULATED else 1024

# How two numbers are put together, and what changes none; a NaN on either side stays.
OPERATIONS = {
    "sum": (lambda m, a, b: a + b, 0.0),
    "min": (lambda m, a, b: m.where((b < a) | (b != b), b, a), math.inf),
    "max": (lambda m, a, b: m.where((b > a) | (b != b), b, a), -math.inf),
}
# What is put together.
TERMS = {
    "value": lambda m, x: x,
    "square": lambda m, x: x * x,
    "magnitude": lambda m, x: m.absolute(x),
    "log": lambda m, x: m.library("log", x),
}


def reduce(x: NumbaArray, operation: str, term: str = "value") -> NumbaArray:
    """Sum, least or greatest of the terms of a contiguous array of real numbers.

    Parameters
    ----------
    x : NumbaArray
        float32 or float64, on the current device.
    operation : {"sum", "min", "max"}
        Of no elements: 0, infinity, minus infinity. NaN where an element is.
    term : {"value", "square", "magnitude", "log"}
        Of an element, taken in float64.

    Returns
    -------
    NumbaArray of float64, shape (1,)
        On the device; `scalar` fetches the number.
    """
    width = VECTOR_BYTES // memory.stored(KINDS[x.dtype].read).itemsize
    width = width if x.address % VECTOR_BYTES == 0 else 1
    partial = partials(x, -(-x.size // width))
    # Nothing is read where there is nothing.
    source = x.flat() if x.size else partial.flat()
    kernel = _kernel(operation, term, x.dtype, width)
    launched = kernel.launch[partial.size, THREADS, x.stream()]
    launched(partial.flat(), source, x.size, partial.size)
    return finish(partial, operation)


def partials(like: NumbaArray, count: int, rows: int | None = None) -> NumbaArray:
    """Where as many blocks as take `count` elements, or vectors, write what they find.

    float64 of shape (blocks,), or (rows, blocks) for several sums.
    """
    blocks = min(max(-(-count // THREADS), launch.MIN_BLOCKS), BLOCKS)
    return like.empty((blocks,) if rows is None else (rows, blocks), "float64")


def finish(partial: NumbaArray, operation: str) -> NumbaArray:
    """Put together what the blocks found, along the last axis: float64 of shape (rows or 1,)."""
    *rows, count = partial.shape
    total = partial.empty((rows[0] if rows else 1,), "float64")
    # A block for each; Numba warns of smaller grids.
    blocks = max(total.size, launch.MIN_BLOCKS)
    launched = _finisher(operation).launch[blocks, THREADS, partial.stream()]
    launched(total.flat(), partial.flat(), total.size, count)
    return total


def scalar(x: NumbaArray) -> float:
    """The one number of an array, fetched from the device: waits for it."""
    return x.host().item()


def turns(m, count, blocks):
    """How many of `count` things a thread takes, and the number of the first.

    The next one is ``blocks * THREADS`` further on.
    """
    first = m.block * THREADS + m.thread
    step = blocks * THREADS
    return (count - first + step - 1) // step, first


def fold(m, operation: str, value):
    """Put together a float64 of each thread of a block of `THREADS`; thread 0 has the result."""
    pair, _ = OPERATIONS[operation]
    tile, half = m.shared("float64", THREADS), THREADS // 2
    m.put(tile, m.thread, value)

    def fold_halves(half):
        m.put(tile, m.thread, pair(m, m.get(tile, m.thread), m.get(tile, m.thread + half)))

    while half:
        m.sync()
        m.when(m.thread < half, functools.partial(fold_halves, half))
        half //= 2
    m.sync()
    return m.get(tile, m.thread * 0)


@functools.cache
def _kernel(operation, term, kind, width):
    """Kernel ``(out, x, count, blocks)``: a number for each block."""
    given, (pair, fresh), taken = KINDS[kind], OPERATIONS[operation], TERMS[term]

    def read(m, x, i, width):
        values = m.load(x, i, given.read, given.number, width)
        return [taken(m, m.convert(value, "float64")) for value in values]

    def body(m, out, x, count, blocks):
        vectors = count // width
        times, first = turns(m, vectors, blocks)

        def step(k, totals):
            values = read(m, x, (first + k * blocks * THREADS) * width, width)
            return [pair(m, a, b) for a, b in zip(totals, values, strict=True)]

        totals = m.loop(times, [m.constant(fresh, "float64")] * width, step)
        total = functools.reduce(functools.partial(pair, m), totals)
        if width > 1:  # the first threads take what fills no vector
            rest = vectors * width + first
            (total,) = m.either(
                rest < count,
                lambda: [pair(m, total, read(m, x, rest, 1)[0])],
                lambda: [total],
            )
        folded = fold(m, operation, total)
        m.when(m.thread == 0, lambda: m.store(out, m.block, [folded], "float64"))

    signature = trace.flat("float64"), trace.flat(given.read), numba.int64, numba.int64
    return trace.kernel(f"{operation}_{term}_{kind}", body, signature)


@functools.cache
def _finisher(operation):
    """Kernel ``(out, x, rows, count)``: a block for each row of `x`."""
    pair, fresh = OPERATIONS[operation]

    def body(m, out, x, rows, count):
        def step(k, total):
            place = m.block * count + m.thread + k * THREADS
            return [pair(m, total[0], m.load(x, place, "float64", "float64")[0])]

        def work():
            times = (count - m.thread + THREADS - 1) // THREADS
            (total,) = m.loop(times, [m.constant(fresh, "float64")], step)
            total = fold(m, operation, total)
            m.when(m.thread == 0, lambda: m.store(out, m.block, [total], "float64"))

        m.when(m.block < rows, work)

    double = trace.flat("float64")
    return trace.kernel(f"finish_{operation}", body, (double, double, numba.int64, numba.int64))
