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
from .spright import CLEAR, DIRTY, equality, group_of, hashing, parities
from .workspace import thread

NEW = 1 << 32  # counts of new terms are kept above those of all


@functools.cache
def _slot(words):
    """Device function: the number of a key among the terms, or -1, by its bin in group 0."""
    equal, hashed = equality(words), hashing(words)

    @memory.inlined
    def slot(keys, i, known, heads, order, directions, bits):
        place, found = hashed(directions, 0, bits, keys, i), np.int64(-1)
        for s in range(heads[place], heads[place + 1]):
            if equal(known, order[s], keys, i):
                found = order[s]
        return found

    return slot


@memory.inlined
def flag(slot, times, often):
    """How a key counts: as new, once more, or not where it came often enough."""
    if slot < 0:
        return 1 + NEW
    return 1 if times[slot] < often else 0


@functools.cache
def found(words):
    """``f(flags, slots, mean, state, energy, rest, amplitude, key, zero, limit, weight, starts,
    bits, firsts, directions, heads, order, known, times, groups, total, outputs, often, strict)``.

    The keys that bins show, each once: a key belongs to the first bin that shows it, which takes
    the mean of the amplitudes of all. `flags` count keys, and new ones `NEW` times; keys that came
    `often` times do not count.
    """
    equal, hashed, number = equality(words), hashing(words), _slot(words)

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
        slots[i] = number(key, i, known, heads, order, directions, bits[0])
        flags[i] = flag(slots[i], times, often)

    return run


@functools.cache
def sure(words):
    """``f(flags, slots, mean, sums, amplitude, keys, starts, bits, firsts, directions, heads,
    order, known, times, groups, items, outputs, samples, least, often, distinct)``.

    The keys that all groups together tell from noise: the sum of squares of `sums` over `samples`
    exceeds `least`. Unless they are `distinct`, keys are those of the bins, with an amplitude, and
    belong to the first that has them. Flags are those of `found`.
    """
    equal, hashed, number = equality(words), hashing(words), _slot(words)

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
            slots[i] = number(keys, i, known, heads, order, directions, bits[0])
            flags[i] = flag(slots[i], times, often)

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
    hashed = hashing(words)

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
    parity = parities(words)

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
    parity, hashed = parities(words), hashing(words)

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
