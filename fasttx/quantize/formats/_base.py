"""What all block formats have in common, and their codes."""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import _threads
from ..._array import check_axis, frozen, is_device_array
from ..._cpu import block_formats as loops
from ..._cpu import fwht, random
from .._codes import Codec, Codes
from .._rows import as_real, as_seed
from . import _device
from ._parts import Part, parts

Array = NDArray[Any]
Share = Callable[[Callable[[Part], object]], None]

SIGNS_AT = 1 << 62  # where signs of rotations are in the stream, far from elements
LARGEST_ROTATION = 1 << 12


@dataclass(frozen=True, eq=False, repr=False)
class BlockCodes(Codes):
    """Codes of an array in a block format.

    Attributes
    ----------
    codec : BlockFormat
        The format.
    shape : tuple of int
        Of the array that was encoded.
    axis : int
        The axis that blocks lie along, counted from the end. The others come first below.
    elements : ndarray of uint8, shape (..., bytes)
        Packed elements, the first ones in the lowest bits.
    scales : ndarray, shape (..., blocks)
        Scales of blocks, as the format stores them.
    tensor_scale : ndarray of float32, shape (), optional
        A factor of all scales.
    zeros : ndarray of uint8, shape (..., blocks), optional
        Elements that stand for zero.

    Notes
    -----
    ``codes[i]``, with an integer, a slice or an array, are the codes of these rows, where blocks do
    not lie along the first axis. Rows out of blocks of several rows get scales of their own.
    """

    axis: int
    elements: Array
    scales: Array
    tensor_scale: Array | None = None
    zeros: Array | None = None

    _shared: ClassVar[tuple[str, ...]] = ("tensor_scale",)

    def __getitem__(self, rows: Any) -> BlockCodes:
        if self.axis == -len(self.shape):
            raise IndexError("codes of blocks along the first axis cannot be indexed by row")
        height, width = self.codec.tile
        if height == 1 or len(self.shape) > 2:
            return super().__getitem__(rows)
        scales = np.repeat(self.scales, height, axis=0)[: len(self.elements)]
        by_row = replace(self, codec=replace(self.codec, block=(1, width)), scales=scales)
        return by_row[rows]


