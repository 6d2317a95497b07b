"""Least squares on a device, and what comes of it: what `_refit` and `_decode` do on the host."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._cuda import spright_fit as loops
from ._bits import order
from ._decode import TURNS, Outcome, conclude
from ._device_peel import DevicePeeling
from ._refit import CORRECTED, DENSE, Fit

_STEPS = 200  # of conjugate gradients
_CHUNKS = 64  # parts of a sum over all terms


class Rows:
    """Samples at points that are kept apart from the bins: those held out, or there twice.

    Parameters
    ----------
    peeling : DevicePeeling
    points : ndarray
        Packed.
    samples : flat device array
        Real values, (N, outputs).
    index : ndarray of int64
        Which of the samples belong to the points.
    """

    def __init__(self, peeling: DevicePeeling, points: np.ndarray, samples: Any, index: np.ndarray):
        self.peeling, self.count, self.samples = peeling, len(points), samples
        self._points, self.index = peeling.space.table(points), peeling.space.table(index)

    def evaluate(self, sizes: Any) -> Any:
        """Values of the terms with those sizes."""
        peeling, count = self.peeling, self.count
        space, terms, outputs = peeling.space, peeling.terms, peeling.outputs
        parts = space.new(count * _CHUNKS * outputs, "float64")
        out, kernel = space.new(count * outputs, "float64"), loops.evaluate(peeling.words)
        counts = count, _CHUNKS, terms.count, outputs
        space.run(kernel, count * _CHUNKS, parts, self._points, terms.keys, sizes, *counts)
        space.run(loops.total(), count * outputs, out, parts, count, _CHUNKS, outputs)
        return out

    def errors(self) -> tuple[Any, np.ndarray]:
        """Samples less values, and the sum of squares of each output."""
        space, outputs = self.peeling.space, self.peeling.outputs
        left = self.evaluate(self.peeling.terms.sizes)
        arrays = left, self.samples, self.index
        space.run(loops.errors(), self.count * outputs, *arrays, outputs, self.count)
        squares = [space.dot(left, left, self.count, o, outputs) for o in range(outputs)]
        return left, np.array(squares)

    def subtract(self, out: Any, values: Any) -> None:
        """Take the terms' inner products with values at the points off those in `out`."""
        peeling, terms = self.peeling, self.peeling.terms
        arrays = out, self._points, values, terms.keys, terms.live
        counts = -1.0, self.count, terms.count, peeling.outputs
        peeling.space.run(loops.adjoint(peeling.words), terms.count, *arrays, *counts)


def decode(peeling: DevicePeeling, again: Rows, held: Rows, sparsity: int) -> Outcome:
    """Find the terms; arguments are those of `_decode.decode`."""
    peeling.run()
    fit = _polish(peeling, again)
    unresolved = peeling.unresolved()
    r2, misfit = _test(peeling, held)
    _collect(peeling, fit)
    return conclude(peeling, fit, unresolved, r2, misfit, sparsity)


def _polish(peeling: DevicePeeling, again: Rows) -> Fit:
    """Least squares, terms that it finds to be nothing, and a look at what is left, in turns."""
    if not peeling.noisy and any(peeling.unresolved()):
        # Terms that are still missing would pull at those that are exact.
        return _fit(peeling, again, move=False)
    before = None
    for _ in range(TURNS):
        fit = _fit(peeling, again)
        if _drop(peeling, fit):
            continue
        if not peeling.noisy or (before is not None and not _changed(peeling, *before)):
            return fit
        terms = peeling.terms
        before = terms.count, peeling.space.new(terms.count, "float64")
        peeling.space.copy(before[1], terms.live, terms.count)
        peeling.run()
    return _fit(peeling, again)


