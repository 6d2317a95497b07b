"""The plan of a sparse Walsh-Hadamard transform: its design, how it grows, what it concludes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._bits import group_equal, pack, unpack, words
from ._decode import Outcome, decode
from ._design import Blocks, Check, Coded, Group, Identity, random_words
from ._methods import QUICK_BITS, Design, check_noise, first_design
from ._peel import Peeling, Reading
from ._plan import Plan, check_count, seed_of
from .result import SparseResult, evaluate

_GROWTH = 16  # times the first design that a plan may grow to, where max_queries does not say
_WIDER = 2  # doublings of the bins, where max_queries does not say
_TWICE = 32  # queries asked again to see whether the oracle is noisy
_FLIPS = 5  # bits of a noisy syndrome that are tried both ways


class SparsePlan(Plan[SparseResult]):
    """Queries for a sparse Walsh-Hadamard spectrum, to be answered in any order and at any time.

    Parameters
    ----------
    n : int
        Number of bits of the function's argument.
    sparsity : int, optional
        Number K of non-zero terms to prepare for. It may be left out if `max_queries` is given:
        then there are as many bins as that allows.
    max_queries : int, optional
        Most rows that are ever asked for. Unless given, the design may grow to 16 times its first
        size, and to hold four times the sparsity.
    degree : int, optional
        Most ones of a key, if that is known.
    noise : "auto" or float, optional
        Standard deviation of the noise of a value; 0 says that there is none but rounding.
    method : str, optional
        See `sparse_fwht`.
    groups : int, optional
        Number C of hashings, at least 2.
    confidence : float, optional
        Probability, below 1, that no bin with noise alone is taken for more.
    rng : seed or numpy.random.Generator, optional
        Plans of the same arguments and seed are identical.
    tag : str, optional
        Name of the oracle, kept in files: see `load`.

    Raises
    ------
    ValueError
        If an argument is out of range, `max_queries` is too small (the error says what is needed),
        or the method cannot serve.

    See Also
    --------
    sparse_fwht : plan, queries and recovery in one call.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sparse import SparsePlan
    >>> def oracle(bits):
    ...     x = 1.0 - 2.0 * bits
    ...     return 3 * x[:, 4] * x[:, 17] - 2 * x[:, 30] + 1
    >>> plan = SparsePlan(40, 3, rng=1)
    >>> for idx, bits in plan.queries():
    ...     plan.tell(idx, oracle(bits))
    >>> result = plan.recover()
    >>> result.coefficients.round(12)
    array([ 3., -2.,  1.])
    >>> [np.flatnonzero(k).tolist() for k in result.support]
    [[4, 17], [30], []]
    """

    def __init__(
        self,
        n: int,
        sparsity: int | None = None,
        *,
        max_queries: int | None = None,
        degree: int | None = None,
        noise: str | float = "auto",
        method: str = "auto",
        groups: int = 3,
        confidence: float = 0.999,
        rng: Any = None,
        tag: str = "",
    ):
        config = {
            "n": check_count(n, "n"),
            "sparsity": None if sparsity is None else check_count(sparsity, "sparsity"),
            "max_queries": None if max_queries is None else check_count(max_queries, "max_queries"),
            "degree": None if degree is None else check_count(degree, "degree"),
            "noise": check_noise(noise),
            "method": method,
            "groups": check_count(groups, "groups", 2),
            "confidence": float(confidence),
            "seed": seed_of(rng),
        }
        self._lay(config, tag)

    def _lay(self, config: dict[str, Any], tag: str) -> None:
        super().__init__(tag)
        self._config = config
        self.n, self.noise = config["n"], config["noise"]
        self.method, self.confidence = config["method"], config["confidence"]
        self.degree = config["degree"]
        if self.degree is not None and self.degree >= self.n:
            self.degree = None
        first = first_design(config)
        self.sparsity = config["sparsity"] or 1 << first.bits
        self._free = config["max_queries"] is None
        self._limit = _GROWTH * first.queries if self._free else config["max_queries"]
        if self.n < 62:
            self._limit = min(self._limit, (1 << self.n) + _TWICE)
        self._first = first
        self._rng = np.random.default_rng(config["seed"])
        self._blocks = Blocks(self.n)
        coded = first.method in ("bch", "bch-hard")
        self._check: Check = Coded(self.n, self.degree or self.n) if coded else Identity(self.n)
        self._held = np.empty((0, words(self.n)), np.uint64)  # points that no group has
        self._held_at = self._twice_at = slice(0, 0)
        self._twice: np.ndarray | None = None
        noisy = self.noise != "auto" and self.noise > 0
        self._reading = Reading(
            how={"near-linear": "coset", "so": "trellis"}.get(first.method, "votes"),
            hard=first.method in ("nso-hard", "bch-hard"),
            flips=_FLIPS if noisy and first.method == "bch" else 0,
            degree=self.degree,
            confidence=self.confidence,
        )
        self._groups: list[Group] = []
        for _ in range(first.groups):
            self._groups.append(self._group(first.bits))
        self._register()
        if first.held_out:
            self._hold_out(first.held_out)

    def tell_spectrum(
        self,
        support: ArrayLike,
        coefficients: ArrayLike,
        *,
        noise: float = 0.0,
        rng: Any = None,
    ) -> None:
        """Hand in what a function of known spectrum would answer to all queries of the design.

        For studies of how much is recovered: the values come from the groups' bins, faster than by
        evaluating the function.

        Parameters
        ----------
        support : array_like of 0 and 1, shape (K, n)
            Keys.
        coefficients : array_like, shape (K,)
            Real values of their terms.
        noise : float, optional
            Standard deviation of normal noise that is added to each value.
        rng : seed or numpy.random.Generator, optional
            Of the noise.

        Notes
        -----
        ``O(P (K + B log B))`` for P offsets and B bins a group. As with `queries`, the design may
        want more after `recover`.
        """
        keys = pack(np.asarray(support).astype(np.uint8))
        values = np.asarray(coefficients, float)
        if keys.shape[:1] != values.shape or np.shape(support) != (len(values), self.n):
            raise ValueError(f"support must have shape (K, {self.n}) and coefficients shape (K,)")
        draws = np.random.default_rng(rng)
        for group in self._groups:
            for index, seen in group.answer(keys, values):
                self.tell(index, seen + noise * draws.standard_normal(len(seen)))
        for at in (self._held_at, self._twice_at):
            index = np.arange(at.start, at.stop)
            if len(index):
                seen = evaluate(self._blocks.points(index), keys, values)
                self.tell(index, seen + noise * draws.standard_normal(len(seen)))

    # The design and its growth.

    def _group(self, bits: int) -> Group:
        group = Group(self._check, bits, self._blocks, self._rng)
        first = self._first
        group.shifts = group.draw(first.shifts)
        group.shifts[:1] = 0
        group.others = group.draw(first.others)
        group.rates = first.rates
        group.lay()
        return group

    def _register(self) -> None:
        """Take new blocks of the design among the queries."""
        start = len(self._told)
        later, earlier = self._blocks.repeats(start)
        self._extend(self._blocks.size - start, [(later, earlier)] if len(later) else [])

    def _hold_out(self, count: int) -> None:
        points = random_words(self._rng, 8 * count + 64, self.n)
        points = points[~self._blocks.contains(points)]
        self._held = points[np.sort(group_equal(points)[0])[:count]]
        self._blocks.add(self._blocks.space(points[:0]), self._held)
        start = len(self._told)
        self._extend(self._blocks.size - start, [])
        self._held_at = slice(start, start + len(self._held))

    def _points(self, index: np.ndarray) -> np.ndarray:
        return unpack(self._blocks.points(index), self.n)

    def _apply(self, action: Any) -> None:
        name, *arguments = action
        if name == "twice":
            self._ask_twice(arguments[0])
            return
        if name == "read":
            self._reading.how, self._reading.flips = arguments
            self._result = None
            return
        if name == "whole":
            self._check = Identity(self.n)
            self._first = Design.of_all(self.n)
            self._groups = [self._group(self.n)]
        elif name == "group":
            model = self._groups[0]
            group = Group(self._check, arguments[0], self._blocks, self._rng)
            group.shifts = group.draw(len(model.shifts))
            group.shifts[:1] = 0
            group.others = group.draw(max(len(model.others), 2))
            group.rates = model.rates
            group.lay()
            self._groups.append(group)
        for group in self._groups:
            if name == "bits":
                group.widen()
            elif name == "shifts":
                group.shifts = np.concatenate([group.shifts, group.draw(arguments[0])])
            elif name == "others":
                group.others = np.concatenate([group.others, group.draw(arguments[0])])
            elif name == "rates":
                group.rates = arguments[0]
            group.lay()
        self._register()

    def _ask_twice(self, count: int) -> None:
        known = np.flatnonzero(self._fresh)
        chosen = np.sort(self._rng.choice(known, size=min(count, len(known)), replace=False))
        points = self._blocks.points(chosen)
        self._blocks.add(self._blocks.space(points[:0]), points)
        start = len(self._told)
        self._extend(len(chosen), [])
        self._twice, self._twice_at = chosen, slice(start, start + len(chosen))

    def _next(self, result: SparseResult) -> Any:
        left = self._limit - self.n_planned
        count = min(_TWICE, max(8, (1 << min(self.n, 30)) // 8))
        if self.noise == "auto" and self._crowded() and self._twice is None and left >= count:
            return ["twice", count]
        if self._outcome.settled:
            return None
        options = self._options()
        ask_twice = self.noise == "auto" and self._outcome.noisy and self._twice is None
        if ask_twice and left >= _TWICE and all(cost > 0 for _, cost in options):
            return ["twice", _TWICE]
        return next((action for action, cost in options if cost <= left), None)

    def _options(self) -> list[tuple[list[Any], int]]:
        """Ways to grow that may help, with the most that each costs."""
        if self._first.whole:
            return []
        options: list[tuple[list[Any], int]] = []
        model, outcome = self._groups[0], self._outcome
        most = self._first.bits + _WIDER if self._free else self._check.rank
        if model.bits < min(most, self._check.rank - 1):
            options.append((["bits"], sum(len(g.y) * g.length for g in self._groups)))
        if outcome.noisy:
            against = self._against_noise(model)
            # Of a function without noise, what looks like noise are terms: bins thin them out.
            options = options + against if self._asked_noise() == 0 else against + options
        else:
            rest = max(outcome.unresolved, default=0)
            bits = max(1, math.ceil(math.log2(3 * rest + 1)))
            if bits < model.bits and len(self._groups) < 3 * self._config["groups"]:
                cost = (len(model.y) + model.bits - bits + 2) << bits
                options.insert(0, (["group", bits], cost))
        if self.n < 62 and (1 << self.n) <= 4 * self.n_planned:
            # At most as many again as there are outside the groups.
            held = self._held_at.stop - self._held_at.start
            options.append((["whole"], (1 << self.n) - self.n_planned + held))
        return options

    def _against_noise(self, model: Group) -> list[tuple[list[Any], int]]:
        bins = sum(g.length for g in self._groups)
        reading, steps = self._reading, 1 + model.unknown
        if model.unknown < 30 and len(model.y) >> model.unknown:
            return []  # there are no other offsets
        if reading.how == "coset":
            return [(["others", len(model.y)], len(model.y) * bins)]
        if reading.how == "trellis":
            rates = model.rates + max(1, model.rates // 2)
            cost = (rates - model.rates) * (model.unknown + 6) * bins
            return [(["rates", rates], cost)] if rates <= 32 else []
        if self.method in ("auto", "noiseless") and not isinstance(self._check, Coded):
            # What is there may suffice once it is read with noise in mind.
            if model.unknown <= QUICK_BITS:
                return [(["read", "coset", 0], 0)]
            if self.method == "auto":
                if model.rates:
                    return [(["read", "trellis", 0], 0)]
                return [(["rates", 2], 2 * (model.unknown + 6) * bins)]
        if isinstance(self._check, Coded) and not reading.hard and not reading.flips:
            return [(["read", "votes", _FLIPS], 0)]
        count = len(model.shifts)
        return [(["shifts", count], count * steps * bins)]

    # Recovery.

    def _decode(self) -> SparseResult:
        values = self._real()
        floor = 16 * self._eps * float(np.abs(values).max(initial=0.0))
        variance = None if self.noise == "auto" else float(self.noise) ** 2
        if variance is None and self._crowded():
            variance = self._asked_noise() or 0.0  # no bins are left to tell it by
        peeling = Peeling(self._groups, values, self._reading, self._log_keys(), variance, floor)
        repeats = self._repeats()
        again = self._blocks.points(repeats), values[repeats]
        self._outcome = decode(peeling, again, (self._held, values[self._held_at]), self.sparsity)
        return self._report(self._outcome)

    def _crowded(self) -> bool:
        """Whether terms may fill the table, so that no part of it shows the noise."""
        return self._first.whole and 4 * self.sparsity >= 1 << self.n

    def _real(self) -> np.ndarray:
        """Values told, complex ones as pairs of outputs."""
        assert self._values is not None
        return np.ascontiguousarray(self._values).view(np.float64)

    def _repeats(self) -> np.ndarray:
        """Samples that the groups have more than once, but for the first time."""
        if not self._copies:
            return np.empty(0, np.int64)
        used = np.zeros(len(self._told), bool)
        for group in self._groups:
            group.mark(used)
        return np.concatenate([later[used[later] & used[first]] for later, first in self._copies])

    def _log_keys(self) -> float:
        """Logarithm of the number of keys there may be."""
        most = self.n * math.log(2)
        if self.degree is None:
            return most
        return min(most, math.log(sum(math.comb(self.n, i) for i in range(self.degree + 1))))

    def _asked_noise(self) -> float | None:
        """Variance of the oracle's noise, as far as it is known."""
        if self.noise != "auto":
            return float(self.noise) ** 2
        if self._twice is None:
            return None
        values = self._real()
        return float(np.square(values[self._twice_at] - values[self._twice]).mean()) / 2

    def _report(self, outcome: Outcome) -> SparseResult:
        assert self._values is not None
        coefficients = outcome.amplitudes
        stderr = np.sqrt(outcome.fit.variance * outcome.fit.spread[:, None])
        std = np.sqrt(outcome.fit.variance)
        if self._values.dtype.kind == "c":
            coefficients = coefficients.view(np.complex128)
            stderr = np.hypot(stderr[:, ::2], stderr[:, 1::2])
            std = np.hypot(std[::2], std[1::2])
        return SparseResult(
            self.n,
            outcome.keys,
            coefficients[:, 0] if self._scalar else coefficients,
            stderr[:, 0] if self._scalar else stderr,
            float(std[0]) if self._scalar else std,
            self._status(outcome),
            self.n_queries,
            sum(outcome.unresolved),
            outcome.r2,
        )

    def _status(self, outcome: Outcome) -> str:
        found = len(outcome.keys)
        if self._first.whole and found > 2 * self.sparsity:
            return "overloaded"  # all terms are known, but they are not few
        if not outcome.noisy:
            return "converged" if outcome.settled else "overloaded"
        noise = self._asked_noise()
        if noise is not None and float(outcome.fit.variance.mean()) <= 2.5 * noise:
            return "converged" if outcome.settled else "noise-limited"
        # The rest is not noise but terms, which may all be small.
        explained = outcome.settled and (noise is None or outcome.r2 > 0.25)
        return "converged" if explained else "overloaded"
