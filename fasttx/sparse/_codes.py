"""Codes whose rows are measured and whose decoders give the keys: BCH and convolutional codes.

A key is a vector over GF(2) packed into uint64 words, bit i in word i // 64 at i % 64.
"""

from __future__ import annotations

import functools
import operator

import numpy as np
from numpy.typing import ArrayLike

from .._cpu import codes

LONGEST_BCH = (1 << 16) - 1

# Constraint length 7, all polynomials with both end taps. After the standard three each next one
# is that which, with all before it, makes the free distance largest and then the fewest words of
# that weight: 10, 15, 20, 25, 30, 36, 40 for the first 2 to 8, as large as any code's of this size.
_POLYNOMIALS = (
    *(0o171, 0o133, 0o165, 0o117, 0o135, 0o157, 0o127, 0o151),
    *(0o173, 0o123, 0o137, 0o155, 0o175, 0o113, 0o167, 0o115),
    *(0o147, 0o153, 0o163, 0o125, 0o177, 0o131, 0o145, 0o107),
    *(0o143, 0o161, 0o105, 0o111, 0o103, 0o121, 0o141, 0o101),
)
_MEMORY = 6


def _words(bits: int) -> int:
    return (bits + 63) // 64


def _checked(value: int, name: str, low: int, high: int | None = None, why: str = "") -> int:
    value = operator.index(value)
    if value < low or (high is not None and value > high):
        accepted = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be {accepted}{why}, got {value}")
    return value


def _checked_bch(n: int, t: int) -> tuple[int, int, int]:
    n = _checked(n, "n", 1, LONGEST_BCH)
    return n, _checked(t, "t", 1, n, " (the number of positions n)"), max(2, n.bit_length())


def _rows_of(x: ArrayLike, dtype: type, columns: int, name: str) -> np.ndarray:
    # Writable, though nothing is written: loops would be compiled anew for read-only arrays.
    array = np.require(x, dtype, ["C", "A", "W"])
    if array.ndim != 2 or array.shape[1] != columns:
        raise ValueError(f"{name} must have shape (A, {columns}), got {array.shape}")
    return array


@functools.cache
def _field(m: int) -> tuple[np.ndarray, np.ndarray]:
    """Powers and logarithms in GF(2^m), as `_cpu.codes` wants them."""
    order = (1 << m) - 1
    exp, log = np.empty(4 * order + 1, np.int32), np.empty(order + 1, np.int32)
    codes.field(m, exp, log)
    return exp, log


def _cosets(exponents: range, m: int) -> tuple[list[int], dict[int, tuple[int, int]]]:
    """Leaders of the cyclotomic cosets of `exponents`, and of each member its coset and power.

    S_{i * 2^k} = S_i^(2^k): the members of a coset carry the same information.
    """
    order = (1 << m) - 1
    leads: list[int] = []
    members: dict[int, tuple[int, int]] = {}
    for exponent in exponents:
        if (lead := exponent % order) not in members:
            for k in range(m):
                members.setdefault((lead << k) % order, (len(leads), 1 << k))
            leads.append(lead)
    return leads, members


def bch_rows(n: int, t: int) -> int:
    """Number of rows of ``BCH(n, t)``, without building it: at most ``m * t`` and at most n.

    Any K columns in a row of a parity-check matrix of rank K of a cyclic code are independent, so
    that shortening to n positions leaves the rank min(n, K).

    Raises
    ------
    ValueError
        If not ``1 <= n <= 65535`` or not ``1 <= t <= n``.
    """
    n, t, m = _checked_bch(n, t)
    return min(n, len(_cosets(range(1, 2 * t, 2), m)[1]))


