"""OutlierExtract: products of quantized matrices with their outlying rows or columns apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._array import check_count
from .._codes import Described
from .._rows import as_seed
from ..formats import BlockFormat, fake_quantize
from ._base import Rotation
from .data import calibration
from .hadamard import default_rotation

Array = NDArray[Any]

_PATTERNS = ("row", "column", "none")


class OutlierExtract(Described):
    """Outlying rows or columns of a matrix kept exactly; the rest rotated and quantized.

    A matrix has outlying rows where the largest magnitudes of its rows reach more than `threshold`
    times their median, and more than columns do; outlying columns likewise; else none. A rotation
    along the inner dimension of a product spreads columns but not rows, which is why rows are
    computed exactly. Columns are spread, and taken out as well if `columns` says so.

    Parameters
    ----------
    count : int, optional
        Most rows (or columns) of a matrix that are kept exactly.
    threshold : float, optional
    columns : bool, optional
        Whether outlying columns are kept exactly besides the rotation.
    rotation : Rotation, optional
        Along the inner dimension; by default that of `TurboQuant`.
    rng : int or numpy.random.Generator, optional
        Source of that rotation.

    Notes
    -----
    Host only; `matmul` is a reference in float64 for what hardware does with two products. It adds
    ``count / m`` of an exact product for rows, ``count / k`` for columns.

    References
    ----------
    .. [1] S. Kim, A. Khodamoradi, K. Denolf and E. Park, "AdaHOP: Fast and accurate low-precision
       training via outlier-pattern-aware rotation", 2026. :arxiv:`2604.02525`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import OutlierExtract, fake_quantize
    >>> rng = np.random.default_rng(0)
    >>> A, B = rng.standard_normal((2, 128, 256))
    >>> A[7] *= 50
    >>> extract = OutlierExtract(rng=0)
    >>> extract.pattern(A), extract.pattern(A.T), extract.pattern(B)
    ('row', 'column', 'none')
    >>> def error(product):
    ...     return np.linalg.norm(product - A @ B.T) / np.linalg.norm(A @ B.T)
    >>> plain = fake_quantize(A, "MXFP4") @ fake_quantize(B, "MXFP4").T
    >>> bool(error(extract.matmul(A, B, "MXFP4")) < 0.5 * error(plain))
    True
    """

    def __init__(
        self,
        count: int = 16,
        threshold: float = 5.0,
        *,
        columns: bool = False,
        rotation: Rotation | None = None,
        rng: Any = None,
    ):
        if not threshold >= 1:
            raise ValueError(f"threshold must be at least 1; got {threshold}")
        self.count, self.threshold = check_count(count, "count", 0), float(threshold)
        self.columns, self.rotation, self._seed = bool(columns), rotation, as_seed(rng)

    def _state(self) -> dict[str, Any]:
        names = ("count", "threshold", "columns", "rotation")
        return {name: getattr(self, name) for name in names} | {"seed": self._seed}

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> OutlierExtract:
        seed = state.pop("seed")
        made = cls(**state)
        made._seed = seed
        return made

    def pattern(self, X: ArrayLike) -> str:
        """Where the outliers of a matrix are: "row", "column" or "none"."""
        return _pattern(calibration(X), self.threshold)[0]

    def split(self, X: ArrayLike) -> Split:
        """A matrix as rows or columns that are kept, and the rest.

        Parameters
        ----------
        X : array_like, shape (m, k)

        Returns
        -------
        Split
        """
        X = calibration(X)
        pattern, excess = _pattern(X, self.threshold)
        rest, kept = X.copy(), np.zeros(0, np.int64)
        if pattern == "row" or (pattern == "column" and self.columns):
            order = np.argsort(-excess, kind="stable")[: self.count]
            kept = np.sort(order[excess[order] > self.threshold])
            rest[kept if pattern == "row" else (slice(None), kept)] = 0
        return Split(pattern, kept, X[kept] if pattern == "row" else X[:, kept], rest)

    def matmul(
        self, A: ArrayLike, B: ArrayLike, fmt: BlockFormat | type[BlockFormat] | str
    ) -> Array:
        """Product ``A @ B.T`` of quantized matrices, the outliers of both multiplied exactly.

        Parameters
        ----------
        A, B : array_like, shapes (m, k) and (n, k)
        fmt
            As for `fasttx.quantize.quantize`; blocks lie along the inner dimension.

        Returns
        -------
        ndarray of float64, shape (m, n)
        """
        A, B = calibration(A), calibration(B)
        k = A.shape[1]
        if B.shape[1] != k:
            raise ValueError(f"A and B must have rows of one length; got {A.shape} and {B.shape}")
        rotation = default_rotation(k, self._seed) if self.rotation is None else self.rotation
        one, other = self.split(A), self.split(B)
        # A column that either keeps is exact in the product of both.
        kept = np.union1d(*(s.kept if s.pattern == "column" else s.kept[:0] for s in (one, other)))
        left, right = one.rest.copy(), other.rest.copy()
        left[:, kept] = right[:, kept] = 0
        coarse = [fake_quantize(rotation(x), fmt).astype(np.float64) for x in (left, right)]
        out = coarse[0] @ coarse[1].T
        out += A[:, kept] @ B[:, kept].T
        if one.pattern == "row":
            out[one.kept] = A[one.kept] @ B.T
        if other.pattern == "row":
            out[:, other.kept] = A @ B[other.kept].T
        return out


@dataclass(frozen=True, eq=False)
class Split:
    """A matrix as exact rows or columns, and the rest.

    Attributes
    ----------
    pattern : {"row", "column", "none"}
    kept : ndarray of int64
        Which rows, or columns, are exact.
    exact : ndarray
        These.
    rest : ndarray, shape (m, k)
        The matrix with zeros in their place.
    """

    pattern: str
    kept: Array
    exact: Array
    rest: Array


def _pattern(X: Array, threshold: float) -> tuple[str, Array]:
    """The pattern, and how far lines of that kind exceed their median."""
    size = np.abs(X)
    excess = [largest / _middle(largest) for largest in (size.max(1), size.max(0))]
    tops = [line.max() for line in excess]
    if max(tops) <= threshold:
        return "none", np.zeros(0)
    which = int(np.argmax(tops))
    return _PATTERNS[which], excess[which]


def _middle(largest: Array) -> float:
    """Median of magnitudes, of those that are not zero if it would be zero."""
    middle = np.median(largest)
    return float(middle or np.median(largest[largest > 0], axis=0) if largest.any() else 1.0)
