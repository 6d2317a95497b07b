"""Two bits a value by points of the E8 lattice."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..._array import frozen
from ..._cpu import lattice as loops
from ._grids import Grid, Rotation
from ._groups import GroupFormat
from ._parts import NONE, Part

Array = NDArray[Any]

SPREAD = 1.03  # root mean square of what is rounded, with about the least squared error
LISTED = 256


class LatticeGrid(Grid):
    """Points of E8 + 1/4 for eight numbers at once, two bytes each."""

    bits = 2

    def nbytes(self, count: int) -> int:
        return -(-count // loops.DIM) * 2

    def encode(
        self,
        x: Array,
        rotation: Rotation,
        block: int,
        factors: Array,
        offsets: Array,
        chance: tuple[bool, np.uint64],
        start: int,
        packed: Array,
        stored: int,
    ) -> None:
        tables = _tables()
        loops.encode()(x, rotation, block, factors, *tables, packed.view(np.uint16))

    def decode(
        self,
        packed: Array,
        rotation: Rotation,
        block: int,
        factors: Array,
        offsets: Array,
        out: Array,
        stored: int,
    ) -> None:
        magnitudes, _, odd, _ = _tables()
        codes = frozen(packed.view(np.uint16))
        loops.decode()(codes, rotation, block, factors, frozen(magnitudes.T), odd, out)

    def decoded(self, packed: Array, stored: int) -> Array:
        plain = E8()
        out = np.empty((len(packed), stored), np.float32)
        ones = frozen(np.ones((len(packed), -(-stored // plain.group)), np.float32))
        self.decode(frozen(packed), plain.rotation, plain.group, ones, NONE, out, stored)
        return out


@functools.cache
def _tables() -> tuple[Array, Array, Array, Array]:
    """Magnitudes of codewords (8, 256), halves of squared norms, odd sums; numbers by magnitudes.

    All of D8 + 1/2 of squared norm up to 10, which are 227, and the first 29 of norm 12.
    """
    wholes = np.array(list(itertools.product(range(loops.LEVELS), repeat=loops.DIM)))
    norms = np.sum((wholes + 0.5) ** 2, axis=1)
    listed = np.argsort(norms, kind="stable")[:LISTED]
    numbers = np.full(len(wholes), -1)
    numbers[wholes[listed] @ loops.LEVELS ** np.arange(loops.DIM)] = np.arange(LISTED)
    magnitudes = (wholes[listed].T + 0.5).astype(np.float32)
    halves = (norms[listed] / 2).astype(np.float32)
    odd = wholes[listed].sum(axis=1) & 1
    return frozen(magnitudes), frozen(halves), frozen(odd), frozen(numbers)


@dataclass(frozen=True, kw_only=True)
class E8(GroupFormat):
    """Two bits a value: each eight numbers become one of 2**16 points of the E8 lattice.

    The codebook is that of QuIP# [1]_ but for which points of the outermost shell are in it: with
    1/4 added to or subtracted from all coordinates, points of D8 + 1/2 (halves of odd integers with
    an even sum) whose magnitudes are among 256: 227 of squared norm up to 10, and 29 of norm 12.

    Parameters
    ----------
    group : int, optional
        Values that share a scale, a multiple of 16: their root mean square over 1.03.
    scale : {"float16", "float32"}, optional
        See `INT8`.
    hadamard, signs, rng
        As for `NVFP4`. The codebook is made for normal numbers, which a rotation of many makes of
        any (``hadamard=256, signs=True``).
    rounding : {"nearest"}
        There is no stochastic rounding.

    Notes
    -----
    Host only. 2.0625 bits a value. The nearest codeword is found exactly: the nearest points of
    both infinite lattices take some forty operations each [2]_, and only where they are not in the
    codebook all 256 magnitudes are tried. Normal numbers come back with a signal-to-noise ratio of
    10.4 dB; the best scalar quantizer of two bits has 9.3 dB. A code is the number of magnitudes
    in its bits 0 to 7, signs of the first seven coordinates in bits 8 to 14 (that of the last one
    makes the sum even), and 1 in bit 15 for -1/4.

    References
    ----------
    .. [1] A. Tseng, J. Chee, Q. Sun, V. Kuleshov and C. De Sa, "QuIP#: Even better LLM quantization
       with Hadamard incoherence and lattice codebooks", 2024, section 4. :arxiv:`2402.04396`
    .. [2] J. H. Conway and N. J. A. Sloane, "Fast quantizing and decoding algorithms for lattice
       quantizers and codes", IEEE Transactions on Information Theory 28, 227-232, 1982.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import E8, quantize
    >>> X = np.random.default_rng(0).standard_normal((16, 512))
    >>> codes = quantize(X, E8())
    >>> codes.bits_per_value, bool(np.mean((codes.decode() - X) ** 2) < 0.1)
    (2.0625, True)
    """

    group: int = 256
    scale: str = "float16"

    element: ClassVar[LatticeGrid] = LatticeGrid()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounding != "nearest":
            raise ValueError(f"E8 rounds to the nearest codeword only; got {self.rounding!r}")

    def _encode(self, part: Part, tensor_scale: np.float32 | None) -> None:
        self._write(part, part.rms() / np.float32(SPREAD))
