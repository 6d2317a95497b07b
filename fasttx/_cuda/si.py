"""Shift-invariant kernels of one coordinate, on traced values: polynomials of the difference."""

UNIT = 2.0**-53
_MASK, _ONE, _HALF = (1 << 53) - 1, 1 << 53, 1 << 52


def value(m, x, origin, kind, kinds, table, length):
    """The kernel of a coordinate, arguments as for `dsi.value`.

    As in `_cpu/si.py`, `table` has coefficients in powers of the difference less 1/4, the highest
    first; kind 1 is that of odd polynomials.
    """
    difference = (m.convert(x, "int64") - m.convert(origin, "int64")) & _MASK
    upper = difference > _HALF
    least = m.where(upper, _ONE - difference, difference)
    u = m.convert(least, "float64") * UNIT - 0.25
    first = table(length * 0)
    (total,) = m.loop(length - 1, [first], lambda k, total: [total[0] * u + table(k + 1)])
    return m.where(upper & (kind == 1), -total, total) if 1 in kinds else total
