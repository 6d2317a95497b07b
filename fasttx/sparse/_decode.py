"""Decoding of all samples of a design: peeling and least squares in turns, and what they leave."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ._levels import Levels
from ._peel import Peeling
from ._refit import Fit, refit
from .result import evaluate

TURNS = 5  # alternations of least squares and peeling


@dataclasses.dataclass
class Outcome:
    """Terms that were found, largest first, and what is known about the rest."""

    keys: np.ndarray
    amplitudes: np.ndarray
    fit: Fit
    noisy: bool  # more than rounding is left
    unresolved: list[int]  # bins of each group that hold more than noise
    r2: float
    settled: bool  # more queries would not change what is found


def decode(
    peeling: Peeling,
    again: tuple[np.ndarray, np.ndarray],
    held: tuple[np.ndarray, np.ndarray],
    sparsity: int,
) -> Outcome:
    """Find the terms.

    `again` are points and values of samples that the groups have more than once, `held` those that
    no group has.
    """
    peeling.run()
    fit = _polish(peeling, *again)
    unresolved = [len(places) for places in peeling.unresolved()]
    r2, misfit = _test(peeling, *held)
    return conclude(peeling, fit, unresolved, r2, misfit, sparsity)


def conclude(
    peeling: Levels, fit: Fit, unresolved: list[int], r2: float, misfit: float, sparsity: int
) -> Outcome:
    """The outcome, given the errors on samples held out."""
    settled = not any(unresolved) and _suffices(peeling, fit, misfit, sparsity)
    sort = np.argsort(-np.square(peeling.amplitudes).sum(axis=1), kind="stable")
    fit.spread = fit.spread[sort]
    return Outcome(
        peeling.keys[sort],
        np.ascontiguousarray(peeling.amplitudes[sort]),
        fit,
        peeling.noisy,
        unresolved,
        r2,
        settled,
    )


def _polish(peeling: Peeling, points: np.ndarray, values: np.ndarray) -> Fit:
    """Least squares, terms that it finds to be nothing, and a look at what is left, in turns."""
    if not peeling.noisy and any(len(places) for places in peeling.unresolved()):
        # Terms that are still missing would pull at those that are exact.
        return refit(peeling, points, values, move=False)
    before = None
    for _ in range(TURNS):
        fit = refit(peeling, points, values)
        weak = peeling.significance(fit.variance, fit.spread) < peeling.least_significance
        if weak.any():
            peeling.drop(weak)
            continue
        names = peeling.keys.tobytes()
        if not peeling.noisy or names == before:
            return fit
        before = names
        peeling.run()
    return refit(peeling, points, values)


def _test(peeling: Peeling, points: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Coefficient of determination, and mean square of the errors, on samples held out."""
    if not len(points):
        return math.nan, 0.0
    wrong = values - evaluate(points, peeling.keys, peeling.amplitudes)
    total = float(np.square(values - values.mean(axis=0)).sum())
    error = float(np.square(wrong).sum())
    return 1 - error / total if total > 0 else float(error == 0), error / wrong.size


def _suffices(peeling: Levels, fit: Fit, misfit: float, sparsity: int) -> bool:
    """Whether bins that all look like noise have nothing to hide."""
    rounding = max(peeling.floor**2 * bins.group.length for bins in peeling.bins)
    variance = max(float(fit.variance.mean()), peeling.variance, rounding)
    # 16 squares of normal errors have eight times the expected mean once in 10**17.
    if misfit > 8 * variance:
        return False
    if not peeling.noisy or len(peeling.keys) >= sparsity:
        return True
    if not len(peeling.keys):
        return False
    # Fewer terms than expected: could one of half the smallest size have been missed?
    weakest = float(np.square(peeling.amplitudes).sum(axis=1).min())
    samples = sum(bins.offsets * bins.group.length for bins in peeling.bins)
    return variance * peeling.smallest / samples <= weakest / 4
