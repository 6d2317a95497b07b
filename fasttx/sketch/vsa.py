"""Vector symbolic architectures: sets, records and sequences as single vectors.

Random vectors of a high dimension d stand for symbols. They are bundled, into a vector similar to
all of them, and bound, into one similar to none from which each is recovered by the other. Host
only.

References
----------
- T. A. Plate, "Holographic reduced representations", IEEE Transactions on Neural Networks 6,
  623-641, 1995.
- R. W. Gayler, "Multiplicative binding, representation operators and analogy", 1998.
- E. P. Frady, D. Kleyko and F. T. Sommer, "A theory of sequence indexing and working memory in
  recurrent neural networks", 2018. :arxiv:`1803.00412`
- M. M. Alam, A. Oberle, E. Raff, S. Biderman, T. Oates and J. Holt, "A Walsh Hadamard derived
  linear vector symbolic architecture", 2024. :arxiv:`2410.22669`
- K. L. Clarkson, S. Ubaru and E. Yang, "Capacity analysis of vector symbolic architectures",
  2023. :arxiv:`2301.10352`
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.special import gammaln, log_ndtr

from .._array import check_host
from ..transforms.convolve import xor_convolve
from ..transforms.fft import irfft_unordered, rfft_unordered
from ..transforms.fwht import fwht

__all__ = [
    "MAPB",
    "MAPI",
    "Circular",
    "CleanupMemory",
    "Hadamard",
    "dimension_needed",
    "error_probability",
    "simulate",
]

Array = NDArray[Any]

MOST_DIMENSIONS = 1 << 40
RECALLED = 100  # values recovered with the same codebook


class Architecture:
    """What the architectures share; vectors are along the last axis."""

    powers_only = False

    def __init__(self, d: int):
        self.d = operator.index(d)
        if self.d < 2 or (self.powers_only and self.d & (self.d - 1)):
            kind = "a power of two" if self.powers_only else "an integer"
            raise ValueError(f"d must be {kind}, at least 2; got {d}")

    def random(self, n: int, *, rng: Any = None) -> Array:
        """Random vectors for n symbols, of shape (n, d)."""
        return 1 - 2 * np.random.default_rng(rng).integers(0, 2, (n, self.d), np.int8)

    def bundle(self, vectors: ArrayLike, *, rng: Any = None) -> Array:
        """Superpose vectors of shape (..., n, d) to (..., d)."""
        return self._vectors(vectors).sum(axis=-2)

    def bind(self, a: ArrayLike, b: ArrayLike) -> Array:
        """Bind vectors: the result is similar to neither."""
        return self._vectors(a) * self._vectors(b)

    def unbind(self, c: ArrayLike, a: ArrayLike) -> Array:
        """What was bound with `a`: ``unbind(bind(a, b), a)`` is b, or with noise for a bundle."""
        return self.bind(c, a)

    def permute(self, a: ArrayLike, shift: int = 1) -> Array:
        """Rotate entries, which marks places in a sequence; ``-shift`` undoes it."""
        return np.roll(self._vectors(a), shift, axis=-1)

    def similarity(self, a: ArrayLike, b: ArrayLike) -> Array:
        """Cosines of the angles between vectors, of shape (..., n, d) and (..., m, d) or (d,)."""
        left, right = self._vectors(a), self._vectors(b)
        left, right = (x.astype(np.result_type(x, np.float32)) for x in (left, right))
        products = left @ np.swapaxes(right, -1, -2) if right.ndim > 1 else left @ right
        lengths = np.linalg.norm(left, axis=-1), np.linalg.norm(right, axis=-1)
        if left.ndim > 1 and right.ndim > 1:
            return products / np.maximum(lengths[0][..., None] * lengths[1][..., None, :], 1e-30)
        return products / np.maximum(lengths[0] * lengths[1], 1e-30)

    def _vectors(self, x: ArrayLike) -> Array:
        check_host(x, type(self).__name__)
        x = np.asarray(x)
        if x.ndim < 1 or x.shape[-1] != self.d:
            raise ValueError(f"vectors must have {self.d} entries; got shape {x.shape}")
        return x

    @staticmethod
    def retrieval(bundled: int) -> tuple[float, float, float]:
        """Mean and d-fold variance of the right item's cosine, and what it says of the others'.

        Those of wrong items have the d-fold variance 1, and 1 + c z / sqrt(d) where the right
        one is z standard deviations off: the bundle is longer then.
        """
        others = math.sqrt(bundled - 1)
        return 1 / math.sqrt(bundled), others**2 / bundled, 2 * others / bundled


class MAPI(Architecture):
    """Multiply, add, permute with integers: entries ±1, bundles are sums (Gayler 1998).

    Parameters
    ----------
    d : int
        Dimension.

    Examples
    --------
    >>> from fasttx.sketch import vsa
    >>> space = vsa.MAPI(2000)
    >>> keys, values = space.random(5, rng=0), space.random(5, rng=1)
    >>> record = space.bundle(space.bind(keys, values))
    >>> memory = vsa.CleanupMemory(space, values)
    >>> memory.query(space.unbind(record, keys[3]))[0]
    np.int64(3)
    """

    def bundle(self, vectors: ArrayLike, *, rng: Any = None) -> Array:
        """Sum vectors of shape (..., n, d) to (..., d), as int64."""
        return self._vectors(vectors).sum(axis=-2, dtype=np.int64)


class MAPB(Architecture):
    """Multiply, add, permute with bits: entries ±1, bundles are majorities, ties drawn by lot.

    Parameters
    ----------
    d : int
        Dimension.
    """

    def bundle(self, vectors: ArrayLike, *, rng: Any = None) -> Array:
        """Majority of vectors of shape (..., n, d), as int8 of shape (..., d)."""
        total = self._vectors(vectors).sum(axis=-2, dtype=np.int64)
        ties = 1 - 2 * np.random.default_rng(rng).integers(0, 2, total.shape, np.int8)
        return np.where(total == 0, ties, np.sign(total)).astype(np.int8)

    @staticmethod
    def retrieval(bundled: int) -> tuple[float, float, float]:
        """As for `MAPI`; an entry decides where those of the others cancel or nearly do."""
        others, half = bundled - 1, bundled // 2
        counts = gammaln(others + 1) - gammaln(half + 1) - gammaln(others - half + 1)
        mean = math.exp(counts - others * math.log(2))
        return mean, 1 - mean**2, 0.0


class _Spectral(Architecture):
    """Real vectors whose spectra have entries of magnitude one, times sqrt(d)."""

    powers_only = True

    def __init__(self, d: int, dtype: Any = np.float32):
        super().__init__(d)
        self.dtype = np.dtype(dtype)
        if self.dtype.char not in "fd":
            raise TypeError(f"dtype must be float32 or float64; got {dtype}")


class Hadamard(_Spectral):
    """Binding by XOR convolution, which multiplies Walsh spectra; these are ±1.

    Binding is its own inverse, as for `MAPI`, but vectors have normally distributed entries.

    Parameters
    ----------
    d : int
        Dimension, a power of two.
    dtype : dtype, optional
        float32 (default) or float64.

    Notes
    -----
    Binding costs 3 d log2(d) additions.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import vsa
    >>> space = vsa.Hadamard(1024)
    >>> a, b = space.random(2, rng=0)
    >>> bool(np.allclose(space.unbind(space.bind(a, b), a), b, atol=1e-5))
    True
    """

    def random(self, n: int, *, rng: Any = None) -> Array:
        """Random vectors for n symbols, of shape (n, d)."""
        signs = super().random(n, rng=rng).astype(self.dtype)
        return fwht(signs, norm="ortho", overwrite_x=True)

    def bind(self, a: ArrayLike, b: ArrayLike) -> Array:
        """XOR convolution over sqrt(d)."""
        product = xor_convolve(self._vectors(a), self._vectors(b))
        return product * product.dtype.type(self.d**-0.5)


class Circular(_Spectral):
    """Binding by circular convolution, of unitary vectors: holographic reduced representations.

    Unbinding is circular correlation, and exact since the Fourier spectra have magnitude one.

    Parameters
    ----------
    d : int
        Dimension, a power of two.
    dtype : dtype, optional
        float32 (default) or float64.

    Notes
    -----
    Binding costs three real transforms, without bit reversals.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import vsa
    >>> space = vsa.Circular(1024)
    >>> a, b = space.random(2, rng=0)
    >>> bool(np.allclose(space.unbind(space.bind(a, b), a), b, atol=1e-5))
    True
    """

    def random(self, n: int, *, rng: Any = None) -> Array:
        """Random vectors for n symbols, of shape (n, d)."""
        generator = np.random.default_rng(rng)
        spectra = np.exp(2j * np.pi * generator.random((n, self.d // 2)))
        spectra[:, 0] = 1 - 2 * generator.integers(0, 2, (n, 2)) @ [1, 1j] + 1j  # two real numbers
        kind = np.result_type(self.dtype, np.complex64)
        return irfft_unordered(spectra.astype(kind), norm="ortho")

    def bind(self, a: ArrayLike, b: ArrayLike) -> Array:
        """Circular convolution over sqrt(d)."""
        return self._product(a, b, False)

    def unbind(self, c: ArrayLike, a: ArrayLike) -> Array:
        """Circular correlation with `a` over sqrt(d)."""
        return self._product(c, a, True)

    def _product(self, a: ArrayLike, b: ArrayLike, conjugate: bool) -> Array:
        left, right = (rfft_unordered(self._vectors(x), norm="ortho") for x in (a, b))
        product = left * (right.conj() if conjugate else right)
        # Place 0 holds two real coefficients.
        product[..., 0] = left[..., 0].real * right[..., 0].real
        product[..., 0] += 1j * left[..., 0].imag * right[..., 0].imag
        return irfft_unordered(product, norm="ortho")


class CleanupMemory:
    """Items that noisy vectors are compared with.

    Parameters
    ----------
    architecture : MAPI, MAPB, Hadamard or Circular
    items : array_like of shape (n, d)

    Examples
    --------
    >>> from fasttx.sketch import vsa
    >>> space = vsa.MAPB(500)
    >>> items = space.random(100, rng=0)
    >>> vsa.CleanupMemory(space, items).query(space.bundle(items[7:10], rng=0), 3)[0]
    array([8, 9, 7])
    """

    def __init__(self, architecture: Architecture, items: ArrayLike):
        self.architecture = architecture
        self.items = architecture._vectors(items)
        if self.items.ndim != 2 or not len(self.items):
            raise ValueError(f"items must have shape (n, d), n > 0; got {self.items.shape}")

    def query(self, x: ArrayLike, k: int | None = None) -> tuple[Any, Any]:
        """The most similar items.

        Parameters
        ----------
        x : array_like of shape (d,) or (m, d)
        k : int, optional
            How many, the most similar first; by default one, without an axis of its own.

        Returns
        -------
        indices : int, or ndarray of shape (k,), (m,) or (m, k)
        similarities : as many
        """
        found = self.architecture.similarity(np.atleast_2d(x), self.items)
        count = 1 if k is None else operator.index(k)
        if not 1 <= count <= len(self.items):
            raise ValueError(f"k must be between 1 and {len(self.items)}; got {k}")
        best = np.argsort(-found, axis=1, kind="stable")[:, :count]
        values = np.take_along_axis(found, best, axis=1)
        if k is None:
            best, values = best[:, 0], values[:, 0]
        return (best[0], values[0]) if np.ndim(x) == 1 else (best, values)


def error_probability(architecture: type[Architecture], d: int, bundled: int, items: int) -> float:
    """Probability that a value is not recovered from a bundle of pairs.

    A bundle of `bundled` keys, each bound with a value, is unbound with one of the keys, and the
    result is compared with all `items` values of a codebook.

    Parameters
    ----------
    architecture : type
        `MAPI`, `MAPB`, `Hadamard` or `Circular`.
    d : int
        Dimension.
    bundled : int
        Pairs in the bundle.
    items : int
        Size of the codebook.

    Returns
    -------
    float

    Notes ----- Similarities are taken for normally distributed, as by Frady and others (2018), with
    the right means and variances, those of wrong items given the right one's; which holds for d of
    some hundred.

    Examples
    --------
    >>> from fasttx.sketch import vsa
    >>> f"{vsa.error_probability(vsa.MAPI, 1000, 20, 1000):.4f}"
    '0.0001'
    """
    for name, value in (("d", d), ("bundled", bundled), ("items", items)):
        if operator.index(value) < 1:
            raise ValueError(f"{name} must be positive; got {value}")
    mean, variance, coupling = architecture.retrieval(bundled)
    center, spread = mean * math.sqrt(d), math.sqrt(variance)

    def wrong(z: float) -> float:
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        width = math.sqrt(max(1 + coupling * z / math.sqrt(d), 1e-6))
        return -math.expm1((items - 1) * float(log_ndtr((center + spread * z) / width))) * density

    turn = center / spread if spread else 13.0
    return float(quad(wrong, -12, 12, points=[-turn] if turn < 12 else None, limit=200)[0])


def dimension_needed(
    architecture: type[Architecture], bundled: int, items: int, error: float = 0.01
) -> int:
    """Least dimension at which values are recovered, by `error_probability`.

    Parameters
    ----------
    architecture : type
        `MAPI`, `MAPB`, or `Hadamard` or `Circular` with powers of two.
    bundled : int
        Pairs in a bundle.
    items : int
        Size of the codebook.
    error : float, optional
        Accepted probability of a wrong item, between 0 and 1.

    Returns
    -------
    int
        For `MAPB` about pi/2 times that of the others.

    Examples
    --------
    >>> from fasttx.sketch import vsa
    >>> vsa.dimension_needed(vsa.MAPI, 50, 10_000), vsa.dimension_needed(vsa.Circular, 50, 10_000)
    (1954, 2048)
    """
    if not 0 < error < 1:
        raise ValueError(f"error must lie between 0 and 1; got {error}")
    low, high = 1, 2
    while error_probability(architecture, high, bundled, items) > error:
        low, high = high, 2 * high
        if high > MOST_DIMENSIONS:
            raise ValueError(f"no dimension below {MOST_DIMENSIONS} reaches an error of {error}")
    if architecture.powers_only:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if error_probability(architecture, middle, bundled, items) > error:
            low = middle
        else:
            high = middle
    return high


def simulate(
    architecture: type[Architecture],
    d: int,
    bundled: int,
    items: int,
    *,
    trials: int = 1000,
    rng: Any = None,
) -> float:
    """Share of wrong items in an experiment: what `error_probability` predicts.

    Parameters
    ----------
    architecture, d, bundled, items
        As for `error_probability`.
    trials : int, optional
        Number of values recovered at least, in bundles of new keys, with a new codebook every 100.
    rng : int, numpy.random.Generator or None, optional
        Random state.

    Returns
    -------
    float
    """
    if min(trials, bundled, items) < 1:
        raise ValueError("trials, bundled and items must be positive")
    generator, space = np.random.default_rng(rng), architecture(d)
    wrong = done = 0
    while done < trials:
        memory = CleanupMemory(space, space.random(items, rng=generator))
        for _ in range(-(-RECALLED // bundled)):
            keys, chosen = (
                space.random(bundled, rng=generator),
                generator.integers(items, size=bundled),
            )
            record = space.bundle(space.bind(keys, memory.items[chosen]), rng=generator)
            found, _ = memory.query(space.unbind(record, keys))
            wrong, done = wrong + int(np.sum(found != chosen)), done + bundled
    return wrong / done
