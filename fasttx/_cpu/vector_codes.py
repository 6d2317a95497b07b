"""Loops of vector codes: encode rows, decode them, and score them against queries.

Codes of n rows have shape (n, bits, 2 * groups): bit planes of groups of 16 numbers (see
`simd_codes`); `levels` are the 2**(bits - 1) magnitudes, float32.
"""

import functools

import numpy as np

from .._jit import compiled_as, entry
from . import rotations, simd, simd_codes

GROUP = simd_codes.WIDTH
ROWS, SPAN = 48, 128  # rows and numbers of each that are decoded at a time, in the first cache

PLAIN, UNBIASED, LEAST_SQUARES = 0, 1, 2  # rules of gains


@functools.cache
def encode(bits, dtype):
    """``f(x, rotation, thresholds, levels, scaling, planes, norms, gains, first, last)``: codes.

    Returns the first row that is not finite, or -1. `scaling` is (factors, peak, rule): a row is
    divided by its norm and rotated, times sqrt(d) or, with `peak`, what makes its largest magnitude
    1; then multiplied by that one of `factors` whose codes have the best cosine with it. A row is
    about ``norm * gain * levels`` in the rotated frame: `norms` has its norm over sqrt(d) or the
    peak, and `gains`, by `rule`, 1, or what makes inner products unbiased, or the distance least.
    `rotation` are the arguments `signs` to `codes` of `rotations.row`.
    """
    one_row, codelet = rotations.row("float32"), simd_codes.encode(bits)

    @compiled_as(f"codes_norm_{dtype}", any_order=True)
    def norm(x):
        total = 0.0
        for i in range(x.size):
            total += np.float64(x[i]) * np.float64(x[i])
        return np.sqrt(total)

    @compiled_as(f"codes_total_{bits}_{dtype}", any_order=True)
    def total(x):
        result = np.float32(0)
        for i in range(x.size):
            result += x[i]
        return np.float64(result)

    @entry(f"codes_encode_{bits}_{dtype}")
    def run(x, rotation, thresholds, levels, scaling, planes, norms, gains, first, last):
        factors, peak, rule = scaling
        d, groups = x.shape[1], planes.shape[2] // 2
        signs, starts, span, shape, scales, at, codes = rotation
        v, w = np.zeros(groups * GROUP, np.float32), np.zeros(groups * GROUP, np.float32)
        sums = np.empty((2, GROUP), np.float32)
        place, scratch, to = simd.address(v), simd.address(w), simd.address(sums)
        low, high = simd.address(thresholds), simd.address(levels)
        plane = 2 * groups
        for i in range(first, last):
            row, size = x[i], norm(x[i])
            if not np.isfinite(size):
                return i
            unit = np.sqrt(np.float64(d)) / size if size > 0 else 0.0
            for j in range(d):
                v[j] = row[j] * unit
            if len(signs):
                one_row(place, place, d, signs, starts, span, shape, scales, at, codes, False, 0)
            scale = 1.0
            if peak:
                largest = np.float32(0)
                for j in range(d):
                    largest = max(largest, abs(v[j]))
                if largest > 0:
                    scale = 1 / np.float64(largest)
            target = simd.address(planes) + i * bits * plane
            chosen, best = factors[0], -1.0
            if factors.size > 1:
                for factor in factors:
                    for j in range(d):
                        w[j] = v[j] * np.float32(factor * scale)
                    codelet(scratch, low, high, target, plane, groups, to)
                    cosine = total(sums[0]) ** 2 / max(total(sums[1]), 1e-30)
                    if cosine > best * factor**2:
                        best, chosen = cosine / factor**2, factor
            factor = np.float32(chosen * scale)
            for j in range(d):
                w[j] = v[j] * factor
            codelet(scratch, low, high, target, plane, groups, to)
            products, squares = total(sums[0]) / factor, total(sums[1])
            norms[i] = 1 / (unit * scale) if size > 0 else 0.0
            if rule == UNBIASED:
                gains[i] = d / scale / products if size > 0 else 1.0
            elif rule == LEAST_SQUARES:
                gains[i] = products * scale / squares if size > 0 else 1.0
        return -1

    return run


@functools.cache
def decode(bits):
    """``f(planes, levels, scales, out, first, last)``: rows of float32, each times its scale."""
    codelet = simd_codes.decode(bits)

    @entry(f"codes_decode_{bits}")
    def run(planes, levels, scales, out, first, last):
        d, groups = out.shape[1], planes.shape[2] // 2
        v = np.empty(groups * GROUP, np.float32)
        for i in range(first, last):
            source = simd.address(planes) + i * bits * 2 * groups
            codelet(source, 2 * groups, simd.address(levels), simd.address(v), groups)
            row, scale = out[i], scales[i]
            for j in range(d):
                row[j] = v[j] * scale

    return run


