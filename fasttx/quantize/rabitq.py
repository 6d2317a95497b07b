"""RaBitQ: uniform grids on rotated directions, with an error bound for inner products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._array import check_count
from .._cpu import vector_codes as loops
from ._rows import as_rows
from ._vectors import VectorCodec, VectorCodes
from .rotations._base import Rotation
from .rotations.hadamard import default_rotation

Array = NDArray[Any]

# Best step of a uniform quantizer of normal numbers with 2**b levels, b = 1, ..., 8.
_STEPS = (1.596, 0.9957, 0.586, 0.3352, 0.1881, 0.1041, 0.0569, 0.0308)
_TRIALS = np.linspace(0.75, 1.25, 11)


class RaBitQ(VectorCodec):
    """Vector codes on a uniform grid, rescaled row by row for the best cosine; unbiased.

    Parameters
    ----------
    d : int
        Length of rows.
    bits : int, optional
        Of a coordinate, from 1 to 8.
    rotation, center, norm_dtype, rng
        As for `TurboQuant`; the center is usually the mean of the rows.

    Notes
    -----
    Host only. The code of a direction is the grid point with the largest cosine among those nearest
    to 11 multiples of it, which lie around the best one for normal numbers (with one bit there is
    one code). Estimates of inner products are divided by the cosine, which makes them unbiased over
    rotations. With more than one bit encoding costs 12 times the comparisons of `TurboQuant`.

    References
    ----------
    .. [1] J. Gao and C. Long, "RaBitQ: Quantizing high-dimensional vectors with a theoretical error
       bound for approximate nearest neighbor search", SIGMOD 2024, theorem 3.2.
       :arxiv:`2405.12497`
    .. [2] J. Gao, Y. Gou, Y. Xu, Y. Yang, C. Long and R. C.-W. Wong, "Practical and asymptotically
       optimal quantization of high-dimensional vectors in Euclidean space for approximate nearest
       neighbor search", 2024, section 3. :arxiv:`2409.09913`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import RaBitQ
    >>> X = np.random.default_rng(0).standard_normal((1000, 96))
    >>> codec = RaBitQ(96, bits=2, rng=0)
    >>> codes = codec.encode(X)
    >>> error = codec.inner(X[:10], codes) - X[:10] @ X.T
    >>> float(np.mean(np.abs(error) < codec.error_bound(X[:10], codes))) > 0.9
    True
    """

    def __init__(
        self,
        d: int,
        bits: int = 1,
        *,
        rotation: Rotation | None = None,
        center: ArrayLike | None = None,
        norm_dtype: str = "float32",
        rng: Any = None,
    ):
        bits = check_count(bits, "bits")
        if bits > 8:
            raise ValueError(f"bits must be at most 8; got {bits}")
        super().__init__(
            d,
            np.arange(1 << (bits - 1)) + 0.5,
            default_rotation(d, rng) if rotation is None else rotation,
            rule=loops.UNBIASED,
            factors=_TRIALS / _STEPS[bits - 1] if bits > 1 else (1.0,),
            center=center,
            norm_dtype=norm_dtype,
        )

    def _state(self) -> dict[str, Any]:
        names = ("d", "bits", "rotation", "center", "norm_dtype")
        return {name: getattr(self, name) for name in names}

    def error_bound(self, Q: ArrayLike, codes: VectorCodes, epsilon: float = 1.9) -> Array:
        """Bounds of the errors of `inner`, each of which holds with large probability.

        Parameters
        ----------
        Q : array_like, shape (n_queries, d)
        codes : VectorCodes
        epsilon : float, optional
            A bound fails with probability at most 2 * exp(-c * epsilon**2) over rotations, c a
            constant near 1/2; with 1.9, for about one product in twenty.

        Returns
        -------
        ndarray of float32, shape (n_queries, n)
            ``|q| |x| sqrt((1 - cos**2) / cos**2) * epsilon / sqrt(d - 1)`` for rows x less the
            center, cos being that of the angle between x and its code.
        """
        Q = as_rows(Q, self.d, "Q")[0].astype(np.float64)
        ones = np.ones(len(codes.norms), np.float32)
        grid = self._levels_times(self._planes_of(codes), ones)
        squares = np.einsum("ij,ij->i", grid, grid, dtype=np.float64)
        # A decoded row is x over the cosine.
        longer = np.square(codes.scales(), dtype=np.float64) * squares - self._squares(codes)
        spread = epsilon * np.sqrt(np.maximum(longer, 0) / max(self.d - 1, 1))
        return np.outer(np.linalg.norm(Q, axis=1), spread).astype(np.float32)
