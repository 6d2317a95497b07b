"""Gram matrices on the points of a net or a lattice whose numbers are on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _array
from .._digits import check_bits, check_shape
from ..kernels import Kernel
from ..transforms.bit_reversal import bit_reverse
from ._blocks import mean_of, settled, tolerance
from ._group import GROUPS
from ._structure import MISFITS

if TYPE_CHECKING:
    from .._cuda import NumbaArray


def digits_of(points: Any, d: int, bits: int) -> NumbaArray:
    """Points on a device as integers of 53 digits, which may be no points yet."""
    from .. import _cuda
    from .._cuda import digits

    given = _cuda.wrap(points)
    digits.check_dtype(given)
    check_shape(given.shape, d)
    bits = check_bits(bits)
    n = given.shape[0]
    if not n:
        raise ValueError("points must not be empty")
    if n & (n - 1):
        raise NotImplementedError(
            f"on a device the number of points must be a power of two; got {n}"
        )
    with given.context():
        run = given if given.contiguous else given.compact()
        if run.dtype == "uint64" and bits == digits.BITS:
            return run
        return digits.digits(run, bits)


class DeviceGram:
    """A Gram matrix of n = 2**m points, by the methods of `BlockGram`, on a device.

    Points are recognized in radical-inverse order, in Gray order of a net and in linear order of a
    lattice; nets with nested scrambling too, for kernels of the first differing digit.
    """

    def __init__(self, points: NumbaArray, kernel: Kernel, noise: float, dtype: np.dtype):
        from .._cuda import digits, elementwise, gram

        assert kernel.sequence is not None
        self.points, self.group, self.dtype = points, GROUPS[kernel.sequence], dtype.name
        n = points.shape[0]
        self.sizes = [n]
        with points.context():
            self._linear = False
            points = self._recognized(points, kernel)
            mean = mean_of(kernel)
            covariances = kernel.column(
                points.array, bits=digits.BITS, stable=mean != 0, dtype=dtype
            )
            column = self._wrap(covariances)
            spectrum = self._wrap(self.group.forward(column.array))
            real = spectrum.dtype == self.dtype
            self._pivots = spectrum if real else column.empty((n,), self.dtype)
            least, square = gram.eigenvalues(spectrum, self._pivots, n * mean)
            floor = tolerance(np.sqrt(square), n, dtype)
            self.jitter = settled(least + noise, floor)
            if noise + self.jitter:
                elementwise.apply("shift", self._pivots, self._pivots, s=noise + self.jitter)
            self.column = elementwise.apply("shift", column, column, s=mean).array

    def _recognized(self, points: NumbaArray, kernel: Kernel) -> NumbaArray:
        """The points in the order that the transform wants, or an error."""
        from .._cuda import digits

        sequence = self.group.name
        found = digits.check(points, sequence)
        if found == digits.OUTSIDE:
            raise ValueError("points must lie in [0, 1), with no digits beyond bits=")
        if found == digits.FITS:
            return points
        if sequence == "lattice":
            points = self._wrap(bit_reverse(points.array, axis=0))
            self._linear = digits.check(points, sequence) == digits.FITS
            if self._linear:
                return points
            raise ValueError(f"{MISFITS[sequence]}. On a device Gray order is not accepted")
        if digits.check(points, "nested") != digits.FITS:
            raise ValueError(MISFITS[sequence])
        if not kernel.depends_on_first_digit:
            raise NotImplementedError(
                "on a device nets with nested uniform scrambling need a kernel that depends on the "
                "first differing digit alone (alpha=1, or digits='first')"
            )
        return points

    def eigenvalues(self) -> Any:
        """Of the transform's frequencies in their order, noise and jitter included."""
        from .._cuda import elementwise

        with self._pivots.context():
            out = self._pivots.empty(self._pivots.shape, self.dtype)
            return elementwise.apply("copy", out, self._pivots).array

    def logdet(self) -> float:
        """Logarithm of the determinant, fetched from the device."""
        from .._cuda import reduce

        with self._pivots.context():
            return reduce.scalar(reduce.reduce(self._pivots, "sum", "log"))

    def coordinates(self) -> Any:
        """The points, float64."""
        from .._cuda import digits

        with self.points.context():
            return digits.coordinates(self.points).array

    def apply(self, b: Any) -> Any:
        """K x, noise and jitter included, for a vector or for columns x."""
        return self._scaled(b, "multiply")

    def solve(self, b: Any) -> Any:
        """K^-1 x."""
        return self._scaled(b, "divide")

    def whiten(self, b: Any) -> Any:
        """W x with W^T W = K^-1."""
        return self._scaled(b, "divide by root")

    def _scaled(self, b, operation):
        """What the transforms are multiplied or divided by, and back."""
        from .._cuda import elementwise, operands

        given = operands.beside(self._pivots, "b", b)
        if len(given.shape) not in (1, 2) or given.shape[0] != self.sizes[0]:
            n = self.sizes[0]
            raise ValueError(f"b must have shape ({n},) or ({n}, k); got {given.shape}")
        if given.dtype not in ("float32", "float64"):
            raise TypeError(f"b must be float32 or float64 on a device; got {given.dtype}")
        with given.context():
            if not given.contiguous:
                given = given.compact()
            if given.dtype != self.dtype:
                converted = given.empty(given.shape, self.dtype)
                given = elementwise.apply("copy", converted, given)
            rows = bit_reverse(given.array, axis=0) if self._linear else given.array
            x = self._wrap(self.group.forward(rows, axis=0))
            elementwise.apply(operation, x, x, self._pivots, axis=0)
            x = self._wrap(self.group.inverse(x.array, axis=0, overwrite_x=x.writable))
            if x.dtype != self.dtype:
                x = elementwise.apply("copy", x.empty(x.shape, self.dtype), x)
            if self._linear:
                return bit_reverse(x.array, axis=0, overwrite_x=x.writable)
            return x.array

    @staticmethod
    def _wrap(x):
        from .. import _cuda

        return _cuda.wrap(x)


def check_host(b: Any, what: str) -> None:
    """Refuse device arrays where the points are on the host."""
    if _array.is_device_array(b):
        raise TypeError(f"{what} is on a device and the points are not; give both there")
