"""Sketches of features as transformers: Hadamard, sparse and normal random projections."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .._array import check_host
from ._estimator import LinearSketch, RowSketch
from ._hadamard import SubsampledHadamard
from ._make import (
    EXCESS,
    NONZEROS,
    fjlt_density,
    hashes,
    sparse_after_hadamard,
)
from ._operators import GaussianMap, HashedSums, SketchOperator


class SRHT(LinearSketch):
    """Subsampled randomized Hadamard transform: y = sqrt(n/k) R H D x / sqrt(n).

    D are random signs, H a Hadamard matrix of order n >= d and R draws k of its rows without
    replacement. For every x, E[||y||^2] = ||x||^2.

    Parameters
    ----------
    n_components : int, float or "auto", optional
        Number k of components, at most the number d of features. A float between 0 and 1 is the
        distortion of squared distances between any two rows that is to be kept with high
        probability: k = 4 ln(n_samples) / (e**2/2 - e**3/3) for e [3]_. "auto" is that for 0.1, or
        d if that is less.
    rounds : {1, 2}, optional
        How often H D is applied. After one round a unit vector becomes one of entries of equal
        magnitudes, and few large entries few distinct ones; after two rounds entries are close to
        normally distributed for every x, which coordinate-wise methods (quantizers, medians,
        random features) need. Lengths need one round only.
    random_state : int, RandomState, Generator or None, optional
        Random state; `rng` is another name for it. Signs are functions of a seed and an index.
    rng : int, Generator or None, optional
    workers : int, optional
        Number of threads, as for `fasttx.fwht`; bits do not depend on it.

    Attributes
    ----------
    operator_ : LinearOperator of shape ``(n_components_, n_features)``
        The sketch, with its adjoint.
    n_components_ : int
    n_features_in_ : int

    Notes
    -----
    On the host the transform goes through the first cache block by block and is pruned [2]_: levels
    across blocks are computed for the wanted outputs alone, signs are part of reading the input. A
    row costs at most d log2(d) additions, and one pass over memory. The length of a block and n
    (a power of two or m 2**p with the base orders m of `fasttx.next_hadamard_len`) are those of the
    least estimated cost.

    Device arrays give device arrays, with the random choices of the host. Where n is at most 2**13
    (in float64 2**12), or k at most some hundreds, one kernel reads the rows and writes k numbers a
    row; else the transforms of all n points are written in between.

    For a unit vector x and one round, Var[||y||^2] = (2/k) (1 - ||x||_4^4) (n - k) / (n - 1). With
    k = n the lengths are exact.

    References
    ----------
    .. [1] N. Ailon and B. Chazelle, "The fast Johnson-Lindenstrauss transform and approximate
       nearest neighbors", SIAM Journal on Computing 39, 302-322, 2009.
    .. [2] N. Ailon and E. Liberty, "Fast dimension reduction using Rademacher series on dual BCH
       codes", Discrete & Computational Geometry 42, 615-630, 2009.
    .. [3] S. Dasgupta and A. Gupta, "An elementary proof of a theorem of Johnson and
       Lindenstrauss", Random Structures & Algorithms 22, 60-65, 2003.
    .. [4] J. A. Tropp, "Improved analysis of the subsampled randomized Hadamard transform",
       Advances in Adaptive Data Analysis 3, 115-126, 2011. :arxiv:`1011.1595`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import SRHT
    >>> X = np.random.default_rng(0).standard_normal((5, 1000))
    >>> Y = SRHT(400, random_state=1).fit_transform(X)
    >>> Y.shape, (np.linalg.norm(Y, axis=1) / np.linalg.norm(X, axis=1)).round(2)
    ((5, 400), array([1.  , 1.01, 0.99, 1.01, 1.01]))
    """

    def __init__(
        self,
        n_components: int | float | str = "auto",
        *,
        rounds: int = 1,
        random_state: Any = None,
        rng: Any = None,
        workers: int | None = None,
    ):
        super().__init__(n_components, random_state=random_state, rng=rng, workers=workers)
        self.rounds = rounds

    def _operator(
        self, d: int, k: int, rng: np.random.Generator, dtype: np.dtype
    ) -> SketchOperator:
        if self.rounds not in (1, 2):
            raise ValueError(f"rounds must be 1 or 2; got {self.rounds!r}")
        return SubsampledHadamard(d, k, rng, rounds=self.rounds, dtype=dtype, workers=self.workers)


class FJLT(LinearSketch):
    """Fast Johnson-Lindenstrauss transform: a sparse normal matrix after a Hadamard transform.

    y = P H D x / sqrt(n): entries of P, of shape (k, n), are zero but with probability q, then
    normal with mean 0 and variance 1/(q k).

    Parameters
    ----------
    n_components : int, float or "auto", optional
        As for `SRHT`.
    density : float or "auto", optional
        The probability q. "auto" is the least one with which the variance of ||y||^2 exceeds that
        of a dense normal matrix by no more than the share `excess`, on average over D, for any x.
    excess : float, optional
        See `density`.
    random_state, rng, workers
        As for `SRHT`.

    Attributes
    ----------
    density_ : float
        The probability q.
    variance_ : float
        Bound of Var[||y||^2] for unit vectors, on average over D: (2 + 9 (1/q - 1) / n) / k.
    operator_, n_components_, n_features_in_
        As for `SRHT`.

    Notes
    -----
    Device arrays give device arrays, with the random choices of the host; `norm_variance` is host
    only. For a unit vector x and given signs D, with u = H D x / sqrt(n),

        Var[||y||^2] = (2 + 3 (1/q - 1) ||u||_4^4) / k

    exactly, and E[||u||_4^4] = (3 - 2 ||x||_4^4) / n. P is far sparser than [1]_ asked for; see
    [2]_ for how sparse it may be at best. A row costs d log2(d) additions and q k n products; a
    `SRHT` of as many components costs less and has a variance no larger.

    References
    ----------
    .. [1] N. Ailon and B. Chazelle, "The fast Johnson-Lindenstrauss transform and approximate
       nearest neighbors", SIAM Journal on Computing 39, 302-322, 2009.
    .. [2] O. N. Fandina, M. M. Høgsgaard and K. G. Larsen, "The fast Johnson-Lindenstrauss
       transform is even faster", 2022. :arxiv:`2204.01800`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import FJLT
    >>> fjlt = FJLT(64, random_state=0).fit(np.ones((1, 4096)))
    >>> round(1 / fjlt.density_, 1), round(64 * fjlt.variance_, 2)
    (92.0, 2.2)
    """

    def __init__(
        self,
        n_components: int | float | str = "auto",
        *,
        density: float | str = "auto",
        excess: float = EXCESS,
        random_state: Any = None,
        rng: Any = None,
        workers: int | None = None,
    ):
        super().__init__(n_components, random_state=random_state, rng=rng, workers=workers)
        self.density = density
        self.excess = excess

    def norm_variance(self, X: ArrayLike) -> NDArray[np.float64]:
        """Variance of ||y||^2 over P for the rows of `X`, given the signs D.

        Parameters
        ----------
        X : array_like or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        check_host(X, "norm_variance")
        u = self.operator_.mixed(self._validated(X, reset=False))
        squares = np.einsum("ij,ij->i", u, u, dtype=np.float64)
        fourth = np.einsum("ij,ij->i", u * u, u * u, dtype=np.float64)
        excess = 3 * (1 / self.density_ - 1)
        return (2 * squares**2 + excess * fourth) / self.n_components_

    def _operator(
        self, d: int, k: int, rng: np.random.Generator, dtype: np.dtype
    ) -> SketchOperator:
        if isinstance(self.density, str):
            if self.density != "auto":
                raise ValueError(f'density must be "auto" or a number; got {self.density!r}')
            if not self.excess > 0:
                raise ValueError(f"excess must be positive; got {self.excess}")
            self.density_ = fjlt_density(d, self.excess)
        elif 0 < self.density <= 1:
            self.density_ = float(self.density)
        else:
            raise ValueError(f"density must lie in (0, 1]; got {self.density}")
        S = sparse_after_hadamard(d, k, rng, self.density_, dtype, self.workers)
        self.variance_ = (2 + 9 * (1 / self.density_ - 1) / S.n) / k
        return S


