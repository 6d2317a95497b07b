"""Steps of kernel thinning and Compress: splits into halves, swaps, and which points are halved."""

from __future__ import annotations

import math

import numpy as np

from ._thinning_kernels import Array, Indices, ThinningKernel

PAIRS = 1 << 12  # points at a time for means over all pairs


def thin(
    points: Array,
    order: Indices,
    size: int,
    m: int,
    target: ThinningKernel,
    splitter: ThinningKernel,
    delta: float,
    sweeps: int,
    rng: np.random.Generator,
    workers: int | None,
) -> Indices:
    """Choose `size` of the points `order`, by m rounds of splits and by swaps."""
    even = evenly(order.size, order.size >> m << m)
    coresets = _split(points[order], even, m, splitter, delta, rng, workers)
    if sweeps == 0:
        chosen = rng.permutation(coresets[0])[:size]  # by symmetry the first is as good as another
    else:
        candidates = points[order]
        means = target.sums_at(candidates, workers)(candidates, np.full(order.size, 1 / order.size))
        baseline = evenly(order.size, coresets.shape[1])
        best = _best(candidates, [*coresets, baseline], means, target, workers)
        chosen = _swap(candidates, best, means, size, sweeps, target, workers)
    return np.sort(order[chosen])


def _split(
    points: Array,
    order: Indices,
    m: int,
    splitter: ThinningKernel,
    delta: float,
    rng: np.random.Generator,
    workers: int | None,
) -> Indices:
    """KT-SPLIT: 2**m coresets of as many points, a row for each."""
    n = order.size
    for j in range(m):
        bounds = np.arange(2**j + 1) * (n >> j)
        logs = np.full(2**j, 2 * math.log(2 * n * m / (2**j * delta)))
        uniforms = rng.random(n // 2)
        signs = splitter.signs(points, order, bounds, uniforms, logs, False, workers)
        halves = [order[signs > 0].reshape(2**j, -1), order[signs < 0].reshape(2**j, -1)]
        order = np.stack(halves, axis=1).reshape(-1)
    return order.reshape(2**m, -1)


def _best(
    points: Array,
    coresets: list[Indices],
    means: Array,
    target: ThinningKernel,
    workers: int | None,
) -> Indices:
    """The coreset of least discrepancy to what `means` are the mean kernel values with."""

    def square(coreset: Indices) -> float:
        chosen = points[coreset]
        weights = np.full(len(chosen), 1 / len(chosen))
        within = target.sums_at(chosen, workers)(chosen, weights)
        return float(np.mean(within) - 2 * np.mean(means[coreset]))

    return min(coresets, key=square)


def _swap(
    points: Array,
    coreset: Indices,
    means: Array,
    size: int,
    sweeps: int,
    target: ThinningKernel,
    workers: int | None,
) -> Indices:
    """KT-SWAP, after single points have been taken from a coreset that is too large."""
    at_points, one = target.sums_at(points, workers), np.ones(1)
    diagonal, chosen = target.diagonal(points), list(coreset)
    sums = at_points(points[chosen], np.ones(len(chosen)))
    while len(chosen) > size:
        # What the discrepancy to the square, times a positive number, becomes without each.
        loss = (diagonal - 2 * sums)[chosen] / (len(chosen) - 1) + 2 * means[chosen]
        gone = chosen.pop(int(np.argmin(loss)))
        sums -= at_points(points[gone : gone + 1], one)
    taken = np.zeros(len(points), bool)
    taken[chosen] = True
    for _ in range(sweeps):
        swaps = 0
        for i, old in enumerate(chosen):
            rest = sums - at_points(points[old : old + 1], one)
            gain = (diagonal + 2 * rest) / size - 2 * means
            own = gain[old]
            gain[taken] = math.inf
            new = int(np.argmin(gain))
            if gain[new] < own:
                sums = rest + at_points(points[new : new + 1], one)
                chosen[i], taken[old], taken[new] = new, False, True
                swaps += 1
        if not swaps:
            break
    return np.array(chosen, np.int64)


def segments(left: int, rounds: int) -> list[Indices]:
    """Bounds of what each round of Compress halves, the first round first.

    The last halves one segment to `left` points. What a segment is merged from are four halves,
    which are as even as can be, of four segments of even lengths.
    """
    cuts, bounds = np.array([0, left]), []
    for _ in range(rounds):
        bounds.append(2 * cuts)
        starts, sizes = 2 * cuts[:-1, None], 2 * np.diff(cuts)[:, None]
        quarters = starts + sizes * np.arange(4) // 4
        cuts = np.append(quarters.reshape(-1), 2 * cuts[-1])
    return bounds[::-1]


def evenly(n: int, count: int) -> Indices:
    """So many of n numbers, evenly spread."""
    return (np.arange(count) * n + n // 2) // count if count < n else np.arange(n)


def discrepancy(X: Array, Y: Array, target: ThinningKernel, workers: int | None) -> float:
    between = float(np.mean(target.sums_at(Y, workers)(X, np.full(len(X), 1 / len(X)))))
    square = _mean_of_pairs(X, target, workers) - 2 * between + _mean_of_pairs(Y, target, workers)
    return math.sqrt(max(0.0, square))


def _mean_of_pairs(X: Array, target: ThinningKernel, workers: int | None) -> float:
    """Mean of k(x, x') over all pairs, most of which are counted twice."""
    n, total = len(X), 0.0
    for start in range(0, n, PAIRS):
        chunk = X[start : start + PAIRS]
        weights = np.full(n - start, 2.0)
        weights[: len(chunk)] = 1.0
        total += float(np.sum(target.sums_at(chunk, workers)(X[start:], weights)))
    return total / n**2
