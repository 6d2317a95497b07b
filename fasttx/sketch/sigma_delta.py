"""Random Fourier features of few bits: noise-shaping quantization and condensation."""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .. import _threads
from .._cpu import noise_shaping as loops
from .features import PRODUCTS, FourierFeatures, waves

GROUP = 64  # samples quantized at a time
MOST_BITS = 52  # of a code, which is a sum in float64


class SigmaDeltaFeatures(FourierFeatures):
    """Random Fourier features quantized by Sigma-Delta or distributed noise shaping, and condensed.

    Cosines with random phases are quantized one after the other to 2**bits levels, so that the sum
    of the errors of `block` neighbours, with the weights of the condensation, nearly vanishes. The
    weighted sums, one for each block, are the features; there are few values that each can have.

    Parameters
    ----------
    kernel, gamma, nu
        As for `RandomFourierFeatures`.
    n_components : int, float or "auto", optional
        Number of condensed features.
    order : {1, 2, "beta"}, optional
        Order of Sigma-Delta quantization, with weights 1, ..., 1 or 1, 2, ..., 2, 1; or distributed
        noise shaping with weights beta**-1, ..., beta**-block, beta = levels block / (block + 1).
    block : int, optional
        Number of cosines in a feature; odd for order 2.
    bits : int, optional
        Of a cosine; order 2 needs 2 at least for its stability.
    random_state, rng, workers
        As for `RandomFourierFeatures`.

    Attributes
    ----------
    operator_ : LinearOperator of shape ``(n_components_ * block, n_features)``
        The frequencies.
    bits_per_feature_ : int
        Size of a code: log2 of the number of values for Sigma-Delta, and block * bits for "beta".
    phases_, gamma_, n_components_, n_features_in_
        As for `RandomFourierFeatures`.

    Notes
    -----
    Host only. A sample takes n_components * block * d multiplications by the BLAS, and as many
    cosines. Quantization is stable for any input, since cosines are scaled before: for order 2 by
    1 - 2 / (levels - 1), for "beta" by 1 - (beta - 1) / (levels - 1). The error that it adds to a
    feature, over the feature's size, decreases with the block like block**-(order - 1/2), since
    what is left of a block's errors is bounded and the norm of its weights grows; for "beta" like
    block * levels**-block. The inner product of two rows gets as much over sqrt(n_components), and
    a row's own square norm the square of it besides. What remains is a variance of about
    (1 + K(x, y)^2) / n_components, since sums of cosines with random phases are nearly normal
    numbers [1]_. Where bits count, compare with plain rounding
    (``order=1, block=1``) of as many bits for a feature: for the mean error of inner products it
    is often the better one.

    References
    ----------
    .. [1] J. Zhang, A. Cloninger and R. Saab, "Sigma-Delta and distributed noise-shaping
       quantization methods for random Fourier features", 2021. :arxiv:`2106.02614`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import SigmaDeltaFeatures
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> features = SigmaDeltaFeatures(gamma=0.5, n_components=5000, bits=2, random_state=0).fit(X)
    >>> codes = features.encode(X)
    >>> codes.shape, codes.dtype, features.bits_per_feature_
    ((2, 3750), dtype('uint8'), 6)
    >>> Z = features.decode(codes)
    >>> np.abs(Z @ Z.T - np.exp([[0, -0.5], [-0.5, 0]])).max() < 0.05
    np.True_
    """

    def __init__(
        self,
        kernel: str = "gaussian",
        *,
        gamma: float | str = 1.0,
        nu: float = 1.5,
        n_components: int | float | str = 100,
        order: int | str = 1,
        block: int = 15,
        bits: int = 1,
        random_state: Any = None,
        rng: Any = None,
        workers: int | None = None,
    ):
        self.kernel = kernel
        self.gamma = gamma
        self.nu = nu
        self.n_components = n_components
        self.order = order
        self.block = block
        self.bits = bits
        self.random_state = random_state
        self.rng = rng
        self.workers = workers

    _on_device = False

    def encode(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Packed codes of the features.

        Parameters
        ----------
        X : array_like or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of uint8, shape ``(n_samples, ceil(n_components_ * bits_per_feature_ / 8))``
            The codes one after the other, their lowest bits first.
        """
        check_is_fitted(self)
        codes = self._codes(self._validated(X, reset=False))
        out = np.empty((len(codes), -(-codes.shape[1] * self.bits_per_feature_ // 8)), np.uint8)
        places = np.arange(self.bits_per_feature_, dtype=np.uint64)
        for start in range(0, len(codes), GROUP):
            part = codes[start : start + GROUP].astype(np.uint64)
            planes = ((part[:, :, None] >> places) & np.uint64(1)).astype(np.uint8)
            flat = planes.reshape(len(part), -1)
            out[start : start + GROUP] = np.packbits(flat, axis=1, bitorder="little")
        return out

    def decode(self, codes: ArrayLike, dtype: Any = np.float64) -> NDArray[Any]:
        """Features from packed codes.

        Parameters
        ----------
        codes : array_like of uint8, shape (n_samples, n_bytes)
            As `encode` gives them.
        dtype : dtype, optional
            float64 (default) or float32.

        Returns
        -------
        ndarray of shape ``(n_samples, n_components_)``
            ``transform(X)`` for ``encode(X)``.
        """
        check_is_fitted(self)
        packed = np.asarray(codes)
        width, k = self.bits_per_feature_, self.n_components_
        if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] != -(-k * width // 8):
            raise ValueError(
                f"codes must be uint8 of shape (n_samples, {-(-k * width // 8)}); got "
                f"{packed.dtype} of shape {packed.shape}"
            )
        out = np.empty((len(packed), k), dtype)
        places = 2.0 ** np.arange(width)
        for start in range(0, len(packed), GROUP):
            flat = np.unpackbits(packed[start : start + GROUP], axis=1, bitorder="little")
            values = flat[:, : k * width].reshape(-1, k, width) @ places
            out[start : start + GROUP] = self._features(values, dtype)
        return out

    def condensed(self, X: ArrayLike) -> NDArray[Any]:
        """The features before quantization: for queries, which need no codes.

        Parameters
        ----------
        X : array_like or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape ``(n_samples, n_components_)``
            Weighted sums of the cosines, as near to ``transform(X)`` as its bits allow.
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        x = self.operator_.rows(X)
        waves(x, self.phases_, 1.0, x, self.workers)
        sums = x.reshape(len(x), self.n_components_, -1) @ self._weights.astype(x.dtype)
        return sums * x.dtype.type(np.sqrt(2 / self.n_components_) / np.linalg.norm(self._weights))

    def _prepare(self, X: Any) -> None:
        levels, block = self._scheme()
        if self.order == "beta":
            base = levels * block / (block + 1)
            self._feedback = (1 - (base - 1) / (levels - 1), base, 0.0)
            self._weights = base ** -np.arange(1.0, block + 1)
            self._digits = float(levels) ** np.arange(block)
        else:
            ones = np.ones(block if self.order == 1 else (block + 1) // 2)
            self._feedback = (1.0, 1.0, 0.0) if self.order == 1 else (1 - 2 / (levels - 1), 2, -1)
            self._weights = ones if self.order == 1 else np.convolve(ones, ones)
            self._digits = self._weights
        self.bits_per_feature_ = int((levels - 1) * self._digits.sum()).bit_length()
        if self.bits_per_feature_ > MOST_BITS:
            raise ValueError(
                f"block={block} and bits={self.bits} make codes of {self.bits_per_feature_} bits; "
                f"at most {MOST_BITS} are accepted"
            )
        k, rng = self._number(X.shape[0]), self._generator()
        self._draw(X, k * block, rng)
        self.phases_ = rng.uniform(0, 2 * np.pi, k * block).astype(X.dtype)
        self.n_components_ = k

    def _scheme(self) -> tuple[int, int]:
        """Number of levels and length of a block, checked."""
        block, bits = operator.index(self.block), operator.index(self.bits)
        if self.order not in (1, 2, "beta"):
            raise ValueError(f'order must be 1, 2 or "beta"; got {self.order!r}')
        if block < 1 or bits < 1:
            raise ValueError(f"block and bits must be positive; got {block} and {bits}")
        if self.order == 2 and (bits < 2 or block % 2 == 0):
            raise ValueError(
                f"order 2 needs at least 2 bits, to be stable, and an odd block; got bits={bits} "
                f"and block={block}"
            )
        return 1 << bits, block

    def _apply(self, X: Any) -> NDArray[Any]:
        return self._features(self._codes(X), X.dtype)

    def _codes(self, X: Any) -> NDArray[np.float64]:
        """Codes of all features, as whole numbers in an array of shape (n_samples, k)."""
        block, m = len(self._weights), self.operator_.shape[0]
        gain, first, second = self._feedback
        out = np.zeros((X.shape[0], self.n_components_))
        shape = loops.shape(X.dtype.name)
        options = (1 << self.bits, *map(X.dtype.type, (gain, first, second)), self.order == "beta")

        def quantize(x: NDArray[Any], sums: NDArray[np.float64], first: int, last: int) -> None:
            for start in range(first * GROUP, min(last * GROUP, len(x)), GROUP):
                columns = np.ascontiguousarray(x[start : start + GROUP].T)
                count = columns.shape[1]
                total, state = np.zeros((m // block, count)), np.empty((2, count), x.dtype)
                shape(columns, *options, self._digits, total, state)
                sums[start : start + count] = total.T

        step = max(1, PRODUCTS // (m * X.dtype.itemsize * GROUP)) * GROUP
        for start in range(0, len(out), step):
            x = self.operator_.rows(X[start : start + step])
            waves(x, self.phases_, 1.0, x, self.workers)
            task = partial(quantize, x, out[start : start + step])
            _threads.share(task, -(-len(x) // GROUP), _threads.resolve(self.workers, x.size))
        return out

    def _features(self, codes: NDArray[np.float64], dtype: Any) -> NDArray[Any]:
        """Weighted sums of the quantized cosines."""
        levels, weights = 1 << self.bits, self._weights
        if self.order == "beta":
            rest, sums = codes, np.zeros(codes.shape)
            for weight in weights:
                rest, digit = np.divmod(rest, levels)
                sums += weight * digit
        else:
            sums = codes
        values = 2 / (levels - 1) * sums - weights.sum()
        factor = np.sqrt(2 / self.n_components_) / np.linalg.norm(weights) / self._feedback[0]
        return (values * factor).astype(dtype)
