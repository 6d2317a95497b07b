"""Loops of kernel thinning: sums of kernel values, and halvings by self-balancing signs.

Points to which kernel values are taken come in blocks, coordinate by coordinate, those from which
come as rows, a few at a time: so that all arithmetic is on contiguous vectors, which stay in cache.
"""

import functools
import math

import numpy as np

from .._jit import compiled, compiled_as, entry

BLOCK = 64  # points of a block
ROWS = 4  # rows at a time
CHUNK = 256  # points whose matrix of kernel values is kept, in cache; a multiple of BLOCK
LANES = 16  # numbers of which the least are kept, by vectors

GAUSSIAN, MATERN12, MATERN32, MATERN52, IMQ = range(5)

# exp(x) = 2**(k + u) for k integer and |u| <= 1/2, where the series in u ends below a rounding
# error. Adding ROUND leaves k in the low bits of a float64.
_SERIES = tuple(math.log(2) ** p / math.factorial(p) for p in range(12, -1, -1))
_TOP, _REST = _SERIES[0], _SERIES[1:]
_LOG2E, _ROUND = 1 / math.log(2), 1.5 * 2.0**52
_MOST = 690.0  # exp(-x) is no more than 1e-299 from here on, and is taken to be constant


@compiled
def kernel_room():
    """Memory for kernel values of a few rows: squared distances, numbers, powers, values."""
    floats = np.empty((4, ROWS * BLOCK))
    return floats, floats.view(np.int64)


@compiled_as("thinning_series", any_order=True)
def _series(u):
    total = _TOP
    for c in _REST:
        total = total * u + c
    return total


@compiled
def _exponentials(s, floats, integers):
    """``floats[3, :s.size] = exp(-s)``, 0 <= s <= 690."""
    power, value = floats[2], floats[3]
    for i in range(s.size):
        t = s[i] * -_LOG2E
        rounded = t + _ROUND
        power[i] = rounded
        value[i] = _series(t - (rounded - _ROUND))
    exponent, bits = integers[2], integers[3]
    for i in range(s.size):
        bits[i] += exponent[i] << 52


@compiled_as("thinning_distances", any_order=True)
def _distances(block, x, q):
    """Squared distances of x to the points of a block."""
    for i in range(BLOCK):
        q[i] = 0.0
    for j in range(x.size):
        a, y = x[j], block[j]
        for i in range(BLOCK):
            q[i] += (y[i] - a) ** 2


@compiled_as("thinning_tile", any_order=True)
def _tile(block, rows, q):
    """Squared distances of four rows to the points of a block, two coordinates at a time."""
    q0, q1, q2, q3 = q[:BLOCK], q[BLOCK : 2 * BLOCK], q[2 * BLOCK : 3 * BLOCK], q[3 * BLOCK :]
    x0, x1, x2, x3 = rows[0], rows[1], rows[2], rows[3]
    d = x0.size
    for i in range(ROWS * BLOCK):
        q[i] = 0.0
    for j in range(0, d - 1, 2):
        a0, a1, a2, a3 = x0[j], x1[j], x2[j], x3[j]
        b0, b1, b2, b3 = x0[j + 1], x1[j + 1], x2[j + 1], x3[j + 1]
        y, z = block[j], block[j + 1]
        for i in range(BLOCK):
            q0[i] += (y[i] - a0) ** 2 + (z[i] - b0) ** 2
            q1[i] += (y[i] - a1) ** 2 + (z[i] - b1) ** 2
            q2[i] += (y[i] - a2) ** 2 + (z[i] - b2) ** 2
            q3[i] += (y[i] - a3) ** 2 + (z[i] - b3) ** 2
    if d % 2:
        a0, a1, a2, a3 = x0[d - 1], x1[d - 1], x2[d - 1], x3[d - 1]
        y = block[d - 1]
        for i in range(BLOCK):
            q0[i] += (y[i] - a0) ** 2
            q1[i] += (y[i] - a1) ** 2
            q2[i] += (y[i] - a2) ** 2
            q3[i] += (y[i] - a3) ** 2


@compiled
def kernel_values(block, rows, kinds, scales, room, out):
    """Kernel values of up to four rows to the points of a block, a row of `out` for each.

    The kernel is the sum of those of some kinds, functions of ``scales * distance**2``.
    """
    floats, integers = room
    count = len(rows) * BLOCK
    q, s, value = floats[0, :count], floats[1, :count], floats[3, :count]
    if len(rows) == ROWS:
        _tile(block, rows, q)
    else:
        for r in range(len(rows)):
            _distances(block, rows[r], q[r * BLOCK : (r + 1) * BLOCK])
    for i in range(count):
        out[i] = 0.0
    for part in range(kinds.size):
        kind, scale = kinds[part], scales[part]
        if kind == IMQ:
            for i in range(count):
                out[i] += 1.0 / np.sqrt(1.0 + scale * q[i])
            continue
        if kind == GAUSSIAN:
            for i in range(count):
                x = scale * q[i]
                s[i] = x if x < _MOST else _MOST
        else:
            for i in range(count):
                x = np.sqrt(scale * q[i])
                s[i] = x if x < _MOST else _MOST
        _exponentials(s, floats, integers)
        if kind == MATERN32:
            for i in range(count):
                value[i] *= 1.0 + s[i]
        elif kind == MATERN52:
            for i in range(count):
                value[i] *= 1.0 + s[i] + s[i] * s[i] / 3.0
        for i in range(count):
            out[i] += value[i]


