"""Circular and skew-circular convolution of rows with fixed spectra, each row while it is in cache.

A row of n real samples modulo x**n + 1 is one of n/2 complex numbers modulo x**(n/2) - i, since i
stands for x**(n/2): its halves are the real and the imaginary parts. A convolution modulo
x**n - 1 takes two real rows at a time as one complex row. Both come and go parted.
"""

import functools

import numpy as np

from .._jit import caller, entry, inlined
from . import fft, plan, simd, simd_fft

HALVES, PAIRS, COMPLEX = 0, 1, 2  # what makes up a row of complex numbers


def _loader(width):
    """``load(reals, part, src, base, stride, first, last, points)``."""

    @inlined
    def load(reals, part, src, base, stride, first, last, points):
        """Place i of the parts from ``src[base + stride*i]``, first <= i < last, else zeros."""
        first, last = min(points, max(first, 0)), max(0, min(last, points))
        begin, end = (first + width - 1) // width, last // width
        for u in range(points // width):
            place = (2 * u + part) * width
            if begin <= u < end and stride == 1:
                for t in range(width):
                    reals[place + t] = src[base + u * width + t]
            else:
                for t in range(width):
                    i = u * width + t
                    reals[place + t] = src[base + stride * i] if first <= i < last else 0

    return load


@functools.cache
def spectra(dtype):
    """``run(src, m, mode, points, out, reals, number, table, scale, alone, split, first, last)``.

    Spectra of rows of m samples, one row of `points` in `out` for each of `src`, times a factor;
    `reals` is `out` as real array. The other arguments are as for `convolve`.
    """
    call, load = caller(fft.signature(dtype)), _loader(plan.width(dtype))

    @entry(f"spectra_{np.dtype(dtype).name}")
    def run(src, m, mode, points, out, reals, number, table, scale, alone, split, first, last):
        for row in range(first, last):
            piece = out[row * points : (row + 1) * points]
            parts = reals[2 * row * points : 2 * (row + 1) * points]
            for part in range(2):
                base, stride, count = row * m + part * points, 1, m - part * points
                if mode == COMPLEX:
                    base, stride, count = 2 * row * m + part, 2, m
                elif mode == PAIRS and part == 1:
                    count = 0
                load(parts, part, src, base, stride, 0, count, points)
            call(split, (piece, piece, points, points, table, scale, number, True, alone))

    return run


@functools.cache
def convolve(dtype):
    """``run(src, dst, m, length, ...)``: rows of m samples to rows of `length` results.

    `src` and `dst` are flat real arrays of C-contiguous (batch, channels, samples), `work` and
    `reals` the same memory of `points` complex numbers as complex and as real array. `spectra`
    holds a row of `points` for each channel. With `keep`, flags of shape (channels, blocks), only
    some blocks of a spectrum are other than zero. `number` is that of the rows as blocks: 0 modulo
    x**n - 1, 1 modulo x**n + 1, 3 modulo x**n - i.

    Results come by windows: results `back` and later of window w, which begins with sample
    ``w*step - origin``, are those from ``w*step`` on, `step` of them. Beyond a row there are zeros.
    A unit of work is a window of a row, or of a pair of rows.
    """
    width, size = plan.width(dtype), 2 * np.dtype(dtype).itemsize
    call = caller(fft.signature(dtype))
    radices = [r for r in (2, 4, 8) if r <= fft.vectors()]
    down, up = (
        simd_fft.passes(k, s, dtype, width, radices, "ss") for k, s in (("split", -1), ("merge", 1))
    )
    products = simd_fft.products(dtype, width)
    row_at = fft.rows_of_twiddles(dtype)
    row_scratch = simd.buffer(fft.row_bytes(dtype))
    most, load = radices[-1], _loader(width)

    @inlined
    def store(reals, part, dst, base, stride, first, last, points):
        """Place i of the parts to ``dst[base + stride*i]``, first <= i < last."""
        first, last = min(points, max(first, 0)), max(0, min(last, points))
        begin, end = (first + width - 1) // width, last // width
        for u in range(first // width, (last + width - 1) // width):
            place = (2 * u + part) * width
            if begin <= u < end and stride == 1:
                for t in range(width):
                    dst[base + u * width + t] = reals[place + t]
            else:
                for i in range(max(first, u * width), min(last, (u + 1) * width)):
                    dst[base + stride * i] = reals[place + i % width]

    @inlined
    def top(work, points, blocks, number, table, forth):
        """The levels above so many blocks."""
        done = 1
        while done < blocks:
            radix, here = min(most, blocks // done), done
            if not forth:
                here = blocks // (done * radix)
            span = points // here
            step = span // radix * size
            for k in range(here):
                place = simd.address(work) + k * span * size
                row = row_at(simd.address(table), number * here + k, row_scratch(), 1)
                if forth:
                    down(radix, place, step, place, step, span // radix, row, fft.ONE, 0)
                else:
                    up(radix, place, step, place, step, span // radix, row, fft.ONE, 0)
            done *= radix

    @entry(f"convolve_{np.dtype(dtype).name}")
    def run(
        src,
        dst,
        shape,
        windows,
        mode,
        work,
        reals,
        spectra,
        channels,
        number,
        tables,
        keep,
        conjugate,
        alone,
        run_at,
        first,
        last,
    ):
        m, length = shape
        step, origin, back = windows
        points, table, onward = work.size, tables[0], tables[1]
        split, merge = run_at
        blocks, count = max(1, keep.size // channels), (length + step - 1) // step
        for unit in range(first, last):
            row, window = unit // count, unit % count
            channel, other = row % channels, -1
            if mode == PAIRS:
                row = row // channels * 2 * channels + channel
                if (row + channels + 1) * m <= src.size:
                    other = row + channels
            start, begin = window * step - origin, window * step - back
            end, until = m - start, back + min(step, length - window * step)
            one, two, stride, beyond = row * m + start, row * length + begin, 1, 0
            if mode == COMPLEX:
                one, two, stride = 2 * one, 2 * two, 2
            # Where the second parts come from and go to: a window's second half, or other numbers.
            one_more, two_more, last_one, last_two = one + 1, two + 1, end, until
            if mode == HALVES:
                beyond = points
                one_more, two_more = one + points, two + points
            elif mode == PAIRS:
                one_more, two_more = other * m + start, other * length + begin
                if other < 0:
                    last_one, last_two = 0, 0
            for part in range(2):
                base, shift, most_one = one, 0, end
                if part == 1:
                    base, shift, most_one = one_more, beyond, last_one
                load(reals, part, src, base, stride, -start - shift, most_one - shift, points)
            top(work, points, blocks, number, table, True)
            span = points // blocks
            for k in range(blocks):
                piece = work[k * span : (k + 1) * span]
                if keep.size and not keep[channel * blocks + k]:
                    piece[:] = 0
                    continue
                at = number * blocks + k
                call(split, (piece, piece, span, span, table, fft.ONE, at, True, alone))
                here = simd.address(piece)
                factors = simd.address(spectra) + (channel * points + k * span) * size
                products(here, factors, here, span, conjugate)
                call(merge, (piece, piece, span, span, onward, fft.ONE, at, True, alone))
            top(work, points, blocks, number, onward, False)
            for part in range(2):
                base, shift, most_two = two, 0, until
                if part == 1:
                    base, shift, most_two = two_more, beyond, last_two
                store(reals, part, dst, base, stride, back - shift, most_two - shift, points)

    return run
