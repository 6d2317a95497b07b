"""Circular convolution with a fixed kernel: spectra are kept, rows are convolved in cache."""

import math
from functools import cached_property, partial
from typing import Any

import numpy as np

from .. import _array, _threads
from .._cpu import fft as loops
from .._cpu import filtering
from . import _fft_host


class CircularFilter:
    """Circular convolution of n points with a fixed kernel.

    ``y[i] = sum_j kernel[(i - j) mod n] x[j]``, for rows x that are padded with zeros to n.

    Parameters
    ----------
    kernel : ndarray or wrapped device array of shape (taps,) or (channels, taps)
        float32, float64, complex64 or complex128. With channels, row i is the kernel of index i of
        the next to last axis of what is filtered.
    n : int, optional
        Number of points, a power of two and at least `taps`, which is the default.
    skew : bool, optional
        Convolve modulo ``x**n + 1``: what goes around the end changes its sign. For real rows this
        is the faster one, and as good where nothing goes around.
    keep : ndarray of bool, shape (blocks,) or (channels, blocks), optional
        Which blocks of each spectrum, in its bit-reversed order, to keep: the others are taken to
        be zero and cost nothing. `blocks` is a power of two.

    Notes
    -----
    Each row is loaded into scratch, transformed, multiplied and transformed back before the next:
    2 n log2(n) butterflies for n complex or 2 n real numbers. On a device too, without `keep`.
    """

    def __init__(
        self,
        kernel: np.ndarray,
        n: int | None = None,
        *,
        skew: bool = False,
        keep: np.ndarray | None = None,
    ):
        self.n = kernel.shape[-1] if n is None else n
        if self.n < max(2, kernel.shape[-1]) or self.n & (self.n - 1):
            raise ValueError(f"the length must be a power of two above 1; got {self.n}")
        self.kernel, self.skew = kernel, skew
        self.channels = kernel.shape[0] if len(kernel.shape) > 1 else 1
        self.keep = np.zeros(0, np.uint8)
        if keep is not None:
            keep = np.broadcast_to(keep, (self.channels, keep.shape[-1]))
            self.keep = np.ascontiguousarray(keep, np.uint8).reshape(-1)
        self._spectra: dict[tuple, np.ndarray] = {}

    def __call__(
        self,
        x: Any,
        length: int | None = None,
        *,
        adjoint: bool = False,
        workers: int | None = None,
    ) -> Any:
        """Convolve the rows of `x`.

        Parameters
        ----------
        x : ndarray or device array of shape (..., m) or (..., channels, m)
            Real or complex, m <= n.
        length : int, optional
            How many of the n results of a row to return; default all.
        adjoint : bool, optional
            Apply the adjoint, ``y[i] = sum_j conj(kernel[(j - i) mod n]) x[j]``.
        workers : int, optional
            Number of threads, over rows.

        Returns
        -------
        y : ndarray or device array of shape (..., length)
            Of the common dtype of kernel and x.
        """
        length, shape = self.n if length is None else length, tuple(x.shape)
        if shape[-1] > self.n or not 0 <= length <= self.n:
            raise ValueError(f"rows of {shape[-1]}, {length} results: at most {self.n}")
        if self.channels > 1 and (len(shape) < 2 or shape[-2] != self.channels):
            raise ValueError(f"x of shape {shape} has not {self.channels} channels")
        if _array.is_device_array(x):
            return self.on_device.circular(x, length, adjoint=adjoint)
        dtype = np.result_type(self.kernel, x)
        x = np.ascontiguousarray(x, dtype)
        out = np.empty((*x.shape[:-1], length), dtype)
        if x.size == 0:
            out[...] = 0
        if out.size and x.size:
            self._convolve(x, out, (length, 0, 0), int(adjoint), workers)
        return out

    def windows(self, x, length, step, origin, back, *, workers=None):
        """Overlap-save: `length` results of each row, by windows of n samples.

        Window w begins with sample ``w*step - origin`` of a row, beyond which there are zeros. Its
        results from `back` on, `step` of them, are those of the row from ``w*step`` on.
        """
        dtype = np.result_type(self.kernel, x)
        x = np.ascontiguousarray(x, dtype)
        out = np.empty((*x.shape[:-1], length), dtype)
        if out.size:
            self._convolve(x, out, (step, origin, back), 0, workers)
        return out

    @cached_property
    def on_device(self) -> Any:
        """The same filter for device arrays."""
        from .._cuda.filtering import Filter

        if self.keep.size:
            raise NotImplementedError("spectra with blocks left out are on the host only")
        return Filter(self.kernel, self.n, self.skew)

    def block_energies(self, blocks):
        """Energy of each block of the spectra, of shape (channels, blocks)."""
        dtype = np.dtype(self.kernel.dtype)
        mode, points, number = self._layout(dtype)
        spectra = self._spectrum(mode, points, number, np.result_type(dtype, np.complex64))
        parts = spectra.reshape(self.channels, blocks, -1)
        return np.sum(np.square(np.abs(parts), dtype=np.float64), axis=-1)

    def _convolve(self, x, out, windows, adjoint, workers):
        mode, points, number = self._layout(x.dtype)
        pairs = np.result_type(x.dtype, np.complex64)
        real = np.dtype(_fft_host.REAL[pairs])
        if points <= loops.leaf_points(real) * max(1, self.keep.size // self.channels):
            if self.keep.size:
                raise ValueError(f"{self.n} points are too few for blocks of spectra")
            self._small(x, out, adjoint)
            return
        spectra = self._spectrum(mode, points, number, pairs)
        tables = tuple(_fft_host.tables(sign, pairs, points, number) for sign in (-1, 1))
        run = filtering.convolve(real.name)
        run_at = tuple(
            loops.address(kind, sign, real.name) for kind, sign in (("split", -1), ("merge", 1))
        )
        rows = math.prod(x.shape[:-1])
        if mode == filtering.PAIRS:
            rows = -(-rows // (2 * self.channels)) * self.channels
        units = rows * -(-out.shape[-1] // windows[0])
        flat = x.reshape(-1).view(real), out.reshape(-1).view(real)
        head = *flat, (x.shape[-1], out.shape[-1]), windows, mode
        tail = spectra, self.channels, number, tables, self.keep, adjoint, loops.ALONE, run_at

        def task(first, last):
            work = _array.aligned((points,), pairs)
            run(*head, work, work.view(real), *tail, first, last)

        _threads.share(task, units, _threads.resolve(workers, units * points))

    def _layout(self, dtype):
        """What makes up a row of complex numbers, of how many, and the number of the block."""
        if dtype.kind == "c":
            return filtering.COMPLEX, self.n, int(self.skew)
        return (filtering.HALVES, self.n // 2, 3) if self.skew else (filtering.PAIRS, self.n, 0)

    def _spectrum(self, mode, points, number, pairs):
        """Spectra of the kernel, in bit-reversed order, times what a merge leaves out."""
        key = mode, pairs
        if key not in self._spectra:
            real = np.dtype(_fft_host.REAL[pairs])
            kind = pairs if mode == filtering.COMPLEX else real
            kernel = np.ascontiguousarray(self.kernel, kind).reshape(-1).view(real)
            flat = _array.aligned((self.channels * points,), pairs)
            table = _fft_host.tables(-1, pairs, points, number)
            head = kernel, self.kernel.shape[-1], mode, points, flat, flat.view(real)
            split = loops.address("split", -1, real.name)
            tail = number, table, _fft_host.scale_bits(1 / points), loops.ALONE, split
            task = partial(filtering.spectra(real.name), *head, *tail)
            _threads.share(task, self.channels, _threads.resolve(None, flat.size))
            self._spectra[key] = flat
        return self._spectra[key]

    def _small(self, x, out, adjoint):
        """Rows shorter than a leaf: one transform of all of them."""
        points = self.n
        twist = np.exp(-1j * np.pi * np.arange(points) / points) if self.skew else np.ones(points)
        kernel = np.fft.fft(self.kernel * twist[: self.kernel.shape[-1]], points)
        if adjoint:
            kernel = kernel.conj()
        m = x.shape[-1]
        y = np.fft.ifft(np.fft.fft(x * twist[:m], points) * kernel) * twist.conj()
        y = y[..., : out.shape[-1]]
        out[...] = y if out.dtype.kind == "c" else y.real
