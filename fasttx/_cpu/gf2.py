"""Linear algebra over GF(2) on bits packed in uint64 words: bit i of a vector is bit i % 64 of word
i // 64. Matrices are arrays of packed rows.
"""

import functools

import numpy as np
from numba import types
from numba.extending import intrinsic

from .._jit import compiled, entry, inlined


@intrinsic
def ones(typingctx, word):
    """Number of ones in a word."""
    if not isinstance(word, types.Integer):
        return None

    def generate(context, builder, signature, args):
        return builder.ctpop(args[0])

    return word(word), generate


@inlined
def parity(x, y):
    """Inner product over GF(2) of two packed vectors."""
    word = np.uint64(0)
    for i in range(x.shape[0]):
        word ^= x[i] & y[i]
    return np.int64(ones(word) & np.uint64(1))


@compiled
def bit(x, i):
    return np.int64((x[i >> 6] >> np.uint64(i & 63)) & np.uint64(1))


@functools.cache
def points():
    """``f(index, bases, firsts, columns, shifts, out)``: points of affine subspaces.

    Block t holds the indices from ``bases[t]`` on; its point number l is ``shifts[t]`` plus the sum
    of ``columns[firsts[t] + i]`` over the bits i of l.
    """

    @entry("gf2_points")
    def run(index, bases, firsts, columns, shifts, out):
        block = 0
        for row in range(index.shape[0]):
            at = index[row]
            if not bases[block] <= at < bases[block + 1]:
                block = np.searchsorted(bases, at, side="right") - 1
            rest = at - bases[block]
            column = firsts[block]
            for w in range(out.shape[1]):
                out[row, w] = shifts[block, w]
            while rest:
                if rest & 1:
                    for w in range(out.shape[1]):
                        out[row, w] ^= columns[column, w]
                rest >>= 1
                column += 1

    return run


@functools.cache
def combine():
    """``f(rows, vectors, out)``: sum of the rows at the ones of each vector."""

    @entry("gf2_combine")
    def run(rows, vectors, out):
        for a in range(vectors.shape[0]):
            for w in range(out.shape[1]):
                out[a, w] = 0
            for i in range(rows.shape[0]):
                if bit(vectors[a], i):
                    for w in range(out.shape[1]):
                        out[a, w] ^= rows[i, w]

    return run


@functools.cache
def products():
    """``f(rows, keys, out)``: bit i of the packed ``out[a]`` is the inner product of row i and
    ``keys[a]``.
    """

    @entry("gf2_products")
    def run(rows, keys, out):
        for a in range(keys.shape[0]):
            for w in range(out.shape[1]):
                out[a, w] = 0
            for i in range(rows.shape[0]):
                value = np.uint64(parity(rows[i], keys[a]))
                out[a, i >> 6] |= value << np.uint64(i & 63)

    return run


@functools.cache
def invert():
    """``f(matrix, inverse)``: Gauss-Jordan elimination; whether the matrix is regular.

    Both are (r, words); `matrix` is overwritten.
    """

    @entry("gf2_invert")
    def run(matrix, inverse):
        r, words = matrix.shape
        inverse[:] = 0
        for i in range(r):
            inverse[i, i >> 6] |= np.uint64(1) << np.uint64(i & 63)
        for i in range(r):
            pivot = i
            while pivot < r and not bit(matrix[pivot], i):
                pivot += 1
            if pivot == r:
                return False
            if pivot != i:
                for w in range(words):
                    matrix[i, w], matrix[pivot, w] = matrix[pivot, w], matrix[i, w]
                    inverse[i, w], inverse[pivot, w] = inverse[pivot, w], inverse[i, w]
            for k in range(r):
                if k != i and bit(matrix[k], i):
                    for w in range(words):
                        matrix[k, w] ^= matrix[i, w]
                        inverse[k, w] ^= inverse[i, w]
        return True

    return run


@functools.cache
def eliminate():
    """``f(rows, marks, pivots)``: reduce `rows` in place to an echelon form; its rank.

    Row operations are repeated on `marks`. Rows beyond the rank become zero, and `pivots` (one for
    each row) says where the others have their first one, which no other row has.
    """

    @entry("gf2_eliminate")
    def run(rows, marks, pivots):
        count, words = rows.shape
        rank = 0
        for at in range(64 * words):
            pivot = rank
            while pivot < count and not bit(rows[pivot], at):
                pivot += 1
            if pivot == count:
                continue
            for w in range(words):
                rows[rank, w], rows[pivot, w] = rows[pivot, w], rows[rank, w]
            for w in range(marks.shape[1]):
                marks[rank, w], marks[pivot, w] = marks[pivot, w], marks[rank, w]
            for k in range(count):
                if k != rank and bit(rows[k], at):
                    for w in range(words):
                        rows[k, w] ^= rows[rank, w]
                    for w in range(marks.shape[1]):
                        marks[k, w] ^= marks[rank, w]
            pivots[rank] = at
            rank += 1
            if rank == count:
                break
        return rank

    return run


@functools.cache
def reduce():
    """``f(basis, marks, pivots, vectors, tracks)``: reduce vectors modulo an eliminated basis.

    What is subtracted from a vector is summed up, by the basis's marks, in its track.
    """

    @entry("gf2_reduce")
    def run(basis, marks, pivots, vectors, tracks):
        for a in range(vectors.shape[0]):
            for i in range(pivots.shape[0]):
                if bit(vectors[a], pivots[i]):
                    for w in range(vectors.shape[1]):
                        vectors[a, w] ^= basis[i, w]
                    for w in range(tracks.shape[1]):
                        tracks[a, w] ^= marks[i, w]

    return run