class BCH:
    """Binary BCH code as a map from keys of small weight to short syndromes, and back.

    The narrow-sense code of length ``2**m - 1 >= n``, m >= 2 as small as it can be, shortened to n
    positions. Position l has the locator ``alpha**l`` and the syndrome of a key consists of the
    bits of its odd power sums S_1, S_3, ..., S_{2t-1}, as far as they are independent.

    Parameters
    ----------
    n : int
        Bits of a key, 1 to 65535.
    t : int
        Largest weight that is decoded, 1 to n.

    Attributes
    ----------
    n, t, m : int
        As above; the field is GF(2**m).
    rank : int
        Rows of the parity-check matrix H, all independent: at most ``m * t`` and at most n.
    rows : ndarray of uint64, shape (rank, ceil(n / 64))
        H, packed.

    Raises
    ------
    ValueError
        If n or t is out of range.

    Notes
    -----
    Building costs ``O((m t)**2 n / 64)`` operations on words; the tables of a field are kept.
    Host only.

    References
    ----------
    .. [1] S. Lin and D. J. Costello, *Error Control Coding*, 2nd ed., Pearson, 2004, chapter 6.
    .. [2] E. R. Berlekamp, *Algebraic Coding Theory*, McGraw-Hill, 1968, chapter 7.

    Examples
    --------
    >>> code = BCH(20, 2)
    >>> key = 1 << 3 | 1 << 17
    >>> syndrome = sum((int(row[0]) & key).bit_count() % 2 << i for i, row in enumerate(code.rows))
    >>> keys, weights = code.decode([[syndrome]])
    >>> int(keys[0, 0]) == key, int(weights[0])
    (True, 2)
    """

    def __init__(self, n: int, t: int) -> None:
        self.n, self.t, self.m = _checked_bch(n, t)
        exp, log = _field(self.m)
        # Even exponents lie in the cosets of odd ones and add none.
        leads, members = _cosets(range(1, 2 * self.t + 1), self.m)
        self.rank = min(self.n, len(members))
        chosen = [members[j % (log.size - 1)] for j in range(1, 2 * self.t + 1)]
        source, power = np.array([(0, 0), *chosen], np.int64).T.copy()
        leads_array = np.array(leads, np.int64)
        rows = np.zeros((len(leads) * self.m, _words(self.n)), np.uint64)
        spread = np.zeros((self.rank, len(leads)), np.int32)
        codes.bch_rows(exp, leads_array, self.n, self.m, rows, self.rank, spread)
        self.rows = rows[: self.rank].copy()
        self._tables = (spread, leads_array, source, power, exp, log)

    def decode(self, syndromes: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """The unique keys of weight at most t that have the given syndromes.

        Parameters
        ----------
        syndromes : array_like of uint64, shape (A, ceil(rank / 64))
            ``H @ key`` modulo 2, packed; bits from `rank` on are ignored.

        Returns
        -------
        keys : ndarray of uint64, shape (A, ceil(n / 64))
            Packed; zero where there is no such key.
        weights : ndarray of int64, shape (A,)
            Their weights; -1 where there is no such key.

        Raises
        ------
        ValueError
            If `syndromes` has another shape.

        Notes
        -----
        Berlekamp-Massey and a Chien search, O(t**2 + t n) each. A key is returned only after its
        power sums have been computed anew and compared.
        """
        given = _rows_of(syndromes, np.uint64, _words(self.rank), "syndromes")
        keys = np.zeros((len(given), _words(self.n)), np.uint64)
        weights = np.empty(len(given), np.int64)
        codes.bch_decode(given, *self._tables, self.t, self.n, keys, weights)
        return keys, weights


class Convolutional:
    """Zero-terminated convolutional code of rate ``1 / n_polynomials`` and constraint length 7.

    Parameters
    ----------
    length : int
        Bits of a message, at least 1.
    n_polynomials : int
        1 to 32. The rows of a code are the first ones of every code of lower rate.

    Attributes
    ----------
    length, n_polynomials : int
        As above.
    rows : ndarray of uint64, shape (n_polynomials * (length + 6), ceil(length / 64))
        Packed. Row ``p * (length + 6) + tau`` has ones at the positions ``tau - i`` of a message
        for every tap i of polynomial p, where there is such a position.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Host only.

    References
    ----------
    .. [1] S. Lin and D. J. Costello, *Error Control Coding*, 2nd ed., Pearson, 2004, chapters 11
       and 12.
    .. [2] A. J. Viterbi, "Error bounds for convolutional codes and an asymptotically optimum
       decoding algorithm", IEEE Trans. Inf. Theory 13 (1967), :doi:`10.1109/TIT.1967.1054010`.

    Examples
    --------
    >>> code = Convolutional(3, 2)
    >>> [int(row[0]) for row in code.rows[:9]]  # taps 0, 3, 4, 5 and 6
    [1, 2, 4, 1, 3, 7, 7, 6, 4]
    >>> u = [-2.5 * (-1.0) ** (int(row[0]) & 0b101).bit_count() for row in code.rows]
    >>> messages, metric = code.decode([u])
    >>> int(messages[0, 0]), float(metric[0])
    (5, 45.0)
    """

    def __init__(self, length: int, n_polynomials: int) -> None:
        self.length = _checked(length, "length", 1)
        taps = self.polynomials(n_polynomials)
        self.n_polynomials = len(taps)
        steps = self.length + _MEMORY
        self.rows = np.zeros((len(taps) * steps, _words(self.length)), np.uint64)
        position = np.arange(self.length)
        word, bit = position >> 6, np.uint64(1) << (position & 63).astype(np.uint64)
        for p, polynomial in enumerate(taps):
            for i in range(_MEMORY + 1):
                if polynomial >> i & 1:  # no row twice: one position for each row and tap
                    self.rows[p * steps + i + position, word] |= bit
        middle = np.array(taps)[:, None] & np.arange(0, 1 << _MEMORY, 2)
        self._signs = 1.0 - 2.0 * (np.bitwise_count(middle) & 1)

    @staticmethod
    def polynomials(count: int) -> tuple[int, ...]:
        """The first `count` generator polynomials, best first; bit i is the tap at delay i.

        The 32 polynomials of degree 6 with constant term 1, in a fixed order: the first `count`
        of them are the code of rate 1 / count.

        Raises
        ------
        ValueError
            If not ``1 <= count <= 32``.
        """
        return _POLYNOMIALS[: _checked(count, "the number of polynomials", 1, len(_POLYNOMIALS))]

    def decode(self, u: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Most likely messages from soft values whose sign is not known.

        Parameters
        ----------
        u : array_like of float64, shape (A, n_polynomials * (length + 6))
            ``x * (-1)**(rows @ message)`` and white noise in every row, with an x of either sign;
            finite.

        Returns
        -------
        messages : ndarray of uint64, shape (A, ceil(length / 64))
            Packed; those with the largest ``abs(sum(u * (-1)**(rows @ message)))``.
        metric : ndarray of float64, shape (A,)
            That correlation.

        Raises
        ------
        ValueError
            If `u` has another shape.

        Notes
        -----
        Soft-decision Viterbi decoding over 64 states for both signs: O(n_polynomials * length)
        each. Among equally likely messages the choice is arbitrary but fixed.
        """
        given = _rows_of(u, np.float64, len(self.rows), "u")
        messages = np.zeros((len(given), _words(self.length)), np.uint64)
        metric = np.empty(len(given))
        codes.viterbi(given, self._signs, self.length, messages, metric)
        return messages, metric
