"""TurboQuant and EDEN: a random rotation, then an optimal scalar codebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._array import check_count
from .._cpu import vector_codes as loops
from ._codes import Codes
from ._rows import as_real
from ._vectors import Scorer, VectorCodec, VectorCodes
from .codebooks import lloyd_max
from .projections import QJL
from .rotations._base import Rotation
from .rotations.hadamard import default_rotation

Array = NDArray[Any]

_RULES = {"mse": loops.PLAIN, "unbiased": loops.UNBIASED, "prod": loops.PLAIN}


@dataclass(frozen=True, eq=False, repr=False)
class TwoStageCodes(Codes):
    """Codes of rows, and signs of projections of what these leave.

    Attributes
    ----------
    codec, shape, planes, norms
        As for `VectorCodes`, of one bit less.
    signs : ndarray of uint8, shape (n, 1, 2 * ceil(d / 16))
    residuals : ndarray of float32 or float16, shape (n,)
        Norms of what the first stage leaves.
    """

    planes: Array
    norms: Array
    signs: Array
    residuals: Array


class TurboQuant(VectorCodec):
    """Vector codes by a random rotation and the optimal codebook of a rotated coordinate.

    A row is divided by its norm, rotated, and each coordinate goes to the nearest level of the
    codebook that is optimal for a coordinate of a random direction in d dimensions.

    Parameters
    ----------
    d : int
        Length of rows, at least 2.
    bits : int
        Of a coordinate, from 1 to 8.
    objective : {"unbiased", "mse", "prod"}
        With "mse" the levels are multiplied by the norm alone: least mean squared error. With
        "unbiased" also by ``|x|**2 / <x, decoded>``, which makes inner products unbiased (the scale
        of EDEN [2]_). "prod" is the published two-stage quantizer for inner products: one bit less,
        and the signs of a Gaussian projection of what is left; "unbiased" has less variance.
    rotation : Rotation, optional
        By default `RandomizedHadamard`: two rounds, or three for d < 1024, where rows of few
        entries need them; four with overlapping blocks for a d without a Hadamard matrix.
    center : array_like, shape (d,), optional
        Subtracted from rows before and added after.
    norm_dtype : {"float32", "float16"}, optional
        Of the stored norms. Gains of "unbiased" are float16.
    rng : int or numpy.random.Generator, optional
        Source of the rotation and the projection.

    Attributes
    ----------
    codebook : Codebook
        The levels in units of the norm over sqrt(d).

    Notes
    -----
    A row costs its rotation and 2**(bits - 1) comparisons and selections a coordinate, on 16
    coordinates at a time. Queries are never quantized. Codes of c*x are those of x with norms times
    c. For unit vectors and large d the mean squared errors are .363, .117, .0345 and .0095 for 1 to
    4 bits, and d times the variance of an inner product .571, .133, .036 and .0096 with "unbiased"
    against 1.571, .571, .185 and .054 with "prod".

    `encode` takes rows on a device and `decode` codes there, each in one kernel that reads and
    writes once: for d a power of two from 16 to 8192, with the default rotation or none, without a
    center and not for "prod". Codes are the host's, but where a coordinate is rounded to the other
    side of a threshold. Nothing waits to raise an error: rows with NaN or infinity, or with a norm
    beyond the range of ``norm_dtype``, are decoded as NaN. Queries are answered on the host.

    References
    ----------
    .. [1] A. Zandieh, M. Daliri, M. Hadian and V. Mirrokni, "TurboQuant: Online vector
       quantization with near-optimal distortion rate", 2025, algorithms 1 and 2.
       :arxiv:`2504.19874`
    .. [2] S. Vargaftik, R. Ben Basat, A. Portnoy, G. Mendelson, Y. Ben-Itzhak and M. Mitzenmacher,
       "EDEN: Communication-efficient and robust distributed mean estimation for federated
       learning", ICML 2022, section 4. :arxiv:`2108.08842`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import TurboQuant
    >>> X = np.random.default_rng(0).standard_normal((1000, 128), dtype=np.float32)
    >>> codec = TurboQuant(128, bits=4, rng=0)
    >>> codes = codec.encode(X)
    >>> codes
    VectorCodes(TurboQuant, shape=(1000, 128), 70000 bytes, 4.375 bits a value)
    >>> values, rows = codec.search(X[:5], codes, k=1)
    >>> rows[:, 0]
    array([0, 1, 2, 3, 4])
    """

    def __init__(
        self,
        d: int,
        bits: int,
        objective: str = "unbiased",
        *,
        rotation: Rotation | None = None,
        center: ArrayLike | None = None,
        norm_dtype: str = "float32",
        rng: Any = None,
    ):
        if objective not in _RULES:
            raise ValueError(f"objective must be one of {', '.join(_RULES)}; got {objective!r}")
        rng = np.random.default_rng(rng)
        bits = check_count(bits, "bits")
        first = bits - (objective == "prod")
        self.objective, self.codebook = objective, lloyd_max(max(first, 1), d)
        levels = self.codebook.levels[self.codebook.levels.size // 2 :]
        rotation = default_rotation(d, rng) if rotation is None else rotation
        rule = _RULES[objective]
        super().__init__(d, levels, rotation, rule=rule, center=center, norm_dtype=norm_dtype)
        self.bits = bits
        self._second = None
        if objective == "prod":
            self._second = QJL(d, d, structure="gaussian", norm_dtype=norm_dtype, rng=rng)

    def _state(self) -> dict[str, Any]:
        names = ("d", "bits", "objective", "rotation", "center", "norm_dtype")
        return {name: getattr(self, name) for name in names} | {"second": self._second}

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> TurboQuant:
        second = state.pop("second")
        made = cls(**state, rng=0)
        made._second = second
        return made

    def encode(self, X: ArrayLike, *, workers: int | None = None) -> Any:
        """Codes of rows of shape (n, d): `VectorCodes`, with "prod" `TwoStageCodes`."""
        if self._second is None:
            return super().encode(X, workers=workers)
        X = as_real(X)
        first = super().encode(X, workers=workers)
        planes, norms = first.planes, first.norms
        if self.bits == 1:
            planes, norms = planes[:, :0], np.zeros_like(norms)
        else:
            X = X - super().decode(first, workers=workers)
        second = self._second.encode(X, workers=workers)
        return TwoStageCodes(self, first.shape, planes, norms, second.planes, second.norms)

    def decode(self, codes: Any, *, workers: int | None = None) -> Array:
        """The rows that codes stand for, float32 of shape (n, d)."""
        if self._second is None:
            return super().decode(codes, workers=workers)
        first, second = self._stages(codes)
        rows = self._second.decode(second, workers=workers)
        return rows if first is None else rows + super().decode(first, workers=workers)

    def inner(self, Q: ArrayLike, codes: Any, *, workers: int | None = None) -> Array:
        """Estimates of inner products, float32 of shape (n_queries, n)."""
        if self._second is None:
            return super().inner(Q, codes, workers=workers)
        first, second = self._stages(codes)
        scores = self._second.inner(Q, second, workers=workers)
        return scores if first is None else scores + super().inner(Q, first, workers=workers)

    def search(
        self,
        Q: ArrayLike,
        codes: Any,
        k: int,
        *,
        metric: str = "inner",
        workers: int | None = None,
    ) -> tuple[Array, Array]:
        """The k rows nearest to each query: values and rows, of shape (n_queries, k)."""
        if self._second is None:
            return super().search(Q, codes, k, metric=metric, workers=workers)
        return Scorer.search(self, Q, codes, k, metric=metric, workers=workers)

    def _squares(self, codes: Any) -> Array:
        if self._second is None:
            return super()._squares(codes)
        if self.bits == 1:
            return np.square(codes.residuals, dtype=np.float64)
        if self.center is None:
            return super()._squares(codes)
        rows = self.decode(codes)  # the norms are of rows less the center
        return np.einsum("ij,ij->i", rows, rows, dtype=np.float64)

    def _stages(self, codes: TwoStageCodes) -> tuple[VectorCodes | None, VectorCodes]:
        self._check(codes)
        first = VectorCodes(self, codes.shape, codes.planes, codes.norms)
        second = VectorCodes(self._second, codes.shape, codes.signs, codes.residuals)
        return (first if self.bits > 1 else None), second


class EDEN(VectorCodec):
    """Vector codes by a random rotation and the codebook of the normal law, with exact scales.

    Parameters
    ----------
    d : int
        Length of rows.
    bits : int
        Of a coordinate, from 1 to 8; with one it is DRIVE.
    scale : {"unbiased", "least-squares"}, optional
        ``|x|**2 / <x, levels>``, with which decoded rows are unbiased over rotations, or
        ``<x, levels> / |levels|**2``, with which their error is least.
    rotation, center, norm_dtype, rng
        As for `TurboQuant`.

    Notes
    -----
    Costs what `TurboQuant` costs, and is on a device what that is; the codebooks differ by O(1/d).

    References
    ----------
    .. [1] S. Vargaftik, R. Ben Basat, A. Portnoy, G. Mendelson, Y. Ben-Itzhak and M. Mitzenmacher,
       "EDEN: Communication-efficient and robust distributed mean estimation for federated
       learning", ICML 2022, algorithm 1. :arxiv:`2108.08842`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import EDEN
    >>> x = np.random.default_rng(0).standard_normal((1, 1024))
    >>> mean = sum(codec.encode(x).decode() for codec in (EDEN(1024, 1, rng=i) for i in range(50)))
    >>> error = float(np.square(mean / 50 - x).sum() / np.square(x).sum())
    >>> round(error, 2)  # (pi / 2 - 1) / 50
    0.01
    """

    def __init__(
        self,
        d: int,
        bits: int,
        scale: str = "unbiased",
        *,
        rotation: Rotation | None = None,
        center: ArrayLike | None = None,
        norm_dtype: str = "float32",
        rng: Any = None,
    ):
        rules = {"unbiased": loops.UNBIASED, "least-squares": loops.LEAST_SQUARES}
        if scale not in rules:
            raise ValueError(f"scale must be 'unbiased' or 'least-squares'; got {scale!r}")
        self.scale, self.codebook = scale, lloyd_max(bits)
        levels = self.codebook.levels[self.codebook.levels.size // 2 :]
        rotation = default_rotation(d, rng) if rotation is None else rotation
        rule = rules[scale]
        super().__init__(d, levels, rotation, rule=rule, center=center, norm_dtype=norm_dtype)

    def _state(self) -> dict[str, Any]:
        names = ("d", "bits", "scale", "rotation", "center", "norm_dtype")
        return {name: getattr(self, name) for name in names}
