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
TINY = 1e-30  # keeps a row of zeros from being divided by zero


@functools.cache
def encode(bits, dtype):
    """``f(x, rotation, thresholds, levels, scaling, planes, norms, gains, first, last)``: codes.

    Returns the first row that is not finite, or -1. `scaling` is (trials, peak, rule): a row is
    divided by its norm and rotated, times sqrt(d) or, with `peak`, what makes its largest magnitude
    1; then multiplied by that one of `trials` whose codes have the best cosine with it. A row is
    about ``norm * gain * levels`` in the rotated frame: `norms` has its norm over sqrt(d) or the
    peak, and `gains`, by `rule`, 1, or what makes inner products unbiased, or the distance least.
    `rotation` are `tables` of `rotations.block`.
    """
    rows, codelet = rotations.block("float32"), simd_codes.encode(bits)
    kind = np.dtype(dtype).type

    @compiled_as(f"codes_norm_{dtype}", any_order=True)
    def norm(x):
        total = 0.0
        for i in range(x.size):
            total += np.float64(x[i]) * np.float64(x[i])
        return np.sqrt(total)

    @compiled_as(f"codes_peak_{bits}_{dtype}")
    def largest(x):
        result = np.float32(0)
        for i in range(x.size):
            result = max(result, abs(x[i]))
        return result

    @entry(f"codes_encode_{bits}_{dtype}")
    def run(x, rotation, thresholds, levels, scaling, planes, norms, gains, first, last):
        trials, peak, rule = scaling
        d, plane = x.shape[1], planes.shape[2]
        padded, step = plane // 2 * GROUP, planes.shape[1] * plane
        batch = max(1, rotations.BATCH // d)
        v, w = np.empty((batch, d), np.float32), np.zeros((batch, padded), np.float32)
        factors, sums = np.ones(batch, np.float32), np.empty((batch, 2), np.float32)
        best, chosen = np.empty(batch), np.ones(batch, np.float32)
        sizes, low, high = np.empty(batch), simd.address(thresholds), simd.address(levels)
        # Zeros after the end of a row have the lowest level.
        added = (padded - d) * np.float64(levels[0]) ** 2
        for start in range(first, last, batch):
            count = min(batch, last - start)
            for r in range(count):
                row, into = x[start + r], v[r]
                size = norm(row)
                if not np.isfinite(size):
                    return start + r
                sizes[r] = size / np.sqrt(np.float64(d))
                unit = 1 / sizes[r] if size > 0 else 0.0
                if 1e-30 < unit < 1e30:  # in range of float32, where that is x's dtype
                    narrow = kind(unit)
                    for j in range(d):
                        into[j] = row[j] * narrow
                else:
                    for j in range(d):
                        into[j] = row[j] * unit
            place = simd.address(v)
            if len(rotation[0]):
                rows(place, place, count, d, rotation, False, 0)
            if padded > d:
                for r in range(count):
                    row, into = v[r], w[r]
                    for j in range(d):
                        into[j] = row[j]
                place = simd.address(w)
            if peak:
                for r in range(count):
                    top = largest(v[r])
                    factors[r] = 1 / top if top > 0 else np.float32(1)
                    sizes[r] *= top
            line, to = 4 * padded, simd.address(sums)
            target, given = simd.address(planes) + start * step, simd.address(factors)
            if trials.size > 1:
                best[:count] = -1.0
                for trial in trials:
                    factors[:] = trial
                    codelet(
                        place, line, given, low, high, target, step, plane, plane // 2, to, count
                    )
                    for r in range(count):
                        cosine = (sums[r, 0] / trial) ** 2 / (sums[r, 1] - added + TINY)
                        if cosine > best[r]:
                            best[r], chosen[r] = cosine, trial
                factors[:] = chosen
            codelet(place, line, given, low, high, target, step, plane, plane // 2, to, count)
            for r in range(count):
                norms[start + r] = sizes[r]
                if rule and sizes[r] == 0:
                    gains[start + r] = 1.0
                elif rule == UNBIASED:
                    gains[start + r] = d * factors[r] / sums[r, 0]
                elif rule == LEAST_SQUARES:
                    gains[start + r] = sums[r, 0] / factors[r] / (sums[r, 1] - added)
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
