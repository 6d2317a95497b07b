"""The groups of a plan, and the ways in which they can grow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._design import Blocks, Check, Coded, Group, Identity
from ._methods import QUICK_BITS, Design, design
from ._peel import Reading

_WIDER = 2  # doublings of the bins, where the number of queries is not given
_FLIPS = 5  # bits of a noisy syndrome that are tried both ways
_HOW = {"near-linear": "coset", "so": "trellis"}

# A way to grow, as a plan's log keeps it, and the most queries that it takes.
Option = tuple[list[Any], int]


class Layout:
    """Groups that follow a design, and grow as the values tell.

    Parameters
    ----------
    n : int
        Number of bits.
    first : Design
        Where to start.
    method : str
        What the user chose; "auto" may go over from one way of reading keys to another.
    degree, confidence
        As for a plan.
    free : bool
        Whether the number of queries was left open.
    noisy : bool
        Whether noise is known to be there.
    rng : numpy.random.Generator
        Where all randomness comes from, in the order of growth.
    """

    def __init__(
        self,
        n: int,
        first: Design,
        *,
        method: str,
        degree: int | None,
        confidence: float,
        free: bool,
        noisy: bool,
        rng: np.random.Generator,
    ):
        self.n, self.first, self.method, self.free = n, first, method, free
        self.rng, self.blocks = rng, Blocks(n)
        coded = first.method in ("bch", "bch-hard")
        self.check: Check = Coded(n, degree or n) if coded else Identity(n)
        self.reading = Reading(
            how=_HOW.get(first.method, "votes"),
            hard=first.method in ("nso-hard", "bch-hard"),
            flips=_FLIPS if noisy and first.method == "bch" else 0,
            degree=degree,
            confidence=confidence,
        )
        self.groups = [self._group(first) for _ in range(first.groups)]

    def _group(self, plan: Design) -> Group:
        group = Group(self.check, plan.bits, self.blocks, self.rng)
        group.shifts = group.draw(plan.shifts)
        group.shifts[:1] = 0
        group.others = group.draw(plan.others)
        group.rates = plan.rates
        group.lay()
        return group

    @property
    def whole(self) -> bool:
        """Whether all points are queries."""
        return self.first.whole

    def _growing(self) -> list[Group]:
        return [group for group in self.groups if group.check is self.check]

    def apply(self, name: str, *arguments: Any) -> None:
        """Grow in one of the ways that `options` gives."""
        if name == "read":
            self.reading.how, self.reading.flips = arguments
        elif name == "whole":
            self.check, self.first = Identity(self.n), Design.of_all(self.n)
            self.groups = [self._group(self.first)]
        elif name == "plain":
            self.check, plain = Identity(self.n), self._plain()
            self.reading.how = _HOW[plain.method]
            self.groups += [self._group(plain) for _ in range(plain.groups)]
        elif name == "group":
            model = self._growing()[0]
            group = Group(self.check, arguments[0], self.blocks, self.rng)
            group.shifts = group.draw(len(model.shifts))
            group.shifts[:1] = 0
            group.others = group.draw(max(len(model.others), 2))
            group.rates = model.rates
            group.lay()
            self.groups.append(group)
        else:
            for group in self._growing():
                if name == "bits":
                    group.widen()
                elif name == "shifts":
                    group.shifts = np.concatenate([group.shifts, group.draw(arguments[0])])
                elif name == "others":
                    group.others = np.concatenate([group.others, group.draw(arguments[0])])
                else:
                    group.rates = arguments[0]
                group.lay()

    def options(self, noisy: bool, unresolved: int, silent: bool) -> list[Option]:
        """Ways to grow that may help, the best one first.

        Parameters
        ----------
        noisy : bool
            Whether more than rounding is left in the bins.
        unresolved : int
            Bins of a group that hold more than noise.
        silent : bool
            Whether the function has no noise, so that what looks like it are terms.
        """
        if self.whole:
            return []
        options: list[Option] = []
        groups = self._growing()
        model, size = groups[0], sum(len(g.y) * g.length for g in groups)
        most = self.first.bits + _WIDER if self.free else self.check.rank
        if model.bits < min(most, self.check.rank - 1):
            options.append((["bits"], size))
        if noisy:
            against = self._against_noise(model, sum(g.length for g in groups))
            # Terms that look like noise are thinned out by bins.
            options = options + against if silent else against + options
        else:
            bits = max(1, math.ceil(math.log2(3 * unresolved + 1)))
            if bits < model.bits and len(groups) < 3 * self.first.groups:
                options.insert(0, (["group", bits], (len(model.y) + model.bits - bits + 2) << bits))
        return options

    def _against_noise(self, model: Group, bins: int) -> list[Option]:
        auto = self.method == "auto"
        if model.unknown < 30 and len(model.y) >> model.unknown:
            # There are no other offsets: a code has few syndromes.
            if not (auto and model.coded):
                return []
            plain = self._plain()
            return [(["plain"], plain.groups * plain.offsets << plain.bits)]
        if model.coded:
            if not self.reading.hard and not self.reading.flips:
                return [(["read", "votes", _FLIPS], 0)]
        elif self.reading.how == "coset":
            return [(["others", len(model.y)], len(model.y) * bins)]
        elif self.reading.how == "trellis":
            rates = model.rates + max(1, model.rates // 2)
            cost = (rates - model.rates) * (model.unknown + 6) * bins
            return [(["rates", rates], cost)] if rates <= 32 else []
        elif self.method in ("auto", "noiseless"):
            # What is there may suffice once it is read with noise in mind.
            if model.unknown <= QUICK_BITS:
                return [(["read", "coset", 0], 0)]
            if auto:
                if model.rates:
                    return [(["read", "trellis", 0], 0)]
                return [(["rates", 2], 2 * (model.unknown + 6) * bins)]
        count = len(model.shifts)
        return [(["shifts", count], count * (1 + model.unknown) * bins)]

    def _plain(self) -> Design:
        """Groups without a code, beside those that have one."""
        bits = self.first.bits
        method = "near-linear" if self.n - bits <= QUICK_BITS else "so"
        return design(method, self.n, bits, self.first.groups, None, True)
