"""Rotations made for given rows: of their principal axes, and of blocks with outliers."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from ..._array import check_count, check_finite
from ...transforms.fwht import fwht, ifwht
from ...transforms.hadamard import split_length
from .._codes import Made
from .._rows import as_real
from ._base import Rotation

Array = NDArray[Any]


class KLTHadamard(Made, Rotation):
    """Principal axes, then a Hadamard matrix: all channels get the same second moment.

    R = H V^T / sqrt(d), V the eigenvectors of ``X.T @ X``. A channel of ``X @ R.T`` is a sum of all
    principal components with signs, so that its sum of squares is exactly ``trace(X.T @ X) / d``.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Rows to be made equal; d needs a Hadamard matrix (see `fasttx.next_hadamard_len`).

    Attributes
    ----------
    d : int
    axes : ndarray, shape (d, d)
        V, by decreasing eigenvalues.

    Notes
    -----
    Host only. Making it costs O(n d**2 + d**3), a row a product with V besides the transform.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import KLTHadamard
    >>> X = np.random.default_rng(0).standard_normal((100, 8)) * np.arange(1, 9)
    >>> Y = KLTHadamard(X)(X)
    >>> moments = np.square(Y).mean(axis=0)
    >>> bool(np.ptp(moments) < 1e-12 * moments.mean())
    True
    """

    def __init__(self, X: ArrayLike):
        X = calibration(X)
        split_length(X.shape[1])
        _, axes = scipy.linalg.eigh(X.T @ X)
        self._set(np.ascontiguousarray(axes[:, ::-1]))

    def _set(self, axes: Array) -> None:
        self.axes, self.d = axes, len(axes)

    def _state(self) -> dict[str, Any]:
        return {"axes": self.axes}

    def _rotate(self, rows: Array, out: Array, inverse: bool, workers: int | None) -> None:
        axes = self.axes.astype(rows.dtype)
        if inverse:
            out[:] = ifwht(rows, norm="ortho", workers=workers) @ axes.T
        else:
            out[:] = fwht(rows @ axes, norm="ortho", overwrite_x=True, workers=workers)


class BlockRotation(Made, Rotation):
    """Rotations of the blocks of a format, made for channels with outliers.

    In each block of channels the one with the largest magnitude is spread evenly over all by an
    orthogonal matrix that is random otherwise; this is repeated, and the product with the least
    maximum is kept. With the block of a format, each gets a scale of its own, and no rotation or
    permutation across blocks is needed.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Rows to be rotated.
    block : int, optional
        Length of blocks, a divisor of d.
    steps : int, optional
        Number of matrices tried in each block.
    rng : int or numpy.random.Generator, optional

    Attributes
    ----------
    d, block : int
    matrices : ndarray, shape (d // block, block, block)

    Notes
    -----
    Host only. Making it costs O(n d block steps), a row d * block products.

    References
    ----------
    .. [1] H. Lin et al., "DuQuant++: Fine-grained rotation enhances microscaling FP4 quantization",
       2026. :arxiv:`2604.17789`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import BlockRotation
    >>> X = np.random.default_rng(0).standard_normal((200, 64))
    >>> X[:, 5] *= 40
    >>> rotation = BlockRotation(X, block=32, rng=0)
    >>> bool(np.abs(rotation(X)).max() < np.abs(X).max() / 3)
    True
    """

    def __init__(self, X: ArrayLike, block: int = 32, steps: int = 8, *, rng: Any = None):
        X, block = calibration(X), check_count(block, "block")
        if X.shape[1] % block:
            raise ValueError(f"block must divide d = {X.shape[1]}; got {block}")
        steps, rng = check_count(steps, "steps", 0), np.random.default_rng(rng)
        blocks = np.moveaxis(X.reshape(len(X), -1, block), 1, 0)
        self._set(np.stack([_spread(part, steps, rng) for part in blocks]))

    def _set(self, matrices: Array) -> None:
        self.matrices, self.block = matrices, matrices.shape[1]
        self.d = len(matrices) * self.block

    def _state(self) -> dict[str, Any]:
        return {"matrices": self.matrices}

    def _rotate(self, rows: Array, out: Array, inverse: bool, workers: int | None) -> None:
        matrices = self.matrices.astype(rows.dtype)
        blocks = rows.reshape(len(rows), *self.matrices.shape[:2])
        way = "nbi,bio->nbo" if inverse else "nbi,boi->nbo"
        out[:] = np.einsum(way, blocks, matrices, optimize=True).reshape(out.shape)


def calibration(X: ArrayLike, d: int | None = None) -> Array:
    """Rows that a rotation is made for, float64."""
    X = as_real(X)
    if X.ndim != 2 or not X.size or (d is not None and X.shape[1] != d):
        raise ValueError(f"X must have shape (n, {d or 'd'}) with n > 0; got {X.shape}")
    check_finite(X, "X")
    return X.astype(np.float64)


def _spread(X: Array, steps: int, rng: np.random.Generator) -> Array:
    """An orthogonal matrix that makes the largest magnitude of rows of a block small."""
    size = X.shape[1]
    matrix = best = np.eye(size)
    least = np.abs(X).max()
    for _ in range(steps):
        channel = int(np.abs(X).max(0).argmax())
        # Columns: the outlier's goes to (1, ..., 1) / sqrt(size), the others anywhere.
        frame = rng.standard_normal((size, size))
        frame[:, 0] = 1
        frame = np.linalg.qr(frame)[0]
        frame[:, [0, channel]] = frame[:, [channel, 0]]
        X, matrix = X @ frame.T, frame @ matrix
        if np.abs(X).max() < least:
            least, best = np.abs(X).max(), matrix
    return best
