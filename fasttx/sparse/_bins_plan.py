"""Plans of groups of bins: their first design, growth, noise and held-out rows."""

from __future__ import annotations

import numbers
from typing import Any, TypeVar

import numpy as np
from scipy import linalg, special

from .._array import check_count
from ._bins import Bins, Peeling
from ._outcome import CHUNK, Outcome, distinct, power
from ._plan import Plan, seed_of

_HELD_OUT = 64
_ROUNDING = 16.0  # standard deviation of an oracle's rounding, in eps times its largest value
_GROWTH = 8  # default of max_queries, in first designs
_STEPS = 16  # of growth
_SMALLEST = 8  # bins of a group that a design grows by
_LOW = (0.15, 0.03)  # fractions of the bins, the emptiest, that tell the noise

R = TypeVar("R", bound=Outcome)


class PeelingPlan(Plan[R]):
    """A plan of groups of bins, with rows held out; of all points where that costs no more."""

    _n: int
    _width: int  # bytes of a packed point
    _domain: int  # points that determine every coefficient
    _covers: bool  # whether these are all points

    # What a subclass defines.

    def _draw(self, number: int, target: int, repeats: int) -> Bins:
        """Group `number`, of about so many bins."""
        raise NotImplementedError

    def _probes(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Random packed points."""
        raise NotImplementedError

    def _everything(self) -> np.ndarray:
        """All the points that determine the coefficients, packed."""
        raise NotImplementedError

    def _solve(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Keys, coefficients and gains, from the values at `_everything`."""
        raise NotImplementedError

    def _unpacked(self, packed: np.ndarray) -> np.ndarray:
        """Points as the oracle takes them."""
        raise NotImplementedError

    def _outcome(self, *parts: Any) -> R:
        raise NotImplementedError

    # What it uses.

    @staticmethod
    def _arguments(
        n: int,
        sparsity: int,
        noise: Any,
        groups: int,
        max_queries: int | None,
        confidence: float,
        rng: Any,
    ) -> dict[str, Any]:
        """The arguments that both transforms have, checked, as JSON knows them."""
        if not (isinstance(noise, str) and noise == "auto"):
            if not isinstance(noise, numbers.Real) or not 0 <= float(noise) < np.inf:
                raise ValueError(f'noise must be "auto" or a standard deviation; got {noise!r}')
            noise = float(noise)
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must be between 0 and 1; got {confidence}")
        return {
            "n": n,
            "sparsity": sparsity,
            "noise": noise,
            "groups": check_count(groups, "groups"),
            "max_queries": None if max_queries is None else check_count(max_queries, "max_queries"),
            "confidence": float(confidence),
            "seed": seed_of(rng),
        }

    def _begin(self, target: float) -> None:
        """Lay the first design: groups of about `target` bins."""
        self._packed = np.empty((0, self._width), np.uint8)
        self._groups: list[Bins] = []
        self._starts: list[int] = []
        self._whole = -1
        self._held = 0
        self._need, self._least = 0, _SMALLEST
        config = self._config
        groups = [self._draw(i, int(np.ceil(target)), 1) for i in range(config["groups"])]
        whole = sum(g.size * g.offsets for g in groups) >= self._domain
        if not (whole and self._covers):
            self._held = _HELD_OUT
            probes = self._probes(np.random.default_rng([*config["seed"], 1 << 20]), _HELD_OUT)
            self._add([probes])
        if whole:
            self._whole = self._add([self._everything()])
        else:
            self._lay_groups(groups)
        first, most = self.n_planned, config["max_queries"]
        if most is not None and most < first:
            raise ValueError(f"max_queries must be at least {first} for this plan; got {most}")
        self._most = min(_GROWTH * first, self._domain + self._held) if most is None else most

    def _lay_groups(self, groups: list[Bins]) -> None:
        start = self._add([g.points() for g in groups])
        for group in groups:
            self._groups.append(group)
            self._starts.append(start)
            start += group.size * group.offsets

    def _add(self, blocks: list[np.ndarray]) -> int:
        """Add packed points to the design; those that are there already are not asked again."""
        start = len(self._packed)
        self._packed = np.concatenate([self._packed, *blocks])
        first, number = distinct(self._packed)
        original = first[number]
        repeats = start + np.flatnonzero(original[start:] != np.arange(start, len(original)))
        self._extend(len(self._packed) - start, [(repeats, original[repeats])])
        return start

    def _points(self, index: np.ndarray) -> np.ndarray:
        return self._unpacked(self._packed[index])

    def _next(self, result: R) -> dict[str, Any] | None:
        if result.status == "converged" or self._whole >= 0 or len(self._log) >= _STEPS:
            return None
        room, number = self._most - self.n_planned, len(self._groups)
        weak = result.status == "noise-limited"
        wanted = max(self._need, self._least) * 1.5
        if number >= self._config["groups"] + 2:  # what two such groups did not tell apart
            wanted = max(wanted, 2 * self._log[-2]["target"])
        for target in (wanted, wanted / 2, wanted / 4):
            action = {"target": max(int(target), self._least), "repeats": 2 if weak else 1}
            group = self._draw(number, **action)
            cost = group.size * group.offsets
            whole = self._domain - (self.n_planned if self._covers else 0)
            if whole <= min(cost, room):
                return {"whole": True}
            if cost <= room:
                return action
        return None

    def _apply(self, action: dict[str, Any]) -> None:
        if "whole" in action:
            self._whole = self._add([self._everything()])
        else:
            self._lay_groups([self._draw(len(self._groups), **action)])

    def _decode(self) -> R:
        assert self._values is not None
        scale = float(np.sqrt(power(self._values).max()))
        floor = (_ROUNDING * self._eps * scale) ** 2 + np.finfo(float).tiny
        noise = self._config["noise"]
        if self._whole >= 0:
            return self._decode_whole(floor)
        for group, start in zip(self._groups, self._starts, strict=True):
            shape = group.offsets, group.size, self._values.shape[1]
            values = self._values[start : start + shape[0] * shape[1]]
            group.seen = group.transform(values.reshape(shape))
        found = self._peel(floor if noise == "auto" else max(floor, noise**2))
        if noise == "auto" and found.unresolved:
            found = self._with_noise(found)
        few = len(found.keys) < self._config["sparsity"] / 2
        status = "converged"
        if noise == "auto" and few and found.variance > 2 * floor and found.uneven():
            status = "overloaded"  # noise was assumed, but what is left does not look like it
        elif found.unresolved:
            status = "noise-limited" if found.weak() else "overloaded"
        self._need = max(found.remaining(), 0 if len(found.keys) else self._config["sparsity"])
        # Small groups average less of the noise.
        self._least = self._groups[0].size if found.variance > 2 * floor else _SMALLEST
        return self._finish(found, found.measured(), status, floor)

    def _peel(self, variance: float) -> Peeling:
        return Peeling(self._groups, variance, self._config["confidence"], self._n)

    def _with_noise(self, clean: Peeling) -> Peeling:
        """Peel at the noise that the emptiest bins suggest, if that explains more."""
        best = clean
        for fraction in _LOW:
            variance = clean.guess(fraction)
            for _ in range(3):
                noisy = self._peel(variance) if variance > 2 * clean.variance else clean
                if noisy.unresolved > (best.unresolved / 2 if best is clean else best.unresolved):
                    break
                best, finer = noisy, noisy.guess(0.5)
                if 0.8 * variance < finer < 1.2 * variance or finer <= 0:
                    break
                variance = finer
            if not best.unresolved:
                break
        return best

    def _decode_whole(self, floor: float) -> R:
        """The coefficients that differ from noise, of those that every point determines."""
        assert self._values is not None
        noise, outputs = self._config["noise"], self._values.shape[1]
        keys, values, gain = self._solve(self._values[self._whole : self._whole + self._domain])
        energy = power(values).sum(axis=1) / gain
        level = 1.25 * special.chdtri(outputs, (1 - self._config["confidence"]) / len(keys))
        found = _Whole()
        found.variance = floor if noise == "auto" else max(floor, noise**2)
        keep = energy > level * found.variance
        status = "converged"
        if noise == "auto" and np.mean(keep) > 0.95 and len(keys) > self._config["sparsity"]:
            # Hardly anything is as small as rounding errors: noise, or more terms than were asked.
            freedom = outputs * (2 if values.dtype.kind == "c" else 1)
            usual = outputs * special.chdtri(freedom, 0.5) / freedom
            found.variance = max(floor, float(np.median(energy)) / usual)
            keep = energy > level * found.variance
            rest = energy[~keep]
            if rest.var() > 2 / freedom * rest.mean() ** 2 * (1 + 10 * np.sqrt(2 / len(rest))):
                status = "overloaded"
        found.keys, found.values, found.spread = keys[keep], values[keep], gain[keep]
        measured = float(energy[~keep].mean() / outputs) if not keep.all() else found.variance
        if np.ptp(gain) and len(keys) * len(found.keys) <= CHUNK:
            # Not orthogonal: a fit of these terms alone is more precise, and sees what is missing.
            parts = np.zeros(len(found.keys)), 0.0, "", 0, 0, 0.0
            matrix = self._outcome(found.keys, *parts[:1], *parts)._matrix(keys)
            gram = matrix.T @ matrix
            inverse = linalg.pinvh(gram) if gram.size else gram
            at = self._values[self._whole : self._whole + self._domain]
            found.values = found.values + inverse @ (matrix.T @ (at - matrix @ found.values))
            found.spread = inverse.diagonal().clip(0)
            freedom = max(at.size - found.values.size, 1)
            measured = float(power(at - matrix @ found.values).sum() / freedom)
            usual = special.chdtri(freedom, 1 - self._config["confidence"]) / freedom
            if status == "converged" and measured > 1.25 * usual * found.variance:
                status = "noise-limited"
        return self._finish(found, measured, status, floor)

    def _finish(self, found: Any, measured: float, status: str, floor: float) -> R:
        """The result, after a look at the rows held out."""
        assert self._values is not None
        size = power(found.values).sum(axis=1)
        sort = np.argsort(-size, kind="stable")
        keys, values = found.keys[sort], found.values[sort]
        stderr = np.sqrt(measured * found.spread[sort])
        if self._scalar:
            coefficients = values[:, 0]
        else:
            coefficients, stderr = values, np.repeat(stderr[:, None], values.shape[1], axis=1)
        asked, r2 = self._values[: self._held], float("nan")
        parts = keys, coefficients, stderr, float(np.sqrt(measured))
        if self._held:
            points = self._unpacked(self._packed[: self._held])
            error = asked - self._outcome(*parts, status, 0, 0, r2)(points).reshape(asked.shape)
            rest = float(power(error).sum())
            total = float(power(asked - asked.mean(axis=0)).sum())
            r2 = 1 - rest / total if total > floor * asked.size else float(rest <= total)
            expected = found.variance * (1 + found.spread.sum())
            expected += (_ROUNDING * self._eps * np.sqrt(size).sum()) ** 2
            if rest > 1.25 * expected * special.chdtri(asked.size, 1 - self._config["confidence"]):
                hidden = self._whole >= 0 and found.variance > 2 * floor
                if status == "converged":
                    status = "noise-limited" if hidden else "overloaded"
        seen = float(power(self._values[self._told]).mean())
        if status == "converged" and found.variance > max(seen / 2, 2 * floor):
            status = "noise-limited"
        unresolved = getattr(found, "unresolved", 0)
        return self._outcome(*parts, status, self.n_queries, unresolved, r2)


class _Whole:
    """What is known of the terms when all points were asked."""

    keys: np.ndarray
    values: np.ndarray
    spread: np.ndarray
    variance: float
