"""Bins of functions of bits: samples on random sublattices, past masks."""

from __future__ import annotations

import numpy as np

from ..transforms.subsets import mobius, zeta
from ._bins import Bins
from ._outcome import distinct

CHECKS = 3  # random masks that a lone term must agree with
_READ = 5.0  # power of a lone term, in variances at a mask times the squared deviate


def disjoint(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Whether each row and each column, as sets, have nothing in common: 1.0 or 0.0."""
    meets = rows.astype(np.float32) @ columns.astype(np.float32).T
    return (meets == 0).astype(float)


class MoebiusBins(Bins):
    """Samples where a bit is on if all rows of `hashing` that have it are on, but for masked bits.

    A key's bin is the union of its bits' columns of `hashing`. It is seen past a mask that is
    disjoint from it and not past others.
    """

    reach = _READ

    def __init__(self, hashing: np.ndarray, masks: np.ndarray, degree: int | None):
        self.hashing, self.masks, self.degree = hashing, masks, degree
        self.bits = len(hashing)
        self.offsets = len(masks)
        self.gain = 2.0 ** np.bitwise_count(np.arange(1 << self.bits))
        lattice = np.arange(1 << self.bits)[:, None] >> np.arange(self.bits) & 1
        self.lattice = disjoint(1 - lattice, hashing.T).astype(np.uint8)
        self.freedom = self._freedom()
        # Tests that single out a bit, or none if a key is found by elimination.
        single = masks[1 : len(masks) - CHECKS]
        self.direct = bool(np.all(single.sum(axis=1) == 1))
        self.single = single.argmax(axis=1) if self.direct else np.empty(0, np.int64)

    def _freedom(self) -> np.ndarray:
        """How many of a bin's values come from different samples, on the average of these."""
        rows = self.points()
        _, number = distinct(rows)
        ranked = np.sort(number.reshape(self.offsets, -1), axis=0)
        count = 1.0 + np.count_nonzero(np.diff(ranked, axis=0), axis=0)
        return zeta(count) / self.gain

    def points(self) -> np.ndarray:
        rows = self.lattice & (1 - self.masks)[:, None, :]
        return np.packbits(rows.reshape(-1, rows.shape[2]), axis=1, bitorder="little")

    def transform(self, values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(mobius(values, axis=1).transpose(1, 0, 2))

    def hashes(self, keys: np.ndarray) -> np.ndarray:
        return (1 - disjoint(keys, self.hashing)).astype(np.int64) @ (1 << np.arange(self.bits))

    def signatures(self, keys: np.ndarray) -> np.ndarray:
        return disjoint(keys, self.masks)

    def read(self, places: np.ndarray) -> np.ndarray:
        seen = self.rest[places]
        product = (seen[:, :1].conj() * seen).sum(axis=2).real
        hit = product[:, 1:] < 0.5 * product[:, :1]
        bins = places[:, None] >> np.arange(self.bits) & 1 != 0
        if not self.direct:
            keys = _eliminate(
                np.concatenate([hit, bins], axis=1), np.concatenate([self.masks[1:], self.hashing])
            )
        else:
            keys = np.zeros((len(places), self.hashing.shape[1]), np.uint8)
            if self.degree is None:
                keys[:, self.hashing.argmax(axis=1)] = bins
            keys[:, self.single] = hit[:, : len(self.single)]
        if self.degree is not None:
            keys[keys.sum(axis=1) > self.degree] = 0  # which will not fit, unless it is the key
        return keys

    def gram(self, keys: np.ndarray) -> np.ndarray:
        signatures, places = self.signatures(keys), self.hashes(keys)
        union = np.bitwise_count(places[:, None] | places)
        return (signatures @ signatures.T) * 2.0 ** (self.bits - union.astype(float))

    def adjoint(self, keys: np.ndarray) -> np.ndarray:
        above = zeta(self._samples()[::-1], axis=0)[::-1]
        return (self.signatures(keys)[:, None, :] @ above[self.hashes(keys)])[:, 0]

    def left(self) -> float:
        return float(np.sum(np.abs(self._samples()) ** 2))

    def _samples(self) -> np.ndarray:
        return zeta(self.rest, axis=0)


def _eliminate(positive: np.ndarray, tests: np.ndarray) -> np.ndarray:
    """Sets (A, n) that explain group tests: what they hit (A, T), tests (T, n).

    Elements of a test that hit nothing are out. Those that alone can explain a test are in; where
    these do not explain all, others are added greedily. Whether the set fits is the caller's check.
    """
    table, positive = tests.astype(np.float32), positive.astype(np.float32)
    possible = ((1 - positive) @ table == 0).astype(np.float32)
    alone = positive * (possible @ table.T == 1)
    chosen = possible * (alone @ table > 0)
    for _ in range(table.shape[1]):
        unexplained = positive * (chosen @ table.T == 0)
        score = (unexplained @ table) * possible
        rows = np.flatnonzero(score.max(axis=1, initial=0) > 0)
        if not len(rows):
            break
        chosen[rows, score[rows].argmax(axis=1)] = 1
    return chosen.astype(np.uint8)
