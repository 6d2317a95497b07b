"""Random Fourier features: maps whose inner products approximate shift-invariant kernels."""

from __future__ import annotations

import math
import operator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _threads
from .._array import is_device_array
from .._cpu import features as loops
from ._estimator import Described, Transformer
from ._frequencies import (
    ChainOperator,
    check_kernel,
    fastfood,
    from_points,
    independent,
    orthogonal,
)
from ._operators import DenseMap, SketchOperator

CONFIDENCE = 0.99  # that a number of features reaches the error asked for
PRODUCTS = 1 << 22  # bytes of products with frequencies made at a time
ERROR = 0.1  # of the kernel, where the number of features is chosen here


class FourierFeatures(Transformer):
    """What feature maps of a kernel share: its frequencies, and how many there are."""

    kernel: str
    gamma: float | str
    nu: float
    workers: int | None

    def _draw(self, X: Any, m: int, rng: np.random.Generator) -> None:
        """Draw m frequencies."""
        check_kernel(self.kernel, self.nu)
        self.gamma_ = self._width(X)
        self.operator_ = self._frequencies(m, X.shape[1], rng, X.dtype)
        self.operator_.workers = self.workers

    def _frequencies(
        self, m: int, d: int, rng: np.random.Generator, dtype: np.dtype
    ) -> SketchOperator:
        return DenseMap(independent(self.kernel, self.gamma_, self.nu, m, d, rng).astype(dtype))

    def _number(self, n: int) -> int:
        wanted = self.n_components
        if isinstance(wanted, str) and wanted != "auto":
            raise ValueError(f'n_components must be "auto", an int or an error; got {wanted!r}')
        if isinstance(wanted, str | float | np.floating):
            error = ERROR if isinstance(wanted, str) else float(wanted)
            if not 0 < error < 1:
                raise ValueError(f"an error of the kernel must lie between 0 and 1; got {error}")
            # For each pair of rows P <= 2 exp(-m error^2 / 2) with the mean of m cosines, pairs of
            # features, and P <= 2 exp(-k error^2 / 8) for products of k cosines with phases.
            terms = 2 * math.log(n**2 / (1 - CONFIDENCE)) / error**2
            return 2 * math.ceil(terms) if getattr(self, "pairs", False) else math.ceil(4 * terms)
        count = operator.index(wanted)
        if count < 1:
            raise ValueError(f"n_components must be positive; got {count}")
        return count

    def _width(self, X: Any) -> float:
        if isinstance(self.gamma, str):
            if self.gamma != "scale":
                raise ValueError(f'gamma must be "scale" or a positive number; got {self.gamma!r}')
            if isinstance(X, Described):
                raise NotImplementedError(
                    'gamma="scale" is on the host only: give a number, or pass a NumPy array'
                )
            if hasattr(X, "tocsr"):
                mean, zeros = X.data.sum(dtype=np.float64) / np.prod(X.shape), np.prod(X.shape)
                zeros = zeros - X.data.size
                square = np.sum((X.data.astype(np.float64) - mean) ** 2) + zeros * mean**2
                variance = float(square / np.prod(X.shape))
            else:
                variance = float(X.var(dtype=np.float64))
            if not math.isfinite(variance):
                raise ValueError("the variance of X is not finite: give gamma as a number")
            return 1.0 / (X.shape[1] * variance) if variance > 0 else 1.0
        gamma = float(self.gamma)
        if not 0 < gamma < math.inf:
            raise ValueError(f"gamma must be positive and finite; got {self.gamma}")
        return gamma


