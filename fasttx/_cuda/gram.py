"""Eigenvalues of matrices that a transform diagonalises, from the transform of a column."""

import functools
import math

import numba
import numpy as np

from . import NumbaArray, reduce, trace
from .memory import KINDS


def eigenvalues(spectrum: NumbaArray, out: NumbaArray, constant: float) -> tuple[float, float]:
    """Write the real parts of a spectrum, and judge them; waits for the device.

    Parameters
    ----------
    spectrum : NumbaArray, shape (n,)
        Real or complex.
    out : NumbaArray, shape (n,)
        float32 or float64 as the numbers of `spectrum`; it may be `spectrum`.
    constant : float
        Is added to the first.

    Returns
    -------
    least, square : float
        The least of `out`, NaN where one is; and the sum of squares of all but the first, or of
        the only one without `constant`.
    """
    n = spectrum.size
    least, squares = (reduce.partials(out, n) for _ in range(2))
    launched = _kernel(spectrum.dtype).launch[least.size, reduce.THREADS, out.stream()]
    arrays = (a.flat() for a in (out, spectrum, least, squares))
    launched(*arrays, np.float64(constant), n, least.size)
    found = reduce.finish(least, "min"), reduce.finish(squares, "sum")
    return reduce.scalar(found[0]), reduce.scalar(found[1])


@functools.cache
def _kernel(kind):
    given, (less, _) = KINDS[kind], reduce.OPERATIONS["min"]

    def body(m, out, spectrum, least, squares, constant, n, blocks):
        times, first = reduce.turns(m, n, blocks)

        def step(k, totals):
            i = first + k * blocks * reduce.THREADS
            read = m.load(spectrum, i * given.parts, given.read, given.number, given.parts)
            value = m.convert(read[0], "float64")
            square = m.where((i > 0) | (n == 1), value * value, 0.0)
            result = m.convert(m.where(i == 0, value + constant, value), given.number)
            m.store(out, i, [result], given.number)
            return [less(m, totals[0], m.convert(result, "float64")), totals[1] + square]

        fresh = [m.constant(value, "float64") for value in (math.inf, 0)]
        smallest, total = m.loop(times, fresh, step)
        smallest, total = reduce.fold(m, "min", smallest), reduce.fold(m, "sum", total)

        def write():
            m.store(least, m.block, [smallest], "float64")
            m.store(squares, m.block, [total], "float64")

        m.when(m.thread == 0, write)

    double, flat = trace.flat("float64"), trace.flat(given.read)
    signature = flat, flat, double, double, numba.float64, numba.int64, numba.int64
    return trace.kernel(f"eigenvalues_{kind}", body, signature)
