"""Random frequencies of shift-invariant kernels: K(x, z) is the mean of cos(w @ (x - z))."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.special import chdtri, ndtri

from .._cpu import features as loops
from .._cpu import fwht as fwht_loops
from ..qmc.halton import Halton
from ..qmc.lattice import Lattice
from ..qmc.net import DigitalNet
from ..transforms.fwht import fwht
from ._operators import DenseMap, SketchOperator

Array = NDArray[Any]

KERNELS = ("gaussian", "laplacian", "matern")
LEAST_NU = 0.05  # below, frequencies overflow
ROTATIONS = 64  # dimensions up to which a matrix product costs no more than the cosines
SEQUENCES = {"net": DigitalNet, "lattice": Lattice, "halton": Halton}


class ChainOperator(SketchOperator):
    """Frequencies as products of Hadamard matrices and diagonals, m rows of several chains.

    Parameters
    ----------
    scales : ndarray of shape (chains, factors, n)
        Diagonals, the first one applied first, with a Hadamard matrix between any two.
    order : ndarray of shape (chains, n) or (chains, 0)
        Permutation before the second diagonal.
    shape : (int, int)
        Number of frequencies, of which the last chain may have more, and of coordinates.
    """

    dense = True

    def __init__(self, scales: Array, order: Array, shape: tuple[int, int], dtype: DTypeLike):
        super().__init__(dtype, shape)
        self.scales, self.order = scales, order.astype(np.uint32)

    def _rows(self, x: Array) -> Array:
        out = np.empty((len(x), self.shape[0]), x.dtype)
        run, at = loops.chain(x.dtype.name), fwht_loops.address(x.dtype.name, 1)
        task = partial(run, x, self.scales.astype(x.dtype), self.order, at, out)
        self._share(task, len(x), out.size)
        return out

    def _on_device(self, x: Any, axis: int) -> Any:
        from .._cuda import features as device

        if axis == 0:
            raise NotImplementedError("on a device, chains of transforms take rows only")
        return device.chain(x, self.scales, self.order, self, self.shape[0])

    def waves(self, x: Any, phases: Array, factor: float, k: int) -> Any:
        """Cosines and sines of the products with a device array: k features of each row."""
        from .._cuda import features as device
        from .._cuda import sketch

        self._check_shape(sketch.check(x).shape, 1)
        waves = phases, factor, k
        return device.chain(x, self.scales, self.order, self, self.shape[0], waves)

    def _spread(self, y: Array) -> Array:
        """The chains backwards: Hadamard matrices are symmetric, and permutations are undone."""
        chains, factors, n = self.scales.shape
        padded = np.zeros((len(y), chains * n), y.dtype)
        padded[:, : y.shape[1]] = y
        total = np.zeros((len(y), n), y.dtype)
        for c in range(chains):
            z, scales = padded[:, c * n : (c + 1) * n], self.scales[c].astype(y.dtype)
            for level in range(factors - 1, 0, -1):
                z = z * scales[level]
                if level == 1 and self.order.shape[1]:
                    back = np.empty_like(z)
                    back[:, self.order[c]] = z
                    z = back
                z = fwht(z, workers=self.workers)
            total += z * scales[0]
        return total[:, : self.shape[1]]


def check_kernel(kernel: str, nu: float) -> None:
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {KERNELS}; got {kernel!r}")
    if kernel == "matern" and not LEAST_NU <= nu < math.inf:
        raise ValueError(f"nu must be at least {LEAST_NU} and finite; got {nu}")


def spread_factors(kernel: str, nu: float, rng: np.random.Generator, shape: Any) -> Array | float:
    """What normal frequencies of the Gaussian kernel are multiplied by to be those of another one.

    The spectral density of the Matern kernel is Student's, with 2 nu degrees of freedom.
    """
    if kernel == "matern":
        return np.sqrt(2 * nu / rng.chisquare(2 * nu, shape))
    return 1.0


def independent(
    kernel: str, gamma: float, nu: float, m: int, d: int, rng: np.random.Generator
) -> Array:
    """Independent frequencies, of shape (m, d)."""
    if kernel == "laplacian":
        return gamma * rng.standard_cauchy((m, d))
    factors = spread_factors(kernel, nu, rng, (m, 1))
    return math.sqrt(2 * gamma) * factors * rng.standard_normal((m, d))


def from_points(
    kernel: str, gamma: float, nu: float, m: int, d: int, rng: np.random.Generator, sequence: str
) -> Array:
    """Frequencies that are quantiles at the points of a low-discrepancy sequence."""
    if sequence not in SEQUENCES:
        raise ValueError(f"sequence must be one of {tuple(SEQUENCES)}; got {sequence!r}")
    points = SEQUENCES[sequence](d + (kernel == "matern"), rng=rng)
    # The middle of a cell of 2**-53: never 0 or 1, where quantiles are infinite.
    uniform = (points.random_raw(m).astype(np.float64) + 0.5) * 2.0**-points.bits
    uniform = np.minimum(uniform, 1 - 2.0**-53)
    if kernel == "laplacian":
        return gamma * np.tan(np.pi * (uniform - 0.5))
    w = math.sqrt(2 * gamma) * ndtri(uniform[:, :d])
    if kernel == "matern":
        w *= np.sqrt(2 * nu / chdtri(2 * nu, uniform[:, d:]))
    return w


def orthogonal(
    kernel: str,
    gamma: float,
    nu: float,
    m: int,
    d: int,
    rng: np.random.Generator,
    dtype: DTypeLike,
    *,
    norms: bool,
) -> SketchOperator:
    """Orthogonal frequencies: rotations, or sqrt(2 gamma) R H D1 H D2 H D3 / n, R their norms."""
    if d <= ROTATIONS:
        return rotations(kernel, gamma, nu, m, d, rng, dtype, norms=norms)
    n, chains = blocks(m, d)
    scales = np.empty((chains, 4, n))
    scales[:, :3] = random_signs(rng, (chains, 3, n))
    radius = np.sqrt(rng.chisquare(n, (chains, n)) if norms else np.full((chains, n), 1.0 * n))
    radius *= spread_factors(kernel, nu, rng, (chains, n))
    scales[:, 3] = math.sqrt(2 * gamma) * n**-1.5 * radius
    return ChainOperator(scales, np.empty((chains, 0)), (m, d), dtype)


def rotations(
    kernel: str,
    gamma: float,
    nu: float,
    m: int,
    d: int,
    rng: np.random.Generator,
    dtype: DTypeLike,
    *,
    norms: bool,
) -> SketchOperator:
    """Frequencies along the rows of uniformly distributed rotations."""
    Q, R = np.linalg.qr(rng.standard_normal((-(-m // d), d, d)))
    Q *= np.sign(np.diagonal(R, axis1=1, axis2=2))[:, None]
    radius = np.sqrt(rng.chisquare(d, (m, 1)) if norms else np.full((m, 1), 1.0 * d))
    radius *= math.sqrt(2 * gamma) * spread_factors(kernel, nu, rng, (m, 1))
    return DenseMap((radius * np.swapaxes(Q, 1, 2).reshape(-1, d)[:m]).astype(dtype))


def fastfood(
    kernel: str,
    gamma: float,
    nu: float,
    m: int,
    d: int,
    rng: np.random.Generator,
    dtype: DTypeLike,
) -> SketchOperator:
    """sqrt(2 gamma / n) S H G P H B."""
    n, chains = blocks(m, d)
    scales = np.empty((chains, 3, n))
    scales[:, 0] = random_signs(rng, (chains, n))
    scales[:, 1] = rng.standard_normal((chains, n))
    # The rows of H G P H B have the norm sqrt(n) ||G||; those of frequencies are chi-distributed.
    length = np.linalg.norm(scales[:, 1], axis=1, keepdims=True)
    radius = np.sqrt(rng.chisquare(n, (chains, n))) * spread_factors(kernel, nu, rng, (chains, n))
    scales[:, 2] = math.sqrt(2 * gamma / n) * radius / length
    order = np.argsort(rng.random((chains, n)), axis=1)
    return ChainOperator(scales, order, (m, d), dtype)


def blocks(m: int, d: int) -> tuple[int, int]:
    """Length and number of the chains for m frequencies of d coordinates."""
    n = 1 << (d - 1).bit_length()
    return n, -(-m // n)


def random_signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(0, 2, shape) * 2.0 - 1
