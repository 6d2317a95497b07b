"""What sparse Walsh-Hadamard recovery returns."""

from __future__ import annotations

import functools
import json
import math
import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _threads
from .._array import check_count
from .._cpu import spright
from ._bits import pack, unpack, weights
from ._interactions import interactions, moebius

_FORMAT = 1
_DENSE_BITS = 28
_STATES = ("converged", "overloaded", "noise-limited")


class SparseResult:
    """A sparse Walsh-Hadamard spectrum, ``f(m) = sum_k X[k] * (-1)**<k, m>``.

    Attributes
    ----------
    n : int
        Number of bits.
    support : ndarray of bool, shape (K, n)
        The keys k of the non-zero terms; column i is bit i. Largest coefficients first.
    coefficients : ndarray, shape (K,) or (K, p)
        X[k], real or complex as the function was.
    stderr : ndarray of float, shape (K,) or (K, p)
        Standard errors of the least-squares fit on the support, the noise's variance being
        estimated from its residuals: the square roots of the diagonal of ``var * inv(A.T @ A)``.
        Above 256 terms the inverse is expanded to second order in the off-diagonal part, about
        three digits. They do not account for the choice of the support.
    noise_std : float or ndarray of shape (p,)
        Standard deviation of the residuals of a sample: noise, and terms too small to be found.
    status : {"converged", "overloaded", "noise-limited"}
        "converged" if no bin differs from noise, and `sparsity` terms were found or none
        of half their size could hide in it; else why not. "overloaded": there
        are more terms than the queries resolve. "noise-limited": terms, if any, hide in the noise.
        If `sparsity` terms are found, no status excludes smaller ones: under noise a term is surely
        found only if its size is some 8 (for n = 20) to 20 (for n above a hundred) times
        ``noise_std / sqrt(n_queries)``.
    n_queries : int
        Every row that the function was asked for, those held out and asked twice included.
    unresolved : int
        Bins whose content is not explained.
    r2 : float
        Coefficient of determination on rows that were held out; NaN if there are none.
    """

    def __init__(
        self,
        n: int,
        keys: np.ndarray,
        coefficients: np.ndarray,
        stderr: np.ndarray,
        noise_std: float | np.ndarray,
        status: str,
        n_queries: int,
        unresolved: int,
        r2: float,
    ):
        self.n, self.keys = n, keys
        self.coefficients, self.stderr = coefficients, stderr
        self.noise_std, self.status = noise_std, status
        self.n_queries, self.unresolved, self.r2 = n_queries, unresolved, r2

    @functools.cached_property
    def support(self) -> np.ndarray:
        """Keys of the terms, (K, n) bool."""
        return unpack(self.keys, self.n).astype(bool)

    @property
    def degrees(self) -> np.ndarray:
        """Number of bits of each key."""
        return weights(self.keys)

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return (
            f"<SparseResult: {len(self)} of 2**{self.n} terms, {self.status}, "
            f"{self.n_queries} queries, noise_std={np.max(self.noise_std):.3g}, r2={self.r2:.6g}>"
        )

    def __call__(self, bits: ArrayLike) -> Any:
        """The recovered function at rows of bits.

        Parameters
        ----------
        bits : array_like of 0 and 1, shape (m, n) or (n,)

        Returns
        -------
        values : ndarray, shape (m,) or (m, p); a single one for one row
        """
        rows = np.asarray(bits)
        if rows.ndim not in (1, 2) or rows.shape[-1] != self.n:
            raise ValueError(f"bits must have shape (m, {self.n}) or ({self.n},); got {rows.shape}")
        table = np.atleast_2d(rows)
        if table.dtype.kind not in "buif" or not np.all((table == 0) | (table == 1)):
            raise ValueError("bits must be zeros and ones")
        values = evaluate(pack(table.astype(np.uint8)), self.keys, self.coefficients)
        return values[0] if rows.ndim == 1 else values

    def to_dense(self) -> np.ndarray:
        """The spectrum as an array (2**n,) or (2**n, p): X[k] at the index whose bit i is k_i."""
        if self.n > _DENSE_BITS:
            raise ValueError(f"to_dense makes 2**n numbers; n is {self.n}, at most {_DENSE_BITS}")
        shape = (1 << self.n, *self.coefficients.shape[1:])
        dense = np.zeros(shape, self.coefficients.dtype)
        dense[self.keys[:, 0].astype(np.int64)] = self.coefficients
        return dense

    def top(self, k: int) -> SparseResult:
        """The result with its k largest terms only."""
        keep = slice(check_count(k, "k"))
        return SparseResult(
            self.n,
            self.keys[keep],
            self.coefficients[keep],
            self.stderr[keep],
            self.noise_std,
            self.status,
            self.n_queries,
            self.unresolved,
            self.r2,
        )

    def moebius(self, order: int | None = None) -> dict[tuple[int, ...], Any]:
        """Möbius coefficients (Harsanyi dividends): ``f(m) = sum of a[T] over T inside m``.

        Parameters
        ----------
        order : int, optional
            Largest set wanted; all if None.

        Returns
        -------
        dict
            From tuples of bit numbers to values.

        Raises
        ------
        ValueError
            If the sets are too many: a term on d bits has 2**d subsets.
        """
        return moebius(self.support, self.coefficients, order=order)

    def interactions(
        self, index: str = "SII", order: int | None = None
    ) -> dict[tuple[int, ...], Any]:
        """Interaction indices of the game f, bit i saying whether player i takes part.

        Parameters
        ----------
        index : {"SII", "STII", "FSII", "FBII", "BII", "Shapley", "Banzhaf"}, optional
            Shapley interaction, Shapley-Taylor, faithful Shapley, faithful Banzhaf and Banzhaf
            interaction index; Shapley and Banzhaf values.
        order : int, optional
            Largest set of players; 2 unless given, and 1 for the values.

        Returns
        -------
        dict
            From tuples of players to values; sets that are not there have the value zero.

        Notes
        -----
        A term on d bits has about ``d**order / order!`` subsets to go through; nothing has the
        size 2**n.
        """
        return interactions(self.support, self.coefficients, index, order)

    def plot(self, ax: Any = None, *, terms: int = 50) -> Any:
        """Draw the largest terms with their standard errors, coloured by degree.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure if None.
        terms : int, optional
            How many terms.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from matplotlib import pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        shown = self.top(terms)
        size = np.abs(shown.coefficients).reshape(len(shown), -1).max(axis=1)
        error = shown.stderr.reshape(len(shown), -1).max(axis=1)
        degree = shown.degrees
        for value in np.unique(degree):
            at = np.flatnonzero(degree == value)
            ax.errorbar(at, size[at], error[at], fmt="o", ms=4, capsize=2, label=f"{value}")
        if len(shown):
            ax.legend(title="bits")
            if size.max() > 30 * size[size > 0].min(initial=size.max()):
                ax.set_yscale("log")
        ax.set_xlabel("term")
        ax.set_ylabel("|coefficient|")
        ax.set_title(f"{len(self)} terms of 2^{self.n}: {self.status}, {self.n_queries} queries")
        return ax

    def save(self, path: str | os.PathLike) -> None:
        """Write the result to an ``.npz`` file."""
        state = {"format": _FORMAT, "n": self.n, "status": self.status, "r2": self.r2}
        state |= {"n_queries": self.n_queries, "unresolved": self.unresolved}
        with open(path, "wb") as file:
            np.savez(
                file,
                state=json.dumps(state),
                keys=self.keys,
                coefficients=self.coefficients,
                stderr=self.stderr,
                noise_std=self.noise_std,
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> SparseResult:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            try:
                state = json.loads(str(file["state"]))
                parts = [file[name] for name in ("keys", "coefficients", "stderr", "noise_std")]
                if state["format"] != _FORMAT or state["status"] not in _STATES:
                    raise ValueError
            except (KeyError, ValueError) as error:
                raise ValueError(f"{os.fspath(path)!r} does not hold a sparse result") from error
        keys, coefficients, stderr, noise_std = parts
        return cls(
            state["n"],
            keys,
            coefficients,
            stderr,
            noise_std if noise_std.ndim else float(noise_std),
            state["status"],
            state["n_queries"],
            state["unresolved"],
            state["r2"],
        )


def evaluate(points: np.ndarray, keys: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Values at packed points."""
    table = coefficients.reshape(len(keys), math.prod(coefficients.shape[1:]))
    real = np.ascontiguousarray(table).view(np.float64)
    out = np.empty((len(points), real.shape[1]))
    loop = spright.evaluate()

    def rows(first: int, last: int) -> None:
        loop(points[first:last], keys, real, out[first:last])

    _threads.share(rows, len(points), _threads.resolve(None, len(points) * len(keys)))
    return out.view(coefficients.dtype).reshape(len(points), *coefficients.shape[1:])