@functools.cache
def dots(bits):
    """``f(planes, levels, vector, out, first, last)``: rows times one vector, of padded length."""
    codelet = simd_codes.dots(bits)

    @entry(f"codes_dots_{bits}")
    def run(planes, levels, vector, out, first, last):
        plane = planes.shape[2]
        step = bits * plane
        start, to = simd.address(planes) + first * step, simd.address(out) + first * 4
        high, rows = simd.address(levels), last - first
        codelet(start, plane, step, high, simd.address(vector), plane // 2, to, rows)

    return run


@functools.cache
def _block(bits):
    """``f(planes, levels, columns, first, count, rows, scores)``: products of a block of rows.

    Rows `first` to ``first + count - 1`` times `columns` (padded d, a multiple of 16); `rows` is
    scratch of shape (ROWS, SPAN), the result is written to `scores` (ROWS, as many columns).
    """
    codelet = simd_codes.decode(bits)
    height, most = simd_codes.tile()
    wide, narrow = simd_codes.products(most), simd_codes.products(1)

    @compiled_as(f"codes_block_{bits}")
    def run(planes, levels, columns, first, count, rows, scores):
        plane, width = planes.shape[2], columns.shape[1]
        source, high = simd.address(planes) + first * bits * plane, simd.address(levels)
        left, right, to = simd.address(rows), simd.address(columns), simd.address(scores)
        step, jump = 4 * SPAN, 4 * width
        scores[:] = np.float32(0)
        for start in range(0, columns.shape[0], SPAN):
            length = min(SPAN, columns.shape[0] - start)
            for r in range(count):
                here = source + r * bits * plane + start // 8
                codelet(here, plane, high, left + r * step, length // GROUP)
            column = 0
            while column < width:
                both = column + most * GROUP <= width
                place = right + start * jump + 4 * column
                for r in range(0, count, height):
                    row, target = left + r * step, to + r * jump + 4 * column
                    if both:
                        wide(row, step, place, jump, target, jump, length)
                    else:
                        narrow(row, step, place, jump, target, jump, length)
                column += most * GROUP if both else GROUP

    return run


@functools.cache
def inner(bits):
    """``f(planes, levels, columns, scales, out, first, last)``: blocks of rows times columns.

    `out` has shape (columns in use, n); block i is rows ``i * ROWS`` on.
    """
    block = _block(bits)

    @entry(f"codes_inner_{bits}")
    def run(planes, levels, columns, scales, out, first, last):
        rows = np.zeros((ROWS, SPAN), np.float32)
        scores = np.empty((ROWS, columns.shape[1]), np.float32)
        for i in range(first, last):
            start = i * ROWS
            count = min(ROWS, len(planes) - start)
            block(planes, levels, columns, start, count, rows, scores)
            for q in range(len(out)):
                target = out[q]
                for r in range(count):
                    target[start + r] = scores[r, q] * scales[start + r]

    return run


@functools.cache
def search(bits):
    """``f(planes, levels, columns, scales, shifts, best, where, first, last)``: largest scores.

    Of blocks of rows, as for `inner`: ``product * scale + shift``. `best`, of shape (queries, k),
    and `where` get the k largest and their rows, in order, the first row where they are equal.
    """
    block = _block(bits)

    @compiled_as(f"codes_insert_{bits}")
    def insert(best, where, score, row):
        at = best.size - 1
        while at > 0 and best[at - 1] < score:
            best[at], where[at] = best[at - 1], where[at - 1]
            at -= 1
        best[at], where[at] = score, row

    @entry(f"codes_search_{bits}")
    def run(planes, levels, columns, scales, shifts, best, where, first, last):
        width, (queries, k) = columns.shape[1], best.shape
        rows = np.zeros((ROWS, SPAN), np.float32)
        scores = np.empty((ROWS, width), np.float32)
        bars = np.full(width, np.inf, np.float32)
        bars[:queries] = -np.inf
        for i in range(first, last):
            start = i * ROWS
            count = min(ROWS, len(planes) - start)
            block(planes, levels, columns, start, count, rows, scores)
            for r in range(count):
                line, scale, shift = scores[r], scales[start + r], shifts[start + r]
                any_above = np.uint8(0)
                for q in range(width):
                    any_above |= np.uint8(line[q] * scale + shift > bars[q])
                if any_above:
                    for q in range(queries):
                        score = line[q] * scale + shift
                        if score > bars[q]:
                            insert(best[q], where[q], score, start + r)
                            bars[q] = best[q, k - 1]

    return run
