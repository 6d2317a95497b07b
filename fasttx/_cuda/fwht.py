"""The fast Walsh-Hadamard transform on a GPU.

As in `_cpu/fwht.py`, an array of shape (outer, n, inner), C-contiguous, is transformed along its
middle axis. Up to the size of a tile that is one pass over the memory; longer transforms are those
of H_n1 (x) H_n2 (x) ..., a pass for each factor.
"""

import functools

import numba
import numpy as np

from . import NumbaArray, check_dtype, fwht_kernel, launch, orders, trace, wrap
from .memory import KINDS, SHORT
from .passes import Passes

_KEPT = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")
DTYPES = (*_KEPT, *SHORT)
MAX_LEVELS = 30


def fwht(
    x,
    n: int,
    axis: int,
    scale: float | None = None,
    order: str = "hadamard",
    overwrite_x: bool = False,
    base: np.ndarray | None = None,
    butterfly: str = "walsh",
):
    """Walsh-Hadamard transform of a device array along one axis.

    Parameters
    ----------
    x : device array
        Of a dtype in `DTYPES` and at least one dimension. Strided arrays of CuPy and torch are
        first copied on their device; those of Numba are refused.
    n : int
        Number of points, the order of `base` times a power of two that is at most
        ``2**MAX_LEVELS``; `x` is cropped or padded with zeros to it.
    axis : int
        Axis to transform, from 0 to ndim - 1.
    scale : float, optional
        Factor of the result; integers give float64 where there is one, else int64.
    order : {"hadamard", "sequency", "dyadic"}
        Order of the output.
    overwrite_x : bool
        Write the result into `x` and return `x`, where shape and dtype are the result's; otherwise
        a new array is returned all the same.
    base : ndarray of int8, shape (m, m), optional
        The slowest factor of the matrix, where that is not a power of two.
    butterfly : {"walsh", "zeta", "mobius"}
        Of other transforms with the same passes, see `fwht_kernel.transform`.

    Returns
    -------
    device array
        Of the library and device of `x`, computed on the library's current stream (for Numba on
        the stream of `x`). Except for JAX the call does not wait for it.

    Notes
    -----
    The memory is read once and written once for n up to 2**15 (2**13 for sums of 8 bytes), twice
    up to 2**27. There, orders other than natural, padding and cropping take a pass of their own;
    the base matrix takes one everywhere, of n * m operations.
    """
    given = check(x)
    kind, dtype = given.dtype, given.dtype
    if kind in SHORT:
        kind, dtype = (kind, "int64") if scale is None else (f"scaled {kind}", "float64")
    length = given.shape[axis]
    same = n == length and dtype == given.dtype
    with given.context():
        src = given if given.contiguous else given.compact()
        if same and (overwrite_x or src is not given):
            dst = src
        else:
            dst = given.empty((*given.shape[:axis], n, *given.shape[axis + 1 :]), dtype)
        if dst.size:
            passes = _Walsh(kind, dst, axis, given.stream(), base, butterfly)
            passes.run(src, length, 1.0 if scale is None else scale, order)
        return given.replace(dst) if overwrite_x and same else dst.array


def check(x, overwrite_x: bool = False) -> NumbaArray:
    """The wrapper of a device array that can be transformed."""
    return check_dtype(wrap(x, overwrite_x), DTYPES)


class _Walsh(Passes):
    """The passes of one transform; its elements are real numbers."""

    def __init__(self, kind, dst, axis, stream, base, butterfly):
        self.base, self.n, self.butterfly = base, dst.shape[axis], butterfly
        levels = (self.n // (1 if base is None else len(base))).bit_length() - 1
        super().__init__(kind, dst, axis, levels, stream)

    def run(self, src, length, scale, order):
        """Launch them all."""
        factors, inner, kind = self.factors(), self.inner, self.kind
        if len(factors) == 1 and self.base is None:
            self._transform(
                kind, src, self.dst, self.levels, inner, length=length, scale=scale, order=order
            )
            return
        if length != self.n:
            src = self._move(src, length, "hadamard")  # of the dtype that the first pass reads
        last = self.base is None and order == "hadamard"
        work = self.dst if last else self.dst.empty(self.dst.shape, self.dst.dtype)
        for levels in factors:
            self._transform(kind, src, work, levels, inner, length=1 << levels, scale=scale)
            kind, src, scale, inner = work.dtype, work, 1.0, inner << levels
        if self.base is not None:
            self._multiply(kind, work, inner)
        elif not last:
            self._move(work, self.n, order, self.dst)

    def _transform(self, *arguments, **options):
        self.launch(fwht_kernel.transform, *arguments, butterfly=self.butterfly, **options)

    def _move(self, src, length, order, dst=None):
        """Crop, pad or permute points, to a new array unless there is one."""
        shape, numbers = self.dst.shape, self.elements
        if dst is None:
            dst = src.empty(shape, src.dtype)
        target = dst.flat()
        source = src.flat() if src.size else target
        name, counts = KINDS[src.dtype].read, (length, self.n, self.inner, numbers)
        orders.move(target, source, self.levels, order, name, *counts, self.stream)
        return dst

    def _multiply(self, kind, src, inner):
        """Apply the base matrix to the slowest factor."""
        given = KINDS[kind]
        kernel = _multiplier(given.written, given.number)
        arrays = self.dst.flat(), src.flat(), launch.on_device(self.base, self.dst.device)
        counts = len(self.base), inner, self.elements
        launch.over(kernel, self.elements, self.stream, *arrays, *counts)


@functools.cache
def _multiplier(written, number):
    """Kernel: products with a matrix of signs along the middle axis, one output a thread."""

    def body(m, dst, src, signs, size, inner, numbers):
        place = m.block * launch.THREADS + m.thread

        def product():
            row = place // inner % size
            start = place - row * inner

            def add(i, total):
                (x,) = m.load(src, start + i * inner, written, number)
                (sign,) = m.load(signs, row * size + i, "int8", number)
                return [total[0] + x * sign]

            m.store(dst, place, m.loop(size, [m.constant(0, number)], add), written)

        m.when(place < numbers, product)

    arrays = [trace.flat(name) for name in (written, written, "int8")]
    return trace.kernel("fwht_base", body, (*arrays, *[numba.int64] * 3)).launch
