"""PowerQuantizer: levels that are powers of a uniform grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import ArrayLike, NDArray

from .._array import check_count
from ._rows import as_rows
from ._vectors import VectorCodec
from .rotations._base import Rotation

Array = NDArray[Any]

_EXPONENTS = (0.1, 1.0)


class PowerQuantizer(VectorCodec):
    """Codes by levels ``±peak * (i / (2**(bits - 1) - 1))**(1/a)``: uniform for numbers to the a.

    The peak is the largest magnitude of a row, so that it is kept. An exponent a below 1 puts more
    levels near zero, as weights and their like want it.

    Parameters
    ----------
    d : int
        Length of rows.
    bits : int
        Of a number, from 2 to 8.
    exponent : float, optional
        a; by default 0.5. `fit` searches it.
    rotation : Rotation, optional
        Applied before; by default none.
    norm_dtype : {"float32", "float16"}, optional
        Of the stored peaks.

    Notes
    -----
    Host only. A number goes to the nearest level, which is less error than rounding in the
    transformed domain as in [1]_.

    References
    ----------
    .. [1] E. Yvinec, A. Dapogny, M. Cord and K. Bailly, "PowerQuant: Automorphism search for
       non-uniform quantization", ICLR 2023, section 3. :arxiv:`2301.09858`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import PowerQuantizer
    >>> X = np.random.default_rng(0).standard_normal((64, 256))
    >>> codec = PowerQuantizer(256, bits=4).fit(X)
    >>> 0.5 < codec.exponent < 0.9
    True
    >>> def error(codec):
    ...     return np.square(codec.encode(X).decode() - X).mean()
    >>> error(codec) < error(PowerQuantizer(256, bits=4, exponent=1.0))
    np.True_
    """

    def __init__(
        self,
        d: int,
        bits: int,
        exponent: float = 0.5,
        *,
        rotation: Rotation | None = None,
        norm_dtype: str = "float32",
    ):
        bits = check_count(bits, "bits")
        if not 2 <= bits <= 8:
            raise ValueError(f"bits must be from 2 to 8; got {bits}")
        if not 0 < exponent < np.inf:
            raise ValueError(f"exponent must be positive; got {exponent}")
        self.exponent = float(exponent)
        levels = np.linspace(0, 1, 1 << (bits - 1)) ** (1 / self.exponent)
        super().__init__(d, levels, rotation, peak=True, norm_dtype=norm_dtype)

    def _state(self) -> dict[str, Any]:
        names = ("d", "bits", "exponent", "rotation", "norm_dtype")
        return {name: getattr(self, name) for name in names}

    def fit(self, X: ArrayLike) -> PowerQuantizer:
        """The codec with the exponent, from 0.1 to 1, of the least squared error for rows X.

        Parameters
        ----------
        X : array_like, shape (n, d)

        Returns
        -------
        PowerQuantizer
            A new one.
        """
        rows, _ = as_rows(X, self.d)

        def made(exponent: float) -> PowerQuantizer:
            return PowerQuantizer(
                self.d, self.bits, exponent, rotation=self.rotation, norm_dtype=self.norm_dtype
            )

        def error(exponent: float) -> float:
            codec = made(exponent)
            return float(np.square(codec.decode(codec.encode(rows)) - rows).mean())

        # The error has small steps in the exponent: a grid first, then a bounded search.
        grid = np.linspace(*_EXPONENTS, 10)
        middle = grid[np.argmin([error(a) for a in grid])]
        bounds = (max(middle - 0.1, _EXPONENTS[0]), min(middle + 0.1, _EXPONENTS[1]))
        found = scipy.optimize.minimize_scalar(
            error, bounds=bounds, method="bounded", options={"xatol": 1e-3}
        )
        return made(float(found.x if found.fun <= error(middle) else middle))
