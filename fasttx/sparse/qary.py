"""Sparse Fourier transforms of functions on Z_q1 x ... x Z_qn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from .._array import check_count
from ._bins import Bins
from ._bins_plan import PeelingPlan
from ._oracle import ask
from ._outcome import Outcome
from ._qary_bins import QaryBins, phases, share

_LARGEST = 1 << 16
_DENSE = 1 << 24


class QaryResult(Outcome):
    """A sparse spectrum on Z_q1 x ... x Z_qn, of ``sparse_fft_qary``.

    Attributes
    ----------
    q : ndarray of int, shape (n,)
        Size of each coordinate's alphabet.
    keys : ndarray of int, shape (K, n)
        The frequencies k, largest coefficients first.
    coefficients : ndarray of complex, shape (K,) or (K, p)
        F[k].
    stderr : ndarray of float, shape (K,) or (K, p)
        Standard errors of the least-squares fit on these keys, from the residuals. They do not
        account for the choice of the keys.
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

    def __init__(self, q: np.ndarray, *parts: Any):
        super().__init__(*parts)
        self.q = q

    def _checked(self, points: np.ndarray) -> np.ndarray:
        if points.dtype.kind not in "ui" or not np.all((points >= 0) & (points < self.q)):
            raise ValueError("points must be integers from 0 to q - 1")
        return points

    def _matrix(self, points: np.ndarray) -> np.ndarray:
        return phases(points, self.keys, self.q)

    def to_dense(self) -> np.ndarray:
        """The spectrum as an array (q1, ..., qn) or (q1, ..., qn, p)."""
        size = math.prod(int(v) for v in self.q)
        if size > _DENSE:
            raise ValueError(f"to_dense makes {size} coefficients; at most {_DENSE}")
        dense = np.zeros((*self.q, *self.coefficients.shape[1:]), complex)
        dense[tuple(self.keys.T)] = self.coefficients
        return dense


