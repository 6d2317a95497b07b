"""Loops of the fast Fourier transform without bit reversal.

Rows of n = 2**p complex numbers are split from natural to bit-reversed order, or merged back, in
place or from one array to another; `simd_fft` tells what the codelets do. Blocks nest by caches:

1. memory: passes of radix up to 128, on narrow blocks of columns, through a small buffer;
2. blocks of the second-level cache: passes of radix up to 8;
3. blocks of the first-level cache: such passes, then leaves in registers.

A merge goes through the same steps from the last to the first. Along an axis that is not the last,
steps of kind 1 do everything. Addresses and steps are in bytes, lengths in complex numbers.
"""

import functools

import numpy as np
from numba import types

from .._jit import address_of, entry, inlined
from .._threads import COUNTERS
from . import plan, simd, simd_fft

_LOW = 256  # rows of the first table of twiddles
_SHARES = 16  # parts of a stage that threads take in turn
OUTER = 128  # largest radix of a pass over memory
ONE = int(np.float64(1).view(np.int64))  # the bits of the scale 1.0
ALONE = np.zeros(0, np.int64)  # the counters of a call that does all the work


def vectors():
    """Complex vectors that a codelet keeps in registers, of two registers each."""
    return max(2, plan.registers() // 2)


def leaf_points(dtype):
    """Points of a leaf of the transform of real dtype `dtype`."""
    return vectors() * plan.width(dtype)


@functools.lru_cache(maxsize=64)
def twiddles(dtype, sign, blocks):
    """Both tables for block numbers below `blocks`, flat: up to `_LOW` rows, then corrections."""
    width = plan.width(dtype)
    low = simd_fft.theta(min(_LOW, blocks))[:, None]
    high = simd_fft.theta(-(-blocks // _LOW))[:, None] / _LOW
    j, lanes = np.arange(simd_fft.ROW) / simd_fft.ROW, np.arange(width) / width
    vector = simd_fft.theta(vectors())[:, None]

    def parts(turns):
        roots = simd_fft.unit_root(turns, sign)
        return np.stack([roots.real, roots.imag], axis=-2)

    head = parts(low * j).reshape(len(low), -1)
    twist = parts((vector + low[:, None] / vectors()) * lanes).reshape(len(low), -1)
    one = np.array([[1.0], [0.0]])
    corrections = [parts(turns) - one for turns in (high * j, high * lanes / vectors())]
    small = np.hstack([x.reshape(len(high), -1) for x in corrections])
    flat = np.concatenate([np.hstack([head, twist]).ravel(), small.ravel()])
    return _aligned(flat.astype(dtype))


def _aligned(flat):
    """The same numbers from the beginning of a cache line on."""
    raw = np.empty(flat.nbytes + 64, np.uint8)
    place = raw[-raw.ctypes.data % 64 :][: flat.nbytes].view(flat.dtype)
    place[:] = flat
    return place


@inlined
def next_share(counters, stage, share):
    """First unit of the next share of a stage that no thread has begun."""
    if counters.size == 0:
        return 0
    return simd.fetch_add(simd.address(counters) + stage * 8 * COUNTERS, share)


@inlined
def done_share(counters, stage, units):
    """Count units that are done."""
    if counters.size:
        simd.fetch_add(simd.address(counters) + stage * 8 * COUNTERS + 4 * COUNTERS, units)


@inlined
def wait_for(counters, stage, units):
    """Return when all units of a stage are done, by whichever thread."""
    if counters.size:
        place = simd.address(counters) + stage * 8 * COUNTERS + 4 * COUNTERS
        while simd.fetch_add(place, 0) < units:
            simd.breathe()


def row_bytes(dtype):
    """Bytes of a row of twiddles."""
    return simd_fft.row_bytes(dtype, plan.width(dtype), vectors())


def rows_of_twiddles(dtype):
    """``row_at(table, index, place, count)``: address of consecutive rows, at `place` if made."""
    corrected = simd_fft.corrected_rows(dtype, plan.width(dtype), vectors())
    line, small_line = row_bytes(dtype), simd_fft.row_bytes(dtype, plan.width(dtype), 1)

    @inlined
    def row_at(table, index, place, count):
        here = table + index % _LOW * line
        if index < _LOW:
            return here
        corrected(here, table + _LOW * line + index // _LOW * small_line, count, place)
        return place

    return row_at


def memory_pass(kind, dtype, first, inside, last, direct):
    """``f(src, src_step, dst, dst_step, radix, columns, number, top, table, scale)``.

    A pass of that radix on block `number`, whose rows of `columns` numbers are `src_step` apart, by
    steps through a buffer. The first and the last step have codelets of their own, which take
    `top`; where the pass is `direct`, one step may be both.
    """
    most, width, split = vectors(), plan.width(dtype), kind == "split"
    pitch = 4 * width * np.dtype(dtype).itemsize  # two vectors of complex numbers
    scratch = simd.buffer(OUTER * pitch)
    row_scratch = simd.buffer(row_bytes(dtype))
    prefetch = simd.prefetch(max(1, pitch // 64))
    row_at = rows_of_twiddles(dtype)

    @inlined
    def run(src, src_step, dst, dst_step, radix, columns, number, top, table, scale):
        buffer, done, step, fits = scratch(), 1, 0, most
        if radix == 16:
            fits = 4
        while done < radix or (step < 2 and not direct):
            # A split combines rows far apart first, a merge adjacent ones: `reach` rows at a time.
            rest = radix // done
            factor = min(rest, fits)
            reach = done * factor
            begins, finishes = step == 0, reach == radix and (direct or step > 0)
            if split:
                reach = rest
            near, blocks = reach // factor, radix // reach
            source, target, from_step, to_step = buffer, buffer, pitch, pitch
            if begins:
                source, from_step = src, src_step
            if finishes:
                target, to_step = dst, dst_step
            apart, away = near * from_step, near * to_step
            for k in range(blocks):
                row = row_at(table, number * blocks + k, row_scratch(), 1)
                for g in range(near):
                    here = source + (k * reach + g) * from_step
                    there = target + (k * reach + g) * to_step
                    if begins:
                        for i in range(factor):
                            prefetch(here + i * apart + pitch)
                    if begins and (split or not finishes):
                        first(top, factor, here, apart, there, away, columns, row, scale)
                    elif finishes:
                        last(top, factor, here, apart, there, away, columns, row, scale)
                    else:
                        inside(factor, here, apart, there, away, columns, row, scale, 0)
            done, step = done * factor, step + 1

    return run


@functools.cache
def transform(kind, sign, dtype):
    """Loop over rows: a "split" or a "merge" with exponents of that sign.

    It is ``run(src, dst, total, n, table, scale, number, parted, counters)`` for flat complex
    arrays of `total` numbers with parts of `dtype`, in rows of `n`. `table` is from `twiddles`, for
    block numbers below ``(number + 1)*n/leaf``; `scale` holds the bits of a float64 by which the
    result is multiplied. Rows are blocks of that `number` of longer ones (0 for whole ones); with
    `parted` they come to a split, or go from a merge, parted and not scaled, and n > leaf. With
    `counters`, zeros for each of ``stages(dtype, n)``, calls in several threads share the work;
    with `ALONE` a call does it all.
    """
    name, size, width = np.dtype(dtype).name, 2 * np.dtype(dtype).itemsize, plan.width(dtype)
    most, split = vectors(), kind == "split"
    leaf = most * width
    l1, l2 = plan.l1_block() // size, plan.l2_block() // size
    columns = 2 * width  # of a block of a pass over memory
    radices = [r for r in (2, 4, 8) if r <= most]
    three, lookahead = most >= 8, plan.PREFETCH

    passes = functools.partial(simd_fft.passes, kind, sign, dtype, width, radices)
    inside = passes("ss")
    ends = passes("is" if split else "si", twiddled=False)
    leaves = simd_fft.leaves(kind, sign, dtype, width, most)
    rows = simd_fft.rows(kind, sign, dtype, width, most)
    copy = simd.multiply(dtype, width)
    row_at = rows_of_twiddles(dtype)
    row_scratch = simd.buffer(l1 // leaf * row_bytes(dtype))
    tail_scratch = simd.buffer(2 * width * size)

    @inlined
    def plain(top, radix, src, src_step, dst, dst_step, count, row, scale):
        inside(radix, src, src_step, dst, dst_step, count, row, scale, 0)

    @inlined
    def end(top, radix, src, src_step, dst, dst_step, count, row, scale, ahead):
        if top:
            ends(radix, src, src_step, dst, dst_step, count, row, scale, ahead)
        else:
            inside(radix, src, src_step, dst, dst_step, count, row, scale, 0)

    @inlined
    def near_end(top, radix, src, src_step, dst, dst_step, count, row, scale):
        end(top, radix, src, src_step, dst, dst_step, count, row, scale, 0)

    first_codelet, last_codelet = (near_end, plain) if split else (plain, near_end)
    outer = memory_pass(kind, dtype, first_codelet, inside, last_codelet, True)

    @inlined
    def next_radix(left):
        """Radix of the next pass of a split with so many levels above the leaves."""
        if not three:
            return 2 if left % 2 else 4
        if left % 3 == 0:
            return 8
        return 2 if left == 1 else 4

    @inlined
    def next_radix_up(left):
        """Radix of the next pass of a merge with so many levels above it: the same passes."""
        if not three or left == 4 or left == 2:
            return 2 if left == 1 else 4
        return 2 if left == 1 else 8

    @inlined
    def chunk_of(length):
        """Points of a block of the first-level cache, which passes up from the leaves reach."""
        chunk, left = leaf, simd.log2(length // leaf)
        while left:
            radix = next_radix_up(left)
            if chunk * radix > l1:
                break
            chunk, left = chunk * radix, left - simd.log2(radix)
        return chunk

    @inlined
    def cached_split(src, dst, length, block, top, table, scale, ahead):
        """All levels of block number `block`: those above the chunks, then chunk by chunk."""
        chunk = chunk_of(length)
        count = length // chunk
        for c in range(-1 if count > 1 else 0, count):
            source, here, start, until, first = src, dst, length, chunk, block
            if c >= 0:
                here, start, until, first = dst + c * chunk * size, chunk, leaf, block * count + c
                source = src + (here - dst)
            span = start
            while span > until:
                radix = next_radix(simd.log2(span // leaf))
                step = span // radix * size
                for k in range(start // span):
                    at, row = k * span * size, row_at(table, first + k, row_scratch(), 1)
                    from_here, place, whole = source + at, here + at, top and span == length
                    end(
                        whole, radix, from_here, step, place, step, span // radix, row, scale, ahead
                    )
                source, span, first = here, span // radix, first * radix
            if c >= 0:
                row = row_at(table, first, row_scratch(), chunk // leaf)
                leaves(here, here, chunk // leaf, row, scale, 0)
            else:
                src = dst

    @inlined
    def cached_merge(src, dst, length, block, top, table, scale, ahead):
        """The same levels, upwards."""
        chunk = chunk_of(length)
        count = length // chunk
        for c in range(count + 1 if count > 1 else 1):
            here, span, until, number = dst, chunk, length, block
            if c < count:
                here, span, until, number = dst + c * chunk * size, leaf, chunk, block * count + c
                each = chunk // leaf
                row = row_at(table, number * each, row_scratch(), each)
                leaves(src + (here - dst), here, each, row, scale, ahead)
            while span < until:
                radix = next_radix_up(simd.log2(length // span))
                step, blocks = span * size, until // (span * radix)
                for k in range(blocks):
                    place = here + k * radix * step
                    row = row_at(table, number * blocks + k, row_scratch(), 1)
                    whole = top and span * radix == length
                    end(whole, radix, place, step, place, step, span, row, scale, 0)
                span *= radix

    cached = cached_split if split else cached_merge

    @inlined
    def outer_passes(blocks):
        passes, reach = 0, 1
        while reach < blocks:
            passes, reach = passes + 1, reach * OUTER
        return passes

    @inlined
    def outer_pass(n, inner, passes, number):
        """Length of the blocks of a pass over memory, from the top, and its radix."""
        length, radix = n, 1
        for p in range(number + 1):
            length //= radix
            radix = 1
            while radix ** (passes - p) < length // inner:
                radix *= 2
        return length, radix

    @inlined
    def short(src, dst, count, n, scale, ahead):
        """Rows of at most a leaf, `count` points in all."""
        whole = count // max(n, 2 * width) * max(n, 2 * width)
        rows(src, dst, whole, n, scale, ahead)
        if whole < count:
            start, tail = whole * size, tail_scratch()
            copy(src + start, tail, 2 * (count - whole), 1.0)
            rows(tail, tail, 2 * width, n, scale, 0)
            copy(tail, dst + start, 2 * (count - whole), 1.0)

    @entry(f"{kind}{'+' if sign > 0 else '-'}_{name}")
    def run(src, dst, total, n, table, scale, number, parted, counters):
        src, dst, table = simd.address(src), simd.address(dst), simd.address(table)
        inner, passes = min(n, l2), 0
        if n > leaf:
            # A block as large as the cache costs less than one more pass over memory.
            passes = outer_passes(n // inner)
            if passes > outer_passes(n // (2 * inner)) > 0:
                inner, passes = 2 * inner, passes - 1
        # Rows of a leaf or less go by many at a time.
        ahead = lookahead if total * size > 8 * lookahead else 0
        for step in range(passes + 1):
            is_cached = step == (passes if split else 0)
            length, radix = inner, 1
            units = total // inner
            if not is_cached:
                length, radix = outer_pass(n, inner, passes, step if split else passes - step)
                units = total // radix // columns
            span, share = length // radix, units
            if counters.size:
                share = units // _SHARES + 1
            first = next_share(counters, step, share)
            while first < units:
                last = min(units, first + share)
                if n <= leaf:
                    start = first * n * size
                    short(src + start, dst + start, (last - first) * n, n, scale, ahead)
                else:
                    for unit in range(first, last):
                        block, start = unit, 0
                        if not is_cached:
                            block = unit // (span // columns)
                            start = unit % (span // columns) * columns
                        here = (block * length + start) * size
                        there, apart, top = dst + here, span * size, length == n and not parted
                        here, block = src + here, block % (n // length) + number * (n // length)
                        if is_cached:
                            cached(here, there, length, block, top, table, scale, ahead)
                        else:
                            outer(
                                here, apart, there, apart, radix, columns, block, top, table, scale
                            )
                done_share(counters, step, last - first)
                first = last
                if counters.size:
                    first = next_share(counters, step, share)
            wait_for(counters, step, units)
            src = dst

    return run


def signature(dtype):
    """Types of the arguments of what `transform` gives."""
    real = types.float32 if dtype == "float32" else types.float64
    pair = types.complex64 if dtype == "float32" else types.complex128
    pairs, table, counters = pair[::1], real[::1], types.int64[::1]
    whole = types.int64
    return types.none(pairs, pairs, whole, whole, table, whole, whole, types.boolean, counters)


@functools.cache
def address(kind, sign, dtype):
    """Address of what `transform` gives, for other entry points to call."""
    return address_of(transform(kind, sign, dtype), signature(dtype))


def stages(dtype, n):
    """How many stages `transform` has for rows of n numbers, one after the other."""
    inner = plan.l2_block() // (2 * np.dtype(dtype).itemsize)
    passes, reach = 0, 1
    while reach * inner < (n // 2 if n > OUTER * inner else n):
        passes, reach = passes + 1, reach * OUTER
    return passes + 1
