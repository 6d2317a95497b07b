"""Microscaling formats: blocks of 32 with scales that are powers of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..._array import frozen
from ..._cuda import grids
from ._base import BlockFormat
from ._grids import E2M1, E2M3, E3M2, E4M3, E5M2, FloatGrid
from ._parts import Part

Array = NDArray[Any]

BLOCK = 32
SCALE_MODES = ("floor", "ceil", "rceil", "even")
NAN = 255
E8M0 = frozen(np.r_[np.ldexp(1.0, np.arange(-127, 128)), np.nan].astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class Microscaling(BlockFormat):
    """What microscaling formats have in common; see `MXFP4`."""

    scale_mode: str = "floor"
    nonfinite: str = "raise"

    tile: ClassVar[tuple[int, int]] = (1, BLOCK)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale_mode not in SCALE_MODES:
            raise ValueError(f"scale_mode must be one of {SCALE_MODES}; got {self.scale_mode!r}")
        if self.nonfinite not in ("raise", "propagate"):
            raise ValueError(f'nonfinite must be "raise" or "propagate"; got {self.nonfinite!r}')

    @property
    def propagates(self) -> bool:
        return self.nonfinite == "propagate"

    def _scale_rule(self) -> Any:
        return grids.Powers(self.scale_mode, self.element.mantissa, self.element.largest)

    def _encode(self, part: Part, tensor_scale: np.float32 | None) -> None:
        grid: FloatGrid = self.element
        largest = np.float32(grid.largest)
        amax = part.amax * (1 / largest) if self.scale_mode == "rceil" else part.amax
        bits = amax.view(np.int32)
        if self.scale_mode == "even":
            bits = bits + (1 << (22 - grid.mantissa))
        field = bits >> 23
        if self.scale_mode in ("ceil", "rceil"):
            least = np.where(field == 0, 1 << 22, 0)  # 2**-127 is half a subnormal number's unit
            field = field + ((bits & 0x7FFFFF) > least)
        if self.scale_mode != "rceil":
            field = field - int(np.log2(largest))
        codes = np.clip(field, 0, NAN - 1)
        codes[~(part.amax < np.inf)] = NAN
        part.scales[...] = codes
        part.encode(E8M0[NAN - 1 - codes])  # reciprocals; the last one, NaN, for NaN

    def _factors(self, scales: Array) -> Array:
        return E8M0[scales]


@dataclass(frozen=True, kw_only=True)
class MXFP4(Microscaling):
    """MXFP4: E2M1 elements, 4.25 bits a value.

    Elements are 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives.

    Parameters
    ----------
    scale_mode : {"floor", "ceil", "rceil", "even"}, optional
        How 2**s follows from the largest magnitude a of a block. With the largest power of two
        2**e and the largest number M among elements: "floor", s = floor(log2(a)) - e as in [1]_,
        with which numbers beyond M are rounded to it; "ceil", s = ceil(log2(a)) - e; "rceil",
        s = ceil(log2(a / M)), the least scale with which no number exceeds M; "even", as "floor"
        with a first rounded to as many bits as elements have. a / M is the product with the float32
        1 / M, as in torchao.
    nonfinite : {"raise", "propagate"}, optional
        What becomes of NaN and infinity: an error, or NaN in all of the block, whose scale is then
        0xFF.
    rounding, hadamard, signs, rng
        As for `NVFP4`.

    Notes
    -----
    Scales are clipped to 2**-127 and 2**127; multiplying by their reciprocals is exact
    but for subnormal numbers. Normal numbers come back with a signal-to-noise ratio of 18.79,
    16.83, 18.76 and 19.03 dB with the four modes.

    References
    ----------
    .. [1] Open Compute Project, "OCP Microscaling Formats (MX) Specification", version 1.0, 2023,
       sections 5 and 6.3.
    .. [2] B. D. Rouhani et al., "Microscaling data formats for deep learning", 2023.
       :arxiv:`2310.10537`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import MXFP4, quantize
    >>> X = np.random.default_rng(0).standard_normal((8, 64))
    >>> codes = quantize(X, MXFP4(scale_mode="rceil", hadamard=32))
    >>> codes.bits_per_value, codes.scales.shape
    (4.25, (8, 2))
    >>> bool(np.linalg.norm(codes.decode() - X) < 0.13 * np.linalg.norm(X))
    True
    """

    element: ClassVar[FloatGrid] = E2M1


@dataclass(frozen=True, kw_only=True)
class MXFP6(Microscaling):
    """MXFP6: E2M3 or E3M2 elements, 6.25 bits a value.

    Parameters
    ----------
    elements : {"e2m3", "e3m2"}, optional
        Up to 7.5 with three bits of mantissa, or up to 28 with two.
    scale_mode, nonfinite, rounding, hadamard, signs, rng
        As for `MXFP4`.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import MXFP6, quantize
    >>> quantize(np.array([1.0, 2.0, 3.3]), MXFP6()).decode()
    array([1.  , 2.  , 3.25], dtype=float32)
    """

    elements: str = "e2m3"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_elements(self.elements, _SIX)

    @property
    def element(self) -> FloatGrid:
        return _SIX[self.elements]


@dataclass(frozen=True, kw_only=True)
class MXFP8(Microscaling):
    """MXFP8: E4M3 or E5M2 elements, 8.25 bits a value.

    Parameters
    ----------
    elements : {"e4m3", "e5m2"}, optional
        Up to 448 with three bits of mantissa, or up to 57344 with two.
    scale_mode, nonfinite, rounding, hadamard, signs, rng
        As for `MXFP4`.

    Notes
    -----
    Numbers beyond the largest element are rounded to it: the codes of NaN and infinity
    among elements are not used.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import MXFP8, quantize
    >>> quantize(np.array([1.0, np.nan]), MXFP8(nonfinite="propagate")).decode()
    array([nan, nan], dtype=float32)
    """

    elements: str = "e4m3"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_elements(self.elements, _EIGHT)

    @property
    def element(self) -> FloatGrid:
        return _EIGHT[self.elements]


_SIX = {"e2m3": E2M3, "e3m2": E3M2}
_EIGHT = {"e4m3": E4M3, "e5m2": E5M2}


def _check_elements(name: str, known: dict[str, FloatGrid]) -> None:
    if name not in known:
        raise ValueError(f"elements must be one of {tuple(known)}; got {name!r}")
