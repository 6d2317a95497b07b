"""Loops of the E8 codebook: nearest codewords of eight numbers, and codewords of codes.

A codeword is a point of D8 + 1/2 (halves of odd integers with an even sum) plus or minus 1/4. Its
code has the number of its magnitudes in a list of 256 (bits 0 to 7), the signs of the first seven
coordinates (8 to 14; that of the last one makes the sum even), and whether 1/4 is subtracted (15).
"""

import functools

import numpy as np

from .._jit import compiled, entry
from .block_formats import LANES, load, scale, unload

DIM = 8
LEVELS = 3  # magnitudes 1/2, 3/2, 5/2
_f32 = np.float32


@compiled
def _nearest_point(y, point):
    """The nearest point of D8 + 1/2 as magnitudes and signs, in `point` (2, 8); its distance.

    Each coordinate is rounded; if the sum is odd, the one that lies nearest to its bounds goes to
    the other side (Conway and Sloane 1982).
    """
    total, distance, worst, at = 0, _f32(0), _f32(-1), 0
    for i in range(DIM):
        a = abs(y[i])
        whole = np.floor(a)
        off = a - whole - _f32(0.5)
        point[0, i], point[1, i] = whole, y[i] < 0
        total += np.int64(whole) + np.int64(y[i] < 0)
        distance += off * off
        if abs(off) > worst:
            worst, at = abs(off), i
    # The sum is that of the magnitudes, 4 and the whole parts, less odd numbers for signs.
    if total & 1:
        distance += _f32(1) - _f32(2) * worst
        if abs(y[at]) - point[0, at] >= _f32(0.5):
            point[0, at] += 1
        elif point[0, at] > 0:
            point[0, at] -= 1
        else:
            point[1, at] = 1 - point[1, at]
    return distance


@compiled
def _search(y, magnitudes, halves, odd, work, point):
    """The nearest point whose magnitudes are in the list, by trying all: its number and distance.

    `magnitudes` (8, 256), `halves` of squared norms, `odd` whether the sum is odd. Signs are those
    of y, but where that makes the sum odd the cheapest one is changed.
    """
    products, least = work[0], work[1]
    negative, square = 0, _f32(0)
    for i in range(DIM):
        a, row = abs(y[i]), magnitudes[i]
        negative += y[i] < 0
        square += a * a
        if i == 0:
            for k in range(row.size):
                products[k] = least[k] = a * row[k]
        else:
            for k in range(row.size):
                product = a * row[k]
                products[k] += product
                least[k] = min(least[k], product)
    best, number = _f32(-np.inf), 0
    for k in range(halves.size):
        score = products[k] - halves[k]
        if (odd[k] + negative) & 1:
            score -= _f32(2) * least[k]
        if score > best:
            best, number = score, k
    cheapest, at = _f32(np.inf), 0
    for i in range(DIM):
        point[1, i] = y[i] < 0
        cost = abs(y[i]) * magnitudes[i, number]
        if cost < cheapest:
            cheapest, at = cost, i
    if (odd[number] + negative) & 1:
        point[1, at] = 1 - point[1, at]
    return number, square - _f32(2) * best


@compiled
def _shifted(x, shift, y):
    """Numbers less what the codewords of that shift have more: 1/4, or -1/4."""
    quarter = _f32(0.25) - _f32(0.5) * shift
    for i in range(DIM):
        y[i] = x[i] - quarter


@compiled
def _code(x, magnitudes, halves, odd, numbers, scratch):
    """Code of the codeword nearest to `x`.

    `magnitudes`, `halves` and `odd` as for `_search`; `numbers` (6561,) has the number of
    magnitudes by their whole parts as digits of base 3, or -1.
    """
    y, work, points, found, distances = scratch
    for shift in range(2):
        _shifted(x, shift, y)
        distances[shift] = _nearest_point(y, points[shift])
        number, listed = 0, True
        for i in range(DIM - 1, -1, -1):
            listed &= points[shift, 0, i] < LEVELS
            number = number * LEVELS + points[shift, 0, i]
        found[shift] = numbers[number] if listed else -1
    # Distances to all of a lattice are bounds: what is farther than a codeword needs no search.
    near = np.int64(distances[1] < distances[0])
    for shift in (near, 1 - near):
        if found[shift] < 0 and (shift == near or distances[shift] < distances[near]):
            _shifted(x, shift, y)
            number, distance = _search(y, magnitudes, halves, odd, work, points[shift])
            found[shift], distances[shift] = number, distance
    best = near if distances[near] <= distances[1 - near] else 1 - near
    code = found[best] | best << 15
    for i in range(DIM - 1):
        code |= points[best, 1, i] << (8 + i)
    return code


@functools.cache
def encode():
    """``f(x, rotation, block, factors, magnitudes, halves, odd, numbers, out)``: codes of rows.

    `x` (rows, n), `factors` (rows, blocks), `out` (rows, codes) of uint16; tables as for `_code`.
    """

    @entry("lattice_encode")
    def run(x, rotation, block, factors, magnitudes, halves, odd, numbers, out):
        factor, h, at = rotation
        piece = factor.size // block
        buffer = np.empty(factor.size, np.float32)
        y, work = np.empty(DIM, np.float32), np.empty((2, halves.size), np.float32)
        points, found = np.empty((2, 2, DIM), np.int64), np.empty(2, np.int64)
        scratch = y, work, points, found, np.empty(2, np.float32)
        for r in range(x.shape[0]):
            for first in range(0, factors.shape[1], piece):
                blocks = min(piece, factors.shape[1] - first)
                load(x[r], first * block, blocks * block, factor, h, at, buffer)
                scale(buffer, r, first, blocks, block // LANES, factors)
                target = out[r, first * block // DIM : (first + blocks) * block // DIM]
                for c in range(target.size):
                    part = buffer[c * DIM : (c + 1) * DIM]
                    target[c] = _code(part, magnitudes, halves, odd, numbers, scratch)

    return run


@functools.cache
def decode():
    """``f(codes, rotation, block, factors, magnitudes, odd, out)``: rows from their codes.

    `magnitudes` (256, 8) here.
    """

    @entry("lattice_decode")
    def run(codes, rotation, block, factors, magnitudes, odd, out):
        piece = rotation[0].size // block
        buffer = np.empty(rotation[0].size, np.float32)
        for r in range(out.shape[0]):
            for first in range(0, factors.shape[1], piece):
                blocks = min(piece, factors.shape[1] - first)
                source = codes[r, first * block // DIM : (first + blocks) * block // DIM]
                for c in range(source.size):
                    code = np.int64(source[c])
                    number, signs = code & 255, code >> 8 & 127
                    quarter = _f32(0.25) - _f32(0.5) * (code >> 15)
                    negative = odd[number]
                    for i in range(DIM - 1):
                        negative ^= signs >> i & 1
                    signs |= negative << (DIM - 1)
                    for i in range(DIM):
                        value = magnitudes[number, i]
                        buffer[c * DIM + i] = quarter + (-value if signs >> i & 1 else value)
                for i in range(source.size * DIM, blocks * block):
                    buffer[i] = _f32(0)
                unload(buffer, rotation, r, first, blocks, block, factors, out)

    return run
