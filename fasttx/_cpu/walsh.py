"""Loop over the components of an S-box: the largest Walsh value, without a table of them all.

The functions x -> <b, S(x)> are visited in the order of a Gray code, so that each follows from the
one before by the exclusive or of one output bit, on packed truth tables. The first three levels of
the transform are a look-up of eight bits at a time and the last one is part of the search, since
max(|p + q|, |p - q|) = |p| + |q|; the levels between are the common butterflies. All sums are
halved (the sum of eight signs is even), so that 16-bit lanes are exact for up to 17 variables.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from .._jit import compiled, entry
from . import fwht as loops
from . import plan

MIN_VARIABLES = 6
MAX_VARIABLES = {"int16": 17, "float32": 24}


@functools.cache
def byte_table(dtype):
    """Halved transforms of the eight signs of each byte, seen as complex128: shape (256, parts).

    A complex number stands for 16 bytes moved at once.
    """
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.int64)
    level = np.array([[1, 1], [1, -1]])
    sums = (1 - 2 * bits) @ np.kron(np.kron(level, level), level)
    return (sums // 2).astype(dtype).view(np.complex128)


@compiled
def exclusive_or(state, other):
    for i in range(state.size):
        state[i] ^= other[i]


@compiled
def look_up(state, table, work):
    parts = table.shape[1]
    if parts == 1:
        for k in range(state.size):
            work[k] = table[state[k], 0]
    else:
        for k in range(state.size):
            for part in range(parts):
                work[k * parts + part] = table[state[k], part]


@compiled
def largest_after_last_level(work):
    half = work.size // 2
    largest = np.int32(0)  # a maximum of integers becomes vector instructions, one of floats not
    for i in range(half):
        value = abs(np.int32(work[i])) + abs(np.int32(work[i + half]))
        largest = np.int32(max(largest, np.int32(value)))
    return largest


@functools.cache
def largest_walsh(dtype):
    """``f(outputs, table, first, last)``: the largest |W/2| of the components of those numbers.

    Row j of `outputs` is the truth table of output bit j, packed in bytes, of at least
    `MIN_VARIABLES` and at most ``MAX_VARIABLES[dtype]`` variables; `table` is
    ``byte_table(dtype)``. Component i, 1 <= `first` <= i < `last`, has the output mask
    ``i ^ (i >> 1)``.
    """
    kind = np.dtype(dtype)
    low = 8 if plan.width(dtype) > 8 else 0
    # Sums of 16-bit integers are the same bits with and without a sign.
    levels = loops.transform("wht", "uint16" if dtype == "int16" else dtype, low).run

    @entry(f"largest_walsh_{dtype}")
    def run(outputs, table, first, last):
        state = np.zeros(outputs.shape[1], np.uint8)
        size = 8 * state.size
        work = np.empty(size, kind)
        mask = (first - 1) ^ (first - 1) >> 1
        for j in range(outputs.shape[0]):
            if mask >> j & 1:
                exclusive_or(state, outputs[j])
        largest = np.int32(0)
        for number in range(first, last):
            j = 0
            while not number >> j & 1:
                j += 1
            exclusive_or(state, outputs[j])
            look_up(state, table, work.view(np.complex128))
            levels(work, work, size, size // 16, 8, 1.0, -1, 0, 0)
            largest = max(largest, largest_after_last_level(work))
        return largest

    return run


# Bits of the words that receive, level by level. In the order of packbits, index bits 0 to 2 count
# the bits of a byte downwards, and index bits 3 to 5 the bytes of a little-endian word upwards.
_RECEIVE = (
    0x5555555555555555,
    0x3333333333333333,
    0x0F0F0F0F0F0F0F0F,
    0xFF00FF00FF00FF00,
    0xFFFF0000FFFF0000,
    0xFFFFFFFF00000000,
)


def binary_moebius(data: NDArray[np.uint8], n: int) -> NDArray[np.uint8]:
    """Binary Moebius transform of packed functions of n variables, a new array."""
    bytes_ = np.zeros((*data.shape[:-1], max(8, data.shape[-1])), np.uint8)
    bytes_[..., : data.shape[-1]] = data
    words = bytes_.view("<u8").astype(np.uint64, copy=False).reshape(-1)
    for level, mask in enumerate(_RECEIVE[:n]):
        shift = np.uint64(1 << level)
        words ^= (words >> shift if level < 3 else words << shift) & np.uint64(mask)
    for level in range(n - 6):
        halves = words.reshape(words.size >> (level + 1), 2, 1 << level)
        halves[:, 1] ^= halves[:, 0]
    moved = words.astype("<u8", copy=False).view(np.uint8).reshape(bytes_.shape)
    return np.ascontiguousarray(moved[..., : data.shape[-1]])


def weights(size: int) -> NDArray[np.int8]:
    """Number of one bits of each index."""
    counts = np.zeros(size, np.int8)
    done = 1
    while done < size:
        np.add(counts[:done], 1, out=counts[done : 2 * done])
        done *= 2
    return counts