class QaryPlan(PeelingPlan[QaryResult]):
    """Queries of a sparse Fourier transform on Z_q1 x ... x Z_qn, for ask and tell.

    Parameters are those of `sparse_fft_qary`; methods are those of every plan: `queries`, `tell`,
    `recover`, `save`, `load`.

    Parameters
    ----------
    n : int
        Number of coordinates.
    sparsity : int
        How many non-zero coefficients are expected.
    q : int or sequence of n ints
        Sizes of the alphabets.
    noise, groups, max_queries, confidence, rng, tag
        As for `sparse_fft_qary`.

    Raises
    ------
    ValueError, TypeError
        As for `sparse_fft_qary`.
    """

    def __init__(
        self,
        n: int,
        sparsity: int,
        *,
        q: int | Sequence[int],
        noise: float | str = "auto",
        groups: int = 3,
        max_queries: int | None = None,
        confidence: float = 0.999,
        rng: Any = None,
        tag: str = "",
    ):
        n = check_count(n, "n")
        sizes = [check_count(v, "q", 2) for v in (q if np.ndim(q) else [q] * n)]  # type: ignore
        if len(sizes) != n:
            raise ValueError(f"q must be an integer or {n} of them; got {len(sizes)}")
        if max(sizes) > _LARGEST:
            raise ValueError(f"q must be at most {_LARGEST}; got {max(sizes)}")
        sparsity = check_count(sparsity, "sparsity")
        if sparsity > math.prod(sizes):
            raise ValueError(
                f"sparsity must be at most the {math.prod(sizes)} points of the domain; "
                f"got {sparsity}"
            )
        config = self._arguments(n, sparsity, noise, groups, max_queries, confidence, rng)
        self._lay(config | {"q": sizes}, tag)

    def _lay(self, config: dict[str, Any], tag: str) -> None:
        super().__init__(tag)
        self._config = config
        self._q = np.array(config["q"])
        self._n = config["n"]
        self._kind = np.min_scalar_type(int(self._q.max()) - 1)
        self._width = self._n * self._kind.itemsize
        self._domain, self._covers = math.prod(config["q"]), True
        # Three groups empty when 0.41 bins a term are in each; two of few terms should not meet in
        # every group more often than one time in a hundred, if that is not too dear.
        sparsity, groups = config["sparsity"], config["groups"]
        enough = max(0.6 * sparsity, 2)
        better = max(enough, min((50 * sparsity**2) ** (1 / groups), 4 * sparsity))
        bound, _ = share(self._q, np.random.default_rng(config["seed"]), math.ceil(better), 1)
        dear = math.prod(config["q"][i] for i in bound) > 3 * better
        self._begin(enough if dear else better)

    def _draw(self, number: int, target: int, repeats: int) -> Bins:
        rng = np.random.default_rng([*self._config["seed"], number])
        return QaryBins(self._q, rng, target, repeats)

    def _probes(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return rng.integers(0, self._q, (count, self._n)).astype(self._kind).view(np.uint8)

    def _everything(self) -> np.ndarray:
        grid = np.indices(tuple(self._config["q"]), self._kind).reshape(self._n, -1)
        return np.ascontiguousarray(grid.T).view(np.uint8)

    def _solve(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = *self._config["q"], values.shape[1]
        spectrum = scipy.fft.fftn(values.reshape(shape), axes=range(self._n), norm="forward")
        keys = self._everything().view(self._kind)
        flat = spectrum.reshape(values.shape).astype(complex, copy=False)
        return keys, flat, np.full(len(keys), 1 / len(keys))

    def _unpacked(self, packed: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(packed).view(self._kind)

    def _outcome(self, *parts: Any) -> QaryResult:
        return QaryResult(self._q, *parts)


def sparse_fft_qary(
    f: Callable[[np.ndarray], ArrayLike],
    n: int,
    sparsity: int,
    *,
    q: int | Sequence[int],
    noise: float | str = "auto",
    groups: int = 3,
    max_queries: int | None = None,
    confidence: float = 0.999,
    rng: Any = None,
    workers: Any = None,
    progress: bool = False,
    tag: str = "",
) -> QaryResult:
    """Sparse Fourier transform of a function on Z_q1 x ... x Z_qn.

    Finds the few F[k] of ``f(m) = sum_k F[k] * exp(2j * pi * sum_j k_j * m_j / q_j)``.

    Parameters
    ----------
    f : callable
        Takes points, integers from 0 to q - 1 of shape (m, n) in the smallest unsigned dtype, and
        returns real or complex values (m,) or (m, p).
    n : int
        Number of coordinates.
    sparsity : int
        How many non-zero coefficients are expected. A real function has those at k and -k.
    q : int or sequence of n ints
        Sizes of the alphabets, each at least 2; primes or not.
    noise : float or "auto", optional
        Standard deviation of a value's error, 0 if there is rounding only. "auto" assumes rounding
        and, if that does not explain the values, takes the noise from the emptiest bins.
    groups : int, optional
        Random subgroups in the first design.
    max_queries : int, optional
        Where growth ends; 8 times the first design, or the whole domain if that is less.
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
    QaryResult

    Raises
    ------
    ValueError
        If an argument is out of range, or the values are not finite or of a wrong shape.

    Notes
    -----
    About ``groups * B * (n - b + 4)`` queries with ``B = q**b`` bins, about `sparsity`; if these
    were as many as the domain has points, all of it is asked and transformed. The domain of one
    alphabet is Z_q^m; samples on the cosets of a random subgroup alias its spectrum into bins, and
    phases between cosets tell the key of a bin that has one, which is then taken out of the other
    groups' bins [1]_; different alphabets share the bins [2]_. Decoding takes
    ``O(queries * log(B))`` and is done in complex128. A lone term is read if its modulus is about
    five times ``noise / sqrt(B) / sin(pi / q)``. Host only.

    References
    ----------
    .. [1] Y. E. Erginbas, J. S. Kang, A. Aghazadeh and K. Ramchandran, "Efficiently computing
       sparse Fourier transforms of q-ary functions", ISIT 2023. arXiv:2301.06200
    .. [2] D. Tsui, K. Talreja and A. Aghazadeh, "Efficient algorithm for sparse Fourier transform
       of generalized q-ary functions", 2025. arXiv:2501.12365

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sparse import sparse_fft_qary
    >>> def f(m):
    ...     return 3 + 2 * np.cos(2 * np.pi * (m[:, 0] / 3 + m[:, 7] / 3))
    >>> found = sparse_fft_qary(f, 12, 3, q=3, rng=0)
    >>> found.status, np.round(found.coefficients.real, 6)
    ('converged', array([3., 1., 1.]))
    >>> [tuple(np.flatnonzero(k)) for k in found.keys.tolist()][0]
    ()
    """
    plan = QaryPlan(
        n,
        sparsity,
        q=q,
        noise=noise,
        groups=groups,
        max_queries=max_queries,
        confidence=confidence,
        rng=rng,
        tag=tag,
    )
    ask(plan, f, workers, progress)
    return plan.recover()