class RandomFourierFeatures(FourierFeatures):
    """Random Fourier features with independent frequencies.

    z(x) has the entries cos(w_i @ x) and sin(w_i @ x), times a factor, for random frequencies w_i
    whose density is the kernel's Fourier transform, so that E[z(x) @ z(y)] = K(x, y). In the place
    of `sklearn.kernel_approximation.RBFSampler`, with a smaller variance.

    Parameters
    ----------
    kernel : {"gaussian", "laplacian", "matern"}, optional
        exp(-gamma ||x - y||^2); exp(-gamma ||x - y||_1), as scikit-learn has it; or Matern's kernel
        of smoothness `nu` with the length scale 1/sqrt(2 gamma), which tends to the first one as nu
        grows and for nu = 1/2 is exp(-sqrt(2 gamma) ||x - y||).
    gamma : float or "scale", optional
        Positive. "scale" is 1 / (n_features * X.var()), for arrays on the host.
    nu : float, optional
        Smoothness of "matern", at least 0.05.
    n_components : int, float or "auto", optional
        Number of features. A float between 0 and 1 is an error: as many features as give K(x, y) to
        that error for all pairs of rows of `X`, with probability 0.99, by Hoeffding's inequality
        for independent frequencies. "auto" is that for 0.1.
    pairs : bool, optional
        Cosines and sines of half as many frequencies, or (False, as RBFSampler) cosines with random
        phases, whose variance is larger and not zero even for x = y. With pairs and an odd number
        the last cosine has a random phase.
    random_state : int, RandomState, Generator or None, optional
        Random state; `rng` is another name for it.
    rng : int, Generator or None, optional
    workers : int, optional
        Number of threads, as for `fasttx.fwht`; bits do not depend on it.

    Attributes
    ----------
    operator_ : LinearOperator of shape (n_frequencies, n_features)
        The frequencies; K(x, y) is about the mean of ``cos(operator_ @ (x - y))``.
    phases_ : ndarray of shape (n_frequencies,)
    gamma_ : float
    n_components_ : int
    n_features_in_ : int

    Notes
    -----
    Host only. d multiplications a feature by the BLAS, and a cosine of 10 operations. float32 is
    kept throughout. With pairs, the variance of an inner product of k features is
    (1 - K(x, y)^2)^2 / k for the Gaussian kernel.

    References
    ----------
    .. [1] A. Rahimi and B. Recht, "Random features for large-scale kernel machines", Advances in
       Neural Information Processing Systems 20, 2007.
    .. [2] D. J. Sutherland and J. Schneider, "On the error of random Fourier features", 2015.
       :arxiv:`1506.02785`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import RandomFourierFeatures
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> Z = RandomFourierFeatures(gamma=0.5, n_components=10_000, random_state=0).fit_transform(X)
    >>> (Z @ Z.T).round(2), np.exp(-0.5).round(2)
    (array([[1. , 0.6],
           [0.6, 1. ]]), np.float64(0.61))
    """

    def __init__(
        self,
        kernel: str = "gaussian",
        *,
        gamma: float | str = 1.0,
        nu: float = 1.5,
        n_components: int | float | str = 100,
        pairs: bool = True,
        random_state: Any = None,
        rng: Any = None,
        workers: int | None = None,
    ):
        self.kernel = kernel
        self.gamma = gamma
        self.nu = nu
        self.n_components = n_components
        self.pairs = pairs
        self.random_state = random_state
        self.rng = rng
        self.workers = workers

    def _prepare(self, X: Any) -> None:
        k, rng = self._number(X.shape[0]), self._generator()
        m = -(-k // 2) if self.pairs else k
        self._draw(X, m, rng)
        self.phases_ = np.zeros(m, X.dtype)
        alone = slice(m - k % 2 if self.pairs else 0, m)
        self.phases_[alone] = rng.uniform(0, 2 * np.pi, m)[alone]
        self.n_components_ = k

    def _apply(self, X: Any) -> NDArray[Any]:
        factor = math.sqrt(2 / self.n_components_)
        if is_device_array(X):
            if not isinstance(self.operator_, ChainOperator):
                raise NotImplementedError(
                    "products with dense matrices of frequencies are on the host only: pass a "
                    "NumPy array; on a device, OrthogonalFourierFeatures of more than 64 "
                    'dimensions and Fastfood are accepted, but not the kernel "laplacian"'
                )
            return self.operator_.waves(X, self.phases_, factor, self.n_components_)
        out = np.empty((X.shape[0], self.n_components_), X.dtype)
        step = max(1, PRODUCTS // (self.operator_.shape[0] * out.itemsize))
        for start in range(0, len(out), step):
            products = self.operator_.rows(X[start : start + step])
            waves(products, self.phases_, factor, out[start : start + step], self.workers)
        return out


def waves(
    x: NDArray[Any],
    phases: NDArray[Any],
    factor: float,
    out: NDArray[Any],
    workers: int | None,
) -> None:
    """Cosines of ``x + phases`` in the first columns of `out`, sines in those that are left."""
    turns = (phases / (2 * np.pi)).astype(x.dtype)
    task = partial(loops.waves(x.dtype.name), x, turns, x.dtype.type(factor), out)
    _threads.share(task, len(x), _threads.resolve(workers, out.size))


class OrthogonalFourierFeatures(RandomFourierFeatures):
    """Random Fourier features whose frequencies are orthogonal, by Hadamard matrices.

    Frequencies are the rows of sqrt(2 gamma) R H D1 H D2 H D3 / n, n >= d a power of two: D are
    random signs, and R the norms that normal vectors would have. As many blocks of n frequencies
    are taken as needed. Up to 64 dimensions, blocks are rows of random rotations, whose directions
    are uniform, as those of the product of Hadamard matrices are only for large n.

    Parameters
    ----------
    kernel, gamma, nu, n_components, pairs
        As for `RandomFourierFeatures`. The kernel "laplacian", of the 1-norm, is not invariant to
        rotations: its frequencies are independent. The one of the 2-norm is "matern" of nu = 1/2.
    norms : bool, optional
        Whether norms are drawn, from the chi distribution, so that the density of a frequency is
        the kernel's: exactly for rotations, else up to terms of the order of 1/n. False gives all
        the norm sqrt(n): less variance still, and a bias of the order of 1/n.
    random_state, rng, workers
        As for `RandomFourierFeatures`.

    Attributes
    ----------
    operator_, phases_, gamma_, n_components_, n_features_in_
        As for `RandomFourierFeatures`.

    Notes
    -----
    3 n log2(n) additions for n frequencies, in the first cache. For the Gaussian kernel, whole
    blocks and points at the distance z / sqrt(2 gamma), the mean square error over that of
    independent frequencies is 1 - exp(-z**2) z**4 / (1 - exp(-z**2))**2 and a term of the order of
    1/n [1]_: 0.08 for z = 1, 0.33 for 1.5, 0.7 for 2; far points gain nothing.

    Device arrays of more than 64 and at most 2**15 dimensions (in float64 2**13) are transformed on
    the device, and only features are written; the frequencies are those of the host for the same
    random state. Rotations, for fewer dimensions, and the kernel "laplacian" are host only.

    References
    ----------
    .. [1] F. X. Yu, A. T. Suresh, K. Choromanski, D. Holtmann-Rice and S. Kumar, "Orthogonal random
       features", 2016. :arxiv:`1610.09072`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import OrthogonalFourierFeatures
    >>> X = np.random.default_rng(0).standard_normal((2, 200)) / 20
    >>> Z = OrthogonalFourierFeatures(gamma=1.0, n_components=512, random_state=0).fit_transform(X)
    >>> (Z[0] @ Z[1]).round(2), np.exp(-np.sum((X[0] - X[1]) ** 2)).round(2)
    (np.float64(0.34), np.float64(0.35))
    """

    def __init__(
        self,
        kernel: str = "gaussian",
        *,
        gamma: float | str = 1.0,
        nu: float = 1.5,
        n_components: int | float | str = 100,
        pairs: bool = True,
        norms: bool = True,
        random_state: Any = None,
        rng: Any = None,
        workers: int | None = None,
    ):
        super().__init__(
            kernel,
            gamma=gamma,
            nu=nu,
            n_components=n_components,
            pairs=pairs,
            random_state=random_state,
            rng=rng,
            workers=workers,
        )
        self.norms = norms

    def _frequencies(
        self, m: int, d: int, rng: np.random.Generator, dtype: np.dtype
    ) -> SketchOperator:
        if self.kernel == "laplacian":
            return super()._frequencies(m, d, rng, dtype)
        return orthogonal(self.kernel, self.gamma_, self.nu, m, d, rng, dtype, norms=self.norms)


class Fastfood(RandomFourierFeatures):
    """Random Fourier features by Fastfood: S H G P H B in the place of a normal matrix.

    Frequencies are the rows of sqrt(2 gamma / n) S H G P H B, n >= d a power of two and H not
    normalised: B are random signs, P a permutation, G normal numbers and S norms of normal vectors
    over the norm of G. As many blocks of n frequencies are taken as needed.

    Parameters
    ----------
    kernel, gamma, nu, n_components, pairs, random_state, rng, workers
        As for `OrthogonalFourierFeatures`.

    Attributes
    ----------
    operator_, phases_, gamma_, n_components_, n_features_in_
        As for `RandomFourierFeatures`.

    Notes
    -----
    2 n log2(n) additions for n frequencies. Rows of a block share G and are not independent: the
    variance is that of n independent ones, itself of the order of 1/n, and a term of the same order
    [1]_. For the Gaussian kernel and points at the distance z / sqrt(2 gamma) that differ in all
    coordinates, it was found to be 2 times that of independent ones for small z, 1.9 times for
    z = 1 and 1.3 for z = 2, whatever n; far points lose nothing. `OrthogonalFourierFeatures` has
    less variance at nearly the same cost.

    Device arrays of at most 2**13 dimensions (in float64 2**12) are transformed on the device, but
    for the kernel "laplacian".

    References
    ----------
    .. [1] Q. V. Le, T. Sarlos and A. J. Smola, "Fastfood: Approximate kernel expansions in
       loglinear time", 2014. :arxiv:`1408.3060`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import Fastfood
    >>> X = np.random.default_rng(0).standard_normal((2, 200)) / 20
    >>> Z = Fastfood(gamma=1.0, n_components=8192, random_state=0).fit_transform(X)
    >>> (Z[0] @ Z[1]).round(2), np.exp(-np.sum((X[0] - X[1]) ** 2)).round(2)
    (np.float64(0.35), np.float64(0.35))
    """

    def _frequencies(
        self, m: int, d: int, rng: np.random.Generator, dtype: np.dtype
    ) -> SketchOperator:
        if self.kernel == "laplacian":
            return super()._frequencies(m, d, rng, dtype)
        return fastfood(self.kernel, self.gamma_, self.nu, m, d, rng, dtype)


class QuasiRandomFeatures(RandomFourierFeatures):
    """Fourier features whose frequencies are quantiles at points of a low-discrepancy sequence.

    Parameters
    ----------
    kernel, gamma, nu, n_components, pairs
        As for `RandomFourierFeatures`.
    sequence : {"net", "lattice", "halton"}, optional
        Randomized points: `fasttx.qmc.DigitalNet`, `fasttx.qmc.Lattice` or `fasttx.qmc.Halton`.
    random_state, rng, workers
        As for `RandomFourierFeatures`.

    Attributes
    ----------
    operator_, phases_, gamma_, n_components_, n_features_in_
        As for `RandomFourierFeatures`.

    Notes
    -----
    Host only. d multiplications a feature by the BLAS. Every frequency has the kernel's density, so
    that there is no bias; for smooth kernels of up to some 10 dimensions, the error of m
    frequencies decreases nearly like 1/m where independent ones have 1/sqrt(m) [1]_.

    References
    ----------
    .. [1] H. Avron, V. Sindhwani, J. Yang and M. W. Mahoney, "Quasi-Monte Carlo feature maps for
       shift-invariant kernels", 2014. :arxiv:`1412.8293`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import QuasiRandomFeatures
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> Z = QuasiRandomFeatures(gamma=0.5, n_components=512, random_state=0).fit_transform(X)
    >>> (Z @ Z.T).round(3), np.exp(-0.5).round(4)
    (array([[1.   , 0.606],
           [0.606, 1.   ]]), np.float64(0.6065))
    """

    def __init__(
        self,
        kernel: str = "gaussian",
        *,
        gamma: float | str = 1.0,
        nu: float = 1.5,
        n_components: int | float | str = 100,
        pairs: bool = True,
        sequence: str = "net",
        random_state: Any = None,
        rng: Any = None,
        workers: int | None = None,
    ):
        super().__init__(
            kernel,
            gamma=gamma,
            nu=nu,
            n_components=n_components,
            pairs=pairs,
            random_state=random_state,
            rng=rng,
            workers=workers,
        )
        self.sequence = sequence

    def _frequencies(
        self, m: int, d: int, rng: np.random.Generator, dtype: np.dtype
    ) -> SketchOperator:
        W = from_points(self.kernel, self.gamma_, self.nu, m, d, rng, self.sequence)
        return DenseMap(W.astype(dtype))
