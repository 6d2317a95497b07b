"""Loops of sparse Walsh-Hadamard recovery: bins, their tests, and peeling.

A group of samples becomes an array `bins` of shape (B, P, p): for each of B bins, what P offsets
saw of each of p outputs. A key k falls into one bin of the group and adds ``X[k] * (-1)**<d, k>``
to it at offset d. Keys and offsets are packed.
"""

import functools

import numpy as np

from .._jit import entry
from .gf2 import parity


@functools.cache
def hashes():
    """``f(columns, keys, out)``: the bin of each key."""

    @entry("spright_hashes")
    def run(columns, keys, out):
        for a in range(keys.shape[0]):
            place = np.int64(0)
            for i in range(columns.shape[0]):
                place |= parity(columns[i], keys[a]) << i
            out[a] = place

    return run


@functools.cache
def energies():
    """``f(bins, places, out)``: ``out[i]`` becomes the energy of bin i, for i in `places`."""

    @entry("spright_energies")
    def run(bins, places, out):
        for place in places:
            total = 0.0
            for value in bins[place].flat:
                total += value * value
            out[place] = total

    return run


@functools.cache
def votes():
    """``f(bins, places, base, steps, hard, soft)``: evidence for each coordinate of a lone key.

    Offset ``steps[s, i]`` differs from offset ``base[s]`` by the step that reads coordinate i, so
    that the product of what they saw is negative if the coordinate is one. ``soft[a, i]`` is the
    sum of the products, or of their signs.
    """

    @entry("spright_votes")
    def run(bins, places, base, steps, hard, soft):
        for a in range(places.shape[0]):
            seen = bins[places[a]]
            for i in range(steps.shape[1]):
                total = 0.0
                for s in range(base.shape[0]):
                    product = 0.0
                    for o in range(seen.shape[1]):
                        product += seen[base[s], o] * seen[steps[s, i], o]
                    if hard:
                        product = 1.0 if product > 0 else -1.0
                    total += product
                soft[a, i] = total

    return run


@functools.cache
def fit():
    """``f(bins, places, keys, offsets, amplitude, rest)``: one key in each of those bins.

    `amplitude` (A, p) is the least-squares fit and `rest` (A,) the energy that it leaves.
    """

    @entry("spright_fit")
    def run(bins, places, keys, offsets, amplitude, rest):
        count, outputs = offsets.shape[0], bins.shape[2]
        signs = np.empty(count)
        for a in range(places.shape[0]):
            seen = bins[places[a]]
            for t in range(count):
                signs[t] = 1.0 - 2.0 * parity(offsets[t], keys[a])
            left = 0.0
            for o in range(outputs):
                total = 0.0
                for t in range(count):
                    total += signs[t] * seen[t, o]
                mean = total / count
                amplitude[a, o] = mean
                # Not as a difference of energies: that would lose half of the digits.
                for t in range(count):
                    error = seen[t, o] - mean * signs[t]
                    left += error * error
            rest[a] = left

    return run


@functools.cache
def subtract():
    """``f(bins, places, keys, offsets, values)``: take keys with those values out of their bins."""

    @entry("spright_subtract")
    def run(bins, places, keys, offsets, values):
        for a in range(places.shape[0]):
            seen = bins[places[a]]
            for t in range(offsets.shape[0]):
                sign = 1.0 - 2.0 * parity(offsets[t], keys[a])
                for o in range(seen.shape[1]):
                    seen[t, o] -= sign * values[a, o]

    return run


@functools.cache
def overlaps():
    """``f(offsets, keys, first, second, out)``: inner products of pairs of keys' columns."""

    @entry("spright_overlaps")
    def run(offsets, keys, first, second, out):
        difference = np.empty(keys.shape[1], np.uint64)
        for a in range(first.shape[0]):
            for w in range(keys.shape[1]):
                difference[w] = keys[first[a], w] ^ keys[second[a], w]
            total = 0
            for t in range(offsets.shape[0]):
                total += 1 - 2 * parity(offsets[t], difference)
            out[a] = total

    return run


@functools.cache
def signs():
    """``f(points, keys, out)``: the matrix ``(-1)**<point, key>``."""

    @entry("spright_signs")
    def run(points, keys, out):
        for i in range(points.shape[0]):
            for a in range(keys.shape[0]):
                out[i, a] = 1.0 - 2.0 * parity(points[i], keys[a])

    return run


@functools.cache
def evaluate():
    """``f(points, keys, values, out)``: sums of ``values[a] * (-1)**<point, keys[a]>``."""

    @entry("spright_evaluate")
    def run(points, keys, values, out):
        for i in range(points.shape[0]):
            for o in range(values.shape[1]):
                out[i, o] = 0.0
            for a in range(keys.shape[0]):
                sign = 1.0 - 2.0 * parity(points[i], keys[a])
                for o in range(values.shape[1]):
                    out[i, o] += sign * values[a, o]

    return run
