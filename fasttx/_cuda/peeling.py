"""Loops of peeling on a GPU: keys that bins show become terms, which are taken out of all bins.

Arrays are those of `spright.py`. A term that was dropped stays in the tables, with the amplitude 0
and without being `live`. `starts` says where the bins of each group begin; the directions
that hash into group g are the `bits[g]` rows from ``firsts[g]`` on. Of terms, the bins in every
group are `places`, (groups, terms), and the lists of terms in a bin are `heads` and `order`, of
items ``g * terms + k``.
"""

import functools

import numpy as np

from . import memory
from .memory import cuda
from .spright import CLEAR, DIRTY, _equal, _hashed, _parity, group_of
from .workspace import thread

NEW = 1 << 32  # counts of new terms are kept above those of all


@functools.cache
def _slot(words):
    """Device function: the number of a key among the terms, or -1, by its bin in group 0."""
    equal, hashed = _equal(words), _hashed(words)

    @memory.inlined
    def slot(keys, i, known, heads, order, directions, bits):
        place, found = hashed(directions, 0, bits, keys, i), np.int64(-1)
        for s in range(heads[place], heads[place + 1]):
            if equal(known, order[s], keys, i):
                found = order[s]
        return found

    return slot


@functools.cache
def found(words):
    """``f(flags, slots, mean, state, energy, rest, amplitude, key, zero, limit, weight, starts,
    bits, firsts, directions, heads, order, known, times, groups, total, outputs, often, strict)``.

    The keys that bins show, each once: a key belongs to the first bin that shows it, which takes
    the mean of the amplitudes of all. `flags` count keys, and new ones `NEW` times; keys that came
    `often` times do not count.
    """
    equal, hashed, number = _equal(words), _hashed(words), _slot(words)

    @memory.inlined
    def shows(state, energy, rest, zero, limit, i, g, strict):
        there = state[i] & CLEAR != 0 and energy[i] > zero[g]
        return there and (not strict or rest[i] <= limit[g])

    @cuda.jit
    def run(
        flags, slots, mean, state, energy, rest, amplitude, key, zero, limit, weight, starts, bits,
        firsts, directions, heads, order, known, times, groups, total, outputs, often, strict,
    ):  # fmt: skip
        i = thread()
        if i >= total:
            return
        flags[i] = 0
        own = group_of(starts, groups, i)
        if not shows(state, energy, rest, zero, limit, i, own, strict):
            return
        share = 0.0
        for o in range(outputs):
            mean[i * outputs + o] = 0.0
        for g in range(groups):
            other = starts[g] + hashed(directions, firsts[g], bits[g], key, i)
            if not shows(state, energy, rest, zero, limit, other, g, strict):
                continue
            if equal(key, other, key, i):
                if g < own:
                    return
                share += weight[g]
                for o in range(outputs):
                    mean[i * outputs + o] += amplitude[other * outputs + o] * weight[g]
        for o in range(outputs):
            mean[i * outputs + o] /= share
        slot = number(key, i, known, heads, order, directions, bits[0])
        slots[i] = slot
        if slot < 0:
            flags[i] = 1 + NEW
        elif times[slot] < often:
            flags[i] = 1

    return run


@functools.cache
def sure(words):
    """``f(flags, slots, mean, sums, amplitude, keys, starts, bits, firsts, directions, heads,
    order, known, times, groups, items, outputs, samples, least, often, distinct)``.

    The keys that all groups together tell from noise: the sum of squares of `sums` over `samples`
    exceeds `least`. Unless they are `distinct`, keys are those of the bins, with an amplitude, and
    belong to the first that has them. Flags are those of `found`.
    """
    equal, hashed, number = _equal(words), _hashed(words), _slot(words)

    @memory.inlined
    def any_of(amplitude, i, outputs):
        there = False
        for o in range(outputs):
            there = there or amplitude[i * outputs + o] != 0
        return there

    @cuda.jit
    def run(
        flags, slots, mean, sums, amplitude, keys, starts, bits, firsts, directions, heads, order,
        known, times, groups, items, outputs, samples, least, often, distinct,
    ):  # fmt: skip
        i = thread()
        if i >= items:
            return
        flags[i] = 0
        if not distinct:
            if not any_of(amplitude, i, outputs):
                return
            for g in range(group_of(starts, groups, i)):
                other = starts[g] + hashed(directions, firsts[g], bits[g], keys, i)
                if any_of(amplitude, other, outputs) and equal(keys, other, keys, i):
                    return
        size = 0.0
        for o in range(outputs):
            total = sums[i * outputs + o]
            size += total * total
            mean[i * outputs + o] = total / samples
        if size / samples > least:
            slot = number(keys, i, known, heads, order, directions, bits[0])
            slots[i] = slot
            if slot < 0:
                flags[i] = 1 + NEW
            elif times[slot] < often:
                flags[i] = 1

    return run


