"""Loops of block formats: rows to scaled, rounded and packed elements, and back.

Rows go through the first cache in pieces that hold whole blocks. A piece is copied to a buffer,
with zeros after the end of the row, and is rotated there. `rotation` is (factor, h, at): each group
of `h` values is multiplied by `factor`, signs / sqrt(h) repeated over a piece, and by H; with h = 0
by nothing. All that follows are plain loops over the buffer, which the compiler turns into vectors.

Sizes of blocks are multiples of `LANES`; `x` is of shape (rows, n).
"""

import functools

import numpy as np

from .._jit import caller, compiled, entry
from . import fwht, simd, simd_formats
from .random import hashed

_call = caller(fwht.SIGNATURE)

LANES = 16  # values that inner loops of known length treat at once
PIECE = 2048  # values that go through the first cache at once, unless a block is larger
_times = simd_formats.times(LANES)
_FRACTION = 20  # bits of the probability of rounding up
_i32, _f32 = np.int32, np.float32  # as int32 and int32 make an int64, types are written out


@compiled
def load(row, start, length, factor, h, at, buffer):
    """`length` values of a row from `start` on, rotated; zeros from the end of the row on."""
    count = min(length, row.size - start)
    part = row[start : start + count]
    if h:
        for i in range(count):
            buffer[i] = part[i] * factor[i]
    else:
        for i in range(count):
            buffer[i] = part[i]
    for i in range(count, length):
        buffer[i] = _f32(0)
    if h:
        place = np.int64(buffer.ctypes.data)
        _call(at, (place, place, length, h, 1, 1.0, -1, 0, 0))


@functools.cache
def amax():
    """``f(x, rotation, block, out)``: largest magnitudes of blocks, as bits of float32.

    `out` is int32 of shape (rows, blocks). Infinity has larger bits than numbers, and NaN larger
    ones still.
    """
    largest = simd_formats.largest(LANES)

    @entry("formats_amax")
    def run(x, rotation, block, out):
        factor, h, at = rotation
        piece, groups = factor.size // block, block // LANES
        buffer = np.empty(factor.size, np.float32)
        for r in range(x.shape[0]):
            for first in range(0, out.shape[1], piece):
                blocks = min(piece, out.shape[1] - first)
                load(x[r], first * block, blocks * block, factor, h, at, buffer)
                place = simd.address(out) + (r * out.shape[1] + first) * out.itemsize
                largest(simd.address(buffer), blocks, groups, place)

    return run


@functools.cache
def extremes():
    """``f(x, rotation, block, low, high)``: least and largest values of blocks and zero."""

    @entry("formats_extremes")
    def run(x, rotation, block, low, high):
        factor, h, at = rotation
        piece, groups = factor.size // block, block // LANES
        buffer = np.empty(factor.size, np.float32)
        lanes = buffer.reshape(-1, LANES)
        for r in range(x.shape[0]):
            for first in range(0, low.shape[1], piece):
                blocks = min(piece, low.shape[1] - first)
                load(x[r], first * block, blocks * block, factor, h, at, buffer)
                for j in range(blocks):
                    least = largest = _f32(0)
                    for g in range(j * groups, (j + 1) * groups):
                        for i in range(LANES):
                            least, largest = min(least, lanes[g, i]), max(largest, lanes[g, i])
                    low[r, first + j], high[r, first + j] = least, largest

    return run


@compiled
def _chance(seed, counter):
    """Random bits to add to a fraction of so many bits before it is cut off."""
    return np.int64(hashed(seed, counter) >> np.uint64(64 - _FRACTION))


