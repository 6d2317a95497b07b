"""Digitally-shift-invariant kernels of one coordinate, on traced values.

As in `_cpu/dsi.py`: formulas of x, the difference of two points as an integer of 53 digits, of the
place b of the first digit that is 1, and of its power 2**-b.
"""

UNIT = 2.0**-53
_STEPS = 18
# What spreads 21 digits to every third place, and the shifts before.
_THIRDS = {
    32: 0x1F00000000FFFF,
    16: 0x1F0000FF0000FF,
    8: 0x100F00F00F00F00F,
    4: 0x10C30C30C30C30C3,
    2: 0x1249249249249249,
}


def value(m, x, origin, kind, kinds, table, length):
    """The kernel of a coordinate.

    Parameters
    ----------
    m : machine
    x, origin : uint64
        Digits.
    kind : int64
        Order, one of `kinds`.
    kinds : tuple of int
    table : callable
        Entry of a table that is `length` long. Where order 1 comes, its last 54 are numbers for 0
        to 53 digits from the first 1 on.
    length : int64

    Returns
    -------
    float64
    """
    digits = x ^ origin
    order, *others = kinds
    if not others:
        return _orders(order)(m, digits, table, length)
    (result,) = m.either(
        kind == order,
        lambda: [_orders(order)(m, digits, table, length)],
        lambda: [value(m, x, origin, kind, tuple(others), table, length)],
    )
    return result


def _orders(order):
    known = {1: _first_digit, 2: _second, 3: _third, 4: _fourth}
    return known.get(order) or (lambda m, digits, *_: _higher(m, digits, order))


def _count(m, digits):
    """Digits from the first 1 on."""
    return m.convert(m.length(digits), "int64")


def _parts(m, digits):
    """The difference x, 2**-b, which is 0 for x = 0, and b."""
    count = _count(m, digits)
    power = m.where(count > 0, m.bits((count + 969) << 52, "float64"), 0.0)
    return m.convert(digits, "float64") * UNIT, power, m.convert(54 - count, "float64")


def _first_digit(m, digits, table, length):
    return table(length - 54 + _count(m, digits))


def _second(m, digits, *_):
    x, power, place = _parts(m, digits)
    return 3 / 2 - 5 / 2 * power - place * x


def _third(m, digits, *_):
    x, power, place = _parts(m, digits)
    return 25 / 18 - 43 / 18 * (power * power) + x * (place * x - 5 * (1 - power))


def _fourth(m, digits, *_):
    spread = digits >> 32
    for shift, mask in _THIRDS.items():
        spread = (spread | spread << shift) & mask
    ones = m.convert(spread, "float64") * 8.0**-20
    x, power, place = _parts(m, digits)
    square = power * power
    cubic = 5 * (1 - power) - 2 / 3 * place * x
    inner = x * (x * cubic - 43 / 9 * (1 - square))
    return 407 / 294 - (701 / 294 * (square * power) + place * ones * (1 / 24)) + inner


def _higher(m, digits, order):
    """The recursion over digits for orders above 4."""
    rest = digits & ((1 << 53 - _STEPS) - 1)
    tail = 1 - 2.0 ** (_STEPS - 52) * m.convert(rest, "float64")
    sums = [2.0**-_STEPS * tail, 4.0**-_STEPS / 2 * (tail * tail - 1 / 3)]
    sums += [m.constant(0, "float64")] * (order - 2)

    def step(k, carried):
        *sums, weight = carried
        one = digits >> m.convert(k + 53 - _STEPS, "uint64") & 1
        sign = 1 - 2 * m.convert(one, "float64")
        signed = weight * sign
        top = (1 + sign) * sums[-1] + signed * sums[-2]
        middle = [sums[q] + signed * sums[q - 1] for q in range(1, order - 1)]
        return [sums[0] + signed, *middle, top, weight * 2]

    *sums, _ = m.loop(_STEPS, [*sums, m.constant(2.0**-_STEPS, "float64")], step)
    total = sums.pop()
    while sums:
        total = total + sums.pop()
    return total
