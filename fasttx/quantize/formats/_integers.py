"""Integers of few bits in groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..._cuda import grids
from ._grids import IntegerGrid
from ._groups import GroupFormat
from ._parts import Part, reciprocals

Array = NDArray[Any]

MODES = ("symmetric", "affine", "mse")
CLIPPING = np.arange(32, 7, -1) / 32  # of the largest magnitude


@dataclass(frozen=True, kw_only=True)
class _Integers(GroupFormat):
    """Integers of `bits` bits; see `INT8`."""

    mode: str = "symmetric"

    bits: ClassVar[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}; got {self.mode!r}")

    @property
    def affine(self) -> bool:
        return self.mode == "affine"

    @property
    def element(self) -> IntegerGrid:
        return IntegerGrid(self.bits, signed=not self.affine)

    def _scale_rule(self) -> Any:
        if self.mode == "mse":
            raise NotImplementedError('scales of mode="mse" are searched on the host only')
        return grids.Reals(self.scale, self.element.largest, self.affine)

    def _encode(self, part: Part, tensor_scale: np.float32 | None) -> None:
        last = np.float32(self.element.largest)
        if self.mode != "affine":
            scales = part.amax / last
            self._write(part, part.best(scales, CLIPPING) if self.mode == "mse" else scales)
            return
        low, high = part.extremes()
        scales = high / last - low / last
        part.zeros[...] = np.minimum(np.rint(-low * reciprocals(scales)), last)
        self._write(part, scales, part.zeros)


@dataclass(frozen=True, kw_only=True)
class INT8(_Integers):
    """8-bit integers in groups with a scale.

    Parameters
    ----------
    mode : {"symmetric", "affine", "mse"}, optional
        "symmetric", from -127 to 127, the largest magnitude of a group being 127 times the scale;
        "affine", from 0 to 255, with an integer zero for each group, so that 0 is an element and
        one end of the range may be clipped by half a step; "mse", symmetric with the scale that has
        the least squared error among 25, evenly spaced from a quarter of that on: larger magnitudes
        are clipped.
    group : int, optional
        Values that share a scale, a multiple of 16.
    scale : {"float32", "float16"}, optional
        How scales are stored. Elements are rounded with the stored scale; scales that are not
        normal float16 numbers are refused.
    rounding, hadamard, signs, rng
        As for `NVFP4`. Of ``hadamard`` and ``group`` one must divide the other.

    Notes
    -----
    Elements are two's complement ("affine": unsigned), packed from the lowest bits on.
    Bits a value are those of an element plus those of a scale (and of a zero, 8) over `group`.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import INT8, quantize
    >>> X = np.random.default_rng(0).standard_normal((4, 256))
    >>> codes = quantize(X, INT8(scale="float16"))
    >>> codes.bits_per_value, bool(np.abs(codes.decode() - X).max() < X.max() / 127)
    (8.125, True)
    """

    bits: ClassVar[int] = 8


@dataclass(frozen=True, kw_only=True)
class INT4(_Integers):
    """4-bit integers in groups with a scale: -7 to 7, or 0 to 15 and a zero.

    Parameters
    ----------
    mode, group, scale, rounding, hadamard, signs, rng
        As for `INT8`.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import INT4, quantize
    >>> quantize(np.array([-1.0, 0.0, 1.04, 2.0]), INT4(mode="affine")).decode().round(3)
    array([-1.,  0.,  1.,  2.], dtype=float32)
    """

    bits: ClassVar[int] = 4


@dataclass(frozen=True, kw_only=True)
class INT3(_Integers):
    """3-bit integers in groups with a scale: -3 to 3, or 0 to 7 and a zero.

    Parameters
    ----------
    mode, group, scale, rounding, hadamard, signs, rng
        As for `INT8`.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import INT3, quantize
    >>> quantize(np.arange(-3, 4), INT3(group=16)).elements  # of 21 bits
    array([245,  17,  13], dtype=uint8)
    """

    bits: ClassVar[int] = 3


@dataclass(frozen=True, kw_only=True)
class INT2(_Integers):
    """2-bit integers in groups with a scale: -1 to 1, or 0 to 3 and a zero.

    Parameters
    ----------
    mode, group, scale, rounding, hadamard, signs, rng
        As for `INT8`.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import INT2, quantize
    >>> quantize(np.array([-1.0, 0.4, 0.6]), INT2()).decode()
    array([-1.,  0.,  1.], dtype=float32)
    """

    bits: ClassVar[int] = 2