@compiled
def _round_floats(y, values, rule, codes, random, seed, counter):
    """Codes of floats of few bits: sign, exponent, mantissa; what is too large becomes the largest.

    `rule` has the bits of the mantissa, the least normal and the largest number (as bits of
    float32) and the place of the sign. Nearest: adding a power of two 23 - mantissa bits above that
    of y leaves, as the last bits of the sum, the mantissa rounded to even.
    """
    shift = _i32(23 - rule[0])
    least, largest, sign = _i32(rule[1]), _i32(rule[2]), _i32(1 << rule[3])
    to_sign, above = _i32(31 - rule[3]), _i32((23 - rule[0]) << 23)
    bits = y.view(np.int32)
    if random:
        one = _i32((254 + rule[0] + _FRACTION) << 23)
        for i in range(codes.size):
            magnitude = min(_i32(bits[i] & _i32(0x7FFFFFFF)), largest)
            exponent = max(_i32(magnitude & _i32(0x7F800000)), least)
            scale = _i32(one - exponent).view(np.float32)
            fixed = np.int64(_i32(magnitude).view(np.float32) * scale)
            code = (fixed + _chance(seed, counter + i)) >> _FRACTION
            code += _i32(exponent - least) >> shift
            codes[i] = code | (_i32(bits[i] >> to_sign) & sign)
    else:
        for i in range(codes.size):
            magnitude = min(_i32(bits[i] & _i32(0x7FFFFFFF)), largest)
            exponent = max(_i32(magnitude & _i32(0x7F800000)), least)
            power = _i32(exponent + above)
            total = _f32(_i32(magnitude).view(np.float32) + _i32(power).view(np.float32))
            code = _i32(_f32(total).view(np.int32) - power)
            code = _i32(code + _i32(_i32(exponent - least) >> shift))
            codes[i] = _i32(code | _i32(_i32(bits[i] >> to_sign) & sign))


@compiled
def _round_integers(y, values, rule, codes, random, seed, counter):
    """Codes of integers from ``rule[0]`` to ``rule[1]``: their last bits, those of ``rule[2]``."""
    low, high, mask = _f32(rule[0]), _f32(rule[1]), _i32(rule[2])
    if random:
        one = _f32(1 << _FRACTION)
        for i in range(codes.size):
            fixed = np.int64(np.floor(min(max(y[i], low), high) * one))
            codes[i] = ((fixed + _chance(seed, counter + i)) >> _FRACTION) & mask
    else:
        center = _f32(3 << 22)  # its last bit is worth 1
        for i in range(codes.size):
            total = _f32(min(max(y[i], low), high) + center)
            codes[i] = _i32(_f32(total).view(np.int32) & mask)


@compiled
def _round_table(y, values, rule, codes, random, seed, counter):
    """Codes of the nearest of increasing values, the lower one of two as near."""
    codes[:] = 0
    if random:
        for k in range(1, values.size):
            value = values[k]
            for i in range(codes.size):
                codes[i] += y[i] >= value
        unit = _f32(1.0 / (1 << _FRACTION))
        for i in range(codes.size):
            k = min(np.int64(codes[i]), values.size - 2)
            part = (y[i] - values[k]) / (values[k + 1] - values[k])
            codes[i] = k + (part > _f32(_chance(seed, counter + i)) * unit)
    else:
        for k in range(1, values.size):
            middle = _f32(0.5) * (values[k - 1] + values[k])
            for i in range(codes.size):
                codes[i] += y[i] > middle


_ROUND = {"float": _round_floats, "integer": _round_integers, "table": _round_table}


@compiled
def scale(buffer, r, first, blocks, groups, factors):
    """Multiply blocks from `first` on by their factors."""
    place = simd.address(factors) + (r * factors.shape[1] + first) * factors.itemsize
    _times(simd.address(buffer), blocks, groups, place)


@compiled
def _subtract(buffer, r, first, blocks, block, offsets):
    """Subtract their offsets from blocks."""
    for j in range(blocks):
        offset = offsets[r, first + j]
        for i in range(j * block, (j + 1) * block):
            buffer[i] -= offset


@functools.cache
def nearest(kind):
    """``f(y, values, rule, codes)``: codes of numbers as they are, flat arrays."""
    round_all = _ROUND[kind]

    @entry(f"formats_nearest_{kind}")
    def run(y, values, rule, codes):
        round_all(y, values, rule, codes, False, np.uint64(0), 0)

    return run


