"""Sparse discrete Fourier transforms of smooth lengths: folded by subsampling, unfolded by peeling.

Every (n / f)-th sample, and an FFT of length f, give sums of the coefficients whose frequencies
agree modulo f. Several coprime f make a sparse graph of coefficients and bins. A bin that holds one
coefficient is told by its phases at several shifts of the samples, and taken out of its other bins.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike
from scipy.special import gammainccinv, gammaincinv

from .._array import check_count
from ._fourier_bins import EPS, Bins, Peeling, Samples, chain, stages_of, waves_of

_DENSE = 1 << 22  # a callable is sampled everywhere up to this length
_BLOCK = 1 << 21  # entries of a temporary array


@dataclass(frozen=True)
class SparseSpectrum:
    """The nonzero coefficients of a discrete Fourier transform.

    Attributes
    ----------
    n : int
        Length of the transform.
    frequencies : ndarray of int64, shape (K,)
        Indices of the coefficients found, sorted, in ``range(n)``.
    coefficients : ndarray of complex128, shape (K,)
        What ``scipy.fft.fft(x)`` has there.
    stderr : ndarray of float64, shape (K,)
        Standard error of each coefficient: root of the mean of ``abs(error)**2``.
    noise_std : float
        Standard deviation of a sample about the sparse spectrum.
    status : {"converged", "overloaded", "noise-limited"}
        "converged" if the coefficients account for all bins and for samples held out.
        "overloaded" if bins are left that hold several coefficients each. "noise-limited" if noise
        of that strength may hide coefficients as large as the smallest one found. A full spectrum
        and white noise that has to be estimated are nearly alike: either word may be given.
    n_samples : int
        Number of different samples taken, those held out included.
    unresolved : int
        Number of bins left that are louder than the noise.
    r2 : float
        Share of the energy of the samples held out that the coefficients account for; of all
        samples where all had to be taken.
    """

    n: int
    frequencies: np.ndarray
    coefficients: np.ndarray
    stderr: np.ndarray
    noise_std: float
    status: str
    n_samples: int
    unresolved: int
    r2: float

    def __call__(self, t: ArrayLike) -> np.ndarray:
        """The signal at integer times `t`, complex, in the shape of `t`."""
        times = np.asarray(t)
        if times.dtype.kind not in "iu":
            raise TypeError(f"t must be integers; got the dtype {times.dtype}")
        flat = (times.ravel() % self.n).astype(np.int64)
        out = np.empty(len(flat), np.complex128)
        step = max(1, _BLOCK // max(1, len(self.frequencies)))
        for a in range(0, len(flat), step):
            waves = waves_of(flat[a : a + step], self.frequencies, self.n)
            out[a : a + step] = waves @ (self.coefficients / self.n)
        return out.reshape(times.shape)

    def to_dense(self, max_length: int = 1 << 26) -> np.ndarray:
        """All n coefficients; `ValueError` if these are more than `max_length`."""
        if self.n > max_length:
            raise ValueError(f"a spectrum of length {self.n} exceeds max_length={max_length}")
        out = np.zeros(self.n, np.complex128)
        out[self.frequencies] = self.coefficients
        return out

    def top(self, k: int) -> SparseSpectrum:
        """The same spectrum with its k largest coefficients only."""
        k = check_count(k, "k")
        keep = np.sort(np.argsort(-np.abs(self.coefficients), kind="stable")[:k])
        parts = (self.frequencies[keep], self.coefficients[keep], self.stderr[keep])
        return replace(self, frequencies=parts[0], coefficients=parts[1], stderr=parts[2])


def sparse_fft(
    x: ArrayLike | Callable[[np.ndarray], ArrayLike],
    k: int,
    *,
    n: int | None = None,
    noise: float | str = "auto",
    max_samples: int | None = None,
    confidence: float = 0.999,
    rng: Any = None,
) -> SparseSpectrum:
    """Compute a discrete Fourier transform with few nonzero coefficients from few samples.

    Parameters
    ----------
    x : array_like, shape (n,), or callable
        The signal, real or complex, or a function ``f(t)`` that takes times, int64 of shape (m,) in
        ``range(n)``, and returns the samples there, of shape (m,).
    k : int
        Number of nonzero coefficients to design for; a real cosine has two. More are found where
        the bins hold them. Independent random frequencies are assumed.
    n : int, optional
        Length of the transform, at most ``2**56``; needed for a callable. It must have coprime (or
        nearly coprime) divisors somewhat below or above `k`.
    noise : float or "auto", optional
        Standard deviation of the noise of a sample, zero for exact samples; "auto" estimates it
        from the quietest bins.
    max_samples : int, optional
        Most samples to take. By default eight times the first design.
    confidence : float, optional
        Probability that noise alone raises no bin over its threshold.
    rng : None, int or numpy.random.Generator, optional
        Source of the random shifts, as for `numpy.random.default_rng`.

    Returns
    -------
    SparseSpectrum
        Frequencies, coefficients, and whether they account for the signal.

    Raises
    ------
    ValueError
        If n has no suitable divisors, with a length nearby that has; if `k`, `n`, `noise` or
        `max_samples` are out of range; if a sample is not finite or the callable returns another
        number of them.

    Notes
    -----
    O(k) samples and O(k log k) operations suffice without noise; the number of shifts grows with
    the logarithm of n / k, and is doubled while noise asks for it. If the bins hold too much,
    stages are added. Where more than half of the samples would be needed, all of them are taken and
    transformed by `scipy.fft.fft`, O(n log n). Host only.

    Coefficients under some ten standard errors, or under some ``1e-14`` of the largest sample, may
    not be seen. The least-squares fit runs over all bins, by conjugate gradients.

    References
    ----------
    .. [1] S. Pawar and K. Ramchandran, "FFAST: An algorithm for computing an exactly k-sparse DFT
       in O(k log k) time", IEEE Trans. Inf. Theory 64(1), 2018; arXiv:1305.0870.
    .. [2] S. Pawar and K. Ramchandran, "A robust sub-linear time R-FFAST algorithm for computing a
       sparse DFT", arXiv:1501.00320.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sparse import sparse_fft
    >>> n = 2**14 * 3**8 * 5**6
    >>> found = sparse_fft(lambda t: np.cos(2 * np.pi * (t * 12345 % n / n)), 2, n=n, rng=0)
    >>> found.status, found.frequencies.tolist() == [12345, n - 12345]
    ('converged', True)
    >>> np.allclose(found.coefficients, n / 2)
    True
    """
    samples, rng = Samples(x, n), np.random.default_rng(rng)
    n, k = samples.n, check_count(k, "k")
    if k > n:
        raise ValueError(f"k must be at most n={n}; got {k}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1; got {confidence}")
    given = None if isinstance(noise, str) and noise == "auto" else noise
    if given is not None and not (
        isinstance(given, int | float | np.number) and 0 <= given < np.inf
    ):
        raise ValueError(f'noise must be "auto" or a number that is not negative; got {noise!r}')
    stages = stages_of(n, k)
    total = sum(stages) if stages else math.ceil(1.9 * k) + 20
    held = min(256, max(32, total // 4))
    steps = chain(n, stages or (total,), 2 if given else 14)
    bases, checks = (2, 0) if given else (1, 3)
    need = (bases * (1 + len(steps)) + checks) * total + held
    budget = 8 * need if max_samples is None else check_count(max_samples, "max_samples")
    whole = budget >= n and (samples.listed or n <= _DENSE)  # all samples may be taken
    if whole and 2 * need > n:
        return _dense(samples, given, confidence)
    if not stages:
        raise ValueError(_unsuitable(n, k, samples.listed))
    if budget < need:
        raise ValueError(f"max_samples={budget} is too small: at least {min(need, n)} are needed")
    times = rng.integers(0, n, held)
    truth = samples.take(times)
    bins = Bins(samples, stages, rng)
    bins.lay(bases, steps, checks)
    while True:
        found, noisy, crowded = _decode(bins, given, confidence, times, truth)
        done = found.status == "converged"
        if done or not bins.grow(k, noisy, crowded, n / 2 if whole and budget > n / 2 else budget):
            break
    return _dense(samples, given, confidence) if whole and not done else found


def _decode(bins: Bins, given: float | None, confidence: float, times, truth):
    """The spectrum, whether there is noise, and whether what is left rises far above it."""
    samples, count, rows = bins.samples, len(bins.shifts), len(bins.y)
    alpha = (1 - confidence) / rows
    exact = (4 * samples.eps * samples.largest) ** 2 / bins.size + (16 * EPS * samples.largest) ** 2
    tiny = float(np.finfo(np.float64).tiny)
    exact = np.maximum(exact, tiny)
    energy = (bins.y.real**2 + bins.y.imag**2).sum(axis=1)
    power = _edge(energy * bins.size / count, count) if given is None else given**2
    for _ in range(3):
        noisy = bool(np.median(power / bins.size / exact) > 1)
        work = Peeling(bins, power / bins.size + exact, alpha, 4 if noisy else 0)
        if given is not None:
            break
        again = _edge(work.energy * bins.size / count, count)
        before, power = power, again
        if not noisy or abs(again - before) < 0.1 * before:
            break
    calm, sort = ~work.loud, np.argsort(work.keys)
    free = max(1, count * int(calm.sum()) - len(work.keys))
    seen = float((work.energy * bins.size)[calm].sum()) / free
    scale = max(1.0, seen / power) if noisy and given is None else 1.0
    found = SparseSpectrum(
        n=bins.n,
        frequencies=work.keys[sort],
        coefficients=work.values[sort] * bins.n,
        stderr=np.sqrt(work.errors[sort] * scale) * bins.n,
        noise_std=math.sqrt(seen),
        status="converged",
        n_samples=samples.count,
        unresolved=int(work.loud.sum()),
        r2=1.0,
    )
    error, total = np.abs(truth - found(times)) ** 2, float((np.abs(truth) ** 2).sum())
    r2 = 1 - float(error.sum()) / total if total else 1.0
    half = len(times) / 2 if samples.real else len(times)
    allowed = (
        1.2 * power * scale + float(work.errors.sum()) + (64 * samples.eps * samples.largest) ** 2
    )
    calm = error.mean() <= allowed * gammainccinv(half, 1 - confidence) / half
    calm &= (
        not work.loud.any()
        and (len(work.keys) > 0 or not total)
        and r2 > (0.1 if given is None else 0)
    )
    # If noise hides coefficients like the smallest one found, there may be more of them.
    weakest = float(np.min(np.abs(work.values) ** 2, initial=math.inf))
    done = bool(calm and weakest * count >= work.hidden)
    clear = float(np.median((work.energy / work.variance)[work.loud])) if work.loud.any() else 0.0
    # Bins of a crowd differ more than those of noise do; one base of shifts does not show it.
    spread = count * np.var(energy * bins.size) / max(tiny, float(np.mean(energy * bins.size)) ** 2)
    crowd = len(bins.pairs) == 1 or spread > 1 + math.sqrt((2 + 6 / count) / rows)
    crowd &= given is None and r2 < 0.1
    hidden = noisy and not crowd and (clear == 0 or (r2 > 0.1 and clear < 4 * count))
    status = "converged" if done else "noise-limited" if hidden else "overloaded"
    noisy = given != 0 and (noisy or samples.eps > 1e-10)
    return replace(found, status=status, r2=r2), noisy, clear > 15 * count


def _edge(powers: np.ndarray, count: float) -> float:
    """Variance of the noise, where the lowest of these means of `count` squares are noise alone.

    It starts from the lowest fiftieth and lets in what the estimate does not call loud.
    """
    powers = np.sort(powers)
    few = min(len(powers), max(3, len(powers) // 50))
    value = float(powers[few - 1]) * count / gammaincinv(count, min(0.9, 3 * few / len(powers)))
    middle, high = gammaincinv(count, [0.495, 0.99]) / count
    for _ in range(30):
        value = float(np.median(powers[: max(few, np.searchsorted(powers, high * value))])) / middle
    return value


def _dense(samples: Samples, given: float | None, confidence: float) -> SparseSpectrum:
    """All samples, one fast Fourier transform, and what rises from the noise."""
    n = samples.n
    spectrum = scipy.fft.fft(samples.take(np.arange(n)))
    power = np.abs(spectrum) ** 2
    exact = n * (4 * samples.eps * samples.largest) ** 2
    noise = max(exact, _edge(power, 1) if given is None else n * given**2)
    limit = noise * math.log(n / (1 - confidence))
    keys = np.flatnonzero(power > limit)
    rest = float(power.sum() - power[keys].sum())
    noise = max(rest / max(1, n - len(keys)), 0.0)
    clear = samples.largest == 0 or bool(len(keys) and power[keys].min() > 2 * limit)
    return SparseSpectrum(
        n=n,
        frequencies=keys.astype(np.int64),
        coefficients=spectrum[keys],
        stderr=np.full(len(keys), math.sqrt(max(noise, exact))),
        noise_std=math.sqrt(noise / n),
        status="converged" if clear else "noise-limited",
        n_samples=n,
        unresolved=0,
        r2=1 - rest / float(power.sum()) if samples.largest else 1.0,
    )


def _unsuitable(n: int, k: int, listed: bool) -> str:
    """What to say of a length without stages."""
    fits = set(range(n + 1, n + 100))
    for size in (0.7 * k + 12, math.sqrt(0.7 * k + 12)):  # stages coprime, or products of two
        parts = np.arange(max(2, int(size)), int(1.4 * size) + 8)[:24].tolist()
        for a, b, c in itertools.combinations(parts, 3):
            if math.gcd(a, b) == math.gcd(a * b, c) == 1:
                fits.add(-(-n // (a * b * c)) * a * b * c)
    near = next((m for m in sorted(fits) if n < m <= 1.05 * n + 100 and stages_of(m, k)), None)
    return (
        f"n={n} has no nearly coprime divisors about as large as k={k}"
        + (f"; n={near} has" if near else "")
        + ("; scipy.fft.fft transforms arrays of any length" if listed else "")
    )
