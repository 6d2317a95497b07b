"""Bins of functions on Z_q1 x ... x Z_qn: samples on cosets of random subgroups."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.fft

from ._bins import Bins

_CHECKS = 3  # random offsets that a lone term must agree with
_DRAWS = 64  # ways to share the bins among alphabets that are tried


def phases(rows: np.ndarray, columns: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The matrix ``exp(2 pi i sum_j rows[a, j] * columns[b, j] / q_j)``."""
    turns: Any = 0.0
    for value in np.unique(q):
        at = q == value
        # Exact in floating point: sums below n * 2**32. A turn too many would cost digits.
        product = rows[:, at].astype(float) @ columns[:, at].astype(float).T
        turns = turns + np.fmod(product, value) / value
    return np.exp(2j * np.pi * turns)


def _invertible(n: int, q: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random matrix that is invertible modulo q, prime or not, and its inverse."""
    lower = np.tril(rng.integers(0, q, (n, n)), -1) + np.eye(n, dtype=np.int64)
    upper = np.triu(rng.integers(0, q, (n, n)), 1) + np.eye(n, dtype=np.int64)
    order = rng.permutation(n)
    matrix = _product(lower, upper, q)[order]
    # matrix = P L U, so that its inverse is U^-1 L^-1 P^T.
    inverse = _product(_unit_inverse(upper.T, q).T, _unit_inverse(lower, q), q)
    return matrix, inverse[:, order]


def _unit_inverse(lower: np.ndarray, q: int) -> np.ndarray:
    """The inverse modulo q of a lower triangular matrix with ones on its diagonal, by halves."""
    n = len(lower)
    out = np.eye(n, dtype=np.int64)
    if n > 1:
        half = n // 2
        first, last = _unit_inverse(lower[:half, :half], q), _unit_inverse(lower[half:, half:], q)
        out[:half, :half], out[half:, half:] = first, last
        out[half:, :half] = -_product(_product(last, lower[half:, :half], q), first, q) % q
    return out


def _product(a: np.ndarray, b: np.ndarray, q: int | np.ndarray) -> np.ndarray:
    return np.fmod(a.astype(float) @ b.astype(float), q).astype(np.int64)


class QaryBins(Bins):
    """Samples on the cosets of a random subgroup.

    In the basis of the columns of `basis`, a key's coordinates along the subgroup are its bin, and
    each other one is the phase between two offsets that differ by its column.
    """

    def __init__(self, q: np.ndarray, rng: np.random.Generator, target: int, repeats: int):
        n = len(q)
        self.q = q
        self.basis, self.inverse = np.zeros((n, n), np.int64), np.zeros((n, n), np.int64)
        for value in np.unique(q):
            at = np.flatnonzero(q == value)
            pair = _invertible(len(at), int(value), rng)
            self.basis[np.ix_(at, at)], self.inverse[np.ix_(at, at)] = pair
        self.bound, self.free = share(q, rng, target, repeats)
        self.radices = tuple(int(v) for v in q[self.bound])
        self.repeats = repeats
        start = rng.integers(0, q, (repeats, 1, n))
        steps = np.concatenate([np.zeros((1, n), np.int64), self.basis[:, self.free].T])
        checks = rng.integers(0, q, (_CHECKS, n))
        self.shifts = np.concatenate([((start + steps) % q).reshape(-1, n), checks])
        self.offsets = len(self.shifts)
        count = math.prod(self.radices)
        self.gain = np.full(count, 1 / count)
        self.freedom = np.full(count, float(self.offsets))
        widest = int(q[self.free].max()) if len(self.free) else 2
        self.reach = 1 / (repeats * math.sin(math.pi / widest) ** 2)

    def points(self) -> np.ndarray:
        grid = np.indices(self.radices).reshape(len(self.radices), -1).T
        lattice = _product(grid, self.basis[:, self.bound].T, self.q)
        # Narrow sums, without divisions: these rows are most of what planning touches.
        largest = int(self.q.max()) - 1
        wide, q = np.min_scalar_type(2 * largest), self.q.astype(np.min_scalar_type(2 * largest))
        rows = lattice.astype(wide) + self.shifts.astype(wide)[:, None, :]
        rows -= q * (rows >= q)
        narrow = rows.reshape(-1, len(q)).astype(np.min_scalar_type(largest), copy=False)
        return narrow.view(np.uint8)

    def transform(self, values: np.ndarray) -> np.ndarray:
        shape = self.offsets, *self.radices, values.shape[2]
        axes = tuple(range(1, 1 + len(self.radices)))
        bins = scipy.fft.fftn(values.reshape(shape), axes=axes, norm="forward")
        flat = bins.reshape(self.offsets, self.size, -1).astype(complex, copy=False)
        return np.ascontiguousarray(flat.transpose(1, 0, 2))

    def hashes(self, keys: np.ndarray) -> np.ndarray:
        if not self.radices:
            return np.zeros(len(keys), np.int64)
        place = _product(keys, self.basis[:, self.bound], self.q[self.bound])
        return np.ravel_multi_index(tuple(place.T), self.radices)

    def signatures(self, keys: np.ndarray) -> np.ndarray:
        return phases(keys, self.shifts, self.q)

    def read(self, places: np.ndarray) -> np.ndarray:
        split = self.rest[places, : self.offsets - _CHECKS]
        split = split.reshape(len(places), self.repeats, 1 + len(self.free), split.shape[2])
        product = (split[:, :, :1].conj() * split[:, :, 1:]).sum(axis=(1, 3))
        alphabet = self.q[self.free]
        place = np.empty((len(places), len(self.q)), np.int64)
        turns = np.angle(product) / (2 * np.pi)
        place[:, self.free] = np.rint(turns * alphabet).astype(np.int64) % alphabet
        if self.radices:
            place[:, self.bound] = np.stack(np.unravel_index(places, self.radices), axis=1)
        return _product(place, self.inverse, self.q)

    def gram(self, keys: np.ndarray) -> np.ndarray:
        signatures, places = self.signatures(keys), self.hashes(keys)
        products = signatures.conj() @ signatures.T
        return self.size * products * (places[:, None] == places)

    def adjoint(self, keys: np.ndarray) -> np.ndarray:
        seen = self.rest[self.hashes(keys)]
        return self.size * (self.signatures(keys).conj()[:, None, :] @ seen)[:, 0]

    def left(self) -> float:
        return self.size * float(np.sum(self.rest.real**2 + self.rest.imag**2))


def share(
    q: np.ndarray, rng: np.random.Generator, target: int, repeats: int
) -> tuple[np.ndarray, np.ndarray]:
    """Directions whose coordinates make a bin, at least `target` bins, and the other ones."""
    n = len(q)
    shares = []
    for _ in range(_DRAWS if len(np.unique(q)) > 1 else 1):
        order, size, count = rng.permutation(n), 1, 0
        while size < target and count < n:
            size *= int(q[order[count]])
            count += 1
        # Only the last one decides by how much the target is missed.
        if count and size > target:
            rest = order[count - 1 :]
            enough = rest[size // int(q[rest[0]]) * q[rest] >= target]
            least = enough[np.argmin(q[enough])]
            order = np.concatenate([order[: count - 1], [least], rest[rest != least]])
            size = size // int(q[rest[0]]) * int(q[least])
        cost = size * (repeats * (1 + n - count) + _CHECKS)
        shares.append((cost, np.sort(order[:count]), np.sort(order[count:])))
    # Not the cheapest: keys that differ in one alphabet only would meet in every group without it.
    cheap = 1.5 * min(share[0] for share in shares)
    _, bound, free = next(share for share in shares if share[0] <= cheap)
    return bound, free