@functools.cache
def encode(kind):
    """``f(x, rotation, block, factors, offsets, values, rule, random, seed, counter, codes)``.

    Blocks are multiplied by `factors`, (rows, blocks), less `offsets`, of that shape or empty, and
    rounded; `codes`, (rows, stored), are bytes. With `random` elements are rounded up with the
    probability that their fraction says, by `seed` and counters from `counter` on.
    """
    round_all = _ROUND[kind]

    @entry(f"formats_encode_{kind}")
    def run(x, rotation, block, factors, offsets, values, rule, random, seed, counter, codes):
        factor, h, at = rotation
        piece, groups = factor.size // block, block // LANES
        buffer = np.empty(factor.size, np.float32)
        stored = codes.shape[1]
        for r in range(x.shape[0]):
            for first in range(0, factors.shape[1], piece):
                blocks = min(piece, factors.shape[1] - first)
                start = first * block
                load(x[r], start, blocks * block, factor, h, at, buffer)
                scale(buffer, r, first, blocks, groups, factors)
                if offsets.size:
                    _subtract(buffer, r, first, blocks, block, offsets)
                target = codes[r, start : start + blocks * block]
                index = counter + r * stored + start
                round_all(buffer, values, rule, target, random, seed, index)

    return run


@functools.cache
def errors(kind):
    """``f(x, rotation, block, factors, values, rule, out)``: squared errors of blocks, scaled."""
    round_all = _ROUND[kind]

    @entry(f"formats_errors_{kind}")
    def run(x, rotation, block, factors, values, rule, out):
        factor, h, at = rotation
        piece, groups = factor.size // block, block // LANES
        buffer = np.empty(factor.size, np.float32)
        squares = buffer.reshape(-1, groups, LANES)
        codes = np.empty(factor.size, np.uint8)
        sums = np.empty(LANES, np.float32)
        for r in range(x.shape[0]):
            for first in range(0, factors.shape[1], piece):
                blocks = min(piece, factors.shape[1] - first)
                length = blocks * block
                load(x[r], first * block, length, factor, h, at, buffer)
                scale(buffer, r, first, blocks, groups, factors)
                round_all(buffer, values, rule, codes[:length], False, np.uint64(0), 0)
                for i in range(length):
                    off = values[codes[i]] - buffer[i]
                    buffer[i] = off * off
                for j in range(blocks):
                    sums[:] = 0
                    for g in range(groups):
                        for i in range(LANES):
                            sums[i] += squares[j, g, i]
                    out[r, first + j] = sums.sum()

    return run


@functools.cache
def pack(bits):
    """``f(codes, out)``: rows of codes of so many bits, the first one lowest, to rows of bytes."""
    count, size = _group(bits)
    plain = bits == 8

    @entry(f"formats_pack_{bits}")
    def run(codes, out):
        whole = codes.shape[1] // count
        for r in range(codes.shape[0]):
            if plain:
                out[r] = codes[r]
                continue
            for g in range(whole):
                word = np.uint64(0)
                for i in range(count):
                    word |= np.uint64(codes[r, g * count + i]) << np.uint64(bits * i)
                for i in range(size):
                    out[r, g * size + i] = np.uint8(word >> np.uint64(8 * i))
            word = np.uint64(0)
            for i in range(whole * count, codes.shape[1]):
                word |= np.uint64(codes[r, i]) << np.uint64(bits * (i - whole * count))
            for i in range(whole * size, out.shape[1]):
                out[r, i] = np.uint8(word >> np.uint64(8 * (i - whole * size)))

    return run


