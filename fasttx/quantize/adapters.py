"""Sparse spectral corrections of quantized matrices: WHTAdapter and FourierAdapter."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, Self

import numpy as np
import scipy.fft
import scipy.linalg
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from .._array import check_count, check_finite
from ..transforms.fwht import fwht, ifwht
from ..transforms.hadamard import split_length
from . import _bytes
from ._codes import Codes, Described
from ._rows import as_real

Array = NDArray[Any]

_ALLOCATIONS = ("energy", "uniform", "global")
_RIDGE = 1e-10  # of the mean of a Gram matrix's diagonal, for calibration rows of low rank


class _SpectralAdapter(Described):
    """A matrix U C V^T with few numbers in C, U and V orthogonal with fast products."""

    def __init__(self, coefficients: scipy.sparse.csr_array, sides: str):
        self.coefficients = coefficients
        self.sides = sides

    @staticmethod
    @abstractmethod
    def _analyse(x: Array, axis: int) -> Array:
        """Coefficients along an axis, in the orthonormal basis."""

    @staticmethod
    @abstractmethod
    def _combine(x: Array, axis: int) -> Array:
        """What coefficients along an axis stand for."""

    @staticmethod
    def _check_length(n: int) -> None:
        """Raise ValueError where there is no transform of that length."""

    @classmethod
    def fit(
        cls,
        W: ArrayLike,
        quantized: ArrayLike | Codes,
        n_coefficients: int,
        *,
        X: ArrayLike | None = None,
        sides: str = "both",
        allocation: str = "energy",
    ) -> Self:
        """The adapter that takes away most of a quantization error.

        Parameters
        ----------
        W : array_like, shape (n_outputs, n_inputs)
        quantized : array_like or Codes
            What W was replaced by.
        n_coefficients : int
            Size of C.
        X : array_like, shape (n_samples, n_inputs), optional
            Inputs of the layer: with them the error of the outputs ``X @ W.T`` is made small
            instead of that of W.
        sides : {"both", "input"}, optional
            Transform rows and columns, or only along the inputs, which keeps channels apart.
        allocation : {"energy", "uniform", "global"}, optional
            Each row of C gets a part of the coefficients in proportion to the norm of its error, so
            that the correction has full rank; or the same number; or the largest ones are taken
            wherever they are.

        Returns
        -------
        adapter
            With the coefficients of largest energy, and values by least squares.
        """
        W = as_real(W, "W")
        W_q = as_real(
            quantized.decode() if isinstance(quantized, Codes) else quantized, "quantized"
        )
        if W.ndim != 2 or W.shape != W_q.shape:
            raise ValueError(
                f"W and quantized must be matrices of one shape; got {W.shape} and {W_q.shape}"
            )
        if sides not in ("both", "input"):
            raise ValueError(f"sides must be 'both' or 'input'; got {sides!r}")
        if allocation not in _ALLOCATIONS:
            raise ValueError(f"allocation must be one of {', '.join(_ALLOCATIONS)}")
        count = check_count(n_coefficients, "n_coefficients", 0)
        if count > W.size:
            raise ValueError(f"n_coefficients must be at most {W.size}; got {count}")
        for length in W.shape if sides == "both" else W.shape[1:]:
            cls._check_length(length)
        check_finite(W, "W")
        check_finite(W_q, "quantized")
        rest = W.astype(np.float64) - W_q
        rows = cls._analyse(rest, 0) if sides == "both" else rest
        spectrum = cls._analyse(rows, 1)
        gram = None if X is None else cls._gram(X, W.shape[1])
        energy = np.abs(spectrum) if gram is None else np.abs(spectrum) * np.sqrt(np.diag(gram))
        chosen = _choose(energy, count, allocation)
        values = spectrum[chosen] if gram is None else _refined(spectrum, chosen, gram)
        offsets = np.concatenate([[0], np.cumsum(chosen.sum(1))]).astype(np.int32)
        parts = (values.astype(np.float32), np.nonzero(chosen)[1].astype(np.int32), offsets)
        return cls(scipy.sparse.csr_array(parts, shape=W.shape), sides)

    @classmethod
    def _gram(cls, X: ArrayLike, n: int) -> Array:
        """X^T X in the basis of the inputs."""
        X = as_real(X)
        if X.ndim != 2 or X.shape[1] != n:
            raise ValueError(f"X must have shape (n_samples, {n}); got {X.shape}")
        check_finite(X, "X")
        waves = cls._analyse(X.astype(np.float64), 1)
        return waves.T @ waves

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the corrected matrix."""
        return self.coefficients.shape

    @property
    def n_parameters(self) -> int:
        """Number of coefficients."""
        return int(self.coefficients.nnz)

    @property
    def nbytes(self) -> int:
        """Bytes of the coefficients (float32), their places (int32) and the rows' offsets."""
        C = self.coefficients
        return int(C.data.nbytes + C.indices.nbytes + C.indptr.nbytes)

    def apply(self, X: ArrayLike) -> Array:
        """Product ``X @ delta().T`` by fast transforms, without that matrix.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_inputs)

        Returns
        -------
        ndarray, shape (n_samples, n_outputs)
            To be added to the product with the quantized matrix.
        """
        X = as_real(X)
        if X.ndim != 2 or X.shape[1] != self.shape[1]:
            raise ValueError(f"X must have shape (n_samples, {self.shape[1]}); got {X.shape}")
        waves = self._analyse(X, 1)
        out = np.ascontiguousarray((self.coefficients @ waves.T).T)
        return self._combine(out, 1) if self.sides == "both" else out

    def delta(self) -> Array:
        """The correction as a matrix, float64 of shape (n_outputs, n_inputs)."""
        rows = self._combine(self.coefficients.toarray().astype(np.float64), 1)
        return self._combine(rows, 0) if self.sides == "both" else rows

    def _state(self) -> dict[str, Any]:
        C = self.coefficients
        return {
            "values": C.data,
            "columns": C.indices,
            "offsets": C.indptr,
            "shape": list(C.shape),
            "sides": self.sides,
        }

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        parts = (state["values"], state["columns"], state["offsets"])
        return cls(scipy.sparse.csr_array(parts, shape=tuple(state["shape"])), state["sides"])

    def to_bytes(self) -> bytes:
        """The adapter as bytes, with a version and a checksum."""
        return _bytes.pack(type(self).__name__, self._state())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The adapter from what `to_bytes` returned; ValueError if the bytes were altered."""
        name, state = _bytes.unpack(data)
        if name != cls.__name__:
            raise ValueError(f"the bytes are those of {name}")
        return cls._from_state(state)


class WHTAdapter(_SpectralAdapter):
    """Correction ``H C H^T`` of a quantized matrix, C sparse and H Hadamard matrices.

    Made by `fit`; `apply` multiplies without forming the matrix.

    Parameters
    ----------
    coefficients : scipy.sparse.csr_array, shape (n_outputs, n_inputs)
        C.
    sides : {"both", "input"}
        With "input" the correction is ``C H^T``, as in [1]_.

    Notes
    -----
    Host only. Lengths need a Hadamard matrix (see `fasttx.next_hadamard_len`). `fit` takes two
    transforms of W, and with calibration rows a Cholesky factorization for each row of C; `apply`
    takes transforms of the inputs and outputs and a sparse product.

    References
    ----------
    .. [1] H. Jeon, S. Lee, B. Kang, Y. Kim and J.-J. Kim, "QWHA: Quantization-aware Walsh-Hadamard
       adaptation for parameter-efficient fine-tuning on large language models", 2025, section 3.
       :arxiv:`2509.17428`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import WHTAdapter
    >>> W = np.random.default_rng(0).standard_normal((64, 128))
    >>> coarse = np.round(W)
    >>> adapter = WHTAdapter.fit(W, coarse, n_coefficients=1000)
    >>> def error(correction):
    ...     return float(np.linalg.norm(W - coarse - correction) / np.linalg.norm(W - coarse))
    >>> round(error(adapter.delta()), 2)
    0.71
    """

    @staticmethod
    def _analyse(x: Array, axis: int) -> Array:
        return ifwht(x, axis=axis, norm="ortho")

    @staticmethod
    def _combine(x: Array, axis: int) -> Array:
        return fwht(x, axis=axis, norm="ortho")

    @staticmethod
    def _check_length(n: int) -> None:
        split_length(n)


class FourierAdapter(_SpectralAdapter):
    """Correction ``F C F^T`` of a quantized matrix, C sparse and F discrete Hartley transforms.

    The Hartley transform is the orthogonal real form of the Fourier transform, with waves
    ``cos + sin``. Made by `fit`; `apply` multiplies without forming the matrix.

    Parameters
    ----------
    coefficients : scipy.sparse.csr_array, shape (n_outputs, n_inputs)
        C.
    sides : {"both", "input"}
        With "input" the correction is ``C F^T``.

    Notes
    -----
    Host only. As `WHTAdapter`, for any length. The real part of the inverse Fourier transform of
    real coefficients, used in [1]_, spans the even matrices only.

    References
    ----------
    .. [1] Z. Gao, Q. Wang, A. Chen, Z. Liu, B. Wu, L. Chen and J. Li, "Parameter-efficient
       fine-tuning with discrete Fourier transform", ICML 2024, section 3. :arxiv:`2405.03003`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import FourierAdapter
    >>> i, j = np.indices((60, 100))
    >>> wave = np.cos(2 * np.pi * (3 * i / 60 + 7 * j / 100))
    >>> adapter = FourierAdapter.fit(wave, np.zeros((60, 100)), 4, allocation="global")
    >>> bool(np.allclose(adapter.delta(), wave, atol=1e-5))
    True
    """

    @staticmethod
    def _analyse(x: Array, axis: int) -> Array:
        waves = scipy.fft.fft(x, axis=axis, norm="ortho")
        return waves.real - waves.imag

    _combine = _analyse  # the Hartley transform is its own inverse


def _choose(energy: Array, count: int, allocation: str) -> Array:
    """Which coefficients to keep, as a mask."""
    m, n = energy.shape
    chosen = np.zeros((m, n), bool)
    if allocation == "global":
        chosen.flat[np.argsort(-energy, axis=None, kind="stable")[:count]] = True
        return chosen
    weights = np.ones(m) if allocation == "uniform" else np.linalg.norm(energy, axis=1)
    order = np.argsort(-energy, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(n)[None], 1)
    return ranks < _budgets(weights, count, n)[:, None]


def _budgets(weights: Array, count: int, most: int) -> Array:
    """Whole numbers that add up to `count`, none above `most`, in proportion to the weights."""
    weights = weights if weights.any() else np.ones_like(weights)
    budgets = np.zeros(weights.size, np.int64)
    open_rows = np.ones(weights.size, bool)
    while True:  # rows that are full leave what is left to the others
        left = count - budgets[~open_rows].sum()
        weight = weights[open_rows] if weights[open_rows].any() else np.ones(open_rows.sum())
        share = left * weight / weight.sum() if weight.size else weight
        full = share > most
        if not full.any():
            break
        rows = np.flatnonzero(open_rows)[full]
        budgets[rows], open_rows[rows] = most, False
    whole = np.floor(share).astype(np.int64)
    rest = np.argsort(whole - share, kind="stable")[: left - whole.sum()]
    whole[rest] += 1
    budgets[open_rows] = whole
    return budgets


def _refined(spectrum: Array, chosen: Array, gram: Array) -> Array:
    """Values at the chosen places, row by row, of least error of the outputs."""
    wanted = spectrum @ gram
    ridge = _RIDGE * max(float(np.trace(gram)) / len(gram), math.ulp(1.0))
    values = []
    for row, places in zip(wanted, chosen, strict=True):
        at = np.flatnonzero(places)
        part = gram[np.ix_(at, at)]
        part[np.diag_indices(at.size)] += ridge
        values.append(scipy.linalg.solve(part, row[at], assume_a="pos") if at.size else row[:0])
    return np.concatenate(values)
