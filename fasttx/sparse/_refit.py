"""Least squares on recovered keys, from what is left in the bins.

Two keys' columns of signs have an inner product only if the keys share a bin of some group, so the
normal equations are sparse, and products with the samples are sums over single bins.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from .._cpu import spright
from ._peel import Peeling

DENSE = 256  # keys up to which the normal matrix is inverted
CORRECTED = 1 << 24  # most entries of the matrix of repeated samples


@dataclasses.dataclass
class Fit:
    """What a least-squares fit says beside the coefficients themselves."""

    variance: np.ndarray  # (p,) of the residuals, with the degrees of freedom taken off
    spread: np.ndarray  # (K,) diagonal of the inverse normal matrix


def refit(peeling: Peeling, points: np.ndarray, values: np.ndarray, *, move: bool = True) -> Fit:
    """Move the amplitudes of `peeling` to the least-squares fit, or only say what they are worth.

    `points` and `values` are the samples that a group has though another one had them before: they
    count once.
    """
    keys, count = peeling.keys, len(peeling.keys)
    samples = sum(b.offsets * b.group.length for b in peeling.bins)
    right = np.zeros_like(peeling.amplitudes)
    for bins in peeling.bins:
        mean, rest = np.empty_like(right), np.empty(count)
        places = bins.group.coordinates(keys)
        spright.fit()(bins.seen, places, keys, bins.group.offsets, mean, rest)
        right += mean * (bins.offsets * bins.group.length)
    energy = sum(
        bins.group.length * np.einsum("jto,jto->o", bins.seen, bins.seen) for bins in peeling.bins
    )
    # On average each sample is there so many times; the fit to all of them is as if to one each.
    times = samples / (samples - len(points))
    if not move:
        return Fit(energy / max(samples - count * times, 1), np.full(count, times / samples))
    first, second, inner = _collisions(peeling)
    again = None
    if len(points) and count <= DENSE and len(points) * count <= CORRECTED:
        again = np.empty((len(points), count))
        spright.signs()(points, keys, again)
        left = values - again @ peeling.amplitudes
        right -= again.T @ left
        energy = energy - np.einsum("io,io->o", left, left)
        samples, times = samples - len(points), 1.0
    change, spread = _solve(samples, first, second, inner, right, again)
    if count:
        # The residual is orthogonal to the fit: its energy falls by that of the change.
        energy = np.maximum(energy - np.einsum("ko,ko->o", change, right), 0.0)
        peeling.take(keys, change)
    return Fit(energy / max(samples - count * times, 1), spread * times)


def _collisions(peeling: Peeling) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of keys that share a bin, and the inner products of their signs there."""
    firsts, seconds, inners = [], [], []
    for bins in peeling.bins:
        places = bins.group.coordinates(peeling.keys)
        sort = np.argsort(places, kind="stable")
        ranked = places[sort]
        for step in range(1, len(ranked)):
            meet = np.flatnonzero(ranked[step:] == ranked[:-step])
            if not len(meet):
                break
            firsts.append(sort[meet])
            seconds.append(sort[meet + step])
            inner = np.empty(len(meet))
            spright.overlaps()(bins.group.offsets, peeling.keys, firsts[-1], seconds[-1], inner)
            inners.append(inner * bins.group.length)
    if not firsts:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(inners)


def _solve(samples, first, second, inner, right, again):
    """Solution of the normal equations, and the diagonal of the inverse."""
    count = len(right)
    if count <= DENSE:
        matrix = np.zeros((count, count))
        np.add.at(matrix, (first, second), inner)
        matrix += matrix.T
        matrix[np.diag_indices(count)] = sum((samples, 0 if again is None else len(again)))
        if again is not None:
            matrix -= again.T @ again
        try:
            inverse = np.linalg.inv(matrix)
        except np.linalg.LinAlgError:
            inverse = np.linalg.pinv(matrix, hermitian=True)
        change = inverse @ right
        # One step of refinement: the inverse alone loses the matrix's condition number.
        change += inverse @ (right - matrix @ change)
        return change, np.diagonal(inverse).copy()
    from scipy import sparse
    from scipy.sparse.linalg import cg

    upper = sparse.coo_array((inner, (first, second)), shape=(count, count)).tocsr()
    off = upper + upper.T
    matrix = off + samples * sparse.eye_array(count, format="csr")
    columns = []
    for column in right.T:
        solution, failed = cg(matrix, column, rtol=1e-14, maxiter=200)
        columns.append(column / samples if failed else solution)
    # Second-order expansion of the inverse of samples * (1 + E): E is small, of order P**-0.5.
    spread = (1 + (off.multiply(off)).sum(axis=1) / samples**2) / samples
    return np.stack(columns, axis=1), np.asarray(spread).ravel()
