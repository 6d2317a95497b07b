"""Products over coordinates of kernels of one coordinate, their sums and products, on a device.

A thread has one entry of a matrix: it goes through the coordinates of its point, whatever is made
of how many kernels, so points are read once and entries written once.
"""

import functools
import math
from typing import Any, NamedTuple

import numba
import numpy as np

from . import NumbaArray, digits, dsi, launch, reduce, si, trace

_FAMILIES = {"dsi": dsi, "si": si}
_LARGEST = (1 << digits.BITS) - 1


class Plan(NamedTuple):
    """A kernel made of products over coordinates.

    Attributes
    ----------
    family : {"dsi", "si"}
    expression : tuple
        ("leaf", k), of product k; ("add", a, b) or ("multiply", a, b), of two expressions;
        ("plus", a, k) or ("times", a, k), of an expression and ``extra[k]``.
    leaves : tuple of tuples
        For each product what the loops of `_cpu` take: dims, kinds, tables, base, gain and the
        constant factor.
    extra : tuple of float
    """

    family: str
    expression: tuple
    leaves: tuple[tuple[Any, ...], ...]
    extra: tuple[float, ...] = ()


def matrix(
    plan: Plan, points: NumbaArray, origins: NumbaArray, out: NumbaArray, bits: int, stable: bool
) -> None:
    """Write K(points[i], origins[a]) to ``out[a, i]``.

    Parameters
    ----------
    plan : Plan
    points : NumbaArray, shape (n, d)
        Of one of `digits.DTYPES`.
    origins : NumbaArray, shape (rows, d)
        As `digits.digits` gives them.
    out : NumbaArray of rows * n numbers
        float32 or float64; results of float64 are rounded to it.
    bits : int
        Of points given as integers.
    stable : bool
        Differences from the constant times the product of all `base`, for each product.
    """
    n, d = points.shape
    rows = origins.size // d
    if n * rows:
        options, arguments = _arguments(plan, points, origins, bits)
        kernel = _matrix(*options, out.dtype, bool(stable), rows > 1).launch
        launch.over(kernel, n * rows, out.stream(), out.flat(), *arguments, n, rows, d)


def weighted(
    plans: list[Plan], points: NumbaArray, origin: NumbaArray, weights: NumbaArray, bits: int
) -> NumbaArray:
    """Sums of weights[i] K(points[i], origin) for several kernels.

    Parameters
    ----------
    plans : list of Plan
    points, origin, bits
        As for `matrix`, of one origin.
    weights : NumbaArray, shape (n,)
        float32 or float64.

    Returns
    -------
    NumbaArray of float64, shape (len(plans),)
    """
    n, d = points.shape
    partial = reduce.partials(weights, n, len(plans))
    target, g, blocks = partial.flat(), weights.flat(), partial.shape[1]
    for k, plan in enumerate(plans):
        options, arguments = _arguments(plan, points, origin, bits)
        kernel = _weighted(*options, weights.dtype).launch
        launched = kernel[blocks, reduce.THREADS, weights.stream()]
        launched(target, g, *arguments, n, d, k, blocks)
    return reduce.finish(partial, "sum")


def _arguments(plan, points, origins, bits):
    """What kernels of a plan depend on, and the arguments of `_entry`."""
    integers, numbers, length = _tables(plan)
    kinds = tuple(tuple(sorted({int(k) for k in leaf[1]})) for leaf in plan.leaves)
    tables = [launch.on_device(t, points.device) for t in (integers, numbers)]
    coordinates = sum(leaf[0].size for leaf in plan.leaves)
    arrays = points.flat(), origins.flat(), *tables
    arguments = *arrays, *digits.shifts(bits), length, coordinates
    return (plan.family, kinds, plan.expression, points.dtype), arguments


def _tables(plan):
    """All leaves' integers and numbers in one array each, and the length of a table.

    Integers are the coordinates, the kinds, and where each leaf begins and ends; numbers are the
    tables, then base and gain, then the leaves' factors, then the plan's extra ones.
    """
    dims, kinds, tables, base, gain, factors = zip(*plan.leaves, strict=True)
    length = max(t.shape[1] for t in tables)
    # Zeros in front change neither a polynomial nor where a table ends.
    whole = np.concatenate([np.pad(t, ((0, 0), (length - t.shape[1], 0))) for t in tables])
    unused = 0
    if plan.family == "si":
        while unused < length - 1 and not whole[:, unused].any():
            unused += 1
    whole = whole[:, unused:]
    ends = np.cumsum([0, *(k.size for k in kinds)])
    integers = np.concatenate([*dims, *kinds, ends]).astype(np.int64)
    numbers = np.concatenate([whole.ravel(), *base, *gain, factors, plan.extra]).astype(np.float64)
    return integers, numbers, length - unused


