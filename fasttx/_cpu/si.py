"""Shift-invariant kernels of one coordinate, on runs of points: polynomials of the difference."""

import numpy as np

from .._jit import compiled

UNIT = 2.0**-53
_ONE, _HALF = np.uint64(1 << 53), np.uint64(1 << 52)


@compiled
def values(points, origin, count, odd, table, work, out):
    """``out[i]``, i < count: the polynomial of ``points[i] - origin`` modulo 1.

    `table` has the coefficients in powers of x - 1/4 for 0 <= x <= 1/2, a multiple of four of them,
    the highest power first. Above 1/2 the values are those of 1 - x, negative if `odd`.
    """
    mask = _ONE - np.uint64(1)
    moved = work[0]
    for i in range(count):
        x = (points[i] - origin) & mask
        moved[i] = np.float64(min(x, _ONE - x)) * UNIT - 0.25
        out[i] = table[0]
    # Four coefficients at a time: a pass over the run costs more than its arithmetic.
    a, b, c = table[1], table[2], table[3]
    for i in range(count):
        out[i] = ((out[i] * moved[i] + a) * moved[i] + b) * moved[i] + c
    for k in range(4, table.size, 4):
        z, a, b, c = table[k], table[k + 1], table[k + 2], table[k + 3]
        for i in range(count):
            u = moved[i]
            out[i] = (((out[i] * u + z) * u + a) * u + b) * u + c
    if odd:
        for i in range(count):
            if ((points[i] - origin) & mask) > _HALF:
                out[i] = -out[i]
