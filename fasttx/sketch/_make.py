"""The operators of every method, from a random state."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike, NDArray

from .._cpu import random as streams
from ..transforms.hadamard import next_hadamard_len
from ._hadamard import SparseAfterHadamard, SubsampledHadamard
from ._operators import GaussianMap, HashedSums, SketchOperator

METHODS = ("srht", "fjlt", "countsketch", "sparse-sign", "gaussian")

NONZEROS = 8  # of a column of "sparse-sign", as Tropp, Yurtsever, Udell and Cevher (2019) advise
EXCESS = 0.1  # of the variance of "fjlt" over that of a Gaussian matrix

# Components up to which a product with a Gaussian matrix takes less time than a transform: of rows
# that are reduced, and of columns.
CROSSOVERS = 16, 8


def automatic(k: int, axis: int) -> str:
    """The method for dense arrays that takes the least time and embeds subspaces."""
    return "gaussian" if k <= CROSSOVERS[axis] else "srht"


def make(
    method: str,
    d: int,
    k: int,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float64,
    workers: int | None = None,
) -> SketchOperator:
    """The sketch of that name from d coordinates to k."""
    if method == "srht":
        return SubsampledHadamard(d, k, rng, dtype=dtype, workers=workers)
    if method == "fjlt":
        return sparse_after_hadamard(d, k, rng, fjlt_density(d), dtype, workers)
    if method == "gaussian":
        return GaussianMap(seed_from(rng), 0, d, k, dtype)
    s = 1 if method == "countsketch" else min(NONZEROS, k)
    return HashedSums(*hashes(seed_from(rng), 0, d, k, s), k, dtype, workers)


def seed_from(rng: np.random.Generator) -> np.uint64:
    return rng.integers(2**64, dtype=np.uint64)


def hashes(
    seed: np.uint64, start: int, count: int, k: int, s: int
) -> tuple[NDArray[np.uint32], NDArray[np.int8]]:
    """Places and signs of `count` coordinates from `start` on: one place in each of s ranges."""
    places, signs = np.empty((s, count), np.uint32), np.empty((s, count), np.int8)
    streams.buckets()(seed, start, np.arange(s + 1) * k // s, places, signs)
    return places, signs


def fjlt_density(d: int, excess: float = EXCESS) -> float:
    """Least density at which the mean variance is at most ``1 + excess`` times the Gaussian one.

    Var ||y||^2 = (2 + 3 (1/q - 1) ||u||_4^4) / k for the unit vector u = H D x / sqrt(n), and
    E ||u||_4^4 = (3 - 2 ||x||_4^4) / n <= 3/n over the signs D, for every unit vector x.
    """
    n = next_hadamard_len(d)
    return 1 / (1 + 2 * excess * n / 9)


def sparse_after_hadamard(
    d: int, k: int, rng: np.random.Generator, q: float, dtype: DTypeLike, workers: int | None
) -> SparseAfterHadamard:
    n = next_hadamard_len(d)
    counts = rng.binomial(n, q, k)
    columns = [np.sort(rng.choice(n, count, replace=False)) for count in counts]
    values = rng.standard_normal(counts.sum()) / math.sqrt(q * k)
    ends = np.concatenate([[0], np.cumsum(counts)])
    matrix = scipy.sparse.csr_array((values, np.concatenate(columns), ends), (k, n))
    return SparseAfterHadamard(matrix, d, seed_from(rng), dtype, workers)
