"""Matrices k(x_i - x_j) on the points of a net or a lattice: functions on a group, diagonalised.

Point number i of a sequence in radical-inverse order is an element g(i) of a group, plus a common
shift: of bit strings under exclusive or for a digital net, of the integers modulo n under addition
for a lattice, where g(i) is the bit reversal of i. The first 2**m points are a subgroup. A matrix
with entries c(g(i) - g(j)) is F^-1 diag(F c) F with the group's unnormalised Fourier transform F:
the Walsh-Hadamard transform, or the FFT of bit-reversed input.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..transforms.fft import fftbr, ifftbr
from ..transforms.fwht import fwht, ifwht

Array = NDArray[Any]


class Group(NamedTuple):
    """The transforms of a family of point sets, along the last axis."""

    name: str

    def forward(self, x: Array, workers: int | None = None, axis: int = -1) -> Array:
        """F x: real for a net, complex for a lattice."""
        transform = fwht if self.name == "net" else fftbr
        return transform(x, axis=axis, workers=workers)

    def spectrum(self, column: Array, workers: int | None = None) -> Array:
        """Real eigenvalues of a symmetric matrix from its first column."""
        values = self.forward(column, workers)
        return values if self.name == "net" else np.ascontiguousarray(values.real)

    def inverse(self, x: Array, axis: int = -1, overwrite_x: bool = False) -> Array:
        """F^-1 x of the transform's dtype."""
        transform = ifwht if self.name == "net" else ifftbr
        return transform(x, axis=axis, overwrite_x=overwrite_x)

    def backward(self, x: Array, workers: int | None = None) -> Array:
        """F^-1 x, of which the real part is wanted; `x` may be overwritten."""
        if self.name == "net":
            return ifwht(x, overwrite_x=True, workers=workers)
        if x.dtype.kind != "c":
            x = x.astype(np.complex64 if x.dtype == np.float32 else np.complex128)
        return np.ascontiguousarray(ifftbr(x, overwrite_x=True, workers=workers).real)

    def doubled(self, old: Array, new: Array) -> Array:
        """F of 2n values from F of each half: the last level of butterflies alone."""
        n = old.shape[-1]
        if self.name == "lattice":
            new = new * np.exp(-1j * np.pi / n * np.arange(n)).astype(new.dtype, copy=False)
        return np.concatenate([old + new, old - new], axis=-1)


NET, LATTICE = Group("net"), Group("lattice")
GROUPS = {"net": NET, "lattice": LATTICE}


def restrict(x: Array, n: int) -> Array:
    """Transform of a function's restriction to the subgroup of the first `n` points."""
    if x.shape[-1] == n:
        return x
    return x.reshape(*x.shape[:-1], -1, n).mean(axis=-2)


def extend(x: Array, n: int) -> Array:
    """Transform of a function on a subgroup, continued by zero to `n` points."""
    return x if x.shape[-1] == n else np.tile(x, n // x.shape[-1])
