"""Products over coordinates of kernels of one coordinate: matrices, columns and gradients.

K(x, z) = constant * prod_j (base_j + gain_j k_j(x_j, z_j)). Points come as rows of 53-digit
integers and are taken in runs, coordinate by coordinate, so that all arithmetic is on contiguous
vectors.
"""

import functools

import numpy as np

from .._jit import compiled, entry
from . import dsi, si

RUN = 256  # points at a time: what is kept of them stays in the first cache
_PITCH = RUN + 8  # rows whose distance is a power of two would share places in the cache
_FAMILIES = {"dsi": dsi, "si": si}


@compiled
def _take(points, start, count, dims, out):
    """Coordinates `dims` of a run of points, a row for each."""
    for j in range(dims.size):
        place = np.uint64(dims[j])
        for i in range(count):
            out[j, i] = points[start + i, place]


@compiled
def _total(terms, count):
    """Sum by halves, which vectors do at once and which loses less than one term after another."""
    for i in range(count, RUN):
        terms[i] = 0.0
    half = RUN // 2
    while half:
        for i in range(half):
            terms[i] += terms[half + i]
        half //= 2
    return terms[0]


@functools.cache
def matrix(family):
    """``run(points, origins, dims, kinds, tables, base, gain, constant, stable, out, spans)``.

    ``out[a, i]`` becomes K(points[i], origins[a]), or with `stable` its difference from
    constant * prod(base), for origins and runs of points of `spans`: first and last of each.
    """
    values = _FAMILIES[family].values

    @entry(f"{family}_matrix")
    def run(points, origins, dims, kinds, tables, base, gain, constant, stable, out, spans):
        first, last, first_run, last_run = spans
        digits = np.empty((dims.size, _PITCH), np.uint64)
        work = np.empty((dsi.HIGHEST_ORDER + 1, _PITCH))
        value, product = np.empty(RUN), np.empty(RUN)
        for start in range(RUN * first_run, min(RUN * last_run, points.shape[0]), RUN):
            count = min(RUN, points.shape[0] - start)
            _take(points, start, count, dims, digits)
            for a in range(first, last):
                middle = 1.0
                for i in range(count):
                    product[i] = 0.0 if stable else 1.0
                for j in range(dims.size):
                    origin = origins[a, dims[j]]
                    values(digits[j], origin, count, kinds[j], tables[j], work, value)
                    scale, shift = gain[j], base[j]
                    if stable:
                        for i in range(count):
                            part = scale * value[i]
                            product[i] = shift * product[i] + part * (middle + product[i])
                        middle *= shift
                    else:
                        for i in range(count):
                            product[i] *= shift + scale * value[i]
                for i in range(count):
                    out[a, start + i] = constant * product[i]

    return run


@functools.cache
def pullback(family):
    """``run(points, origin, g, dims, kinds, tables, base, gain, constant, moving, out, ...)``.

    Run r of points, first <= r < last: ``out[r, 0]`` becomes the sum of g[i] K(points[i], origin),
    ``out[r, 1 + j]`` its derivative by the logarithm of the number that gain_j and the part
    moving_j of base_j are multiples of.
    """
    values = _FAMILIES[family].values

    @entry(f"{family}_pullback")
    def run(points, origin, g, dims, kinds, tables, base, gain, constant, moving, out, first, last):
        digits = np.empty((dims.size, _PITCH), np.uint64)
        part, before = np.empty((dims.size, _PITCH)), np.empty((dims.size + 1, _PITCH))
        work = np.empty((dsi.HIGHEST_ORDER + 1, _PITCH))
        after, terms = np.empty(RUN), np.empty(RUN)
        for block in range(first, last):
            start = RUN * block
            count = min(RUN, points.shape[0] - start)
            _take(points, start, count, dims, digits)
            for i in range(count):
                before[0, i] = 1.0
            for j in range(dims.size):
                values(digits[j], origin[dims[j]], count, kinds[j], tables[j], work, part[j])
                scale, shift = gain[j], base[j]
                for i in range(count):
                    part[j, i] *= scale
                    before[j + 1, i] = before[j, i] * (shift + part[j, i])
            for i in range(count):
                after[i] = constant * g[start + i]
                terms[i] = after[i] * before[dims.size, i]
            out[block, 0] = _total(terms, count)
            for j in range(dims.size - 1, -1, -1):
                shift, moved = base[j], moving[j]
                for i in range(count):
                    terms[i] = after[i] * before[j, i] * (moved + part[j, i])
                    after[i] *= shift + part[j, i]
                out[block, 1 + j] = _total(terms, count)

    return run
