"""Loops of least squares on a GPU: products with the terms' normal matrix, and with their signs.

Arrays are those of `spright_peeling.py`.
"""

import functools

import numpy as np

from .memory import cuda, inlined
from .spright import parities
from .workspace import thread


@functools.cache
def _inner(words):
    """Device function: inner product of two terms' signs at rows of offsets."""
    parity = parities(words)

    @inlined
    def inner(offsets, first, count, known, k, other):
        total = count
        for t in range(first, first + count):
            total -= 2 * (parity(offsets, t, known, k) ^ parity(offsets, t, known, other))
        return total

    return inner


@functools.cache
def product(words):
    """``f(out, x, known, live, offsets, rows, starts, places, heads, order, groups, terms, outputs,
    samples)``: product with the normal matrix of the terms that are live.

    ``rows[g]`` is where the offsets of group g begin, with their end last.
    """
    inner = _inner(words)

    @cuda.jit
    def run(
        out, x, known, live, offsets, rows, starts, places, heads, order, groups, terms, outputs,
        samples,
    ):  # fmt: skip
        k = thread()
        if k >= terms:
            return
        for o in range(outputs):
            out[k * outputs + o] = samples * x[k * outputs + o] if live[k] else 0.0
        if not live[k]:
            return
        for g in range(groups):
            place = places[g * terms + k]
            bins = starts[g + 1] - starts[g]
            for s in range(heads[place], heads[place + 1]):
                other = order[s] - g * terms
                if other != k and live[other]:
                    common = inner(offsets, rows[g], rows[g + 1] - rows[g], known, k, other)
                    for o in range(outputs):
                        out[k * outputs + o] += bins * common * x[other * outputs + o]

    return run


@functools.cache
def spread(words):
    """``f(out, known, live, offsets, rows, starts, places, heads, order, groups, terms, samples)``:
    the diagonal of the inverse normal matrix, to second order in what is off the diagonal.
    """
    inner = _inner(words)

    @cuda.jit
    def run(
        out, known, live, offsets, rows, starts, places, heads, order, groups, terms, samples
    ):  # fmt: skip
        k = thread()
        if k >= terms:
            return
        squares = 0.0
        for g in range(groups):
            place = places[g * terms + k]
            for s in range(heads[place], heads[place + 1]):
                other = order[s] - g * terms
                if other == k or not live[other]:
                    continue
                total, before = np.int64(0), False
                for h in range(groups):
                    if places[h * terms + k] == places[h * terms + other]:
                        before = before or h < g
                        common = inner(offsets, rows[h], rows[h + 1] - rows[h], known, k, other)
                        total += (starts[h + 1] - starts[h]) * common
                if not before:
                    share = total / samples
                    squares += share * share
        out[k] = (1 + squares) / samples

    return run


@functools.cache
def drop():
    """``f(count, change, amplitudes, spread, live, variance, least, terms, outputs)``: terms that
    are nothing, counted; their changes make them zero.
    """

    @cuda.jit
    def run(count, change, amplitudes, spread, live, variance, least, terms, outputs):
        k = thread()
        if k >= terms:
            return
        size = 0.0
        for o in range(outputs):
            value = amplitudes[k * outputs + o]
            size += value * value / (variance[o] * spread[k])
        weak = live[k] != 0 and size < least
        if weak:
            live[k] = 0
            cuda.atomic.add(count, 0, 1)
        for o in range(outputs):
            change[k * outputs + o] = -amplitudes[k * outputs + o] if weak else 0.0

    return run


@functools.cache
def differences():
    """``f(count, live, before, known, terms)``: how many terms came or went, of `known` before."""

    @cuda.jit
    def run(count, live, before, known, terms):
        k = thread()
        if k < terms:
            was = before[k] if k < known else 0.0
            if live[k] != was:
                cuda.atomic.add(count, 0, 1)

    return run


@functools.cache
def mask():
    """``f(x, live, outputs, count)``: zeros for terms that are not live."""

    @cuda.jit
    def run(x, live, outputs, count):
        i = thread()
        if i < count and live[i // outputs] == 0:
            x[i] = 0.0

    return run


@functools.cache
def evaluate(words):
    """``f(parts, points, known, amplitudes, count, chunks, terms, outputs)``: sums of terms at
    points, in `chunks` parts.
    """
    parity = parities(words)

    @cuda.jit
    def run(parts, points, known, amplitudes, count, chunks, terms, outputs):
        i = thread()
        if i < count * chunks:
            row = i // chunks
            chunk = i - row * chunks
            for o in range(outputs):
                total = 0.0
                for k in range(chunk * terms // chunks, (chunk + 1) * terms // chunks):
                    value = amplitudes[k * outputs + o]
                    total += -value if parity(points, row, known, k) else value
                parts[i * outputs + o] = total

    return run


@functools.cache
def total():
    """``f(out, parts, count, chunks, outputs)``: the sums of the parts of each row."""

    @cuda.jit
    def run(out, parts, count, chunks, outputs):
        i = thread()
        if i < count * outputs:
            row = i // outputs
            value = 0.0
            for chunk in range(chunks):
                value += parts[(row * chunks + chunk) * outputs + i - row * outputs]
            out[i] = value

    return run


@functools.cache
def adjoint(words):
    """``f(out, points, values, known, live, a, count, terms, outputs)``: adds `a` times the inner
    products of the signs of terms that are live with values at points.
    """
    parity = parities(words)

    @cuda.jit
    def run(out, points, values, known, live, a, count, terms, outputs):
        k = thread()
        if k < terms and live[k]:
            for o in range(outputs):
                inner = 0.0
                for i in range(count):
                    value = values[i * outputs + o]
                    inner += -value if parity(points, i, known, k) else value
                out[k * outputs + o] += a * inner

    return run


@functools.cache
def errors():
    """``f(values, samples, index, outputs, count)``: samples with those numbers less the values."""

    @cuda.jit
    def run(values, samples, index, outputs, count):
        i = thread()
        if i < count * outputs:
            row = i // outputs
            values[i] = samples[index[row] * outputs + i - row * outputs] - values[i]

    return run


@functools.cache
def scatter():
    """``f(out, samples, index, count, outputs)``: sum of squares about the means, by one thread."""

    @cuda.jit
    def run(out, samples, index, count, outputs):
        if thread() == 0:
            squares = 0.0
            for o in range(outputs):
                mean = 0.0
                for i in range(count):
                    mean += samples[index[i] * outputs + o]
                mean /= count
                for i in range(count):
                    error = samples[index[i] * outputs + o] - mean
                    squares += error * error
            out[0] = squares

    return run