class SparseSign(RowSketch):
    """Sparse sign matrix (OSNAP): each feature is added to s components, with signs over sqrt(s).

    The components are split into s ranges, and each feature has one place in every range.

    Parameters
    ----------
    n_components : int, float or "auto", optional
        As for `SRHT`.
    nonzeros : int, optional
        Number s of places, at most `n_components`; 8 is the advice of [2]_.
    random_state, rng, workers
        As for `SRHT`. Places and signs are functions of a seed and an index.

    Attributes
    ----------
    operator_, n_components_, n_features_in_
        As for `SRHT`; ``operator_.to_sparse()`` is the matrix.
    sketch_ : ndarray or device array of shape ``(n_components_, n_features)``
        Of `partial_fit`: the sketch of the rows so far.
    n_samples_seen_ : int
        Their number.

    Notes
    -----
    Costs s additions for each entry that is not zero. For a unit vector x,
    Var[||y||^2] = (2/k) (1 - ||x||_4^4), where s divides k. Device arrays give device arrays; sums
    are made without atomic additions, so that the same call gives the same bits.

    References
    ----------
    .. [1] J. Nelson and H. L. Nguyen, "OSNAP: Faster numerical linear algebra algorithms via
       sparser subspace embeddings", 2013. :arxiv:`1211.1002`
    .. [2] J. A. Tropp, A. Yurtsever, M. Udell and V. Cevher, "Streaming low-rank matrix
       approximation with an application to scientific simulation", 2019. :arxiv:`1902.08651`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import SparseSign
    >>> A = np.random.default_rng(0).standard_normal((1000, 3))
    >>> stream = SparseSign(50, random_state=1)
    >>> for rows in np.split(A, 10):
    ...     stream = stream.partial_fit(rows)
    >>> stream.sketch_.shape, stream.n_samples_seen_
    ((50, 3), 1000)
    """

    def __init__(
        self,
        n_components: int | float | str = "auto",
        *,
        nonzeros: int = NONZEROS,
        random_state: Any = None,
        rng: Any = None,
        workers: int | None = None,
    ):
        super().__init__(n_components, random_state=random_state, rng=rng, workers=workers)
        self.nonzeros = nonzeros

    def _columns(
        self, seed: np.uint64, start: int, count: int, k: int, dtype: np.dtype
    ) -> SketchOperator:
        s = operator.index(self.nonzeros)
        if s < 1:
            raise ValueError(f"nonzeros must be positive; got {s}")
        return HashedSums(*hashes(seed, start, count, k, min(s, k)), k, dtype, self.workers)


