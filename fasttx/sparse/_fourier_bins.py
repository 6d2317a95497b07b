"""Bins of a sparse Fourier transform: samples, shifts, tests of single coefficients, peeling."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np
import scipy.fft
from scipy.sparse import csc_matrix
from scipy.special import gammainccinv

from .._array import check_count

_LONGEST = 1 << 56  # products modulo n are exact up to there
_BLOCK = 1 << 21  # entries of a temporary array
EPS = float(np.finfo(np.float64).eps)
# By the number of stages: bins of each and of all, over k.
_SIZES = {3: (0.7, 1.9), 4: (0.5, 1.9), 5: (0.42, 2.0), 2: (4.0, 6.0)}


class Samples:
    """The samples taken so far, each of them once."""

    def __init__(self, x: Any, n: int | None):
        self.listed = not callable(x)
        if self.listed:
            data = np.asarray(x)
            if data.ndim != 1 or data.dtype.kind not in "buifc":
                raise ValueError(
                    "x must be callable or a one-dimensional array of numbers; got the shape "
                    f"{data.shape} and the dtype {data.dtype}"
                )
            if n is not None and n != len(data):
                raise ValueError(f"x has {len(data)} samples, which is not n={n}")
            n, x = len(data), data.__getitem__
        elif n is None:
            raise ValueError("n is needed where x is callable")
        self.n = check_count(n, "n")
        if self.n > _LONGEST:
            raise ValueError(f"n must be at most 2**56; got {n}")
        self._ask = x
        self._times, self._values = np.empty(0, np.int64), np.empty(0, np.complex128)
        self.eps, self.largest, self.real = EPS, 0.0, True

    @property
    def count(self) -> int:
        return len(self._times)

    def take(self, times: np.ndarray) -> np.ndarray:
        """Samples at those times, repeated ones included."""
        asked, place = np.unique(times, return_inverse=True)
        new = asked[~np.isin(asked, self._times)]
        if len(new):
            at = np.searchsorted(self._times, new)
            self._values = np.insert(self._values, at, self._checked(new))
            self._times = np.insert(self._times, at, new)
        return self._values[np.searchsorted(self._times, asked)][place.reshape(times.shape)]

    def _checked(self, times: np.ndarray) -> np.ndarray:
        found = np.asarray(self._ask(times))
        if found.shape != times.shape or found.dtype.kind not in "buifc":
            raise ValueError(
                f"x must return numbers of the shape {times.shape}; got the shape {found.shape} "
                f"and the dtype {found.dtype}"
            )
        finite = np.isfinite(found)
        if not finite.all():
            at = int(np.argmin(finite))
            raise ValueError(f"x must not contain infs or NaNs; x[{times[at]}] is {found[at]}")
        if found.dtype.kind in "fc":
            self.eps = max(self.eps, float(np.finfo(found.dtype).eps))
        self.real &= found.dtype.kind != "c"
        self.largest = max(self.largest, float(np.max(np.abs(found))))
        return found.astype(np.complex128)


class Bins:
    """The bins of all stages, as rows of `y`: what each of the shifts saw of each bin.

    A coefficient X[f] adds ``X[f] / n * exp(2j * pi * f * shift / n)`` to one row of every stage.
    """

    def __init__(self, samples: Samples, stages: tuple[int, ...], rng: np.random.Generator):
        self.samples, self.n, self._rng = samples, samples.n, rng
        self.stages, self.shifts, self.y = stages, np.empty(0, np.int64), np.empty((sum(stages), 0))
        self.steps, self.pairs = np.empty(0, np.int64), np.empty((0, 0), np.int64)
        self._rows()

    def _rows(self) -> None:
        self.size = np.repeat(self.stages, self.stages)
        self.place = np.concatenate([np.arange(f) for f in self.stages])
        self._firsts = np.cumsum([0, *self.stages[:-1]])[:, None]

    def lay(self, bases: int, steps: np.ndarray, checks: int) -> None:
        """Sample at random shifts: at each base and `steps` from it, and at some more."""
        block = self._rng.integers(0, self.n, (bases, 1)) + np.append(0, steps)
        index = len(self.shifts) + np.arange(block.size).reshape(block.shape)
        same = np.array_equal(steps, self.steps)
        self.pairs = np.concatenate([self.pairs, index]) if same else index
        self.steps = steps
        new = np.append(block, self._rng.integers(0, self.n, checks)) % self.n
        self.y = np.concatenate([self.y, self._measure(new, self.stages)], axis=1)
        self.shifts = np.append(self.shifts, new)

    def _measure(self, shifts: np.ndarray, stages: tuple[int, ...]) -> np.ndarray:
        grid = [(self.n // f * np.arange(f) + shifts[:, None]) % self.n for f in stages]
        values = self.samples.take(np.concatenate(grid, axis=1))
        parts = np.split(values, np.cumsum(stages)[:-1], axis=1)
        return np.ascontiguousarray(
            np.concatenate([scipy.fft.fft(v, axis=1, norm="forward") for v in parts], axis=1).T
        )

    def grow(self, k: int, noisy: bool, crowded: bool, budget: float) -> bool:
        """Take more samples; False where what may be taken does not help."""
        left = budget - self.samples.count
        steps = chain(self.n, self.stages, 2)
        bases = len(self.pairs) if np.array_equal(steps, self.steps) else 0
        # Without noise more shifts tell nothing new; with few of them, noise looks like a crowd.
        if not noisy or bases >= 8 * (len(self.stages) - 2) or (bases and crowded):
            fits = divisors(
                self.n, max(2, k // 2), int(min(2 * len(self.y), left / len(self.shifts)))
            )
            worth = [
                math.log(f) - sum(math.gcd(f, g) / min(f, g) for g in self.stages) for f in fits
            ]
            if fits and max(worth) > math.log(min(self.stages)) - 1:
                stage = fits[int(np.argmax(worth))]
                self.y = np.concatenate([self.y, self._measure(self.shifts, (stage,))])
                self.stages += (stage,)
                self._rows()
                return True
        new = min(max(2, bases), int(left / ((1 + len(steps)) * len(self.y))))
        if noisy and new > 0:
            self.lay(new, steps, 0)
            return True
        return False

    def graph(self, keys: np.ndarray) -> csc_matrix:
        """Which rows hold which keys: (rows, keys), one in each stage."""
        rows = self._firsts + keys % np.array(self.stages)[:, None]
        starts = np.arange(0, rows.size + 1, len(self.stages))
        return csc_matrix((np.ones(rows.size), rows.T.ravel(), starts), (len(self.y), len(keys)))

    def singles(self, rest: np.ndarray, rows: np.ndarray, limit: np.ndarray, margin, reach: int):
        """Keys that alone explain a row, and their amplitudes.

        They leave no more than `limit`, and `margin` less than the `reach` keys to either side.
        """
        window = np.arange(-reach, reach + 1)
        chunk = max(1, _BLOCK // (len(window) * len(self.shifts)))
        keys, amplitudes = [np.empty(0, np.int64)], [np.empty(0, np.complex128)]
        for a in range(0, len(rows), chunk):
            row = rows[a : a + chunk]
            seen, size = rest[row], self.size[row]
            pairs = seen[:, self.pairs]
            turns = np.angle((pairs[:, :, :1].conj() * pairs[:, :, 1:]).sum(axis=1)) / (2 * np.pi)
            guess = np.zeros(len(row), np.int64)
            for i, step in enumerate(self.steps):
                off = turns[:, i] - product(guess, step, self.n) / self.n
                guess += np.rint((off - np.rint(off)) * (self.n / step)).astype(np.int64)
                guess %= self.n
            nearest = (guess - self.place[row] + size // 2) // size
            near = (self.place[row, None] + size[:, None] * (nearest[:, None] + window)) % self.n
            waves = waves_of(near.ravel(), self.shifts, self.n).reshape(*near.shape, -1)
            match = np.einsum("rwp,rp->rw", waves.conj(), seen) / len(self.shifts)
            each = np.arange(len(row))
            best = np.argmax(np.abs(match), axis=1)
            amplitude = match[each, best]
            error = seen - amplitude[:, None] * waves[each, best]
            good = (error.real**2 + error.imag**2).sum(axis=1) <= limit[row]
            if reach:  # a neighbour that fits nearly as well may be the right one
                ranks = np.sort(np.abs(match) ** 2, axis=1)
                good &= (ranks[:, -1] - ranks[:, -2]) * len(self.shifts) >= margin[row]
            keys.append(near[each, best][good])
            amplitudes.append(amplitude[good])
        return np.concatenate(keys), np.concatenate(amplitudes)


class Peeling:
    """Coefficients found in bins whose entries have the given variances, and what they leave."""

    def __init__(self, bins: Bins, variance: np.ndarray, alpha: float, reach: int):
        self.bins, self.variance, self._waves = bins, variance, np.empty((0, len(bins.shifts)))
        self.keys, self.values = np.empty(0, np.int64), np.empty(0, np.complex128)
        # Entries of the bins that are their own mirror images are real where the samples are.
        halves = np.arange(1.0, len(bins.shifts) + 66) * np.array([[1.0], [0.5]])
        self._table = gammainccinv(halves, alpha) / np.array([[1.0], [0.5]])
        self._kind = (bins.samples.real & (2 * bins.place % bins.size == 0)).astype(int)
        margin = -math.log(alpha) * variance
        banned, fresh, settled = self.keys, np.ones(len(bins.y), bool), False
        # A coefficient with this energy in the bins may stay below every threshold by chance.
        self.hidden = 2 * float(variance.min()) * (self._table[0, -64] - len(bins.shifts))
        self._update()
        for _ in range(200):
            rows = np.flatnonzero(self.loud & fresh)
            keys, values = bins.singles(self.rest, rows, self._limit(-1), margin, reach)
            keep = ~np.isin(keys, banned) & (np.abs(values) ** 2 > 0)
            if not keep.any():
                if settled:
                    break
                self._refit()
                settled, fresh = True, np.ones(len(bins.y), bool)
                continue
            keys, inverse = np.unique(keys[keep], return_inverse=True)
            parts = np.bincount(inverse, values[keep].real), np.bincount(inverse, values[keep].imag)
            values = (parts[0] + 1j * parts[1]) / np.bincount(inverse)
            # A key seen again is corrected; if another stage sees its opposite, it was a mistake.
            _, old, new = np.intersect1d(self.keys, keys, return_indices=True)
            changed = self.values.copy()
            changed[old] += values[new]
            wrong = np.abs(changed) < 0.5 * np.abs(self.values)
            banned = np.append(banned, self.keys[wrong])
            self.values = changed
            fresh = bins.graph(keys) @ np.ones(len(keys)) > 0
            added = np.delete(keys, new)
            self.keys = np.append(self.keys, added)
            self.values = np.append(self.values, np.delete(values, new))
            self._waves = np.concatenate([self._waves, waves_of(added, bins.shifts, bins.n)])
            self._keep(np.append(~wrong, np.ones(len(added), bool)))
            settled = False
            if reach:
                self._refit()
            if len(self.keys) > 2 * len(bins.y):
                break
        weak = np.abs(self.values) ** 2 <= self.errors * math.log(bins.n / (1 - alpha) / alpha)
        if weak.any():
            self._keep(~weak)
            self._refit()

    def _keep(self, keep: np.ndarray) -> None:
        if not keep.all():
            self.keys, self.values = self.keys[keep], self.values[keep]
            self._waves = self._waves[keep]
        self._update()

    def _limit(self, less: int = 0) -> np.ndarray:
        """Energy that noise may leave in each bin; every key taken out may have left its error."""
        return (
            self.variance * self._table[self._kind, len(self.bins.shifts) + less + self.count - 1]
        )

    def _update(self) -> None:
        graph = self.bins.graph(self.keys)
        self.rest = self.bins.y - graph @ (self.values[:, None] * self._waves)
        self.count = np.minimum(graph @ np.ones(len(self.keys)), 64).astype(int)
        self.energy = (self.rest.real**2 + self.rest.imag**2).sum(axis=1)
        self.loud = self.energy > self._limit()
        self._weight = np.where(self.loud, 0, self.variance.min() / self.variance)
        self._graph = graph
        mass = len(self.bins.shifts) * (graph.T @ self._weight)
        with np.errstate(divide="ignore"):
            self.errors = self.variance.min() / mass

    def _refit(self) -> None:
        """Least squares over the bins that are explained, by conjugate gradients."""
        use = np.isfinite(self.errors)
        if not use.any():
            return
        back = self._waves.conj() * use[:, None]

        def gather(rows: np.ndarray) -> np.ndarray:
            return (back * (self._graph.T @ (self._weight[:, None] * rows))).sum(axis=1)

        scale = np.where(use, self.errors, 0) / self.variance.min()
        left = gather(self.rest)
        step = scale * left
        power = first = float(np.vdot(left, step).real)
        direction, total = step, np.zeros(len(self.keys), np.complex128)
        for _ in range(30):
            if power <= 1e-8 * first:
                break
            image = gather(self._graph @ (direction[:, None] * self._waves))
            length = power / float(np.vdot(direction, image).real)
            total = total + length * direction
            left = left - length * image
            step = scale * left
            before, power = power, float(np.vdot(left, step).real)
            direction = step + power / before * direction
        self.values = self.values + total
        self._update()


def product(a: Any, b: Any, n: int) -> np.ndarray:
    """``a * b % n`` for values in range(n): the overflow of both products is the same."""
    with np.errstate(over="ignore"):
        quotient = np.floor(np.multiply(a, b, dtype=np.float64) / n).astype(np.int64)
        return (np.multiply(a, b) - quotient * n) % n


def waves_of(a: np.ndarray, b: np.ndarray, n: int) -> np.ndarray:
    """``exp(2j * pi * a * b / n)`` for each pair."""
    return np.exp(product(a[:, None], b, n) * (2j * np.pi / n))


def chain(n: int, stages: tuple[int, ...], bits: int) -> np.ndarray:
    """Shifts in geometric progression: each leaves so many bits of the frequency to the next."""
    span = max(2, n // min(stages))
    count = math.ceil(math.log2(span) / bits)
    return np.unique(np.rint(span ** (np.arange(count) / count)).astype(np.int64))


def divisors(n: int, low: int, high: int) -> list[int]:
    trial = np.arange(low, min(high, n // 2) + 1)
    return trial[n % trial == 0].tolist()


@functools.lru_cache(256)
def stages_of(n: int, k: int) -> tuple[int, ...]:
    """Divisors of n for the stages; empty if there are none that will do."""
    best, chosen = math.inf, ()
    fits = divisors(n, max(2, 4 * k // 10), 6 * k + 64)
    for count, (each, whole) in _SIZES.items():
        near = sorted(fits, key=lambda f: abs(math.log(f / (each * k + 8))))[: 96 // count]
        if len(near) < count:
            continue
        sets = np.array(list(itertools.combinations(near, count)))
        # Two keys that share their bins of all stages cannot be told apart.
        stuck = k * k / 2 * (n / np.lcm.reduce(sets, axis=1) - 1) / n
        shared, nested = np.zeros(len(sets)), np.zeros(len(sets), bool)
        for i, j in itertools.combinations(range(count), 2):
            part = np.gcd(sets[:, i], sets[:, j]) / np.minimum(sets[:, i], sets[:, j])
            shared += part
            nested |= part > 0.25
        cost = sets.sum(axis=1) * (1 + shared + 10 * stuck)
        small = sets.min(axis=1) < 0.6 * each * k + 4
        cost[small | nested | (stuck > 0.1) | (sets.sum(axis=1) < whole * k + 16)] = math.inf
        if cost.min() < best:
            best, chosen = cost.min(), tuple(sets[np.argmin(cost)].tolist())
    return chosen
