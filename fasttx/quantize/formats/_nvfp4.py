"""4-bit floats in blocks of 16 whose scales are 8-bit floats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..._cuda import grids
from ._base import BlockFormat, Share
from ._grids import E2M1, E4M3, UE5M3, FloatGrid
from ._parts import Part

Array = NDArray[Any]

BLOCK = 16
LEAST_SCALE = 2.0**-6  # the least normal number of E4M3
FOUR_OVER_SIX = 256  # so that a scale half as large again is within range
LEAST_TENSOR_SCALE = np.float32(2.0**-100)  # its reciprocal over the least scale is finite


@dataclass(frozen=True, kw_only=True)
class _FloatScales(BlockFormat):
    """E2M1 elements in blocks with scales on a floating-point grid, and a scale of the tensor."""

    block: Any = (1, BLOCK)
    four_over_six: bool = False
    tensor_scale: float | None = None

    element: ClassVar[FloatGrid] = E2M1
    scale_grid: ClassVar[FloatGrid]
    least_scale: ClassVar[float]

    def __post_init__(self) -> None:
        block = (BLOCK, BLOCK) if isinstance(self.block, str) and self.block == "2d" else self.block
        if not isinstance(block, str):
            block = tuple(block)
        if block not in ((1, BLOCK), (BLOCK, BLOCK)):
            raise ValueError(f'block must be (1, 16) or "2d" for (16, 16); got {self.block!r}')
        object.__setattr__(self, "block", block)
        super().__post_init__()
        scale = self.tensor_scale
        if scale is not None and not LEAST_TENSOR_SCALE <= scale <= np.finfo(np.float32).max:
            raise ValueError(
                f"tensor_scale must be a float32 of at least 2**-100, or None; got {scale}"
            )

    @property
    def tile(self) -> tuple[int, int]:
        return self.block

    def _scale_rule(self) -> Any:
        if self.four_over_six:
            raise NotImplementedError("scales of four_over_six are chosen on the host only")
        return grids.Scales(self.scale_grid.traced(), self.least_scale, self.element.largest)

    def _tensor_rule(self) -> Any:
        if self.tensor_scale == 1:
            return None
        given = 0.0 if self.tensor_scale is None else float(self.tensor_scale)
        return grids.Tensor(given, self._most, float(LEAST_TENSOR_SCALE))

    @property
    def _most(self) -> float:
        """What the largest magnitude of an array is of the scale of the tensor."""
        most = FOUR_OVER_SIX if self.four_over_six else self.scale_grid.largest
        return most * self.element.largest

    def _tensor_scale(self, all_parts: list[Part], share: Share) -> np.float32 | None:
        if self.tensor_scale is not None:
            return None if self.tensor_scale == 1 else np.float32(self.tensor_scale)
        amax = max((part.largest for part in all_parts), default=np.float32(0))
        scale = np.float32(amax) / np.float32(self._most)
        return max(scale, LEAST_TENSOR_SCALE) if amax else np.float32(1)

    def _encode(self, part: Part, tensor_scale: np.float32 | None) -> None:
        if tensor_scale is None:
            tensor_scale = np.float32(1)
        with np.errstate(over="ignore"):  # is clipped
            scales = part.amax / np.float32(self.element.largest) / tensor_scale
        scales = np.minimum(scales, np.float32(self.scale_grid.largest))
        codes = self._rounded(scales)
        if self.four_over_six:
            wider = self._rounded(scales * np.float32(1.5))
            errors = self._errors(part, codes, tensor_scale)
            better = self._errors(part, wider, tensor_scale) < errors
            codes = np.where(better, wider, codes)
        part.scales[...] = codes
        part.encode((np.float32(1) / tensor_scale) / self._factors(codes))

    def _rounded(self, scales: Array) -> Array:
        """Codes of the scales nearest to those; what is too large becomes the largest."""
        return self.scale_grid.nearest(np.maximum(scales, np.float32(self.least_scale)))

    def _errors(self, part: Part, codes: Array, tensor_scale: np.float32) -> Array:
        scales = self._factors(codes)
        return part.errors((np.float32(1) / tensor_scale) / scales, scales * tensor_scale)

    def _factors(self, scales: Array) -> Array:
        return self.scale_grid.values[scales]


@dataclass(frozen=True, kw_only=True)
class NVFP4(_FloatScales):
    """NVFP4: E2M1 elements in blocks of 16, E4M3 scales and a scale of the tensor.

    A block of 16 numbers takes 9 bytes: 4.5 bits a value. Elements are 0, 0.5, 1, 1.5, 2, 3, 4, 6
    and their negatives.

    Parameters
    ----------
    block : {(1, 16), "2d"}, optional
        Blocks of 16 along the axis; or tiles (16, 16) of matrices, over the axis before as well,
        with which a matrix and its transpose have the same codes.
    four_over_six : bool, optional
        Whether each block takes, of the scales that bring its largest magnitude to 6 and to 4, the
        one with the smaller squared error [2]_.
    tensor_scale : float, optional
        A known scale of the tensor, as calibration gives; block scales beyond 448 of it are
        clipped. By default the largest magnitude of the array over 448 * 6, or over 256 * 6 with
        `four_over_six`, so that a block's scale half as large again is at most 384.
    rounding : {"nearest", "stochastic"}, optional
        To the nearest element (of two the one whose last bit is 0), or up with the probability that
        makes the mean exact to 20 bits, for what is not beyond the largest element. Random bits are
        functions of `rng` and of the element's index.
    hadamard : int, optional
        Size, a power of two up to 4096, of groups along the axis that are rotated before they are
        encoded, and back when they are decoded: x becomes H D x / sqrt(hadamard).
    signs : bool, optional
        Whether D are random signs, the same for all groups. Else it is 1.
    rng : int, Generator or None, optional
        Random state (SPEC 7), kept as an integer: equal descriptions make equal codes.

    Notes
    -----
    In float32 and in this order, which is torchao's: with the scale t of the tensor and
    the largest magnitude a of a block, its scale is s = E4M3(clip((a / 6) / t, 2**-6, 448)), and
    elements are E2M1(x * ((1 / t) / s)), clipped to 6. Decoded is element * (s * t).
    TransformerEngine multiplies by 448 * 6 / amax instead of dividing by t, and does not clip s
    from below; elements and scales then differ in rare ties, and for blocks of less than 2**-6
    times the scale of the tensor. NaN and infinity are refused.

    The scale of the tensor is at least 2**-100, and 1 where all is 0. Normal numbers come back with
    a signal-to-noise ratio of 20.44 dB, and 21.22 dB with `four_over_six`.

    References
    ----------
    .. [1] NVIDIA, "Pretraining large language models with NVFP4", 2025. :arxiv:`2509.25149`
    .. [2] J. Cook et al., "Four over six: More accurate NVFP4 quantization with adaptive block
       scaling", 2025. :arxiv:`2512.02010`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import NVFP4, quantize
    >>> X = np.random.default_rng(0).standard_normal((256, 256))
    >>> codes = quantize(X, NVFP4())
    >>> codes.elements.shape, codes.scales.shape, codes.bits_per_value
    ((256, 128), (256, 16), 4.50048828125)
    >>> errors = codes.decode() - X
    >>> round(10 * np.log10(np.sum(X**2) / np.sum(errors**2)), 1)
    np.float64(20.4)
    """

    scale_grid: ClassVar[FloatGrid] = E4M3
    least_scale: ClassVar[float] = LEAST_SCALE


@dataclass(frozen=True, kw_only=True)
class FP4_UE5M3(_FloatScales):
    """FP4 with UE5M3 scales: E2M1 elements in blocks of 16, no scale of the tensor.

    Scales without a sign have a bit more of exponent: they go from 2**-17 to 114688, so that they
    can do without a scale of the tensor and the first pass over it.

    Parameters
    ----------
    block, four_over_six, rounding, hadamard, signs, rng
        As for `NVFP4`.
    tensor_scale : float, optional
        As for `NVFP4`, by default 1, which is not stored. None means the largest magnitude over
        114688 * 6, or over 256 * 6 with `four_over_six`.

    Notes
    -----
    A scale is UE5M3(clip((a / 6) / t, 2**-17, 114688)), of bias 15, where all ones would
    be NaN and there is no infinity. Numbers of more than 688128 times the `tensor_scale` are
    clipped to that.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import FP4_UE5M3, quantize
    >>> X = np.array([[0.1] * 16, [1000.0] * 16])
    >>> codes = quantize(X, FP4_UE5M3())
    >>> codes.bits_per_value, codes.decode()[:, 0].round(3)
    (4.5, array([1.05e-01, 9.60e+02], dtype=float32))
    """

    tensor_scale: float | None = 1.0

    scale_grid: ClassVar[FloatGrid] = UE5M3
    least_scale: ClassVar[float] = 2.0**-17