def _fit(peeling: DevicePeeling, again: Rows, *, move: bool = True) -> Fit:
    """Move the terms to the least-squares fit, or only say what they are worth."""
    space, terms, samples = peeling.space, peeling.terms, peeling.count
    # On average each sample is there so many times; the fit to all is as if to one each.
    times = samples / (samples - again.count)
    found = space.dot(terms.live, terms.live, terms.count)
    small = found <= DENSE and again.count * found <= CORRECTED
    corrected = again if move and again.count and small else None
    if corrected:
        samples, times = samples - again.count, 1.0
    spread = space.new(terms.count, "float64")
    space.fill(spread, terms.count, 1 / samples)
    if move and terms.count:
        _solve(peeling, corrected, samples)
        kernel = loops.spread(peeling.words)
        space.run(kernel, terms.count, spread, *peeling.normal(), samples)
        peeling.move()
    space.add(spread, spread, times, 0.0, terms.count)
    energy = np.zeros(peeling.outputs)
    for bins in peeling.bins:
        energy += [bins.group.length * bins.power(o) for o in range(peeling.outputs)]
    if corrected:
        energy -= corrected.errors()[1]
    return Fit(np.maximum(energy, 0.0) / max(samples - found * times, 1), spread)


def _solve(peeling: DevicePeeling, again: Rows | None, samples: int) -> None:
    """Solve the normal equations by conjugate gradients, as changes of the terms."""
    space, terms = peeling.space, peeling.terms
    count, change, outputs = terms.count * peeling.outputs, terms.change, peeling.outputs
    right = peeling.project(terms.keys, terms.count)
    if again:
        again.subtract(right, again.errors()[0])
    space.run(loops.mask(), count, right, terms.live, outputs, count)
    given, image, way = (space.new(count, "float64") for _ in range(3))
    space.fill(change, count, 0.0)
    space.copy(given, right, count)
    space.copy(way, right, count)
    kernel, matrix = loops.product(peeling.words), peeling.normal()
    rest = space.dot(right, right, count)
    enough = 1e-28 * rest
    for _ in range(_STEPS):
        if rest <= enough:
            return
        space.run(kernel, terms.count, image, way, *matrix, outputs, peeling.count)
        if again:
            again.subtract(image, again.evaluate(way))
        curvature = space.dot(way, image, count)
        if curvature <= 0:
            break
        space.add(change, way, rest / curvature, 1.0, count)
        space.add(right, image, -rest / curvature, 1.0, count)
        before, rest = rest, space.dot(right, right, count)
        space.add(way, right, 1.0, rest / before, count)
    space.add(change, given, 1 / samples, 0.0, count)


def _drop(peeling: DevicePeeling, fit: Fit) -> int:
    """Put terms that are nothing back into their bins; how many there were."""
    space, terms = peeling.space, peeling.terms
    count = space.zeros(1, "int64")
    variance = space.table(np.maximum(fit.variance, min(peeling.scale)))
    arrays = count, terms.change, terms.sizes, fit.spread, terms.live, variance
    sizes = peeling.least_significance, terms.count, peeling.outputs
    space.run(loops.drop(), terms.count, *arrays, *sizes)
    dropped = space.number(count, 0)
    if dropped:
        peeling.move()
    return dropped


def _changed(peeling: DevicePeeling, known: int, live: Any) -> bool:
    """Whether there are other terms than before."""
    space, terms = peeling.space, peeling.terms
    count = space.zeros(1, "int64")
    arrays = count, terms.live, live
    space.run(loops.differences(), terms.count, *arrays, known, terms.count)
    return space.number(count, 0) > 0


def _test(peeling: DevicePeeling, held: Rows) -> tuple[float, float]:
    """Coefficient of determination, and mean square of the errors, on samples held out."""
    if not held.count:
        return math.nan, 0.0
    space, total = peeling.space, peeling.space.new(1, "float64")
    arrays = total, held.samples, held.index
    space.run(loops.scatter(), 1, *arrays, held.count, peeling.outputs)
    error, about = held.errors()[1].sum(), float(space.host(total)[0])
    mean = error / (held.count * peeling.outputs)
    return 1 - error / about if about > 0 else float(error == 0), mean


def _collect(peeling: DevicePeeling, fit: Fit) -> None:
    """Bring the terms to the host, by ascending keys."""
    terms, host = peeling.terms, peeling.space.host
    live = host(terms.live)[: terms.count] != 0
    keys = host(terms.keys).reshape(-1, peeling.words)[: terms.count][live]
    sort = order(keys)
    sizes = host(terms.sizes).reshape(-1, peeling.outputs)[: terms.count]
    peeling.keys, peeling.amplitudes = keys[sort], sizes[live][sort]
    fit.spread = host(fit.spread)[: terms.count][live][sort]
