"""From samples to keys: bins, the tests of what is in them, and peeling.

Energies are compared on the scale of one sample's noise variance: the transform over B points
leaves ``variance / B`` in each entry of a bin.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from .._cpu import gf2, spright
from ..transforms.fwht import fwht
from ._bits import group_equal, pack, unpack, words
from ._codes import Convolutional
from ._design import Group
from ._levels import Levels, log_allowed

ROUNDS = 200
OFTEN = 4  # a key found more often is a mirage of a crowded bin
_BATCH = 1 << 18  # numbers that a search over cosets handles at a time


@dataclasses.dataclass
class Reading:
    """How keys are read off bins."""

    how: str  # "votes", "coset" or "trellis"
    hard: bool = False  # votes count signs only
    flips: int = 0  # least reliable bits that are tried both ways
    degree: int | None = None
    confidence: float = 0.999


class Bins:
    """One group's bins, and the best single key of each."""

    def __init__(self, group: Group, values: np.ndarray, reading: Reading, log_keys: float):
        self.group, self.reading = group, reading
        self.how = "votes" if group.coded else reading.how
        seen = group.gather(values)
        fwht(seen, norm="forward", overwrite_x=True)
        self.seen = np.ascontiguousarray(seen.transpose(2, 1, 0))
        count, self.offsets, self.outputs = self.seen.shape
        self.dof = self.offsets * self.outputs
        self.energy = np.zeros(count)
        self.rest = np.zeros(count)
        self.clear = np.zeros(count, bool)  # one key stands out
        self.read = np.zeros(count, bool)  # looked at, whatever the energy, since it changed
        self.key = np.zeros((count, group.directions.shape[1]), np.uint64)
        self.amplitude = np.zeros((count, self.outputs))
        self.log_allowed = log_allowed(group, log_keys, reading.confidence)

    def examine(self, places: np.ndarray, least: float) -> None:
        """Look for single keys in those bins whose energy is above `least`."""
        spright.energies()(self.seen, places, self.energy)
        self.clear[places] = self.read[places] = False
        places = places[self.energy[places] > least]
        if not len(places):
            return
        self.read[places] = True
        places, keys = self._propose(places)
        amplitude, rest = np.empty((len(places), self.outputs)), np.empty(len(places))
        spright.fit()(self.seen, places, keys, self.group.offsets, amplitude, rest)
        # Of several candidates for a bin, the one that leaves least comes last and stays.
        if self.reading.flips:
            order = np.argsort(-rest, kind="stable")
            places, keys, amplitude, rest = (a[order] for a in (places, keys, amplitude, rest))
        self.rest[places], self.key[places], self.amplitude[places] = rest, keys, amplitude
        self.clear[places] = self._stands_out(self.energy[places], self.rest[places])

    def _stands_out(self, energy: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """Whether chance could not have made one of all candidates fit so well, in any bin.

        What a random direction takes of a random vector's energy has a beta distribution; the bound
        is Chernoff's.
        """
        if not self.group.unknown:
            return np.ones(len(energy), bool)
        if self.offsets < 2:
            return np.zeros(len(energy), bool)
        share = np.maximum(rest / energy, 1e-300)  # of what is left
        # Below the mean of 1 / offsets the bound is 1, as it is there.
        fitted, b = np.maximum((1 - share) * self.offsets, 1.0), 1 - 1 / self.offsets
        share = np.minimum(share, b)
        log_p = self.dof / 2 * (np.log(fitted) / self.offsets + b * np.log(share / b))
        return log_p < self.log_allowed

    def _propose(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bins, perhaps several times, and a key that may be in each."""
        group, r, b = self.group, self.group.check.rank, self.group.bits
        bits = np.zeros((len(places), r), np.uint8)
        bits[:, :b] = (places[:, None] >> np.arange(b)) & 1
        if not group.unknown:
            pass
        elif self.how == "coset":
            bits[:, b:] = self._most_likely(places)
        elif self.how == "trellis":
            code = Convolutional(group.unknown, group.rates)
            found, _ = code.decode(self._principal(places)[:, group.code_rows])
            bits[:, b:] = unpack(found, group.unknown)
        else:
            soft = np.empty((len(places), group.unknown))
            spright.votes()(self.seen, places, group.base, group.steps, self.reading.hard, soft)
            bits[:, b:] = soft < 0
            if self.reading.flips and group.coded:
                places, bits = _with_flips(places, bits, np.abs(soft), b, self.reading.flips)
        coordinates = pack(bits)
        syndromes = np.empty((len(places), words(r)), np.uint64)
        gf2.combine()(group.back, coordinates, syndromes)
        keys, weight = group.check.decode(syndromes)
        most = self.reading.degree
        fits = (weight >= 0) if most is None else (weight >= 0) & (weight <= most)
        return (places, keys) if fits.all() else (places[fits], keys[fits])

    def _most_likely(self, places: np.ndarray) -> np.ndarray:
        """Unknown coordinates of the key of largest correlation, over the whole coset."""
        group = self.group
        unknown = group.unknown
        flat = np.zeros(len(group.y), np.int64)
        for i in range(unknown):
            at = group.bits + i
            flat |= ((group.y[:, at >> 6] >> np.uint64(at & 63)) & np.uint64(1)).astype(
                np.int64
            ) << i
        best = np.empty(len(places), np.int64)
        step = min(len(places), max(1, _BATCH // (self.outputs << unknown)))
        # The largest correlation is wanted, not its digits; scaled, since single precision ends.
        scale = 1 / np.sqrt(np.maximum(self.energy, 1e-300))
        wave = np.empty((step, self.outputs, 1 << unknown), np.float32)
        for first in range(0, len(places), step):
            part = places[first : first + step]
            rows = wave[: len(part)]
            rows[:] = 0
            rows[:, :, flat] = (self.seen[part] * scale[part, None, None]).transpose(0, 2, 1)
            fwht(rows, overwrite_x=True)
            np.square(rows, out=rows)
            total = rows[:, 0] if self.outputs == 1 else rows.sum(axis=1)
            best[first : first + step] = total.argmax(axis=1)
        return (best[:, None] >> np.arange(unknown)) & 1

    def _principal(self, places: np.ndarray) -> np.ndarray:
        """The one output, or the combination of outputs, that a single key would show in."""
        seen = self.seen[places]
        if self.outputs == 1:
            return seen[:, :, 0]
        vectors = np.linalg.svd(seen, full_matrices=False)[2][:, 0]
        return np.einsum("atp,ap->at", seen, vectors)


def _with_flips(places, bits, reliability, first, flips):
    """Candidates that differ in the least reliable bits (Chase's second algorithm)."""
    flips = min(flips, reliability.shape[1])
    weakest = first + np.argpartition(reliability, flips - 1, axis=1)[:, :flips]
    patterns = (np.arange(1 << flips)[:, None] >> np.arange(flips)) & 1
    several = np.repeat(bits[:, None, :], len(patterns), axis=1)
    row = np.arange(len(bits))[:, None, None]
    pattern = np.arange(len(patterns))[None, :, None]
    several[row, pattern, weakest[:, None, :]] ^= patterns[None].astype(np.uint8)
    return np.repeat(places, len(patterns)), several.reshape(-1, bits.shape[1])


class Peeling(Levels):
    """Bins of all groups, and the keys taken out of them.

    Parameters
    ----------
    groups : list of Group
    values : ndarray (N, p)
    reading : Reading
    log_keys : float
        Logarithm of the number of keys that there may be.
    variance : float or None
        Of a sample's noise; estimated if None.
    floor : float
        Standard deviation that rounding alone may leave in a bin's entry.
    every_key : callable or None
        Gives all keys that there may be, where these are few enough to be tried one by one.
    """

    def __init__(self, groups, values, reading, log_keys, variance, floor, every_key=None):
        bins = [Bins(g, values, reading, log_keys) for g in groups]
        known = 0.0 if variance is None else variance
        super().__init__(
            bins, reading.confidence, log_keys, known, floor, exact=every_key is not None
        )
        self.every_key, self.known = every_key, variance
        self.keys = np.empty((0, groups[0].directions.shape[1]), np.uint64)
        self.amplitudes = np.empty((0, values.shape[1]))
        self._seen: dict[bytes, int] = {}
        self.repeated = 0  # samples that a group has though another one had them before

    def run(self) -> None:
        """Peel until no bin shows a single key."""
        for bins in self.bins:
            bins.examine(np.arange(bins.group.length), self.zero(bins))
        for _ in range(ROUNDS):
            if self.known is None:
                self.variance = self._estimate()
            found = self._found(strict=True) or self._found(strict=False) or self._jointly()
            if found is None:
                return
            self.take(*found)

    def take(self, keys: np.ndarray, amplitudes: np.ndarray) -> None:
        """Subtract keys from their bins, and look at those again."""
        for bins in self.bins:
            places = bins.group.coordinates(keys)
            spright.subtract()(bins.seen, places, keys, bins.group.offsets, amplitudes)
            bins.examine(np.unique(places), self.zero(bins))
        merged = np.concatenate([self.keys, keys])
        rows, number = group_equal(merged)
        sums = np.zeros((len(rows), amplitudes.shape[1]))
        np.add.at(sums, number, np.concatenate([self.amplitudes, amplitudes]))
        self.keys, self.amplitudes = merged[rows], sums

    def significance(self, variance: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Squares of the amplitudes over their variances, summed over outputs."""
        least = min(self.scale)
        errors = np.maximum(variance, least) * spread[:, None]
        return np.sum(np.square(self.amplitudes) / errors, axis=1)

    def drop(self, which: np.ndarray) -> None:
        """Put keys back into their bins."""
        self.take(self.keys[which], -self.amplitudes[which])
        self.keys, self.amplitudes = self.keys[~which], self.amplitudes[~which]

    def unresolved(self) -> list[np.ndarray]:
        """Of each group: the bins whose energy is not that of noise."""
        return [np.flatnonzero(bins.energy > self.zero(bins)) for bins in self.bins]

    def _found(self, strict: bool) -> tuple[np.ndarray, np.ndarray] | None:
        """Keys that bins show, each once; strictly, only from bins with nothing else in them."""
        keys, amplitudes, shares = [], [], []
        for bins in self.bins:
            show = bins.clear & (bins.energy > self.zero(bins))
            if strict:
                show &= bins.rest <= self.rest(bins)
            places = np.flatnonzero(show)
            keys.append(bins.key[places])
            amplitudes.append(bins.amplitude[places])
            shares.append(np.full(len(places), float(bins.offsets * bins.group.length)))
        return self._average(
            np.concatenate(keys), np.concatenate(amplitudes), np.concatenate(shares)
        )

    def _jointly(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Keys that only all groups together tell from noise: any, or the likeliest of a bin."""
        if not self.noisy:
            return None
        if self.every_key is None:
            for bins in self.bins:
                bins.examine(np.flatnonzero(~bins.read), 0.0)
            merged = np.concatenate([b.key[b.amplitude.any(axis=1)] for b in self.bins])
            merged = merged[group_equal(merged)[0]]
        else:
            merged = self.every_key()
        total, samples = np.zeros((len(merged), self.amplitudes.shape[1])), 0
        for bins in self.bins:
            places = bins.group.coordinates(merged)
            mean, rest = np.empty_like(total), np.empty(len(merged))
            spright.fit()(bins.seen, places, merged, bins.group.offsets, mean, rest)
            weight = bins.offsets * bins.group.length
            total += mean * weight
            samples += weight
        # What is not resolved yet disturbs like noise. Samples that two groups share count once.
        left = sum(b.group.length * float(b.energy.sum()) for b in self.bins)
        several = max(self.variance, left / (samples * total.shape[1]))
        several *= samples / (samples - self.repeated)
        sure = np.square(total).sum(axis=1) / samples > several * self.least_significance
        return self._average(merged[sure], total[sure] / samples, np.ones(np.count_nonzero(sure)))

    def _average(self, merged, amplitudes, share) -> tuple[np.ndarray, np.ndarray] | None:
        """Each key once, unless it has come too often, with the mean of its amplitudes."""
        if not len(merged):
            return None
        rows, number = group_equal(merged)
        total = np.bincount(number, share)
        mean = np.zeros((len(rows), self.amplitudes.shape[1]))
        np.add.at(mean, number, amplitudes * share[:, None])
        mean /= total[:, None]
        keep = np.ones(len(rows), bool)
        for i, row in enumerate(rows):
            name = merged[row].tobytes()
            times = self._seen[name] = self._seen.get(name, 0) + 1
            keep[i] = times <= OFTEN
        return (merged[rows][keep], mean[keep]) if keep.any() else None

    def _estimate(self) -> float:
        """Variance of a sample's noise, from the bins that show least.

        Of a bin with a single key counts what is left. From a low quantile on, bins join as long as
        a chi-square law of the others' scale admits them.
        """
        level, dof = [], []
        for bins in self.bins:
            free = bins.dof - bins.outputs
            use = bins.clear & (bins.group.unknown > 0) & (bins.rest < bins.energy)
            count = np.where(use, max(free, 1), bins.dof)
            level.append(np.where(use, bins.rest, bins.energy) * bins.group.length / count)
            dof.append(count)
        q, free = np.concatenate(level), np.concatenate(dof)
        sort = np.argsort(q)
        q, free = q[sort], free[sort].astype(float)
        start = len(q) // 10
        # Where half of the bins show noise alone, a tenth of all is a fifth of those.
        variance = q[start] * free[start] / special.chdtri(free[start], 0.8)
        upper = special.chdtri(free, 1 / len(q)) / free
        for _ in range(50):
            keep = q <= variance * upper
            if not keep.any():
                break
            new = float(np.average(q[keep], weights=free[keep]))
            if new <= variance * (1 + 1e-9) and new >= variance * (1 - 1e-9):
                break
            variance = new
        return float(variance)