@dataclass(frozen=True, kw_only=True)
class BlockFormat(Codec):
    """A format of numbers in blocks that share a scale: what all of them are made of.

    Parameters
    ----------
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
    """

    rounding: str = "nearest"
    hadamard: int | None = None
    signs: bool = False
    rng: Any = None

    element: ClassVar[Any]  # the grid of elements; a property where it has parameters
    scale_dtype: ClassVar[Any] = np.uint8  # of stored scales

    def __post_init__(self) -> None:
        if self.rounding not in ("nearest", "stochastic"):
            raise ValueError(f'rounding must be "nearest" or "stochastic"; got {self.rounding!r}')
        h = self.hadamard
        if h is not None and not (
            isinstance(h, int) and 2 <= h <= LARGEST_ROTATION and h & (h - 1) == 0
        ):
            raise ValueError(
                f"hadamard must be a power of two from 2 to {LARGEST_ROTATION}, or None; got {h!r}"
            )
        width = self.tile[1]
        if h is not None and max(h, width) % min(h, width):
            raise ValueError(
                f"hadamard must divide the length of a block or be a multiple; got {h} and {width}"
            )
        if self.signs and h is None:
            raise ValueError("signs belong to a rotation: give hadamard")
        needed = self.rounding == "stochastic" or self.signs
        if isinstance(self.rng, int | np.integer):
            object.__setattr__(self, "rng", int(self.rng))
        else:
            object.__setattr__(self, "rng", as_seed(self.rng) if needed else 0)

    def _state(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def _identity(self) -> dict[str, Any]:
        # Without how codes are found, which no reader of them needs to know.
        finding = {"rounding", "scale_mode", "four_over_six", *(() if self.signs else ("rng",))}
        return {name: value for name, value in self._state().items() if name not in finding}

    # What formats differ in

    @property
    @abstractmethod
    def tile(self) -> tuple[int, int]:
        """Rows and columns of a block; for longer ones, of what is treated at once."""

    @property
    def scope(self) -> str:
        """What a scale is for: "block", "row" or "tensor"."""
        return "block"

    @property
    def affine(self) -> bool:
        """Whether blocks have elements that stand for zero."""
        return False

    @property
    def propagates(self) -> bool:
        """Whether blocks with NaN or infinity become NaN."""
        return False

    def _scale_rule(self) -> Any:
        """How kernels of a device make scales: a description from `fasttx._cuda.grids`."""
        raise NotImplementedError(
            f"{type(self).__name__} is encoded on the host only; accepted on a device are NVFP4, "
            "FP4_UE5M3, MXFP4, MXFP6, MXFP8, INT2, INT3, INT4, INT8, NF4 and AF4"
        )

    def _tensor_rule(self) -> Any:
        """How they find a scale of the tensor, if the format has one."""
        return None

    def _tensor_scale(self, all_parts: list[Part], share: Share) -> np.float32 | None:
        """A factor of all scales, if the format has one."""
        return None

    @abstractmethod
    def _encode(self, part: Part, tensor_scale: np.float32 | None) -> None:
        """Write the scales and the elements of a part whose `amax` is known."""

    @abstractmethod
    def _factors(self, scales: Array) -> Array:
        """Stored scales as float32."""

    # What they share

    def _block_factors(self, scales: Array, blocks: int) -> Array:
        """Stored scales of stripes as float32, for each of their blocks."""
        if self.scope == "tensor":
            return np.ones((len(scales), blocks), np.float32)
        factors = self._factors(scales)
        return np.repeat(factors, blocks, axis=1) if self.scope == "row" else factors

    def _stored(self, n: int) -> int:
        """Elements of a row of `n` numbers: groups that are rotated are stored whole."""
        return -(-n // (self.hadamard or 1)) * (self.hadamard or 1)

    @functools.cached_property
    def seed(self) -> np.uint64:
        return np.uint64(as_seed(self.rng))

    @functools.cached_property
    def chance(self) -> tuple[bool, np.uint64]:
        """Whether elements are rounded at random, and the seed."""
        return self.rounding == "stochastic", self.seed

    @functools.cached_property
    def rotation(self) -> tuple[Array, int, int]:
        """What loops take: signs over sqrt(hadamard) for a piece, hadamard or 0, an address."""
        h = self.hadamard or 0
        whole = math.lcm(self.tile[1], max(h, loops.LANES))
        factor = np.ones(max(h, 1), np.float32)
        if self.signs:
            random.signs("float32")(self.seed, SIGNS_AT, 1.0, factor)
        factor /= np.float32(math.sqrt(max(h, 1)))
        return (
            frozen(np.resize(factor, max(1, loops.PIECE // whole) * whole)),
            h,
            fwht.address("float32", 1),
        )

    def encode(self, X: ArrayLike, axis: int = -1, *, workers: int | None = None) -> BlockCodes:
        """Codes of `X`: what `fasttx.quantize.quantize` returns."""
        if is_device_array(X):
            return _device.encode(self, X, axis)
        x = as_real(X)
        if x.ndim == 0:
            raise ValueError("X must have at least one axis")
        axis = check_axis(axis, x.ndim) - x.ndim
        rows = np.moveaxis(x, axis, -1)
        with np.errstate(over="ignore"):  # refused below
            rows = frozen(rows.astype(np.float32, copy=False))
        codes = self._empty(x.shape, axis)
        all_parts = list(parts(self, rows, codes.elements, codes.scales, codes.zeros))
        share = self._share(all_parts, x.size, workers)
        share(Part.find_amax)
        if not (self.propagates or all(part.largest < np.inf for part in all_parts)):
            raise ValueError(
                f"X, or X rotated, contains NaN, infinity or values beyond float32, for which "
                f"{type(self).__name__} has no codes here"
            )
        tensor_scale = self._tensor_scale(all_parts, share)
        share(lambda part: self._encode(part, tensor_scale))
        if tensor_scale is None:
            return codes
        return replace(codes, tensor_scale=np.asarray(tensor_scale))

    def decode(self, codes: BlockCodes, *, workers: int | None = None) -> Array:
        """The array that `codes` stand for, float32.

        Raises
        ------
        ValueError
            If the codes were made by a format that is not equal to this one.
        """
        self._check(codes)
        if is_device_array(codes.elements):
            return _device.decode(self, codes)
        lead, n = self._rows(codes.shape, codes.axis)
        for name, (shape, dtype) in self._layout(codes.shape, codes.axis).items():
            given = getattr(codes, name)
            if given is None or given.size != math.prod(shape) or given.dtype != dtype:
                raise ValueError(f"the codes' {name} are not those of {codes.shape} in this format")
        out = np.empty((*lead, n), np.float32)
        all_parts = list(parts(self, out, codes.elements, codes.scales, codes.zeros))

        def task(part: Part) -> None:
            factors = self._block_factors(part.scales, part.blocks)
            if codes.tensor_scale is not None:
                factors = factors * codes.tensor_scale
            part.decode(factors)

        self._share(all_parts, out.size, workers)(task)
        return np.moveaxis(out, -1, codes.axis)

    @staticmethod
    def _rows(shape: tuple[int, ...], axis: int) -> tuple[tuple[int, ...], int]:
        """Shape of the other axes, and the length of `axis`."""
        other = list(shape)
        n = other.pop(axis)
        return tuple(other), n

    def _empty(self, shape: tuple[int, ...], axis: int) -> BlockCodes:
        """Codes of an array of that shape, not yet filled."""
        arrays = {name: np.empty(*kind) for name, kind in self._layout(shape, axis).items()}
        return BlockCodes(codec=self, shape=shape, axis=axis, **arrays)

    def _layout(self, shape: tuple[int, ...], axis: int) -> dict[str, tuple[Any, Any]]:
        """Shapes and dtypes of the arrays of codes of an array of that shape."""
        lead, n = self._rows(shape, axis)
        height, width = self.tile
        blocks = {"block": -(-self._stored(n) // width), "row": 1, "tensor": 0}[self.scope]
        stripes = (*lead[:-1], *(-(-rows // height) for rows in lead[-1:]))
        found: dict[str, tuple[Any, Any]] = {
            "elements": ((*lead, self.element.nbytes(self._stored(n))), np.uint8),
            "scales": ((*stripes, blocks), self.scale_dtype),
        }
        return found | {"zeros": ((*stripes, blocks), np.uint8)} if self.affine else found

    @staticmethod
    def _share(all_parts: list[Part], size: int, workers: int | None) -> Share:
        """``share(task)`` calls the task for all parts, in so many threads."""
        count = _threads.resolve(workers, size)

        def share(task: Callable[[Part], object]) -> None:
            def run(first: int, last: int) -> None:
                for part in all_parts[first:last]:
                    task(part)

            _threads.share(run, len(all_parts), count)

        return share