@compiled
def _accumulate(block, rows, weights, kinds, scales, room, value, out):
    """Add ``sum_q weights[q] * k(rows[q], y)`` for the points y of a block to `out`."""
    full = len(rows) - len(rows) % ROWS
    v0, v1 = value[:BLOCK], value[BLOCK : 2 * BLOCK]
    v2, v3 = value[2 * BLOCK : 3 * BLOCK], value[3 * BLOCK :]
    for q in range(0, full, ROWS):
        kernel_values(block, rows[q : q + ROWS], kinds, scales, room, value)
        w0, w1, w2, w3 = weights[q], weights[q + 1], weights[q + 2], weights[q + 3]
        for i in range(BLOCK):
            out[i] += (w0 * v0[i] + w1 * v1[i]) + (w2 * v2[i] + w3 * v3[i])
    for q in range(full, len(rows)):
        kernel_values(block, rows[q : q + 1], kinds, scales, room, value)
        weight = weights[q]
        for i in range(BLOCK):
            out[i] += weight * v0[i]


@functools.cache
def sums():
    """``f(targets, sources, weights, kinds, scales, out, first, last)``: sums of kernel values.

    Blocks `first` to `last` of `targets`, of shape (blocks, d, BLOCK): row b of `out` gets the sums
    over `sources`, of shape (m, d), of ``weights[q] * k(sources[q], y)`` for each y of the block.
    """

    @entry("thinning_sums")
    def run(targets, sources, weights, kinds, scales, out, first, last):
        room, value = kernel_room(), np.empty(ROWS * BLOCK)
        for b in range(first, last):
            out[b] = 0.0
            _accumulate(targets[b], sources, weights, kinds, scales, room, value, out[b])

    return run


@compiled
def _matrix(blocks, rows, kinds, scales, room, value, matrix):
    """Kernel values of all pairs of rows, which are the points of the blocks too."""
    for b in range(len(blocks)):
        left = BLOCK * b
        for p in range(left, len(rows), ROWS):
            tile = rows[p : p + ROWS]
            kernel_values(blocks[b], tile, kinds, scales, room, value)
            for r in range(len(tile)):
                row = matrix[p + r, left : left + BLOCK]
                for i in range(BLOCK):
                    row[i] = value[r * BLOCK + i]
        for p in range(left + BLOCK, len(rows)):
            for i in range(left, left + BLOCK):
                matrix[i, p] = matrix[p, i]


