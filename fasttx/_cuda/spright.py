"""Loops of sparse Walsh-Hadamard recovery on a GPU: bins, their tests, and peeling.

What P offsets saw of p outputs in the B bins of a group is an array `seen` of shape (p, P, B), so
that threads of neighbouring bins read neighbouring numbers. What is known of a bin (its energy,
state, single key, and what that leaves) is kept for all groups one after the other, in flat arrays
over all bins, (bins, words) or (bins, p). Terms are rows of tables. Keys, offsets and directions
are packed in words of 64 bits.

Loops over places have one thread for each; what several terms add to a bin is added by one thread,
in the order of the terms.
"""

import functools
import math

import numba
import numpy as np

from . import launch, memory
from .memory import cuda
from .workspace import thread

# States of a bin: to be looked at, its energy is more than noise's, looked at, one key stands out.
DIRTY, PENDING, READ, CLEAR = 1, 2, 4, 8


@functools.cache
def parities(words):
    """Device function: inner product over GF(2) of rows of two packed tables."""

    @memory.inlined
    def parity(rows, i, keys, k):
        word = np.uint64(0)
        for w in range(words):
            word ^= rows[i * words + w] & keys[k * words + w]
        return np.int64(cuda.popc(word)) & 1

    return parity


@functools.cache
def hashing(words):
    """Device function: the bin of a key, by `bits` directions from row `first` on."""
    parity = parities(words)

    @memory.inlined
    def hashed(directions, first, bits, keys, k):
        place = np.int64(0)
        for i in range(bits):
            place |= parity(directions, first + i, keys, k) << i
        return place

    return hashed


@functools.cache
def equality(words):
    @memory.inlined
    def equal(a, i, b, k):
        same = True
        for w in range(words):
            same = same and a[i * words + w] == b[k * words + w]
        return same

    return equal


@memory.inlined
def group_of(starts, groups, i):
    """The group of a bin."""
    g = 0
    while g + 1 < groups and i >= starts[g + 1]:
        g += 1
    return g


# Samples.


