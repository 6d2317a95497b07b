"""Sparse Möbius transforms: multilinear polynomials with few terms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._array import check_count
from ..transforms.subsets import mobius
from ._bins import Bins
from ._bins_plan import PeelingPlan
from ._moebius_bins import CHECKS, MoebiusBins, disjoint
from ._oracle import ask
from ._outcome import Outcome, distinct

_DENSE_BITS = 24
_TESTS = 1.5 * math.e  # masks of a group, in degree * log(n)


class MoebiusResult(Outcome):
    """A sparse Möbius spectrum, of ``sparse_moebius``.

    Attributes
    ----------
    n : int
        Number of bits.
    support : ndarray of bool, shape (K, n)
        The sets k, largest coefficients first.
    coefficients : ndarray, shape (K,) or (K, p)
        F[k], real or complex as the function was.
    stderr : ndarray of float, shape (K,) or (K, p)
        Standard errors of the least-squares fit on these sets, from the residuals. They do not
        account for the choice of the sets.
    noise_std : float
        Root mean square of the residuals of a query: noise, and terms that were not found.
    status : {"converged", "overloaded", "noise-limited"}
        Whether all that differs from noise was explained and rows held out agree; else whether
        there are more terms than the queries resolve, or what remains cannot be told from noise.
    n_queries : int
        Queries asked, the rows held out among them.
    unresolved : int
        Bins whose content is not explained.
    r2 : float
        Coefficient of determination on random rows held out; NaN if every point was asked.
    """

    @property
    def n(self) -> int:
        """Number of bits."""
        return self.keys.shape[1]

    @property
    def support(self) -> np.ndarray:
        """The sets as rows of booleans."""
        return self.keys.astype(bool)

    def _checked(self, points: np.ndarray) -> np.ndarray:
        if points.dtype.kind not in "buif" or not np.all((points == 0) | (points == 1)):
            raise ValueError("points must be zeros and ones")
        return points

    def _matrix(self, points: np.ndarray) -> np.ndarray:
        return disjoint(1 - points.astype(np.float32), self.keys)

    def to_dense(self) -> np.ndarray:
        """The spectrum as an array (2**n,) or (2**n, p): F[k] at the index whose bit i is k_i."""
        if self.n > _DENSE_BITS:
            raise ValueError(f"to_dense makes 2**n numbers; n is {self.n}, at most {_DENSE_BITS}")
        dense = np.zeros((1 << self.n, *self.coefficients.shape[1:]), self.coefficients.dtype)
        dense[self.keys.astype(np.int64) @ (1 << np.arange(self.n))] = self.coefficients
        return dense


class MoebiusPlan(PeelingPlan[MoebiusResult]):
    """Queries of a sparse Möbius transform, for ask and tell.

    Parameters are those of `sparse_moebius`; methods are those of every plan: `queries`, `tell`,
    `recover`, `save`, `load`.

    Parameters
    ----------
    n : int
        Number of bits.
    sparsity : int
        How many non-zero coefficients are expected.
    degree : int, optional
        Most bits of a set with a coefficient.
    noise, groups, max_queries, confidence, rng, tag
        As for `sparse_moebius`.

    Raises
    ------
    ValueError, TypeError
        As for `sparse_moebius`.
    """

    def __init__(
        self,
        n: int,
        sparsity: int,
        *,
        degree: int | None = None,
        noise: float | str = "auto",
        groups: int = 3,
        max_queries: int | None = None,
        confidence: float = 0.999,
        rng: Any = None,
        tag: str = "",
    ):
        n = check_count(n, "n")
        sparsity = check_count(sparsity, "sparsity")
        if degree is not None:
            degree = check_count(degree, "degree")
            if degree > n:
                raise ValueError(f"degree must be at most n = {n}; got {degree}")
        most = _sets(n, degree)
        if sparsity > most:
            raise ValueError(f"sparsity must be at most the {most} sets there are; got {sparsity}")
        config = self._arguments(n, sparsity, noise, groups, max_queries, confidence, rng)
        self._lay(config | {"degree": degree}, tag)

    def _lay(self, config: dict[str, Any], tag: str) -> None:
        super().__init__(tag)
        self._config = config
        self._n, self._degree = config["n"], config["degree"]
        self._width = -(-self._n // 8)
        self._covers = self._degree in (None, self._n)
        self._domain = _sets(self._n, self._degree)
        self._begin(max(config["sparsity"], 4))

    def _draw(self, number: int, target: int, repeats: int) -> Bins:
        rng = np.random.default_rng([*self._config["seed"], number])
        n, degree = self._n, self._degree
        bits = min(n, max(1, math.ceil(math.log2(target))))
        if degree is None:
            rows = rng.permutation(n)
            hashing = np.zeros((bits, n), np.uint8)
            hashing[np.arange(bits), rows[:bits]] = 1
            masks = np.eye(n, dtype=np.uint8)[np.sort(rows[bits:])]
            sparse = min(0.5, 2 / n)
        else:
            # Half of the sets with so many bits meet a row. Smaller ones meet fewer, and are told
            # apart by the groups whose rows are denser.
            meant = degree if number % 2 == 0 else max(1, degree // 2)
            hashing = rng.random((bits, n)) < 1 - 0.5 ** (1 / meant)
            sparse = 1 - 0.5 ** (1 / degree)
            tests = math.ceil(_TESTS * degree * math.log(n + 1))
            if tests < n:
                masks = rng.random((tests, n)) < sparse
            else:
                masks = np.eye(n, dtype=np.uint8)
        checks = rng.random((CHECKS, n)) < sparse
        masks = np.concatenate([np.zeros((1, n), np.uint8), masks, checks]).astype(np.uint8)
        return MoebiusBins(hashing.astype(np.uint8), masks, degree)

    def _probes(self, rng: np.random.Generator, count: int) -> np.ndarray:
        # From half of the bits on, as functions are used, to nearly all on, which large sets need.
        widest = self._n if self._degree is None else self._degree
        off = 0.5 ** (1 / np.geomspace(1, widest, count))
        rows = rng.random((count, self._n)) < off[:, None]
        return np.packbits(rows, axis=1, bitorder="little")

    def _everything(self) -> np.ndarray:
        n, width = self._n, self._width
        if self._covers:
            index = np.arange(1 << n, dtype="<u8")
            return np.ascontiguousarray(index.view(np.uint8).reshape(-1, 8)[:, :width])
        rows = np.zeros((self._domain, n), np.uint8)
        start = 0
        for size in range(self._degree + 1):
            count = math.comb(n, size)
            picks = itertools.chain.from_iterable(itertools.combinations(range(n), size))
            at = np.fromiter(picks, np.int64, count * size).reshape(count, size)
            rows[start + np.arange(count)[:, None], at] = 1
            start += count
        return np.packbits(rows, axis=1, bitorder="little")

    def _solve(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        packed = self._everything()
        keys = self._unpacked(packed)
        gain = 2.0 ** keys.sum(axis=1, dtype=np.int64)
        if self._covers:
            return keys, mobius(values, axis=0), gain
        values = values.copy()
        for i in range(self._n):
            # Sets with i, and where they are without it.
            having = np.flatnonzero(keys[:, i])
            without = packed[having].copy()
            without[:, i // 8] ^= np.uint8(1 << i % 8)
            first, number = distinct(np.concatenate([packed, without]))
            values[having] -= values[first[number[len(packed) :]]]
        return keys, values, gain

    def _unpacked(self, packed: np.ndarray) -> np.ndarray:
        return np.unpackbits(packed, axis=1, count=self._n, bitorder="little")

    def _outcome(self, *parts: Any) -> MoebiusResult:
        return MoebiusResult(*parts)


def _sets(n: int, degree: int | None) -> int:
    """Number of sets of at most so many bits."""
    if degree is None or degree == n:
        return 1 << n
    return sum(math.comb(n, i) for i in range(degree + 1))


def sparse_moebius(
    f: Callable[[np.ndarray], ArrayLike],
    n: int,
    sparsity: int,
    *,
    degree: int | None = None,
    noise: float | str = "auto",
    groups: int = 3,
    max_queries: int | None = None,
    confidence: float = 0.999,
    rng: Any = None,
    workers: Any = None,
    progress: bool = False,
    tag: str = "",
) -> MoebiusResult:
    """Sparse Möbius transform of a function of bits.

    Finds the few F[k] of ``f(m) = sum of F[k] over sets k inside m``: the terms of a multilinear
    polynomial, or the Harsanyi dividends of a game.

    Parameters
    ----------
    f : callable
        Takes rows of bits, uint8 of shape (m, n), and returns real or complex values (m,) or
        (m, p).
    n : int
        Number of bits.
    sparsity : int
        How many non-zero coefficients are expected.
    degree : int, optional
        Most bits of a set with a coefficient: far fewer queries if it is small. Any if None.
    noise : float or "auto", optional
        Standard deviation of a value's error, 0 if there is rounding only. "auto" assumes rounding
        and, if that does not explain the values, takes the noise from the emptiest bins.
    groups : int, optional
        Random hashes in the first design.
    max_queries : int, optional
        Where growth ends; 8 times the first design, or all points if that is less.
    confidence : float, optional
        Probability that no empty bin is taken for a full one.
    rng : {None, int, numpy.random.Generator}, optional
        Source of the design.
    workers : int or executor, optional
        Where chunks of queries are evaluated; in this thread if None.
    progress : bool, optional
        Show a progress bar; needs tqdm.
    tag : str, optional
        Name of the function, kept with saved values.

    Returns
    -------
    MoebiusResult

    Raises
    ------
    ValueError
        If an argument is out of range, or the values are not finite or of a wrong shape.

    Notes
    -----
    ``groups * B * P`` queries at most, B the power of two from `sparsity` on; P is n + 4 - log2(B),
    or with a degree t ``min(n, 4.1 * t * log(n)) + 4``. If these were as many as there are sets,
    the function is asked at every set instead. Samples on a random sublattice alias the spectrum
    into bins; forcing further bits to 0 drops the terms that have one of them, which is group
    testing for the set of a bin that has one [1]_. Decoding takes ``O(queries * log(B))``.

    Möbius transforms amplify noise: the variance in bin j is ``2**|j|`` times that of a query, B
    times at worst, half of the bins more than ``sqrt(B)`` times. All thresholds follow it. A lone
    term is read if it is about ten times the noise of its bin, so that this is for rounding and
    moderate noise; ``status`` says "noise-limited" where that does not suffice. Host only.

    References
    ----------
    .. [1] J. S. Kang, Y. E. Erginbas, L. Butler, R. Pedarsani and K. Ramchandran, "Learning to
       understand: identifying interactions via the Möbius transform", NeurIPS 2024.
       arXiv:2402.02631

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sparse import sparse_moebius
    >>> def f(m):
    ...     return 2.0 + 3.0 * m[:, 4] - m[:, 0] * m[:, 7] * m[:, 30]
    >>> found = sparse_moebius(f, 40, 3, degree=3, rng=0)
    >>> [np.flatnonzero(k).tolist() for k in found.support]
    [[4], [], [0, 7, 30]]
    >>> found.status, np.round(found.coefficients, 6)
    ('converged', array([ 3.,  2., -1.]))
    """
    plan = MoebiusPlan(
        n,
        sparsity,
        degree=degree,
        noise=noise,
        groups=groups,
        max_queries=max_queries,
        confidence=confidence,
        rng=rng,
        tag=tag,
    )
    ask(plan, f, workers, progress)
    return plan.recover()
