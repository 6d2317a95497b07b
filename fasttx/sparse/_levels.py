"""What energies of bins and sizes of terms are compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from scipy import special

from ._design import Group


class Levels:
    """Tests at a level of noise.

    Parameters
    ----------
    bins : sequence
        Of each group: `group`, `offsets`, `outputs`, `dof` (of a bin's energy), `how` (keys are
        read).
    confidence : float
    log_keys : float
        Logarithm of the number of keys that there may be.
    variance : float
        Of a sample's noise.
    floor : float
        Standard deviation that rounding alone may leave in a bin's entry.
    exact : bool
        Whether keys are tried one by one.
    """

    keys: Any
    amplitudes: Any

    def __init__(
        self,
        bins: Sequence[Any],
        confidence: float,
        log_keys: float,
        variance: float,
        floor: float,
        exact: bool,
    ):
        self.bins, self.confidence, self.log_keys = bins, confidence, log_keys
        self.variance, self.floor, self._exact = variance, floor, exact
        self._total = sum(b.group.length for b in bins)
        self.scale = [max(b.group.length * floor**2, 1e-300) for b in bins]

    @property
    def noisy(self) -> bool:
        """Whether more than rounding is in the bins."""
        return self.variance > 4 * max(self.scale)

    @property
    def smallest(self) -> float:
        """Square over variance of the least amplitude that is surely found."""
        # Decoders by steps fall short of the likeliest key by up to about five decibels.
        exact = self._exact or self.bins[-1].how == "coset"
        return self.least_significance * (1.5 if exact else 3.0)

    @property
    def least_significance(self) -> float:
        """What chance exceeds, at the confidence, for none of all keys there may be."""
        outputs = self.bins[0].outputs
        return 2 * (self.log_keys - math.log(1 - self.confidence)) + 2 * (outputs - 1)

    def zero(self, bins: Any) -> float:
        """Energy that noise alone exceeds in no bin, at the confidence."""
        return self._noise(bins) * self._quantile(bins.dof)

    def rest(self, bins: Any) -> float:
        """Energy that noise alone leaves beside a key in no bin, at the confidence."""
        free = bins.dof - bins.outputs
        return self._noise(bins) * self._quantile(free) if free else 0.0

    def _noise(self, bins: Any) -> float:
        return max(self.variance / bins.group.length, self.floor**2)

    def _quantile(self, dof: int) -> float:
        return float(special.chdtri(dof, (1 - self.confidence) / self._total))


def log_candidates(group: Group, log_keys: float) -> float:
    """Logarithm of how many keys may be in a bin."""
    within = min(group.unknown * math.log(2), log_keys - group.bits * math.log(2))
    return max(within, 0.0)


def log_allowed(group: Group, log_keys: float, confidence: float) -> float:
    """Logarithm of the probability with which chance may make a candidate of a bin fit."""
    return math.log(1 - confidence) - math.log(group.length) - log_candidates(group, log_keys)
