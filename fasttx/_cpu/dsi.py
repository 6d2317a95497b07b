"""Digitally-shift-invariant kernels of one coordinate, on runs of points.

A difference x is an integer of 53 digits, exact as a float64: its exponent tells the place b of
the first digit that is 1, and its leading power of two is 2**-b. For x = 0 these read 1023 and 0,
as the formulas want it: b is multiplied by powers of x, and 2**-b stands for 0. So no loop has a
branch.
"""

import numpy as np

from .._jit import compiled

UNIT = 2.0**-53
_EXPONENT = np.uint64(0x7FF << 52)
# Orders above have the same values in float64: they differ by less than 2**-60.
HIGHEST_ORDER = 12
# Digits looked at one by one for orders above 4; beyond them only the first two sums count.
_STEPS = 18
# What spreads 21 digits to every third place, from the last step to the first.
_THIRDS = tuple(
    np.uint64(m)
    for m in (
        0x1249249249249249,
        0x10C30C30C30C30C3,
        0x100F00F00F00F00F,
        0x1F0000FF0000FF,
        0x1F00000000FFFF,
    )
)


@compiled
def values(points, origin, count, order, table, work, out):
    """``out[i]``, i < count: the kernel of that order of ``points[i] ^ origin``.

    Order 1 stands for all that depends on the first digit alone: `table` has the value for each
    number of digits from the first 1 to the last, 0 to 53. `work` is scratch of `HIGHEST_ORDER` + 1
    rows.
    """
    if order == 1:
        _first_digit(points, origin, count, table, out)
    elif order == 2:
        _second(points, origin, count, out)
    elif order == 3:
        _third(points, origin, count, out)
    elif order == 4:
        _fourth(points, origin, count, out)
    else:
        _higher(points, origin, count, order, work, out)


@compiled
def _first_digit(points, origin, count, table, out):
    for i in range(count):
        bits = np.float64(points[i] ^ origin).view(np.uint64)
        out[i] = table[max(np.int64(bits >> np.uint64(52)) - 1022, 0)]


@compiled
def _second(points, origin, count, out):
    for i in range(count):
        x = np.float64(points[i] ^ origin) * UNIT
        bits = np.float64(x).view(np.uint64)
        power = np.uint64(bits & _EXPONENT).view(np.float64)
        place = np.float64(np.uint64(1023) - (bits >> np.uint64(52)))
        out[i] = 3 / 2 - 5 / 2 * power - place * x


@compiled
def _third(points, origin, count, out):
    for i in range(count):
        x = np.float64(points[i] ^ origin) * UNIT
        bits = np.float64(x).view(np.uint64)
        power = np.uint64(bits & _EXPONENT).view(np.float64)
        place = np.float64(np.uint64(1023) - (bits >> np.uint64(52)))
        out[i] = 25 / 18 - 43 / 18 * (power * power) + x * (place * x - 5 * (1 - power))


@compiled
def _fourth(points, origin, count, out):
    """The digit sum is taken of ones: sum_a (-1)**x_a 8**-a = 8/7 - 2 sum_a x_a 8**-a.

    So its constant cancels exactly against 1/42. Digits beyond the 21st do not count in float64.
    """
    for i in range(count):
        digits = points[i] ^ origin
        spread = digits >> np.uint64(32)
        spread = (spread | (spread << np.uint64(32))) & _THIRDS[4]
        spread = (spread | (spread << np.uint64(16))) & _THIRDS[3]
        spread = (spread | (spread << np.uint64(8))) & _THIRDS[2]
        spread = (spread | (spread << np.uint64(4))) & _THIRDS[1]
        spread = (spread | (spread << np.uint64(2))) & _THIRDS[0]
        ones = np.float64(spread) * 8.0**-20
        x = np.float64(digits) * UNIT
        bits = np.float64(x).view(np.uint64)
        power = np.uint64(bits & _EXPONENT).view(np.float64)
        place = np.float64(np.uint64(1023) - (bits >> np.uint64(52)))
        square = power * power
        cubic = 5 * (1 - power) - 2 / 3 * place * x
        inner = x * (x * cubic - 43 / 9 * (1 - square))
        out[i] = 407 / 294 - (701 / 294 * (square * power) + place * ones * (1 / 24)) + inner


@compiled
def _higher(points, origin, count, order, work, out):
    """Sums of products of signed powers y_p = (-1)**x_p 2**-p over sets of positions p.

    Row q < order of `work` has the sum over sets of q positions beyond p, row `order` that over
    sets of at least `order` positions, whose last ones count: what is before them adds up to a
    power of two while all digits there are 0, and to 0 otherwise. Positions are taken from the last
    to the first, so that small terms are added before large ones.
    """
    rest = np.uint64((1 << (53 - _STEPS)) - 1)
    for q in range(3, order + 1):
        for i in range(count):
            work[q, i] = 0.0
    for i in range(count):
        tail = 1 - 2.0 ** (_STEPS - 52) * np.float64((points[i] ^ origin) & rest)
        work[1, i] = 2.0**-_STEPS * tail
        work[2, i] = 4.0**-_STEPS / 2 * (tail * tail - 1 / 3)
    sign = work[0]
    for p in range(_STEPS, 0, -1):
        shift = np.uint64(53 - p)
        for i in range(count):
            one = np.float64(((points[i] ^ origin) >> shift) & np.uint64(1))
            sign[i] = 1 - 2 * one
        weight = 2.0**-p
        for i in range(count):
            work[order, i] = (1 + sign[i]) * work[order, i] + weight * sign[i] * work[order - 1, i]
        for q in range(order - 1, 1, -1):
            for i in range(count):
                work[q, i] += weight * sign[i] * work[q - 1, i]
        for i in range(count):
            work[1, i] += weight * sign[i]
    for i in range(count):
        out[i] = work[order, i]
    for q in range(order - 1, 0, -1):
        for i in range(count):
            out[i] += work[q, i]
