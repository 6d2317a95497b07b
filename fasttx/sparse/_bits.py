"""Bits of vectors over GF(2), packed in uint64 words: bit i is bit i % 64 of word i // 64."""

import itertools
import math

import numpy as np


def words(n: int) -> int:
    """Words that n bits take."""
    return -(-n // 64)


def pack(bits: np.ndarray) -> np.ndarray:
    """Rows of zeros and ones (m, n) as words (m, ceil(n / 64))."""
    m, n = bits.shape
    out = np.zeros((m, 8 * words(n)), np.uint8)
    packed = np.packbits(np.ascontiguousarray(bits), axis=1, bitorder="little")
    out[:, : packed.shape[1]] = packed
    return out.view("<u8").astype(np.uint64, copy=False)


def unpack(packed: np.ndarray, n: int) -> np.ndarray:
    """Words (m, w) as rows of n zeros and ones, uint8."""
    flat = np.ascontiguousarray(packed, "<u8").view(np.uint8)
    flat = flat.reshape(len(packed), 8 * packed.shape[1])
    return np.unpackbits(flat, axis=1, count=n, bitorder="little")


def unit(n: int, i: int) -> np.ndarray:
    """The packed vector of n bits whose bit i alone is one."""
    out = np.zeros(words(n), np.uint64)
    out[i >> 6] = np.uint64(1) << np.uint64(i & 63)
    return out


def weights(packed: np.ndarray) -> np.ndarray:
    """Number of ones in each row of words."""
    return np.bitwise_count(packed).sum(axis=1, dtype=np.int64)


def order(packed: np.ndarray) -> np.ndarray:
    """Permutation that sorts the rows as integers, bit 0 the least significant."""
    return np.lexsort(packed.T) if packed.shape[1] > 1 else np.argsort(packed[:, 0], kind="stable")


def group_equal(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows in ascending order: the first row of each, and each row's number among them."""
    if not len(packed):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    sort = order(packed)
    ranked = packed[sort]
    new = np.empty(len(packed), bool)
    new[0] = True
    np.any(ranked[1:] != ranked[:-1], axis=1, out=new[1:])
    number = np.empty(len(packed), np.int64)
    number[sort] = np.cumsum(new) - 1
    return sort[new], number


def keys_up_to(n: int, degree: int | None) -> np.ndarray:
    """All packed keys of at most so many ones; all 2**n if `degree` is None."""
    if degree is None:
        return np.arange(1 << n, dtype=np.uint64)[:, None]
    parts = []
    for size in range(degree + 1):
        sets = itertools.chain.from_iterable(itertools.combinations(range(n), size))
        members = np.fromiter(sets, np.int64).reshape(math.comb(n, size), size)
        keys = np.zeros((len(members), words(n)), np.uint64)
        rows = np.arange(len(members))
        for column in members.T:
            keys[rows, column >> 6] |= np.uint64(1) << (column & 63).astype(np.uint64)
        parts.append(keys)
    return np.concatenate(parts)
