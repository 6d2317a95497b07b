"""Floats of few bits whose exponents have a searched bias."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ._base import BlockCodes, BlockFormat, Share
from ._grids import FloatGrid
from ._parts import Part, reciprocals

Array = NDArray[Any]

# Scales are searched from twice that of the largest magnitude to a sixteenth of it, in eighths of
# octaves, then around the best one.
COARSE = 2.0 ** (-np.arange(-8, 33) / 8)
FINE = 2.0 ** (np.arange(-7, 8) / 64)


@dataclass(frozen=True)
class FP(BlockFormat):
    """Floats of any few bits, with a real bias of the exponent that makes the squared error least.

    Parameters
    ----------
    exponent, mantissa : int, optional
        Bits of them; with the sign from 3 to 8 bits.
    bias : float, optional
        The bias of the exponent; by default it is searched.
    per : {"tensor", "row"}, optional
        What has a bias of its own: the array, or each row along the axis.
    rounding, hadamard, signs, rng
        As for `NVFP4`.

    Notes
    -----
    Host only. A real bias is a scale: elements are those of the bias 2**(exponent - 1) - 1, all
    codes numbers, times 2**(that - bias). As in LLM-FP4 [1]_ the bias is searched to make the error
    least, here the squared error of the array or the row: 41 biases an eighth apart, and 15 around
    the best one. That takes as many passes over the array. `biases` gives what was found.

    References
    ----------
    .. [1] S.-Y. Liu, Z. Liu, X. Huang, P. Dong and K.-T. Cheng, "LLM-FP4: 4-bit floating-point
       quantized transformers", 2023, sections 3 and 4.1. :arxiv:`2310.16836`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import FP, quantize
    >>> X = np.random.default_rng(0).standard_normal((64, 256))
    >>> fmt = FP(2, 1)
    >>> codes = quantize(X, fmt)
    >>> codes.bits_per_value, round(float(fmt.biases(codes)), 2)
    (4.001953125, 2.03)
    >>> bool(np.mean((codes.decode() - X) ** 2) < 0.0125)
    True
    """

    exponent: int = 2
    mantissa: int = 1
    bias: float | None = None
    per: str = field(default="tensor", kw_only=True)

    tile: ClassVar[tuple[int, int]] = (1, 256)
    scale_dtype: ClassVar[Any] = np.float32

    def __post_init__(self) -> None:
        e, m = self.exponent, self.mantissa
        if not (e >= 1 and m >= 0 and 3 <= 1 + e + m <= 8):
            raise ValueError(
                "exponent must be at least 1, mantissa at least 0 and the bits with a sign from 3 "
                f"to 8; got {e} and {m}"
            )
        if self.per not in ("tensor", "row"):
            raise ValueError(f'per must be "tensor" or "row"; got {self.per!r}')
        if self.bias is not None and not -126 <= self.element.bias - self.bias <= 126:
            raise ValueError(f"bias must be a number of a size that float32 holds; got {self.bias}")
        super().__post_init__()

    @property
    def element(self) -> FloatGrid:
        return FloatGrid(self.exponent, self.mantissa)

    @property
    def scope(self) -> str:
        return self.per if self.bias is None else "tensor"

    def biases(self, codes: BlockCodes) -> Array:
        """The bias of the exponent: one, or with ``per="row"`` of shape (..., 1)."""
        scales = codes.scales if codes.tensor_scale is None else codes.tensor_scale
        return self.element.bias - np.log2(scales)

    def _tensor_scale(self, all_parts: list[Part], share: Share) -> np.float32 | None:
        if self.bias is not None:
            return np.float32(2.0 ** (self.element.bias - self.bias))
        if self.per == "row":
            return None
        amax = max((part.largest for part in all_parts), default=np.float32(0))
        if not amax:
            return np.float32(1)
        sums = dict.fromkeys(all_parts, 0.0)

        def total(scale: np.float32) -> float:
            def task(part: Part) -> None:
                sums[part] = float(np.sum(_row_errors(part, np.full((len(part.x), 1), scale))))

            share(task)
            return math.fsum(sums.values())

        best = amax / np.float32(self.element.largest)
        for ratios in (COARSE, FINE):
            best = min((best * np.float32(r) for r in ratios), key=total)
        return best

    def _encode(self, part: Part, tensor_scale: np.float32 | None) -> None:
        if tensor_scale is not None:
            scales = np.full((len(part.x), 1), tensor_scale)
        else:
            scales = part.amax.max(axis=1, keepdims=True) / np.float32(self.element.largest)
            for ratios in (COARSE, FINE):
                trials = scales * ratios.astype(np.float32)
                errors = [_row_errors(part, trial) for trial in np.hsplit(trials, len(ratios))]
                best = np.argmin(np.hstack(errors), axis=1)
                scales = np.take_along_axis(trials, best[:, None], axis=1)
            part.scales[...] = scales
        part.encode(_of_blocks(part, reciprocals(scales)))

    def _factors(self, scales: Array) -> Array:
        return scales


def _of_blocks(part: Part, a: Array) -> Array:
    """Figures of rows, (rows, 1), for all their blocks."""
    return np.repeat(a, part.blocks, axis=1)


def _row_errors(part: Part, scales: Array) -> Array:
    """Squared errors of rows with these scales, (rows, 1)."""
    factors = _of_blocks(part, reciprocals(scales))
    return part.errors(factors, _of_blocks(part, scales)).sum(axis=1, keepdims=True)
