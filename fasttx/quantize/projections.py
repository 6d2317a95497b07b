"""QJL: signs of random projections."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from .._array import check_count
from .._cpu import random
from ._codes import Made
from ._rows import as_real, as_seed
from ._vectors import VectorCodec, VectorCodes
from .rotations._base import Rotation
from .rotations.hadamard import default_rotation

Array = NDArray[Any]


class _Frame(ABC):
    """A random (m, d) matrix S with entries of variance 1."""

    d: int
    m: int

    @abstractmethod
    def __call__(self, X: Array, *, workers: int | None = None) -> Array:
        """Rows X @ S.T."""

    @abstractmethod
    def inverse(self, Y: Array, *, overwrite_y: bool = False, workers: int | None = None) -> Array:
        """Rows Y @ S: by the transpose, as rotations have it."""


class _GaussianFrame(_Frame):
    """Independent normal entries."""

    def __init__(self, d: int, m: int, seed: int):
        self.d, self.m, self.source = d, m, seed

    @functools.cached_property
    def _matrix(self) -> Array:
        words = np.empty(self.m * self.d, np.uint64)
        random.words()(np.uint64(self.source), 0, words)
        uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        return scipy.special.ndtri(uniform).reshape(self.m, self.d)

    def __call__(self, X: Array, *, workers: int | None = None) -> Array:
        return X @ self._matrix.T.astype(X.dtype)

    def inverse(self, Y: Array, *, overwrite_y: bool = False, workers: int | None = None) -> Array:
        return Y @ self._matrix.astype(Y.dtype)


class _HadamardFrame(_Frame):
    """Rows of rotations times sqrt(d): as many rotations as m needs."""

    def __init__(self, d: int, m: int, rotations: list[Rotation]):
        self.d, self.m, self.source = d, m, rotations

    def __call__(self, X: Array, *, workers: int | None = None) -> Array:
        out = np.empty((len(X), self.m), X.dtype)
        for i, rotation in enumerate(self.source):
            part = out[:, i * self.d : (i + 1) * self.d]
            rows = rotation(X, workers=workers)
            np.multiply(rows[:, : part.shape[1]], math.sqrt(self.d), out=part)
        return out

    def inverse(self, Y: Array, *, overwrite_y: bool = False, workers: int | None = None) -> Array:
        total = np.zeros((len(Y), self.d), Y.dtype)
        for i, rotation in enumerate(self.source):
            part = Y[:, i * self.d : (i + 1) * self.d]
            padded = np.zeros_like(total)
            padded[:, : part.shape[1]] = part
            total += rotation.inverse(padded, overwrite_y=True, workers=workers)
        return total * Y.dtype.type(math.sqrt(self.d))


_FRAMES: dict[str, Any] = {"gaussian": _GaussianFrame, "hadamard": _HadamardFrame}


class QJL(Made, VectorCodec):
    """One-bit codes for inner products: the signs of m random projections of a row, and its norm.

    The inner product of q and k is estimated by ``sqrt(pi/2) / m * |k| * <S q, sign(S k)>``, which
    is unbiased for a Gaussian S, of variance at most ``pi/2 / m * |q|**2 * |k|**2``.

    Parameters
    ----------
    d : int
        Length of rows.
    m : int, optional
        Number of projections; by default d.
    structure : {"hadamard", "gaussian"}, optional
        S consists of rows of randomized Hadamard transforms times sqrt(d), of less variance since
        they are orthogonal, or has independent normal entries.
    norm_dtype, rng
        As for `TurboQuant`.

    Notes
    -----
    Host only. Projections take O(m log d) operations a row, or O(m d) with "gaussian". Row norms
    are stored in `norms`.

    References
    ----------
    .. [1] A. Zandieh, M. Daliri and I. Han, "QJL: 1-bit quantized JL transform for KV cache
       quantization with zero overhead", 2024, definition 3.1. :arxiv:`2406.03482`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import QJL
    >>> x = np.ones((1, 64)) / 8
    >>> estimates = [QJL(64, 256, rng=i).encode(x).decode()[0] @ x[0] for i in range(200)]
    >>> abs(np.mean(estimates) - 1) < 0.03
    np.True_
    """

    def __init__(
        self,
        d: int,
        m: int | None = None,
        structure: str = "hadamard",
        *,
        norm_dtype: str = "float32",
        rng: Any = None,
    ):
        d = check_count(d, "d")
        m = d if m is None else check_count(m, "m")
        rng = np.random.default_rng(rng)
        if structure not in _FRAMES:
            raise ValueError(f"structure must be 'hadamard' or 'gaussian'; got {structure!r}")
        gaussian = structure == "gaussian"
        rotations = 0 if gaussian else -(-m // d)
        source = as_seed(rng) if gaussian else [default_rotation(d, rng) for _ in range(rotations)]
        self._set(d, m, structure, norm_dtype, source)

    def _set(self, d: int, m: int, structure: str, norm_dtype: str, source: Any) -> None:
        self.m, self.structure = m, structure
        frame, level = _FRAMES[structure](d, m, source), math.sqrt(math.pi / 2) / m
        super().__init__(d, [level], frame, norm_dtype=norm_dtype)

    def _state(self) -> dict[str, Any]:
        names = ("d", "m", "structure", "norm_dtype")
        return {name: getattr(self, name) for name in names} | {"source": self.rotation.source}

    def encode(self, X: ArrayLike, *, workers: int | None = None) -> VectorCodes:
        """Codes of rows, with their norms; see `TurboQuant.encode`."""
        codes = super().encode(X, workers=workers)
        rows = as_real(X)
        norms = self._stored(np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64)))
        return VectorCodes(self, codes.shape, codes.planes, norms)

    def _squares(self, codes: VectorCodes) -> Array:
        return np.square(codes.norms, dtype=np.float64)