@functools.cache
def points():
    """``f(index, limits, firsts, columns, shifts, out, blocks, n, words, count)``: rows of bits.

    Arguments are those of the loop in `_cpu/gf2.py`; `out` has n bytes a row.
    """

    @cuda.jit
    def run(index, limits, firsts, columns, shifts, out, blocks, n, words, count):
        eights = (n + 7) // 8
        place = thread()
        if place < count * eights:
            row = place // eights
            column = (place - row * eights) * 8
            at, low, high = index[row], np.int64(0), blocks
            while high - low > 1:
                middle = (low + high) // 2
                if limits[middle] <= at:
                    low = middle
                else:
                    high = middle
            word = shifts[low * words + column // 64]
            rest, base = at - limits[low], firsts[low]
            while rest:
                if rest & 1:
                    word ^= columns[base * words + column // 64]
                rest >>= 1
                base += 1
            word >>= np.uint64(column % 64)
            for i in range(min(8, n - column)):
                out[row * n + column + i] = word >> np.uint64(i) & np.uint64(1)

    return run


@functools.cache
def look_up():
    """``f(bits, table, out, n, parts, count)``: rows of a table of all values."""

    @cuda.jit
    def run(bits, table, out, n, parts, count):
        row = thread()
        if row < count:
            index = np.int64(0)
            for i in range(n):
                index |= np.int64(bits[row * n + i]) << i
            for o in range(parts):
                out[row * parts + o] = table[index * parts + o]

    return run


@functools.cache
def scatter():
    """``f(samples, index, values, outputs, count)``: values of queries to their places."""

    @cuda.jit
    def run(samples, index, values, outputs, count):
        i = thread()
        if i < count * outputs:
            row = i // outputs
            samples[index[row] * outputs + i - row * outputs] = values[i]

    return run


@functools.cache
def repeat():
    """``f(samples, later, earlier, outputs, count)``: values of queries that repeat others."""

    @cuda.jit
    def run(samples, later, earlier, outputs, count):
        i = thread()
        if i < count * outputs:
            row = i // outputs
            o = i - row * outputs
            samples[later[row] * outputs + o] = samples[earlier[row] * outputs + o]

    return run


@functools.cache
def gather():
    """``f(seen, samples, segments, outputs, offsets, bins, step)``: what each offset saw."""

    @cuda.jit
    def run(seen, samples, segments, outputs, offsets, bins, step):
        i = thread()
        if i < outputs * offsets * bins:
            row = i // bins
            j = i - row * bins
            output = row // offsets
            part = j // step
            base = segments[(row - output * offsets) * (bins // step) + part]
            seen[i] = samples[(base + j - part * step) * outputs + output]

    return run


# Single keys.


@functools.cache
def energies():
    """``f(seen, state, energy, start, bins, rows, least)``: of bins that are to be looked at."""

    @cuda.jit
    def run(seen, state, energy, start, bins, rows, least):
        j = thread()
        if j < bins and state[start + j] & DIRTY:
            total = 0.0
            for row in range(rows):
                value = seen[row * bins + j]
                total += value * value
            energy[start + j] = total
            state[start + j] = PENDING if total > least else 0

    return run


@functools.cache
def waves():
    """``f(rows, seen, energy, at, where, start, first, bins, offsets, outputs, unknown, count)``.

    Row (a, o) of `rows`, of ``2**unknown`` numbers, gets what was seen in bin ``at[first + a]``, at
    the places of the offsets: ``where[x]`` is an offset, or -1.
    """
    zero = np.float32(0)

    @cuda.jit
    def run(rows, seen, energy, at, where, start, first, bins, offsets, outputs, unknown, count):
        i = thread()
        if i < count * outputs << unknown:
            row = i >> unknown
            t = where[i - (row << unknown)]
            a = row // outputs
            j = at[first + a]
            value = zero
            if t >= 0:
                number = seen[((row - a * outputs) * offsets + t) * bins + j]
                value = np.float32(number / math.sqrt(energy[start + j]))
            rows[i] = value

    return run


@functools.cache
def likeliest():
    """``f(rows, at, best, first, outputs, unknown, count)``: places, found by a block for each bin.

    A place has the largest sum of squares over outputs, and is the first of several.
    """
    threads = launch.THREADS

    @cuda.jit
    def run(rows, at, best, first, outputs, unknown, count):
        sizes = cuda.shared.array(threads, numba.float32)
        places = cuda.shared.array(threads, numba.int64)
        lane = cuda.threadIdx.x
        if cuda.blockIdx.x >= count:
            return
        base = np.int64(cuda.blockIdx.x) * outputs << unknown
        most, place = np.float32(-1), np.int64(0)
        for x in range(lane, 1 << unknown, threads):
            size = np.float32(0)
            for o in range(outputs):
                value = rows[base + (o << unknown) + x]
                size += value * value
            if size > most:
                most, place = size, np.int64(x)
        sizes[lane], places[lane] = most, place
        step = threads // 2
        while step:
            cuda.syncthreads()
            if lane < step:
                size, x = sizes[lane + step], places[lane + step]
                if size > sizes[lane] or (size == sizes[lane] and x < places[lane]):
                    sizes[lane], places[lane] = size, x
            step //= 2
        if lane == 0:
            best[at[first + cuda.blockIdx.x]] = places[0]

    return run


@functools.cache
def pending():
    """``f(flags, state, start, bins)``: one for each bin that is to be read."""

    @cuda.jit
    def run(flags, state, start, bins):
        j = thread()
        if j < bins:
            flags[j] = 1 if state[start + j] & PENDING else 0

    return run


@functools.cache
def select():
    """``f(at, ranks, flags, count)``: the places that are marked."""

    @cuda.jit
    def run(at, ranks, flags, count):
        i = thread()
        if i < count and flags[i]:
            at[ranks[i]] = i

    return run


@functools.cache
def read(words, voted):
    """``f(seen, state, energy, rest, amplitude, key, offsets, back, base, steps, start, bins,
    count, outputs, bits, unknown, shifts, hard, most, allowed)``: the best single key of bins.

    Keys come from votes, or from the coordinates ``base[j]``. See `_cpu/spright.py` on votes, and
    the peeling of the host on when a key stands out.
    """
    parity = parities(words)

    @cuda.jit
    def run(
        seen, state, energy, rest, amplitude, key, offsets, back, base, steps, start, bins,
        count, outputs, bits, unknown, shifts, hard, most, allowed,
    ):  # fmt: skip
        j = thread()
        i = start + j
        if j >= bins or not state[i] & PENDING:
            return
        state[i] = READ
        found = cuda.local.array(words, numba.uint64)
        for w in range(words):
            found[w] = 0
        for c in range(bits + unknown):
            if c < bits:
                one = j >> c & 1 == 1
            elif voted:
                soft = 0.0
                for s in range(shifts):
                    product = 0.0
                    for o in range(outputs):
                        left = seen[(o * count + base[s]) * bins + j]
                        right = seen[(o * count + steps[s * unknown + c - bits]) * bins + j]
                        product += left * right
                    if hard:
                        product = 1.0 if product > 0 else -1.0
                    soft += product
                one = soft < 0
            else:
                one = base[j] >> c - bits & 1 == 1
            if one:
                for w in range(words):
                    found[w] ^= back[c * words + w]
        weight = np.int64(0)
        for w in range(words):
            weight += np.int64(cuda.popc(found[w]))
        if weight > most:
            return
        for w in range(words):
            key[i * words + w] = found[w]
        left = 0.0
        for o in range(outputs):
            total = 0.0
            for t in range(count):
                value = seen[(o * count + t) * bins + j]
                total += -value if parity(offsets, t, key, i) else value
            mean = total / count
            amplitude[i * outputs + o] = mean
            for t in range(count):
                value = seen[(o * count + t) * bins + j]
                error = value + mean if parity(offsets, t, key, i) else value - mean
                left += error * error
        rest[i] = left
        if not unknown:
            state[i] = READ | CLEAR
        elif count > 1:
            share, b = max(left / energy[i], 1e-300), 1 - 1 / count
            fitted = max((1 - share) * count, 1.0)
            share = min(share, b)
            chance = count * outputs / 2 * (math.log(fitted) / count + b * math.log(share / b))
            if chance < allowed:
                state[i] = READ | CLEAR

    return run


@functools.cache
def again():
    """``f(state, bins)``: bins that were not read are to be looked at."""

    @cuda.jit
    def run(state, bins):
        i = thread()
        if i < bins and not state[i] & READ:
            state[i] |= DIRTY

    return run


@functools.cache
def unresolved():
    """``f(counts, energy, zero, starts, groups, total)``: bins of each group that are not noise."""

    @cuda.jit
    def run(counts, energy, zero, starts, groups, total):
        i = thread()
        if i < total:
            g = group_of(starts, groups, i)
            if energy[i] > zero[g]:
                cuda.atomic.add(counts, g, 1)

    return run