@functools.cache
def _matrix(family, kinds, expression, given, written, stable, several):
    """Kernel ``(out, *arguments, n, rows, d)``: an entry of the matrix for each thread."""
    entry = _entry(family, kinds, expression, given, stable)

    def body(m, out, *arguments):
        *arguments, n, rows, d = arguments
        place = m.block * launch.THREADS + m.thread
        a = place // n if several else place * 0

        def work():
            value = entry(m, (place - a * n) * d, a * d, *arguments)
            m.store(out, place, [m.convert(value, written)], written)

        m.when(place < n * rows, work)

    signature = trace.flat(written), *_signature(given), *[numba.int64] * 3
    return trace.kernel(f"{family}_matrix", body, signature)


@functools.cache
def _weighted(family, kinds, expression, given, weight):
    """Kernel ``(partial, weights, *arguments, n, d, number, blocks)`` for a sum of that number."""
    entry = _entry(family, kinds, expression, given, False)

    def body(m, partial, weights, *arguments):
        *arguments, n, d, number, blocks = arguments
        times, first = reduce.turns(m, n, blocks)

        def step(k, total):
            i = first + k * blocks * reduce.THREADS
            (g,) = m.load(weights, i, weight, weight)
            return [total[0] + m.convert(g, "float64") * entry(m, i * d, i * 0, *arguments)]

        (total,) = m.loop(times, [m.constant(0, "float64")], step)
        total, place = reduce.fold(m, "sum", total), number * blocks + m.block
        m.when(m.thread == 0, lambda: m.store(partial, place, [total], "float64"))

    arrays = trace.flat("float64"), trace.flat(weight)
    signature = *arrays, *_signature(given), *[numba.int64] * 4
    return trace.kernel(f"{family}_weighted", body, signature)


def _signature(given):
    """Numba types of what `_arguments` gives."""
    arrays = [trace.flat(kind) for kind in (given, "uint64", "int64", "float64")]
    return *arrays, *[numba.uint64] * 3, *[numba.int64] * 2


def _entry(family, kinds, expression, given, stable):
    """Function ``(m, first, row, *arguments)``: K of the point and the origin that begin there.

    `kinds` are those of each leaf.
    """
    value_of = _FAMILIES[family].value

    def entry(m, first, row, points, origins, integers, numbers, up, down, most, length, total):
        count, factors = len(kinds), total * (length + 2)

        def whole(at):
            return m.load(integers, at, "int64", "int64")[0]

        def number(at):
            return m.load(numbers, at, "float64", "float64")[0]

        def leaf(k):
            """A product over coordinates, NaN where a point is none."""
            begin, end = whole(2 * total + k), whole(2 * total + k + 1)

            def coordinate(i, carried):
                result, middle = carried
                j = begin + i
                column = whole(j)
                (x,) = m.load(points, first + column, given, given)
                x = digits.digit(m, x, given, up, down, most)
                (origin,) = m.load(origins, row + column, "uint64", "uint64")
                kind, table = whole(total + j), lambda at: number(j * length + at)
                value = value_of(m, x, origin, kind, kinds[k], table, length)
                value = m.where((x | origin) > _LARGEST, math.nan, value)
                base = number(total * length + j)
                part = number(total * (length + 1) + j) * value
                if stable:
                    return [base * result + part * (middle + result), middle * base]
                return [result * (base + part), middle]

            start = [m.constant(v, "float64") for v in (0 if stable else 1, 1)]
            return m.loop(end - begin, start, coordinate)[0] * number(factors + k)

        def evaluated(expression):
            name, left, *other = expression
            if name == "leaf":
                return leaves[left]
            x, right = evaluated(left), other[0]
            number_of = isinstance(right, int)
            y = number(factors + count + right) if number_of else evaluated(right)
            return x + y if name in ("add", "plus") else x * y

        leaves = [leaf(k) for k in range(count)]
        return evaluated(expression)

    return entry