class CountSketch(RowSketch):
    """Count sketch: each feature is added to one component, with a random sign.

    Parameters
    ----------
    n_components : int, float or "auto", optional
        As for `SRHT`.
    random_state, rng, workers
        As for `SRHT`. Places and signs are functions of a seed and an index.

    Attributes
    ----------
    operator_, n_components_, n_features_in_, sketch_, n_samples_seen_
        As for `SparseSign`.

    Notes
    -----
    Costs one addition for each entry that is not zero [1]_ and keeps sparse rows sparse
    before they are added up; `scipy.linalg.clarkson_woodruff_transform` is the same sketch of rows.
    For a unit vector x, Var[||y||^2] = (2/k) (1 - ||x||_4^4); a subspace of dimension r needs k of
    the order of r**2, where the other sketches need r log(r). On a device as for `SparseSign`.

    References
    ----------
    .. [1] K. L. Clarkson and D. P. Woodruff, "Low rank approximation and regression in input
       sparsity time", 2013. :arxiv:`1207.6365`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import CountSketch
    >>> CountSketch(4, random_state=0).fit_transform(np.eye(6)).astype(int)
    array([[ 0,  0,  0, -1],
           [ 0,  0, -1,  0],
           [ 0,  0, -1,  0],
           [-1,  0,  0,  0],
           [ 0,  0,  1,  0],
           [ 0,  1,  0,  0]])
    """

    def _columns(
        self, seed: np.uint64, start: int, count: int, k: int, dtype: np.dtype
    ) -> SketchOperator:
        return HashedSums(*hashes(seed, start, count, k, 1), k, dtype, self.workers)


class GaussianSketch(RowSketch):
    """Product with a matrix of independent normal numbers of variance 1/k.

    Parameters
    ----------
    n_components : int, float or "auto", optional
        As for `SRHT`.
    random_state, rng
        As for `SRHT`. Columns of the matrix are functions of a seed and an index.
    workers : int, optional
        Not used: products are the BLAS's, which has threads of its own.

    Attributes
    ----------
    operator_, n_components_, n_features_in_, sketch_, n_samples_seen_
        As for `SparseSign`; ``operator_.matrix`` is the matrix, of shape (k, n_features).

    Notes
    -----
    Host only. 2 k d operations a row, and k d numbers of memory: for small k faster than `SRHT`.
    For a unit vector, k ||y||^2 has the chi-squared distribution with k degrees of freedom.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import GaussianSketch
    >>> GaussianSketch(0.5, random_state=0).fit_transform(np.eye(300)).shape
    (300, 273)
    """

    def _columns(
        self, seed: np.uint64, start: int, count: int, k: int, dtype: np.dtype
    ) -> SketchOperator:
        return GaussianMap(seed, start, count, k, dtype)
