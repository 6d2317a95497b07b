"""Groups of bins of q-ary and Möbius recovery, and their peeling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import linalg, special

from ._outcome import CHUNK, distinct, power, sum_equal

_PASSES = 6  # of peeling and fitting
_ROUNDS = 60  # of peeling between two fits
_DENSE_FIT = 1500  # most keys whose Gram matrix is factored


class Bins:
    """A group of B bins, seen at P offsets.

    A key falls into one bin and adds its value times its signature there. The variance of what is
    seen at one offset is `gain` times that of a query, and `freedom` of the P are independent. A
    lone term can be read if its power is `reach` times the variance at an offset.
    """

    gain: np.ndarray
    freedom: np.ndarray
    reach: float
    offsets: int
    seen: np.ndarray
    rest: np.ndarray

    @property
    def size(self) -> int:
        return len(self.gain)

    def points(self) -> np.ndarray:
        """Rows of P * B points, packed as the plan keeps them; offset by offset."""
        raise NotImplementedError

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Bins (B, P, p) of values (P, B, p)."""
        raise NotImplementedError

    def hashes(self, keys: np.ndarray) -> np.ndarray:
        """The bin of each key."""
        raise NotImplementedError

    def signatures(self, keys: np.ndarray) -> np.ndarray:
        """What each key does at each offset, (A, P)."""
        raise NotImplementedError

    def read(self, places: np.ndarray) -> np.ndarray:
        """The keys that would be alone in those bins."""
        raise NotImplementedError

    def gram(self, keys: np.ndarray) -> np.ndarray:
        """Inner products of the keys' columns over the group's queries."""
        raise NotImplementedError

    def adjoint(self, keys: np.ndarray) -> np.ndarray:
        """Inner products of the keys' columns with what is left of the samples."""
        raise NotImplementedError

    def left(self) -> float:
        """Energy of what is left of the samples."""
        raise NotImplementedError

    def subtract(self, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Take terms out; returns their bins."""
        places = self.hashes(keys)
        signatures = self.signatures(keys)
        step = max(1, CHUNK // (self.offsets * values.shape[1]))
        for i in range(0, len(keys), step):
            part = slice(i, i + step)
            terms = signatures[part, :, None] * values[part, None, :]
            np.subtract.at(self.rest, places[part], terms)
        return places


class Peeling:
    """Peel groups, given the variance of a query's noise."""

    def __init__(self, groups: Sequence[Bins], variance: float, confidence: float, n: int):
        self.groups, self.variance = groups, variance
        outputs = groups[0].seen.shape[2]
        self.outputs = outputs
        alpha = (1 - confidence) / sum(g.size for g in groups)
        # The quarter more is for what terms taken out leave behind by their own errors.
        self.limits = []
        for group in groups:
            scale = 1.25 * variance * group.gain * group.offsets / group.freedom
            self.limits.append(scale * special.chdtri(group.freedom * outputs, alpha))
        deviate = special.ndtri(alpha / (2 * n))
        self.readable = [variance * g.gain * g.reach * deviate**2 for g in groups]
        kind = groups[0].seen.dtype
        self.keys = np.zeros((0, n), np.uint16)
        self.values = np.zeros((0, outputs), kind)
        self.spread = np.zeros(0)
        for group in groups:
            group.rest = group.seen.copy()
        for _ in range(_PASSES):
            if not self._peel():
                break
            self._fit()
        if len(self.keys):
            # Of a term read wrongly, what was taken out comes back and leaves nothing.
            keep = power(self.values).sum(axis=1) > deviate**2 * variance * self.spread
            if not keep.all():
                self.keys, self.values = self.keys[keep], self.values[keep]
                self._restart()
                self._fit()
        self.energies = [power(g.rest).sum(axis=(1, 2)) for g in groups]
        self.open = [e > limit for e, limit in zip(self.energies, self.limits, strict=True)]
        self.unresolved = int(sum(np.count_nonzero(o) for o in self.open))

    def _peel(self) -> bool:
        """Take out lone terms until there are none; whether a new one was found."""
        before, most = len(self.keys), sum(g.size for g in self.groups)
        dirty = [np.arange(g.size) for g in self.groups]
        for _ in range(_ROUNDS):
            found = [self._lone(i, places) for i, places in enumerate(dirty)]
            keys, values, weights = (np.concatenate(part) for part in zip(*found, strict=True))
            if not len(keys) or len(self.keys) > most:  # more than any queries could tell
                break
            first, number = distinct(keys)
            total = sum_equal(number, weights[:, None], len(first))
            values = sum_equal(number, values * weights[:, None], len(first)) / total
            keys = keys[first]
            dirty = [np.unique(g.subtract(keys, values)) for g in self.groups]
            keys, values = np.concatenate([self.keys, keys]), np.concatenate([self.values, values])
            first, number = distinct(keys)
            self.keys, self.values = keys[first], sum_equal(number, values, len(first))
        return len(self.keys) > before

    def _lone(self, i: int, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        group, limit, readable = self.groups[i], self.limits[i], self.readable[i]
        energy = power(group.rest[places]).sum(axis=(1, 2))
        places = places[energy > limit[places]]
        keys = group.read(places)
        signatures = group.signatures(keys)
        seen, norm = group.rest[places], power(signatures).sum(axis=1)
        values = (signatures.conj()[:, None, :] @ seen)[:, 0] / np.maximum(norm, 1)[:, None]
        error = power(seen - signatures[:, :, None] * values[:, None, :]).sum(axis=(1, 2))
        fits = (error <= limit[places]) & (group.hashes(keys) == places) & (norm > 0)
        fits &= power(values).sum(axis=1) >= readable[places]
        return keys[fits].astype(np.uint16), values[fits], norm[fits] / group.gain[places[fits]]

    def _restart(self) -> None:
        for group in self.groups:
            group.rest = group.seen.copy()
            group.subtract(self.keys, self.values)

    def _fit(self) -> None:
        """Least squares over all samples, as a correction of what peeling found."""
        if len(self.keys) > _DENSE_FIT:
            norms = [power(g.signatures(self.keys)).sum(axis=1) for g in self.groups]
            places = [g.hashes(self.keys) for g in self.groups]
            parts = zip(self.groups, norms, places, strict=True)
            self.spread = 1 / sum(norm / g.gain[at] for g, norm, at in parts)
            return
        gram = np.asarray(sum(g.gram(self.keys) for g in self.groups))
        try:
            inverse = linalg.cho_solve(linalg.cho_factor(gram), np.eye(len(gram)))
        except linalg.LinAlgError:  # terms that the queries do not tell apart
            inverse = linalg.pinvh(gram)
        self._restart()  # the rests have gathered rounding errors
        self.values = self.values + inverse @ sum(g.adjoint(self.keys) for g in self.groups)
        self.spread = inverse.diagonal().real.clip(0)
        self._restart()

    def measured(self) -> float:
        """Variance of the samples' residuals."""
        rows = sum(g.size * g.offsets for g in self.groups) - len(self.keys)
        return sum(g.left() for g in self.groups) / (max(rows, 1) * self.outputs)

    def weak(self) -> bool:
        """Whether most unresolved bins could not be read even if their terms were alone."""
        parts = zip(self.groups, self.energies, self.open, self.readable, strict=True)
        faint = [e[o] <= g.offsets * r[o] for g, e, o, r in parts]
        return bool(np.mean(np.concatenate(faint)) >= 0.5)

    def levels(self) -> tuple[np.ndarray, float]:
        """What each bin suggests as the variance of a query, and how many squares that averages."""
        sizes = [
            e / (g.gain * g.offsets * self.outputs)
            for g, e in zip(self.groups, self.energies, strict=True)
        ]
        freedom = float(np.mean([g.freedom.mean() for g in self.groups])) * self.outputs
        imaginary = sum(float(power(g.rest.imag).sum()) for g in self.groups)
        if imaginary > 0.05 * sum(float(e.sum()) for e in self.energies):
            freedom *= 2
        return np.concatenate(sizes), freedom

    def guess(self, fraction: float) -> float:
        """Variance of a query, if so many bins, the emptiest, hold nothing else."""
        levels, freedom = self.levels()
        usual = special.chdtri(freedom, 1 - fraction) / freedom
        return float(np.quantile(levels, fraction) / usual)

    def uneven(self) -> bool:
        """Whether bins differ more than noise would make them."""
        levels, freedom = self.levels()
        spread = float(levels.var() / max(levels.mean(), np.finfo(float).tiny) ** 2)
        return spread > 2 / freedom * (1 + 5 * np.sqrt(2 / len(levels)))

    def remaining(self) -> int:
        """About how many keys the unresolved bins hold."""
        most = 0.0
        for o in self.open:
            count = np.count_nonzero(o)
            most = max(most, 2 * count, -len(o) * np.log1p(-min(count / len(o), 0.98)))
        return int(np.ceil(most))
