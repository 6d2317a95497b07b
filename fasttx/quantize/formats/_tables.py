"""Sixteen numbers that suit normal values, and three in the Walsh domain."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root
from scipy.special import ndtr, ndtri, roots_legendre

from ..._cpu import block_formats as loops
from ..._cuda import grids
from ._grids import TableGrid, TernaryGrid
from ._groups import GroupFormat
from ._parts import Part

Array = NDArray[Any]

# The values of the reference implementation; quantiles of the normal law, averaged, and 0.
NORMAL = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
TERNARY_LEVEL = 1.224  # of normal numbers of variance 1, with the least squared error
COARSE = 2.0 ** (np.arange(-3, 4) / 4)
FINE = 2.0 ** (np.arange(-4, 5) / 32)


@dataclass(frozen=True, kw_only=True)
class _Table(GroupFormat):
    """A table of 16 numbers from -1 to 1, times the largest magnitude of a group."""

    group: int = 64

    def _scale_rule(self) -> Any:
        return grids.Reals(self.scale, 1.0, False)

    def _encode(self, part: Part, tensor_scale: np.float32 | None) -> None:
        self._write(part, part.amax)


@dataclass(frozen=True, kw_only=True)
class NF4(_Table):
    """NF4 of QLoRA: 16 numbers from -1 to 1, spaced as quantiles of the normal law.

    Parameters
    ----------
    group : int, optional
        Values that share a scale, their largest magnitude; a multiple of 16.
    scale : {"float32", "float16"}, optional
        As for `INT8`.
    rounding, hadamard, signs, rng
        As for `NVFP4`; of two numbers as near the lower one is taken.

    Notes
    -----
    4.5 bits a value. Elements are places in the increasing table of [1]_, appendix E; 0
    is one of them. Two scales in float32 cannot be packed again here as "double quantization" does.

    References
    ----------
    .. [1] T. Dettmers, A. Pagnoni, A. Holtzman and L. Zettlemoyer, "QLoRA: Efficient finetuning of
       quantized LLMs", 2023. :arxiv:`2305.14314`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import NF4, quantize
    >>> quantize(np.array([0.0, 1.0, 2.0, -4.0]), NF4()).decode().round(3)
    array([ 0.   ,  0.984,  1.763, -4.   ], dtype=float32)
    """

    element: ClassVar[TableGrid] = TableGrid(NORMAL)


@dataclass(frozen=True, kw_only=True)
class AF4(_Table):
    """AF4 of Yoshida: 16 numbers from -1 to 1, medians of normal values of groups of that size.

    NF4 takes for normal what is normal numbers over the largest magnitude of a group, whose law
    depends on the size of the group. This table is made for that law.

    Parameters
    ----------
    group, scale, rounding, hadamard, signs, rng
        As for `NF4`.

    Notes
    -----
    -1, 0 and 1 are elements; each other one is the median of what lies between the
    midpoints to its neighbours, where 0 counts as a bound and not as a neighbour: that gives the
    published tables [1]_, which are computed here for any size. Rounded to the nearest element, 0
    included, normal numbers then have an absolute error about 3 percent larger than with `NF4`.

    References
    ----------
    .. [1] D. Yoshida, "NF4 isn't information theoretically optimal (and that's good)", 2023.
       :arxiv:`2306.06965`

    Examples
    --------
    >>> from fasttx.quantize import AF4
    >>> AF4().element.values[8:11].round(4)
    array([0.0427, 0.1293, 0.2196], dtype=float32)
    """

    @property
    def element(self) -> TableGrid:
        return _abnormal(self.group)


@functools.cache
def _abnormal(group: int) -> TableGrid:
    """The table for groups of that many normal numbers."""
    nodes, weights = roots_legendre(64)
    inside = ((nodes + 1) / 2) ** (1 / group)  # P[|z| < m] for quantiles m of the largest magnitude
    m = ndtri((1 + inside) / 2)
    weights = weights / 2 / inside * (group - 1) / group

    def law(x: Array) -> Array:
        """P[z / m < x], for x between -1 and 1."""
        part = ndtr(m * x[:, None]) - ndtr(-m)
        return 1 / (2 * group) + part @ weights

    def excess(inner: Array) -> Array:
        """How far codes are from being medians of what lies between midpoints; or 0."""
        low, high = np.r_[-1, inner[:6]], np.r_[inner[6:], 1]
        bounds = law(np.r_[(low[1:] + low[:-1]) / 2, 0]), law(np.r_[0, (high[1:] + high[:-1]) / 2])
        return law(inner) - np.concatenate([(b[1:] + b[:-1]) / 2 for b in bounds])

    # The larger a group, the larger its largest number, and the nearer to 0 are the others over
    # it. From too far out the solver leaves [-1, 1], beyond which the law is constant.
    typical = [ndtri((1 + 0.5 ** (1 / size)) / 2) for size in (64, group)]
    start = np.array(NORMAL[1:7] + NORMAL[8:15]) * (typical[0] / typical[1])
    found = root(excess, start, tol=1e-12)
    if not (found.success and np.all(np.abs(found.x) < 1)):
        raise ArithmeticError(f"no table was found for groups of {group}: {found.message}")
    return TableGrid((-1.0, *found.x[:6].tolist(), 0.0, *found.x[6:].tolist(), 1.0))


@dataclass(frozen=True, kw_only=True)
class ITQ3(GroupFormat):
    """Ternary numbers in the Walsh domain, in blocks of 256.

    A block is rotated by a Walsh-Hadamard transform of 256 points, which makes its entries nearly
    normal, and rounded to -s, 0 and s; the inverse transform is part of decoding. The idea is that
    of ITQ3_S [1]_.

    Parameters
    ----------
    scale : {"float16", "float32"}, optional
        How s is stored; see `INT8`.
    hadamard, group : int
        256.
    rounding, signs, rng
        As for `NVFP4`.

    Notes
    -----
    Host only. 1.6875 bits a value: five elements in a byte, interleaved (byte j of a block has
    elements j, j + 52, ..., as digits of base 3 from the lowest on), so 52 bytes of elements, and 2
    of the scale. ITQ3_S is announced as a format of 3 bits; a ternary grid needs 1.585 of them, and
    normal numbers come back from it with a signal-to-noise ratio of 7.2 dB whatever they are packed
    in. s has the least squared error among multiples of the block's root mean square, to 2 percent.

    References
    ----------
    .. [1] E. J. Yoon, "ITQ3_S: High-fidelity 3-bit LLM inference via interleaved ternary
       quantization with rotation-domain smoothing", 2026. :arxiv:`2603.27914`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import ITQ3, quantize
    >>> x = np.zeros(256)
    >>> x[7] = 3
    >>> codes = quantize(x, ITQ3())
    >>> codes.bits_per_value, float(codes.decode()[7].round(1))
    (1.6875, 3.0)
    """

    group: int = loops.GROUP
    hadamard: int | None = loops.GROUP
    scale: str = "float16"

    element: ClassVar[TernaryGrid] = TernaryGrid()

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.group, self.hadamard) != (loops.GROUP, loops.GROUP):
            raise ValueError(
                f"blocks are rotated as a whole and have 256 values; got group={self.group} and "
                f"hadamard={self.hadamard}"
            )

    def _encode(self, part: Part, tensor_scale: np.float32 | None) -> None:
        self._write(part, part.best(part.best(TERNARY_LEVEL * part.rms(), COARSE), FINE))