@functools.cache
def unpack(bits):
    """``f(packed, codes)``: the inverse of `pack`."""
    count, size = _group(bits)
    plain, mask = bits == 8, np.uint64((1 << bits) - 1)

    @entry(f"formats_unpack_{bits}")
    def run(packed, codes):
        whole = codes.shape[1] // count
        for r in range(codes.shape[0]):
            if plain:
                codes[r] = packed[r]
                continue
            for g in range(whole):
                word = np.uint64(0)
                for i in range(size):
                    word |= np.uint64(packed[r, g * size + i]) << np.uint64(8 * i)
                for i in range(count):
                    codes[r, g * count + i] = np.uint8((word >> np.uint64(bits * i)) & mask)
            word = np.uint64(0)
            for i in range(whole * size, packed.shape[1]):
                word |= np.uint64(packed[r, i]) << np.uint64(8 * (i - whole * size))
            for i in range(whole * count, codes.shape[1]):
                place = np.uint64(bits * (i - whole * count))
                codes[r, i] = np.uint8((word >> place) & mask)

    return run


def _group(bits):
    """The least number of codes that fill bytes, and of the bytes."""
    count = 8 // np.gcd(bits, 8)
    return int(count), int(count * bits // 8)


@compiled
def unload(buffer, rotation, r, first, blocks, block, factors, out):
    """Multiply blocks by their factors, rotate them back and write what is inside row `r`."""
    factor, h, at = rotation
    scale(buffer, r, first, blocks, block // LANES, factors)
    target = out[r, first * block : (first + blocks) * block]
    if h:
        place = np.int64(buffer.ctypes.data)
        _call(at, (place, place, blocks * block, h, 1, 1.0, -1, 0, 0))
        for i in range(target.size):
            target[i] = buffer[i] * factor[i]
    else:
        for i in range(target.size):
            target[i] = buffer[i]


@functools.cache
def decode():
    """``f(codes, rotation, block, factors, offsets, values, out)``: rows from their codes.

    ``(values[code] - offset) * factor``, rotated back: `out` of shape (rows, n), with n at most the
    number of codes.
    """

    @entry("formats_decode")
    def run(codes, rotation, block, factors, offsets, values, out):
        piece = rotation[0].size // block
        buffer = np.empty(rotation[0].size, np.float32)
        for r in range(out.shape[0]):
            for first in range(0, factors.shape[1], piece):
                blocks = min(piece, factors.shape[1] - first)
                source = codes[r, first * block : (first + blocks) * block]
                for i in range(source.size):
                    buffer[i] = values[source[i]]
                for i in range(source.size, blocks * block):
                    buffer[i] = _f32(0)
                if offsets.size:
                    _subtract(buffer, r, first, blocks, block, offsets)
                unload(buffer, rotation, r, first, blocks, block, factors, out)

    return run


TRITS, GROUP, GROUP_BYTES = 5, 256, 52  # of a byte; values, and bytes, that are packed together


@functools.cache
def pack_trits():
    """``f(codes, out)``: rows of numbers below 3, five in a byte, 256 in 52 bytes.

    Byte j of a group holds numbers j, j + 52, ... of it, as digits from the lowest on.
    """

    @entry("formats_pack_trits")
    def run(codes, out):
        for r in range(codes.shape[0]):
            for g in range(codes.shape[1] // GROUP):
                group = codes[r, g * GROUP : (g + 1) * GROUP]
                target = out[r, g * GROUP_BYTES : (g + 1) * GROUP_BYTES]
                target[:] = 0
                for digit in range(TRITS - 1, -1, -1):
                    part = group[digit * GROUP_BYTES : (digit + 1) * GROUP_BYTES]
                    for j in range(target.size):
                        target[j] *= 3
                    for j in range(part.size):
                        target[j] += part[j]

    return run


@functools.cache
def unpack_trits():
    """``f(packed, codes)``: the inverse of `pack_trits`."""

    @entry("formats_unpack_trits")
    def run(packed, codes):
        for r in range(codes.shape[0]):
            for g in range(codes.shape[1] // GROUP):
                source = packed[r, g * GROUP_BYTES : (g + 1) * GROUP_BYTES]
                group = codes[r, g * GROUP : (g + 1) * GROUP]
                power = 1
                for digit in range(TRITS):
                    part = group[digit * GROUP_BYTES : (digit + 1) * GROUP_BYTES]
                    for j in range(part.size):
                        part[j] = source[j] // power % 3
                    power *= 3

    return run
