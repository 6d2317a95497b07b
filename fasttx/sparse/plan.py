"""The plan of a sparse Walsh-Hadamard transform: its design, how it grows, what it concludes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._array import check_count, is_device_array
from ._bits import group_equal, keys_up_to, pack, unpack, words
from ._decode import Outcome, decode
from ._design import random_words
from ._layout import Layout, Option
from ._methods import check_noise, first_design
from ._peel import Peeling
from ._plan import Plan, seed_of
from .result import SparseResult, evaluate

if TYPE_CHECKING:
    from ._device import Samples

_GROWTH = 16  # times the first design that a plan may grow to, where max_queries does not say
_TWICE = 32  # queries asked again to see whether the oracle is noisy
_TRIED = 1 << 16  # keys that are tried one by one, where there are no more
_ON_DEVICE = ("noiseless", "near-linear", "nso", "nso-hard", "whole")


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
        Most ones of a key, if that is known. A term with more is not found, and keeps the status
        from being "converged".
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

    Notes
    -----
    Values may be told as device arrays (float32, float64, complex64, complex128, int32 or int64),
    all of one library and device. They are decoded there, in float64, if `noise` is a number and
    the method "noiseless", "near-linear", "nso" or "nso-hard" (or "auto", where it takes one of
    these); else NotImplementedError is raised. Keys and coefficients are those that the host would
    find, up to rounding; standard errors are expanded as for more than 256 terms, see
    `SparseResult`, for fewer too. The host reads counts and sums in every round, and the terms
    when they are final: `recover` returns arrays on the host.

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
        self._rng = np.random.default_rng(config["seed"])
        self._layout = Layout(
            self.n,
            first,
            method=self.method,
            degree=self.degree,
            confidence=self.confidence,
            free=self._free,
            noisy=self.noise != "auto" and self.noise > 0,
            rng=self._rng,
        )
        self._held = np.empty((0, words(self.n)), np.uint64)  # points that no group has
        self._held_at = self._twice_at = slice(0, 0)
        self._twice: np.ndarray | None = None
        self._few: np.ndarray | None = None  # all keys there may be, if they are few
        self._samples: Samples | None = None  # what was told on a device
        self._register()
        if first.held_out:
            self._hold_out(first.held_out)

    def queries(
        self, chunk_size: int = 4096, *, like: Any = None
    ) -> Iterator[tuple[np.ndarray, Any]]:
        """The queries that have not been told, in chunks ``(idx, points)``.

        Parameters
        ----------
        chunk_size : int, optional
            Most queries in a chunk.
        like : device array, optional
            Of what library and device `points` shall be; arrays on the host if None.

        Yields
        ------
        idx : ndarray of int64, shape (m,)
            Numbers of the queries, for `tell`; on the host.
        points : ndarray or device array of uint8, shape (m, n)
            Where to evaluate the function: a row for each query.

        Notes
        -----
        Chunks may be told in any order, and later. When all have been told by the time that they
        are used up, the values are decoded; if they do not suffice and `max_queries` allows, the
        design grows and the iteration goes on. If some have not, it ends: tell them, ask again.
        """
        if like is None:
            yield from super().queries(chunk_size)
            return
        from . import _device as device

        self._check_device()
        for index in self._chunks(chunk_size):
            yield index, device.points(like, self._layout.blocks, index, self.n)

    def tell(self, idx: ArrayLike, values: Any) -> None:
        """Hand in the function's values at queries.

        Parameters
        ----------
        idx : array_like of int, shape (m,)
            Numbers of the queries, as `queries` gave them.
        values : array_like or device array, shape (m,) or (m, p)
            Real or complex; p outputs of the function are recovered together.

        Raises
        ------
        ValueError
            If the number of values is not that of the queries, or one of them is not finite: then
            nothing is taken. Whether values on a device are finite is seen by `recover`.
        IndexError
            If there is no such query.
        TypeError
            If some values are on a device and some are not.
        NotImplementedError
            If the values are on a device and the plan's method is on the host only.
        """
        if not is_device_array(values):
            if self._samples is not None:
                raise TypeError("values are on the host; those told before are on a device")
            super().tell(idx, values)
            return
        from . import _device as device

        index = self._known(idx)
        if self._values is not None:
            raise TypeError("values are on a device; those told before are on the host")
        self._check_device()
        samples = self._samples or device.Samples()
        samples.tell(index, values, len(self._told))
        self._samples, self._scalar, self._eps = samples, samples.scalar, samples.eps
        self._mark(index)

    def _check_device(self) -> None:
        """Refuse what is on the host only."""
        if self.noise == "auto":
            raise NotImplementedError(
                'noise="auto" is on the host only: on a device, give noise= a number, 0 for none'
            )
        method = self._layout.first.method
        if method not in _ON_DEVICE:
            accepted = ", ".join(map(repr, _ON_DEVICE[:-1]))
            raise NotImplementedError(
                f"method={method!r} is on the host only; accepted on a device are {accepted}"
            )

    def _kept(self) -> np.ndarray:
        return super()._kept() if self._samples is None else self._samples.host(len(self._told))

    def _complete(self) -> None:
        if self._samples is None:
            super()._complete()

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
        ``O(P (K + B log B))`` for P offsets and B bins a group. The design stays as it is: where it
        does not suffice, `recover` says so, and going on with `queries` makes it grow.
        """
        keys = pack(np.asarray(support).astype(np.uint8))
        values = np.asarray(coefficients, float)
        if keys.shape[:1] != values.shape or np.shape(support) != (len(values), self.n):
            raise ValueError(f"support must have shape (K, {self.n}) and coefficients shape (K,)")
        draws = np.random.default_rng(rng)
        for group in self._layout.groups:
            for index, seen in group.answer(keys, values):
                self.tell(index, seen + noise * draws.standard_normal(len(seen)))
        for at in (self._held_at, self._twice_at):
            index = np.arange(at.start, at.stop)
            if len(index):
                seen = evaluate(self._layout.blocks.points(index), keys, values)
                self.tell(index, seen + noise * draws.standard_normal(len(seen)))

    # The design and its growth.

    def _register(self) -> None:
        """Take new blocks of the design among the queries."""
        start = len(self._told)
        later, earlier = self._layout.blocks.repeats(start)
        self._extend(self._layout.blocks.size - start, [(later, earlier)] if len(later) else [])

    def _hold_out(self, count: int) -> None:
        points = random_words(self._rng, 8 * count + 64, self.n)
        points = points[~self._layout.blocks.contains(points)]
        self._held = points[np.sort(group_equal(points)[0])[:count]]
        self._layout.blocks.add(self._layout.blocks.space(points[:0]), self._held)
        start = len(self._told)
        self._extend(self._layout.blocks.size - start, [])
        self._held_at = slice(start, start + len(self._held))

    def _points(self, index: np.ndarray) -> np.ndarray:
        return unpack(self._layout.blocks.points(index), self.n)

    def _apply(self, action: Any) -> None:
        name, *arguments = action
        if name == "twice":
            self._ask_twice(arguments[0])
            return
        self._layout.apply(name, *arguments)
        self._result = None
        self._register()

    def _ask_twice(self, count: int) -> None:
        known = np.flatnonzero(self._fresh)
        chosen = np.sort(self._rng.choice(known, size=min(count, len(known)), replace=False))
        points = self._layout.blocks.points(chosen)
        self._layout.blocks.add(self._layout.blocks.space(points[:0]), points)
        start = len(self._told)
        self._extend(len(chosen), [])
        self._twice, self._twice_at = chosen, slice(start, start + len(chosen))

    def _next(self, result: SparseResult) -> Any:
        settled, left = self._outcome.settled, self._limit - self.n_planned
        unsure = self.noise == "auto" and self._twice is None
        unsure &= self._outcome.noisy or self._crowded()
        options = [] if settled else self._options()
        count = min(_TWICE, max(8, self.n_planned // 8))
        ready = self._layout.whole if settled else all(cost > 0 for _, cost in options)
        if unsure and ready and count <= left:
            return ["twice", count]
        return next((action for action, cost in options if cost <= left), None)

    def _options(self) -> list[Option]:
        outcome, known = self._outcome, self.n_planned
        most = max(outcome.unresolved, default=0)
        options = self._layout.options(outcome.noisy, most, self._asked_noise() == 0)
        if not self._layout.whole and self.n < 62 and 1 << self.n <= 4 * known:
            # At most as many again as there are outside the groups.
            held = self._held_at.stop - self._held_at.start
            options.append((["whole"], (1 << self.n) - known + held))
        return options

    # Recovery.

    def _decode(self) -> SparseResult:
        if self._samples is not None:
            self._outcome = self._decode_on_device(self._samples)
            return self._report(self._outcome)
        values = self._real()
        floor = 16 * self._eps * float(np.abs(values).max(initial=0.0))
        variance = None if self.noise == "auto" else float(self.noise) ** 2
        if variance is None and self._crowded():
            variance = self._asked_noise() or 0.0  # no bins are left to tell it by
        log_keys = self._log_keys()
        every = self._every_key if log_keys < math.log(_TRIED) else None
        layout, repeats = self._layout, self._repeats()
        peeling = Peeling(layout.groups, values, layout.reading, log_keys, variance, floor, every)
        peeling.repeated = len(repeats)
        again = self._layout.blocks.points(repeats), values[repeats]
        self._outcome = decode(peeling, again, (self._held, values[self._held_at]), self.sparsity)
        return self._report(self._outcome)

    def _decode_on_device(self, samples: Samples) -> Outcome:
        from . import _device_fit as device
        from ._device_peel import DevicePeeling

        log_keys, layout, repeats = self._log_keys(), self._layout, self._repeats()
        with samples.context():
            space, values = samples.complete(self._copies, len(self._told))
            peeling = DevicePeeling(
                space,
                layout.groups,
                values,
                samples.outputs,
                layout.reading,
                log_keys,
                float(self.noise) ** 2,
                16 * self._eps * samples.largest(),
                self._every_key if log_keys < math.log(_TRIED) else None,
                len(repeats),
            )
            again = device.Rows(peeling, layout.blocks.points(repeats), values, repeats)
            index = np.arange(self._held_at.start, self._held_at.stop)
            held = device.Rows(peeling, self._held, values, index)
            return device.decode(peeling, again, held, self.sparsity)

    def _crowded(self) -> bool:
        """Whether terms may fill the table, so that no part of it shows the noise."""
        return self._layout.whole and 4 * self.sparsity >= 1 << self.n

    def _complex(self) -> bool:
        if self._samples is not None:
            return self._samples.complex
        return self._values is not None and self._values.dtype.kind == "c"

    def _mean_square(self) -> float:
        if self._samples is not None:
            return self._samples.mean_square()
        return float(np.square(self._real()).mean())

    def _real(self) -> np.ndarray:
        """Values told, complex ones as pairs of outputs."""
        assert self._values is not None
        return np.ascontiguousarray(self._values).view(np.float64)

    def _repeats(self) -> np.ndarray:
        """Samples that the groups have more than once, but for the first time."""
        if not self._copies:
            return np.empty(0, np.int64)
        used = np.zeros(len(self._told), bool)
        for group in self._layout.groups:
            group.mark(used)
        return np.concatenate([later[used[later] & used[first]] for later, first in self._copies])

    def _log_keys(self) -> float:
        """Logarithm of the number of keys there may be."""
        most = self.n * math.log(2)
        if self.degree is None:
            return most
        return min(most, math.log(sum(math.comb(self.n, i) for i in range(self.degree + 1))))

    def _every_key(self) -> np.ndarray:
        if self._few is None:
            self._few = keys_up_to(self.n, self.degree)
        return self._few

    def _asked_noise(self) -> float | None:
        """Variance of the oracle's noise, as far as it is known."""
        if self.noise != "auto":
            return float(self.noise) ** 2
        if self._twice is None:
            return None
        values = self._real()
        return float(np.square(values[self._twice_at] - values[self._twice]).mean()) / 2

    def _report(self, outcome: Outcome) -> SparseResult:
        coefficients = outcome.amplitudes
        stderr = np.sqrt(outcome.fit.variance * outcome.fit.spread[:, None])
        std = np.sqrt(outcome.fit.variance)
        if self._complex():
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
        if self._layout.whole and found > 2 * self.sparsity:
            return "overloaded"  # all terms are known, but they are not few
        if not outcome.noisy:
            return "converged" if outcome.settled else "overloaded"
        noise = self._asked_noise()
        if noise is not None and float(outcome.fit.variance.mean()) <= 2.5 * noise:
            return "converged" if outcome.settled else "noise-limited"
        # The rest is not noise but terms, which may all be small.
        share = outcome.r2
        if self._layout.whole:  # no points are left to hold out
            share = 1 - float(outcome.fit.variance.mean()) / self._mean_square()
        explained = outcome.settled and (noise is None or share > 0.25)
        return "converged" if explained else "overloaded"