@functools.cache
def merge(words):
    """``f(flags, ranks, slots, mean, keys, known, change, amplitudes, times, live, items, outputs,
    terms)``: enter keys that are flagged among the terms, their amplitudes as changes.
    """

    @cuda.jit
    def run(
        flags, ranks, slots, mean, keys, known, change, amplitudes, times, live, items, outputs,
        terms,
    ):  # fmt: skip
        i = thread()
        if i < items and flags[i]:
            slot = slots[i]
            if slot < 0:
                slot = terms + ranks[i] // NEW
                times[slot] = 0
                for w in range(words):
                    known[slot * words + w] = keys[i * words + w]
                for o in range(outputs):
                    amplitudes[slot * outputs + o] = 0.0
            times[slot] += 1
            live[slot] = 1
            for o in range(outputs):
                change[slot * outputs + o] = mean[i * outputs + o]

    return run


@functools.cache
def places(words):
    """``f(places, known, directions, starts, bits, firsts, groups, terms)``: bins of the terms."""
    hashed = _hashed(words)

    @cuda.jit
    def run(places, known, directions, starts, bits, firsts, groups, terms):
        i = thread()
        if i < groups * terms:
            g = i // terms
            k = i - g * terms
            places[i] = starts[g] + hashed(directions, firsts[g], bits[g], known, k)

    return run


@functools.cache
def subtract(words):
    """``f(seen, state, change, known, offsets, places, heads, order, group, terms, start, bins,
    count, outputs)``: take the changes of terms out of the bins of a group.

    One thread takes all the terms of a bin out of what one offset saw; it has the number of the
    bin's first term in the lists.
    """
    parity = _parity(words)

    @cuda.jit
    def run(
        seen, state, change, known, offsets, places, heads, order, group, terms, start, bins, count,
        outputs,
    ):  # fmt: skip
        i = thread()
        if i >= count * terms:
            return
        t = i // terms
        s = group * terms + i - t * terms
        place = places[order[s]]
        if heads[place] != s:
            return
        changed = False
        for o in range(outputs):
            row = (o * count + t) * bins + place - start
            value = seen[row]
            for e in range(s, heads[place + 1]):
                k = order[e] - group * terms
                step = change[k * outputs + o]
                if step != 0:
                    changed = True
                    value -= -step if parity(offsets, t, known, k) else step
            seen[row] = value
        if changed and t == 0:
            state[place] |= DIRTY

    return run


@functools.cache
def project(words):
    """``f(sums, seen, keys, offsets, directions, first, bits, bins, count, outputs, items)``.

    Adds the inner products of keys' signs with the group's samples.
    """
    parity, hashed = _parity(words), _hashed(words)

    @cuda.jit
    def run(sums, seen, keys, offsets, directions, first, bits, bins, count, outputs, items):
        k = thread()
        if k < items:
            j = hashed(directions, first, bits, keys, k)
            for o in range(outputs):
                total = 0.0
                for t in range(count):
                    value = seen[(o * count + t) * bins + j]
                    total += -value if parity(offsets, t, keys, k) else value
                sums[k * outputs + o] += bins * total

    return run


@functools.cache
def _inner(words):
    """Device function: inner product of two terms' signs at rows of offsets."""
    parity = _parity(words)

    @memory.inlined
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
def add():
    """``f(y, x, a, b, count)``: y becomes a x + b y."""

    @cuda.jit
    def run(y, x, a, b, count):
        i = thread()
        if i < count:
            y[i] = a * x[i] + b * y[i]

    return run


@functools.cache
def evaluate(words):
    """``f(parts, points, known, amplitudes, count, chunks, terms, outputs)``: sums of terms at
    points, in `chunks` parts.
    """
    parity = _parity(words)

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
    parity = _parity(words)

    @cuda.jit
    def run(out, points, values, known, live, a, count, terms, outputs):
        k = thread()
        if k < terms and live[k]:
            for o in range(outputs):
                sum_ = 0.0
                for i in range(count):
                    value = values[i * outputs + o]
                    sum_ += -value if parity(points, i, known, k) else value
                out[k * outputs + o] += a * sum_

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
