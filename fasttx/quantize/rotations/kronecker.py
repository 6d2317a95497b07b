"""KroneckerRotation: two small rotations for a large one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._array import check_count, check_finite
from .._rows import as_real
from ._base import Rotation

Array = NDArray[Any]


class KroneckerRotation(Rotation):
    """R = P1 ⊗ P2 of two orthogonal matrices, never formed.

    A row is read as a matrix of shape (d1, d2), line by line, and becomes ``P1 @ x @ P2.T``.

    Parameters
    ----------
    P1, P2 : array_like, shapes (d1, d1) and (d2, d2)
        Orthogonal to 1e-6.

    Notes
    -----
    Host only. d (d1 + d2) products a row, d = d1 * d2.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import KroneckerRotation
    >>> rotation = KroneckerRotation.random(4, 6, rng=0)
    >>> x = np.arange(24.0)
    >>> bool(np.allclose(rotation(x), np.kron(rotation.P1, rotation.P2) @ x))
    True
    """

    def __init__(self, P1: ArrayLike, P2: ArrayLike):
        self.P1, self.P2 = _orthogonal(P1, "P1"), _orthogonal(P2, "P2")
        self.d = len(self.P1) * len(self.P2)

    @classmethod
    def random(cls, d1: int, d2: int, *, rng: Any = None) -> KroneckerRotation:
        """Factors from the uniform law on orthogonal matrices."""
        rng = np.random.default_rng(rng)
        frames = (rng.standard_normal((check_count(d, "d"),) * 2) for d in (d1, d2))
        return cls(*(_uniform(frame) for frame in frames))

    def _state(self) -> dict[str, Any]:
        return {"P1": self.P1, "P2": self.P2}

    def _rotate(self, rows: Array, out: Array, inverse: bool, workers: int | None) -> None:
        P1, P2 = self.P1.astype(rows.dtype), self.P2.astype(rows.dtype)
        if inverse:
            P1, P2 = P1.T, P2.T
        blocks = rows.reshape(len(rows), len(P1), len(P2))
        out[:] = (P1 @ (blocks @ P2.T)).reshape(out.shape)


def _orthogonal(P: ArrayLike, name: str) -> Array:
    P = as_real(P, name).astype(np.float64)
    if P.ndim != 2 or P.shape[0] != P.shape[1]:
        raise ValueError(f"{name} must be a square matrix; got shape {P.shape}")
    check_finite(P, name)
    off = float(np.abs(P @ P.T - np.eye(len(P))).max(initial=0))
    if off > 1e-6:
        raise ValueError(f"{name} must be orthogonal; {name} @ {name}.T is off by {off:.1e}")
    return P


def _uniform(frame: Array) -> Array:
    q, r = np.linalg.qr(frame)
    return q * np.sign(np.diag(r))
