"""Formats whose scales are floats of 16 or 32 bits, for groups of any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._array import check_count
from ..._cpu import block_formats as loops
from ._base import BlockFormat
from ._parts import Part, reciprocals

Array = NDArray[Any]

SCALES = {"float16": np.float16, "float32": np.float32}
MOST = 1 << 16  # values of a group


@dataclass(frozen=True, kw_only=True)
class GroupFormat(BlockFormat):
    """Groups of `group` values with a scale that is stored as `scale`."""

    group: int = 128
    scale: str = "float32"

    def __post_init__(self) -> None:
        if check_count(self.group, "group") % loops.LANES or self.group > MOST:
            raise ValueError(
                f"group must be a multiple of {loops.LANES}, at most {MOST}; got {self.group}"
            )
        if self.scale not in SCALES:
            raise ValueError(f"scale must be one of {tuple(SCALES)}; got {self.scale!r}")
        super().__post_init__()

    @property
    def tile(self) -> tuple[int, int]:
        return (1, self.group)

    @property
    def scale_dtype(self) -> Any:
        return SCALES[self.scale]

    def _write(self, part: Part, scales: Array, zeros: Array | None = None) -> None:
        """Store the scales, and encode with what they became."""
        with np.errstate(over="ignore"):
            part.scales[...] = scales
        if self.scale == "float16":
            least = np.finfo(np.float16).smallest_normal
            if not np.all((part.scales < np.inf) & ((part.scales >= least) | (scales == 0))):
                smallest = np.min(scales, where=scales > 0, initial=np.inf)
                raise ValueError(
                    f"scales from {smallest:.3g} to {scales.max():.3g} are not all normal float16 "
                    'numbers; scale="float32" holds them'
                )
        part.encode(reciprocals(self._factors(part.scales)), zeros)

    def _factors(self, scales: Array) -> Array:
        return scales.astype(np.float32)
