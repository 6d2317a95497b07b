"""Points by digits in other bases than two: radical inverses, and digital sequences.

Coordinates are written column by column for some points at a time, which stay in cache: all of a
column have one base. Points that differ in their low digits alone form a block; a table holds what
these digits give.
"""

import functools

import numpy as np

from .._jit import compiled, entry, inlined
from .points import mixed

CHUNK = 1 << 17  # numbers written at a time
TABLE = 1 << 10  # entries of a table, if not the base is larger


@compiled
def block(base, digits, points):
    """Number of low digits that make a block, and its size: not much more than the points."""
    most = max(TABLE, base if base <= points else 0)
    low, size = 0, 1
    while low < digits and size < points and size * base <= most:
        low += 1
        size *= base
    return low, size


def _store(dtype):
    """``store(out, row, column, x)``: a number in [0, 1), as float or as 53 binary digits."""
    kind, last = np.dtype(dtype).kind, np.float32(1 - 2.0**-24)

    @inlined
    def digits(out, row, column, x):
        out[row, column] = np.uint64(np.int64(x * 2.0**53))

    @inlined
    def single(out, row, column, x):
        out[row, column] = min(np.float32(x), last)

    @inlined
    def double(out, row, column, x):
        out[row, column] = x

    return digits if kind == "u" else double if dtype == "float64" else single


@functools.cache
def radical_inverses(dtype):
    """``f(out, first, bases, digits, permutations, places, tails, shifts)``: Halton points.

    Coordinate j of point i is ``sum_t p_t[digit t of i] / bases[j]**(t+1)`` over t < digits[j] with
    the permutations p_t from ``permutations[places[j]]`` on, if there are any, plus ``tails[j]``
    units of the last digit, plus ``shifts[j]`` modulo 1. With none of these three it is one
    correctly rounded quotient.
    """
    store = _store(dtype)

    @entry(f"radical_inverses_{dtype}")
    def run(out, first, bases, digits, permutations, places, tails, shifts):
        n, d = out.shape
        below, permute = 1 - 2.0**-53, permutations.size > 0
        table = np.empty(max(TABLE, bases.max()))
        chunk = max(TABLE, CHUNK // d)
        for start in range(0, n, chunk):
            stop = min(n, start + chunk)
            for j in range(d):
                base, number, tail, shift = bases[j], digits[j], tails[j], shifts[j]
                low, size = block(base, number, stop - start)
                whole = 1.0
                for _ in range(number):
                    whole *= base
                weight, count = whole, 1
                table[0] = 0.0
                for t in range(low):
                    weight = np.floor(weight / base + 0.5)
                    place = places[j] + t * base
                    for digit in range(base - 1, -1, -1):  # the part that is read comes last
                        value = (permutations[place + digit] if permute else digit) * weight
                        for e in range(count):
                            table[digit * count + e] = table[e] + value
                    count *= base
                high = (first + start) // size
                row, e = start, first + start - high * size
                while row < stop:
                    common, left, unit = 0.0, high, weight
                    for t in range(low, number):
                        unit = np.floor(unit / base + 0.5)
                        quotient = left // base
                        digit = left - quotient * base
                        place = places[j] + t * base
                        common += (permutations[place + digit] if permute else digit) * unit
                        left = quotient
                    end = min(stop, row + size - e)
                    for r in range(row, end):
                        # Sums of integers less than 2**53 are exact.
                        x = min(((table[e + r - row] + common) + tail) / whole, below) + shift
                        store(out, r, j, x - 1.0 if x >= 1.0 else x)
                    row, e, high = end, 0, high + 1

    return run


@inlined
def permuted(digit, seed, base, inverse):
    """An affine function of a digit modulo the base, drawn by the bits of the seed."""
    half, ones = np.uint64(32), np.uint64(0xFFFFFFFF)
    factor = ((seed >> half) * np.uint64(base - 1) >> half) + np.uint64(1)
    summand = (seed & ones) * np.uint64(base) >> half
    value = np.int64(factor * np.uint64(digit) + summand)
    value -= np.int64(value * inverse) * base  # by a quotient that may be one too low
    return value - base if value >= base else value


@compiled
def tabulate(matrix, base, rows, low, table):
    """Digits modulo the base of the first ``base**low`` points, of shape (rows, points)."""
    table[:rows, 0] = 0
    count = 1
    for t in range(low):
        for r in range(rows):
            step = matrix[t, r]
            for e in range(count, count * base):
                digit = table[r, e - count] + step
                table[r, e] = digit - base if digit >= base else digit
        count *= base


@compiled
def add_columns(matrix, base, rows, index, low, digits):
    """Add the columns from `low` on, times the digits of `index`, to the digits of a block."""
    t = low
    while index:
        digit = index % base
        for r in range(rows):
            digits[r] = (digits[r] + digit * matrix[t, r]) % base
        index //= base
        t += 1


@functools.cache
def digital(dtype, nested):
    """``f(out, first, bases, rows, columns, origins, tails, keys)``: digital sequences.

    Digits of coordinate j of point i, ``rows[j]`` of them, are ``origins[j]`` plus the columns
    ``columns[j, t]`` times digit t of i, modulo ``bases[j]``; one array of columns, or of origins,
    serves all coordinates. ``tails[j]`` units of the last digit are added. If `nested`, they are
    instead scrambled: at each node of the tree of digits by an affine permutation drawn by hashing
    ``keys[j]`` and the digits before, and the rest below the last digit is drawn too.
    """
    store = _store(dtype)

    @entry(f"digital_{'nested_' if nested else ''}{dtype}")
    def run(out, first, bases, rows, columns, origins, tails, keys):
        n, d = out.shape
        below, golden = 1 - 2.0**-53, np.uint64(0x9E3779B97F4A7C15)
        longest, capacity = rows.max(), max(TABLE, bases.max())
        table = np.empty((longest, capacity), np.int32)
        common, number = np.empty(longest, np.int32), np.empty(capacity)
        state = np.empty(capacity, np.uint64)
        chunk = max(TABLE, CHUNK // d)
        for start in range(0, n, chunk):
            stop = min(n, start + chunk)
            for j in range(d):
                base, inverse, depth = np.int32(bases[j]), 1.0 / bases[j], rows[j]
                matrix, origin = columns[j % columns.shape[0]], origins[j % origins.shape[0]]
                whole = 1.0
                for _ in range(depth):
                    whole *= base
                low, size = block(bases[j], depth, stop - start)
                tabulate(matrix, base, depth, low, table)
                high = (first + start) // size
                row, place = start, first + start - high * size
                while row < stop:
                    common[:depth] = origin[:depth]
                    add_columns(matrix, bases[j], depth, high, low, common)
                    count = min(stop - row, size - place)
                    number[:count] = 0.0
                    state[:count] = keys[j]
                    for r in range(depth):
                        for e in range(count):
                            digit = table[r, place + e] + common[r]
                            digit = digit - base if digit >= base else digit
                            if nested:
                                value = permuted(digit, state[e], base, inverse)
                                state[e] = mixed(state[e] + np.uint64(digit + 1) * golden)
                            else:
                                value = digit
                            number[e] = number[e] * base + value
                    for e in range(count):
                        rest = (
                            np.int64(state[e] >> np.uint64(11)) * 2.0**-53 if nested else tails[j]
                        )
                        store(out, row + e, j, min((number[e] + rest) / whole, below))
                    row, place, high = row + count, 0, high + 1

    return run