@compiled
def _walk(matrix, uniforms, log_term, variance, balance, signs):
    """Signs of pairs of consecutive points, with the matrix of their kernel values.

    `balance` is the sum of sign times kernel value over earlier points, to which these are added.
    Signs of a pair differ: the first is +1 with a probability that pulls the balance to zero.
    Returns the new sub-Gaussian variance.
    """
    for p in range(0, signs.size, 2):
        first, second = matrix[p], matrix[p + 1]
        square = max(0.0, first[p] + second[p + 1] - 2.0 * first[p + 1])
        threshold = max(square, math.sqrt(variance * square * log_term))
        slope = 0.0
        if threshold > 0.0:  # else the two points are the same to the kernel
            ratio = square / threshold
            variance += max(0.0, square + ratio * (ratio - 2.0) * variance)
            slope = (balance[p] - balance[p + 1]) / threshold
        sign = 1.0 if uniforms[p // 2] <= 0.5 * (1.0 - slope) else -1.0
        signs[p], signs[p + 1] = sign, -sign
        for i in range(signs.size):
            balance[i] += sign * (first[i] - second[i])
    return variance


@compiled
def _least(level, row, low):
    """The least of ``level - 2 * row``, whose length is a multiple of that of `low`."""
    low[:] = np.inf
    for start in range(0, level.size, low.size):
        here, there = level[start : start + low.size], row[start : start + low.size]
        for i in range(low.size):
            value = here[i] - 2.0 * there[i]
            low[i] = value if value < low[i] else low[i]
    return low.min()


@compiled
def _refine(matrix, balance, signs, level, low):
    """Swap each positive sign for the negative one that leaves the least norm of the balance.

    The square of the norm is the sum of ``signs * balance`` over this and all earlier points; it
    changes by four times the difference that is looked at.
    """
    count = signs.size
    for j in range(level.size):
        level[j] = balance[j] + matrix[j, j] if j < count and signs[j] < 0.0 else np.inf
    for i in range(count):
        if signs[i] < 0.0:
            continue
        old = matrix[i]
        least = _least(level, old[: level.size], low)
        if least < balance[i] - old[i]:
            j = 0
            while level[j] - 2.0 * old[j] != least:
                j += 1
            new = matrix[j]
            for p in range(count):
                change = 2.0 * (new[p] - old[p])
                balance[p] += change
                level[p] += change
            signs[i], signs[j] = -1.0, 1.0
            level[i], level[j] = balance[i] + old[i], np.inf


@compiled
def _settle(matrix, uniforms, log_term, variance, refine, balance, signs):
    """Signs of a chunk with its matrix; `balance` holds what all earlier chunks contribute."""
    variance = _walk(matrix, uniforms, log_term, variance, balance, signs)
    if refine:
        padded = (signs.size + LANES - 1) // LANES * LANES
        _refine(matrix, balance, signs, np.empty(padded), np.empty(LANES))
    return variance


@functools.cache
def settle_matrix():
    """``f(matrix, uniforms, log_term, variance, refine, balance, signs)``: see `_settle`.

    The matrix is of CHUNK rows and columns, of which as many count as there are signs.
    """

    @entry("thinning_settle_matrix")
    def run(matrix, uniforms, log_term, variance, refine, balance, signs):
        return _settle(matrix, uniforms, log_term, variance, refine, balance, signs)

    return run


@functools.cache
def settle():
    """``f(blocks, rows, uniforms, log_term, variance, refine, kinds, scales, balance, signs)``.

    `_settle` of a chunk of at most CHUNK rows, which the blocks contain as well.
    """

    @entry("thinning_settle")
    def run(blocks, rows, uniforms, log_term, variance, refine, kinds, scales, balance, signs):
        matrix = np.empty((CHUNK, CHUNK))
        _matrix(blocks, rows, kinds, scales, kernel_room(), np.empty(ROWS * BLOCK), matrix)
        return _settle(matrix, uniforms, log_term, variance, refine, balance, signs)

    return run


@functools.cache
def spread():
    """``f(blocks, rows, signs, kinds, scales, balance, first, last)``.

    Adds what rows with their signs contribute to the balance of blocks `first` to `last`.
    """

    @entry("thinning_spread")
    def run(blocks, rows, signs, kinds, scales, balance, first, last):
        room, value = kernel_room(), np.empty(ROWS * BLOCK)
        for b in range(first, last):
            _accumulate(blocks[b], rows, signs, kinds, scales, room, value, balance[b])

    return run


@functools.cache
def halve():
    """``f(points, order, bounds, uniforms, log_terms, refine, kinds, scales, signs, first, last)``.

    Segments `first` to `last` of the points in that order, segment t from ``bounds[t]`` to
    ``bounds[t + 1]``, of even lengths: each point gets its sign, and the two of a pair get
    different ones. There is a uniform random number for each pair.
    """

    @entry("thinning_halve")
    def run(points, order, bounds, uniforms, log_terms, refine, kinds, scales, signs, first, last):
        d, longest = points.shape[1], 0
        for t in range(first, last):
            longest = max(longest, bounds[t + 1] - bounds[t])
        number = (longest + BLOCK - 1) // BLOCK
        room, value = kernel_room(), np.empty(ROWS * BLOCK)
        blocks, balances = np.zeros((number, d, BLOCK)), np.empty(number * BLOCK)
        rows, matrix = np.empty((longest, d)), np.empty((CHUNK, CHUNK))
        for t in range(first, last):
            start, size, variance = bounds[t], bounds[t + 1] - bounds[t], 0.0
            for p in range(size):
                point, block = points[order[start + p]], blocks[p // BLOCK]
                for j in range(d):
                    rows[p, j] = point[j]
                    block[j, p % BLOCK] = point[j]
            number = (size + BLOCK - 1) // BLOCK
            balances[: number * BLOCK] = 0.0
            for low in range(0, size, CHUNK):
                high = min(size, low + CHUNK)
                here, own = rows[low:high], signs[start + low : start + high]
                pairs, end = uniforms[(start + low) // 2 :], (high + BLOCK - 1) // BLOCK
                _matrix(blocks[low // BLOCK : end], here, kinds, scales, room, value, matrix)
                balance = balances[low : end * BLOCK]
                variance = _settle(matrix, pairs, log_terms[t], variance, refine, balance, own)
                for b in range(end, number):
                    balance = balances[b * BLOCK : (b + 1) * BLOCK]
                    _accumulate(blocks[b], here, own, kinds, scales, room, value, balance)

    return run
