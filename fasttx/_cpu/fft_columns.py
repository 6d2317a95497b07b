"""The Fourier transform without bit reversal along an axis that is not the last, in place.

Every pass goes over memory: it does up to seven levels on a narrow block of columns, through a
small buffer. Between passes the numbers are in their usual form, so rows may have any length.
"""

import functools
from types import SimpleNamespace

import numpy as np

from .._jit import entry, inlined
from . import fft, plan, simd, simd_fft


@functools.cache
def transform(kind, sign, dtype):
    """Entry points for arrays of shape (batch, n, inner), along the middle axis.

    ``run(data, total, n, inner, table, scale, stage, first, last)`` and ``stages(total, n, inner)``
    have the arguments of those of ``fft.transform``; `total` counts all the complex numbers, and
    `table` is for blocks below n.
    """
    name, size, width = np.dtype(dtype).name, 2 * np.dtype(dtype).itemsize, plan.width(dtype)
    split, widest = kind == "split", 2 * width
    pitch = widest * size
    radices = [r for r in (1, 2, 4, 8) if r <= fft.vectors()]
    part, inside, join = (
        simd_fft.passes(kind, sign, dtype, width, radices, form) for form in ("is", "ss", "si")
    )
    copy = simd.multiply(dtype, width)
    edge_scratch = simd.buffer(fft.OUTER * pitch)

    @inlined
    def first_codelet(top, radix, src, src_step, dst, dst_step, count, row, scale):
        part(radix, src, src_step, dst, dst_step, count, row, scale, 0)

    @inlined
    def last_codelet(top, radix, src, src_step, dst, dst_step, count, row, scale):
        join(radix, src, src_step, dst, dst_step, count, row, scale, 0)

    through = fft.memory_pass(kind, dtype, first_codelet, inside, last_codelet, False)

    @inlined
    def number_of_passes(n):
        passes, reach = 0, 1
        while reach < n:
            passes, reach = passes + 1, reach * fft.OUTER
        return passes

    @inlined
    def pass_of(n, number):
        """Length of the blocks of a pass, counted from the top, and its radix."""
        left, length, radix = number_of_passes(n), n, 1
        for _ in range(number + 1):
            length, radix = length // radix, 1
            while radix**left < length:
                radix *= 2
            left -= 1
        return length, radix

    @entry(f"{kind}{'+' if sign > 0 else '-'}_columns_{name}")
    def run(data, total, n, inner, table, scale, stage, first, last):
        data, table = simd.address(data), simd.address(table)
        passes = number_of_passes(n)
        for step in range(passes):
            length, radix = pass_of(n, step if split else passes - 1 - step)
            across = length // radix * inner
            blocks, height = (across + widest - 1) // widest, across * size
            factor = scale
            if step < passes - 1:
                factor = fft.ONE
            if stage < 0:
                first, last = 0, total // (length * inner) * blocks
            if stage < 0 or stage == step:
                for unit in range(first, last):
                    start = unit % blocks * widest
                    count, number = min(widest, across - start), unit // blocks
                    here = data + (number * length * inner + start) * size
                    number %= n // length
                    if count % width == 0:
                        through(
                            here, height, here, height, radix, count, number, False, table, factor
                        )
                    else:
                        edge = edge_scratch()
                        for r in range(radix):
                            copy(here + r * height, edge + r * pitch, 2 * count, 1.0)
                        through(
                            edge, pitch, edge, pitch, radix, widest, number, False, table, factor
                        )
                        for r in range(radix):
                            copy(edge + r * pitch, here + r * height, 2 * count, 1.0)

    def stages(total, n, inner):
        units, passes = [], number_of_passes.py_func(n)
        for step in range(passes):
            length, radix = pass_of.py_func(n, step if split else passes - 1 - step)
            units.append(total // (length * inner) * -(-(length // radix * inner) // widest))
        return units

    return SimpleNamespace(run=run, stages=stages)
