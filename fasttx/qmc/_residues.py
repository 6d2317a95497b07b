"""Sums over the points of rank-1 lattices for all candidate components at once.

Up to sign the units modulo a power of two are the powers of 5, those modulo a prime the powers of a
primitive root. Where components multiply points their exponents add, so that what each candidate
would give is a circular correlation.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from ..transforms.fft import irfft_unordered, rfft_unordered
from ._primes import primitive_root

# Candidates whose values differ by less, as two that mirror each other do, count as equal.
_TIE = 1e-9
# Bernoulli numbers, those that `scipy.special.bernoulli` gives to 10 digits.
_BERNOULLI = (1, -1 / 2, 1 / 6, 0, -1 / 30, 0, 1 / 42, 0, -1 / 30)

Array = NDArray[np.float64]


def korobov_kernel(x: Array, alpha: int) -> Array:
    """``sum_{h != 0} exp(2 pi i h x) / |h|**(2 alpha)`` for x in [0, 1]."""
    degree = 2 * alpha
    factor = (-1) ** (alpha + 1) * (2 * math.pi) ** degree / math.factorial(degree)
    bernoulli = [math.comb(degree, k) * _BERNOULLI[k] for k in range(degree + 1)]
    # The polynomial is symmetric; rounding errors are least where x is small.
    return factor * np.polyval(bernoulli, np.minimum(x, 1 - x))


class Orbit:
    """Points ``+-generator**i / n``, i < size, of a lattice in one dimension.

    Attributes
    ----------
    kernel : ndarray, shape (size,)
        Its values there.
    product : ndarray, shape (size,)
        ``prod_j (1 + weights[j] * kernel) - 1`` over the components so far, there.
    times : int
        2, or 1 if a point is its own negative.
    """

    def __init__(self, points: Array, times: int, alpha: int):
        self.kernel, self.times = korobov_kernel(points, alpha), times
        self.product = np.zeros(points.size)
        self._ours = points.size > 1 and points.size & (points.size - 1) == 0
        self._spectrum: Any = None

    def correlation(self) -> Array:
        """Sums over the orbit of ``product[i] * kernel[i + a]`` for each a."""
        size = self.kernel.size
        if size == 1:
            return self.times * self.kernel * self.product
        if not self._ours:
            if self._spectrum is None:
                self._spectrum = fft.rfft(self.times * self.kernel)
            return fft.irfft(self._spectrum * fft.rfft(self.product).conj(), size)
        if self._spectrum is None:
            self._spectrum = rfft_unordered(self.times * self.kernel)
        own, other = self._spectrum, rfft_unordered(self.product)
        # Place 0 holds two real coefficients.
        ends = complex(own[0].real * other[0].real, own[0].imag * other[0].imag)
        np.multiply(own, np.conjugate(other, out=other), out=other)
        other[0] = ends
        return irfft_unordered(other, overwrite_x=True)

    def take(self, exponent: int, gamma: float) -> None:
        """Add the component ``generator**exponent``."""
        a = exponent % self.kernel.size
        split = self.kernel.size - a
        head, tail = self.product[:split], self.product[split:]
        for part, kernel in ((head, self.kernel[a:]), (tail, self.kernel[:a])):
            factor = gamma * kernel
            part += factor * (1 + part)


class Residues:
    """The numbers k/n, 0 <= k < n, by orbits of the group of units modulo n and plus or minus.

    Attributes
    ----------
    orbits : list of Orbit
        Of an n = 2**m the points ``odd / 2**l`` for l = 0, ..., m.
    units : ndarray of uint64
        Components to choose from by exponent, the smaller of z and n - z.
    """

    def __init__(self, n: int, alpha: int):
        self.n, self.alpha = n, alpha
        self.orbits = [Orbit(np.zeros(1), 1, alpha)]
        if n & (n - 1):
            units = _powers(primitive_root(n), (n - 1) // 2, n)
            self.orbits.append(Orbit(units / n, 2, alpha))
        else:
            for level in range(1, n.bit_length()):
                units = _powers(5, max(1, 1 << level >> 2), 1 << level)
                self.orbits.append(Orbit(units / (1 << level), min(level, 2), alpha))
        self.units = np.minimum(units, np.uint64(n) - units)

    def mean(self, n: int) -> float:
        """Mean of the kernel over k/n."""
        return 2 * float(special.zeta(2 * self.alpha)) / float(n) ** (2 * self.alpha)

    def correlations(self) -> Iterator[Array]:
        """Sums over the orbits so far, after each, for each exponent of a unit: periodic."""
        total = np.zeros(1)
        for orbit in self.orbits:
            more = orbit.correlation()
            more.reshape(-1, total.size)[...] += total
            yield (total := more)

    def take(self, exponent: int, gamma: float) -> None:
        """Add a component to the products."""
        for orbit in self.orbits:
            orbit.take(exponent, gamma)

    def least(self, values: Array) -> int:
        """Exponent of the smallest unit that has the least value."""
        ties = np.flatnonzero(values <= values.min() * (1 + _TIE))
        return int(ties[self.units[ties].argmin()])


def _powers(base: int, count: int, modulus: int) -> NDArray[np.uint64]:
    """``base**i % modulus`` for i < count."""
    powers = np.ones(1, np.uint64)
    while powers.size < count:
        step = np.uint64(pow(base, powers.size, modulus))
        powers = np.concatenate([powers, powers * step % np.uint64(modulus)])
    return powers[:count] % np.uint64(modulus)
