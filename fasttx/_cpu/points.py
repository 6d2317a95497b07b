"""Points of digital nets and lattices, in order, written straight in the dtype asked for.

The digits of point i are the sum of columns at the ones of an index (i, or its Gray code), plus a
shift: by exclusive or for a net, modulo a power of two for a lattice. A table holds the sums of the
low bits' columns, for a block of points; the sum of the rest is one for the whole block.
"""

import functools

import numpy as np

from .._jit import compiled, compiled_as, entry, inlined
from . import simd

NUMBERS = 1 << 11  # of a block, so that its table takes a third of the first cache
ROWS = 1 << 4  # points of a block at least
RUN = 1 << 8  # numbers that loops over vectors take at a time
AHEAD = 1 << 13  # bytes between what is written and what is asked for
LEVELS = 6  # of a binary tree, whose 63 nodes take a bit each of one hash


@inlined
def exclusive_or(x, y):
    return x ^ y


@inlined
def add(x, y):
    return x + y


@compiled
def gray(i):
    return i ^ (i >> 1)


@functools.cache
def fill(family, kind):
    """``f(columns, shift, mask, drop, factor, order, first, out)`` for "net" or "lattice".

    `columns` (m, d), `out` (n, d) of dtype `kind`: ``digits & mask`` for unsigned integers, else
    ``(digits & mask) >> drop`` times `factor`. `order` 1 is that of the Gray code.
    """
    combine = exclusive_or if family == "net" else add
    integer = kind.startswith("u")
    dtype = np.dtype(kind).type

    @inlined
    def convert(digits, mask, drop, factor):
        if integer:
            return dtype(digits & mask)
        return dtype(dtype(np.int64((digits & mask) >> drop)) * factor)

    @compiled_as(f"points_tabulate_{family}_{kind}")
    def tabulate(columns, low):
        """Sums of the first `low` columns, for each of 2**low indices."""
        d = columns.shape[1]
        table = np.zeros((1, d << low), np.uint64)
        for b in range(low):
            width = d << b
            for start in range(0, width, d):
                for k in range(d):
                    table[0, width + start + k] = combine(table[0, start + k], columns[b, k])
        return table

    @compiled_as(f"points_add_columns_{family}_{kind}")
    def add_columns(columns, index, offset, out):
        for b in range(offset, columns.shape[0]):
            if (index >> b) & 1:
                for k in range(out.size):
                    out[k] = combine(out[k], columns[b, k])

    ask = simd.prefetch(1)

    @compiled_as(f"points_copy_block_{family}_{kind}")
    def copy(target, rows, common, mask, drop, factor):
        # Memory that is written without being read first comes at a third of the speed.
        place = simd.address(target) + AHEAD
        for line in range(target.size * target.itemsize // 64):
            ask(place + 64 * line)
        for e in range(target.size):
            target[e] = convert(combine(rows[e], common[e]), mask, drop, factor)

    @entry(f"points_{family}_{kind}")
    def run(columns, shift, mask, drop, factor, order, first, out):
        n, d = out.shape
        low, most = 0, min(n, max(ROWS, NUMBERS // d))
        while low < columns.shape[0] and 1 << low < most:
            low += 1
        block, copies = 1 << low, 1
        while copies < block and copies * d < RUN:
            copies *= 2
        table = tabulate(columns, low)
        if order:
            # Of the index before the low bits the Gray code takes the last one along.
            natural, table = table, np.empty((2, block * d), np.uint64)
            for odd in range(2):
                for i in range(block):
                    k = gray(i) ^ (odd << low >> 1)
                    table[odd, i * d : (i + 1) * d] = natural[0, k * d : (k + 1) * d]
        # What is common to a block, some times over: rows of few numbers would not fill vectors.
        common, row = np.empty(copies * d, np.uint64), np.empty(d, np.uint64)
        spare = np.empty(block * d, dtype)
        flat = out.reshape(-1)
        start = first >> low << low
        while start < first + n:
            high = start >> low
            row[:] = shift
            add_columns(columns, (gray(high) if order else high) << low, low, row)
            common[:d] = row
            filled = d
            while filled < common.size:
                for e in range(filled):
                    common[filled + e] = common[e]
                filled *= 2
            rows = table[high & 1 if order else 0]
            begin, end = max(start, first), min(start + block, first + n)
            whole = end - begin == block
            target = flat[(start - first) * d : (start - first + block) * d] if whole else spare
            width = common.size
            for t in range(0, block * d, width):
                copy(target[t : t + width], rows[t : t + width], common, mask, drop, factor)
            if not whole:
                flat[(begin - first) * d : (end - first) * d] = spare[
                    (begin - start) * d : (end - start) * d
                ]
            start += block

    return run


@inlined
def mixed(x):
    """The finalizer of SplitMix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@compiled
def flip_levels(x, keys, depth, place, flips):
    """Append to `flips` the random bits for LEVELS digits of each number, the last at `place`.

    The `depth` digits before them name a subtree, which is hashed. Each bit of the hash belongs to
    one of its nodes; those on the path of the digits are taken.
    """
    one, golden = np.uint64(1), np.uint64(0x9E3779B97F4A7C15)
    levels, low = np.uint64(LEVELS), np.uint64((1 << LEVELS) - 1)
    root = one << np.uint64(depth)
    for e in range(x.size):
        prefix = x[e] >> np.uint64(place)
        bits = mixed((root | (prefix >> levels)) * golden + keys[e])
        path = one << levels | prefix & low
        taken = np.uint64(0)
        for level in range(LEVELS):
            node = path >> np.uint64(LEVELS - level)
            taken = taken << one | bits >> node & one
        flips[e] = flips[e] << levels | taken


@entry("points_nested")
def nested(digits, keys, own):
    """Nested uniform scrambling in place of `digits` (n, d), integers of `own` binary digits.

    A digit of coordinate k changes by a random bit of its own for the digits before it, a hash of
    these and ``keys[k]``.
    """
    n, d = digits.shape
    width = max(1, RUN // d) * d
    tiled, flips = np.empty(width, np.uint64), np.empty(width, np.uint64)
    for t in range(0, width, d):
        tiled[t : t + d] = keys
    flat = digits.reshape(-1)
    mask = ~np.uint64(0) >> np.uint64(64 - own)
    last = (own - 1) // LEVELS * LEVELS  # the first subtree begins with zeros, if need be
    for start in range(0, n * d, width):
        x = flat[start : start + width]
        flips[:] = 0
        for depth in range(0, last + 1, LEVELS):
            flip_levels(x, tiled, depth, last - depth, flips)
        for e in range(x.size):
            x[e] ^= flips[e] & mask
