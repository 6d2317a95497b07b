"""Loops of the fast Walsh-Hadamard transform, and of the zeta and Moebius transforms.

An array of shape (batch, n, inner), C-contiguous, is transformed along its middle axis, n a power
of two. Index bits are transformed from the lowest upwards, in stages that differ in where the data
lie meanwhile:

1. blocks of the first-level cache: a leaf in registers, then passes of radix up to 16;
2. blocks of the second-level cache: passes of radix 8 (16 lines a power of two apart would evict
   each other from a cache of 8 or 12 ways);
3. memory: passes of radix up to 64, or one of 128, over narrow blocks of columns, through a small
   buffer.

Addresses and steps are in bytes, lengths in elements.
"""

import functools
from types import SimpleNamespace

import numpy as np
from numba import types

from .._jit import address_of, entry, inlined
from . import plan, simd, simd_sums


@functools.cache
def transform(op, dtype, low):
    """Entry points of `op` ("wht", "zeta", "mobius") on `dtype`.

    `low` is `inner` where that is a power of two below the vector's width (1 for contiguous rows, 2
    for complex numbers seen as pairs), and 0 for every other `inner`.

    The namespace holds ``run(src, dst, total, n, inner, scale, stage, first, last)`` for flat
    arrays of `total` elements or their addresses, and ``stages(address, total, n, inner)``, the
    number of independent units of every stage. A call does units `first` to `last` of one stage,
    or all of everything with `stage` = -1.
    """
    name, size, width = np.dtype(dtype).name, np.dtype(dtype).itemsize, plan.width(dtype)
    most = plan.registers()
    whole = most * width
    l1, l2 = plan.l1_block() // size, plan.l2_block() // size
    columns = plan.OUTER_VECTORS * width
    pitch, lookahead, outer_radix = columns * size, plan.PREFETCH, 1 << plan.OUTER_LEVELS
    # One long pass is better than two short ones, where the registers hold its second half.
    last_radix = min(2 * outer_radix, 8 * most)

    butterflies = simd.butterflies(op, dtype, width, [r for r in (2, 4, 8, 16) if r <= most])
    leaves = simd.leaves(op, dtype, width, most, low) if low else None
    multiply = simd.multiply(dtype, width)
    scratch = simd.buffer(last_radix * pitch)
    prefetch = simd.prefetch(max(1, pitch // 64))

    @inlined
    def cached(src, dst, length, base, ahead):
        """Stages 1 and 2 on one block of `length` elements, done up to distance `base`."""
        chunk = base
        while chunk < length and 2 * chunk <= l1:
            chunk *= 2
        if chunk < length and length // chunk in (2, 16, 128, 1024):
            chunk *= 2  # leaves a power of 8 to the second stage
        done, limit = 0, most
        if not low:
            done = base
            if chunk == base:
                chunk, limit = length, 8  # rows as long as that leave the first stage empty
        while done < length:
            for start in range(0, length * size, chunk * size):
                here, there, later, span = src + start, dst + start, 0, max(base, done)
                if ahead:
                    later = here + ahead
                if low and done == 0:
                    leaves(here, there, chunk, base, later)
                    here = there
                    if ahead:
                        later += chunk * size // 2
                while span < chunk:
                    radix = min(limit, chunk // span)
                    step = span * size
                    for at in range(0, chunk * size, radix * step):
                        butterflies(radix, here + at, step, there + at, step, span, later)
                        if later:
                            later += radix * step // 2
                    here, later, span = there, 0, span * radix
            src, ahead, done, chunk, limit = dst, 0, chunk, length, 8

    @inlined
    def column_blocks(data, span):
        """Blocks start at multiples of their width; block 0 is what lies before the first one."""
        return 1 + (span - min(span, (-data % pitch) // size) + columns - 1) // columns

    @inlined
    def outer(data, span, radix, first, last):
        """Stage 3: levels from `span` up to `radix` times that, on column blocks."""
        rows = min(radix, 8)
        groups, step = radix // rows, span * size
        buffer = scratch()
        blocks, head = column_blocks(data, span), min(span, (-data % pitch) // size)
        for unit in range(first, last):
            group, block = unit // blocks, unit % blocks
            start, stop = 0, head
            if block:
                start = head + (block - 1) * columns
                stop = min(span, start + columns)
            here = data + (group * radix * span + start) * size
            if groups == 1:
                butterflies(radix, here, step, here, step, stop - start, 0)
                continue
            for g in range(groups):
                source, place = here + g * rows * step, buffer + g * rows * pitch
                for r in range(rows):
                    prefetch(source + r * step + pitch)
                butterflies(rows, source, step, place, pitch, stop - start, 0)
            for r in range(rows):
                source, place = buffer + r * pitch, here + r * step
                butterflies(groups, source, rows * pitch, place, rows * step, stop - start, 0)

    @inlined
    def rows_in_cache(n, inner):
        """Rows of a block of stage 2: no more than leave full passes over memory."""
        rows = 1
        while rows < n and 2 * rows * inner <= l2:
            rows *= 2
        passes = 1
        while rows * passes < n:
            passes *= outer_radix
        while n // rows != last_radix and rows * passes > n and 1 < rows < n and rows * inner > l1:
            rows //= 2
        return rows

    @inlined
    def next_radix(left):
        """Radix of the next pass over memory, of even passes rather than a long and a short one."""
        passes, done = 1, last_radix
        while done < left:
            passes, done = passes + 1, done * outer_radix
        radix = 2
        while radix**passes < left:
            radix *= 2
        return radix

    @entry(f"{op}_{name}_{low}")
    def run(src, dst, total, n, inner, scale, stage, first, last):
        src, dst = simd.address(src), simd.address(dst)
        rows = rows_in_cache(n, inner)
        length = rows * inner
        if stage <= 0:
            if stage < 0:
                first, last = 0, total // length
            source, place = src + first * length * size, dst + first * length * size
            if low and rows > 1 and length < whole:
                count = (last - first) * length
                fits = count // max(width, length) * max(width, length)
                leaves(source, place, fits, length, 0)
                for at in range(fits * size, count * size, length * size):
                    butterflies(n, source + at, low * size, place + at, low * size, low, 0)
                if scale != 1:
                    multiply(place, place, count, scale)
            else:
                ahead = lookahead if total * size > 8 * lookahead else 0
                base = inner
                if low and rows > 1:
                    base = whole
                for _ in range(first, last):
                    done = source
                    if rows > 1:
                        cached(source, place, length, base, ahead)
                        done = place
                    if done != place or scale != 1:
                        multiply(done, place, length, scale)
                    source += length * size
                    place += length * size
        left, number = n // rows, 1
        while left > 1:
            radix = next_radix(left)
            if stage < 0:
                first, last = 0, total // (length * radix) * column_blocks(dst, length)
            if stage < 0 or stage == number:
                outer(dst, length, radix, first, last)
            length, left, number = length * radix, left // radix, number + 1

    def stages(address, total, n, inner):
        rows = rows_in_cache.py_func(n, inner)
        length, left = rows * inner, n // rows
        units = [total // length]
        while left > 1:
            radix = next_radix.py_func(left)
            units.append(total // (length * radix) * column_blocks.py_func(address, length))
            length, left = length * radix, left // radix
        return units

    return SimpleNamespace(run=run, stages=stages)


_I64 = types.int64
SIGNATURE = types.void(*[_I64] * 5, types.float64, *[_I64] * 3)  # of `run` on addresses


@functools.cache
def address(dtype, low):
    """Address of ``transform("wht", dtype, low).run``, for loops that call it by `caller`."""
    return address_of(transform("wht", dtype, low).run, SIGNATURE)


BASE_COLUMNS = 512  # columns in a unit of work


@functools.cache
def base(dtype):
    """``f(flat, m, length, codes, first, last)``: a ±1 matrix along the first axis of (m, length).

    `flat` holds such arrays one after the other and is transformed in place; the units `first` to
    `last` are their blocks of `BASE_COLUMNS` columns; `codes` is ``base_codes(matrix)``. Both may
    be addresses.
    """
    name, size, width = np.dtype(dtype).name, np.dtype(dtype).itemsize, 2 * plan.width(dtype)
    line = size * width
    wide, one = simd_sums.signed_sums(dtype, width, line), simd_sums.signed_sums(dtype, 1, line)

    @entry(f"base_{name}")
    def run(flat, m, length, codes, first, last):
        step, entries = length * size, simd.address(codes)
        scratch = np.empty(4 * m * line + 64, np.uint8)
        table = (simd.address(scratch) + 63) & -64
        blocks = (length + BASE_COLUMNS - 1) // BASE_COLUMNS
        for unit in range(first, last):
            start = unit % blocks * BASE_COLUMNS
            stop = min(length, start + BASE_COLUMNS)
            here = simd.address(flat) + unit // blocks * m * step
            while start + width <= stop:
                wide(here + start * size, step, here + start * size, step, m, entries, table)
                start += width
            while start < stop:
                one(here + start * size, step, here + start * size, step, m, entries, table)
                start += 1
        scratch[0] = 0  # Numba frees an array after its last use, and addresses are none

    return run


def base_codes(matrix):
    """Where in the tables of signed sums the terms of each row of a ±1 matrix are."""
    fours = (np.asarray(matrix) < 0).reshape(len(matrix), -1, 4) @ np.array([1, 2, 4, 8])
    entry_number = fours + 16 * np.arange(len(matrix) // 4)
    return (entry_number * 2 * plan.vector_bytes()).astype(np.int32)


@functools.cache
def gather(dtype):
    """``f(src, dst, top, high, middle, low, inner, first, last)``: rows in another order.

    In arrays of shape (batch, n, inner), row j = (t, h, m, l) of `dst` is row ``top[t] ^ high[h] ^
    middle[m] ^ low[l]`` of `src`. Units `first` to `last` are values of (batch, h). Inside, t and l
    run fastest: their points share as many cache lines of the source as of the destination.
    """

    @entry(f"gather_{np.dtype(dtype).name}")
    def run(src, dst, top, high, middle, low, inner, first, last):
        fast, mids = low.size, middle.size
        step = mids * fast * inner
        n = top.size * high.size * mids * fast
        for unit in range(first, last):
            batch, h = unit // high.size * n * inner, unit % high.size
            for m in range(mids):
                field = high[h] ^ middle[m]
                for t in range(top.size):
                    base = field ^ top[t]
                    place = batch + (t * high.size + h) * step + m * fast * inner
                    if inner == 1:
                        for c in range(fast):
                            dst[place + c] = src[batch + (base ^ low[c])]
                    else:
                        for c in range(fast):
                            source = batch + (base ^ low[c]) * inner
                            for e in range(inner):
                                dst[place + c * inner + e] = src[source + e]

    return run


@functools.cache
def half(source, target):
    """``f(src, dst)``: float16 (seen as uint16) to float32 or back, flat arrays."""
    convert = simd.convert(source, target, plan.width("float32"))

    @entry(f"{source}_to_{target}")
    def run(src, dst):
        convert(simd.address(src), simd.address(dst), src.size)

    return run


@functools.cache
def magnitude():
    """``f(flat)``: the largest magnitude of int64, or that less one."""

    @entry("magnitude_int64")
    def run(flat):
        largest = np.int64(0)
        for i in range(flat.size):
            value = flat[i]
            largest = max(largest, value ^ (value >> 63))  # -1 - value where it is negative
        return largest

    return run
