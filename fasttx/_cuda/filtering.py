"""Circular and skew-circular convolutions of rows with fixed kernels on a GPU."""

import functools
import math
from typing import Any

import numba
import numpy as np

from . import (
    NumbaArray,
    check_dtype,
    codelets,
    fft,
    filtering_kernel,
    launch,
    memory,
    passes,
    trace,
    wrap,
)
from .filtering_kernel import BLOCKS, Part, Sizes
from .memory import KINDS, SHORT, VECTOR_BYTES

_HALVES = ("float16", "bfloat16")
_INTEGERS = (*SHORT, "int64")
DTYPES = (*_HALVES, "float32", "float64", "complex64", "complex128", *_INTEGERS)

_REAL = {"complex64": "float32", "complex128": "float64"}
_COMPLEX = {real: name for name, real in _REAL.items()}
_SHORTEST = 32  # samples of a window, so that they fill vectors
_WIDEST = 8  # samples of a vector


def check(x, name: str = "x") -> NumbaArray:
    """The wrapper of a device array of samples."""
    return check_dtype(wrap(x), DTYPES, name)


def common(*dtypes: str) -> str:
    """The dtype of a convolution of such samples: halves count as float32, integers as float64."""
    wide = any(name in ("float64", "complex128", *_INTEGERS) for name in dtypes)
    real = "float64" if wide else "float32"
    return _COMPLEX[real] if any(name in _REAL for name in dtypes) else real


def window(length: int, back: int, stateful: bool, kernel, dtype: str) -> tuple[int, int]:
    """Samples of a window of causal convolutions, and how many of them give results.

    Parameters
    ----------
    length, back : int
        Samples of a row, and how far back the filters reach.
    stateful : bool
        Whether the samples before the row are given.
    kernel : ndarray or NumbaArray
    dtype : str
        Of the samples.
    """
    result = common(dtype_name(kernel), dtype)
    tile = 1 << codelets.TILE[codelets.element_bytes(_COMPLEX.get(result, result), True)]
    in_tile = tile if result in _REAL else 2 * tile
    whole = max(_SHORTEST, _power(length + back))
    if whole <= in_tile:
        n = whole
    elif 4 * back <= in_tile:
        n = in_tile
    else:
        n = min(whole, max(2 * in_tile, _power(4 * back)))
    if n == whole and not stateful:
        return n, n
    step = n - -(-back // _WIDEST) * _WIDEST  # so that vectors begin where windows do
    return n, step


class Filter:
    """Convolutions of the rows of device arrays with fixed kernels, whose spectra are kept.

    Parameters
    ----------
    kernel : ndarray or NumbaArray of shape (taps,) or (channels, taps)
        Of a dtype in `DTYPES`.
    n : int
        Number of points, a power of two and at least `taps`.
    skew : bool
        Whether what goes around the end changes its sign.

    Notes
    -----
    Spectra are made for each device, stream and precision where they are first needed. The n real
    samples of a window are n/2 complex points with `skew`; without, those of two rows are n.
    """

    def __init__(self, kernel, n: int, skew: bool):
        self.kernel, self.n, self.skew = kernel, n, skew
        self.channels = kernel.shape[0] if len(kernel.shape) > 1 else 1
        self.dtype = dtype_name(kernel)
        self._spectra: dict[tuple, Any] = {}

    def circular(self, x, length: int, *, adjoint: bool = False, reverse: bool = False):
        """The first `length` results of each row of at most n samples.

        `adjoint` applies the adjoint of the circulant matrix, `reverse` puts results in the
        opposite order. The dtype is `common`.
        """
        given = check(x)
        dtype = common(self.dtype, given.dtype)
        return self._run(given, dtype, length, self.n, 0, None, adjoint, reverse)

    def causal(self, x, step: int, state: NumbaArray | None = None):
        """As many results as samples, by windows of n samples of which `step` give their results.

        Halves stay what they are where the kernel is real and no wider than float32.
        """
        given = check(x)
        dtype = common(self.dtype, given.dtype)
        if dtype == "float32":
            dtype = given.dtype
        return self._run(given, dtype, given.shape[-1], step, self.n - step, state)

    def _run(self, given, dtype, length, step, origin, state, adjoint=False, reverse=False):
        with given.context():
            src = _compact(given)
            dst = given.empty((*given.shape[:-1], length), dtype)
            if dst.size:
                state = None if state is None else _compact(state)
                work = _Work(self, src, dst, step, origin, state)
                work.run(adjoint, reverse)
            return dst.array

    def spectrum(self, block: str, number: str, given: NumbaArray):
        """Spectra of the kernel, a row for each channel, over the points of a window."""
        key = block, number, given.device, given.stream()
        if key not in self._spectra:
            points = self.n // 2 if block == "halves" else self.n
            out = given.empty((self.channels, points), _COMPLEX[number])
            _Spectra(self, block, number, out).run()
            self._spectra[key] = out
        return self._spectra[key]


def dtype_name(kernel) -> str:
    """Name of a dtype, of an array on the host or of a wrapped one."""
    return kernel.dtype if isinstance(kernel, NumbaArray) else kernel.dtype.name


def _power(n):
    return 1 << max(0, n - 1).bit_length()


class _Launches:
    """Launches of the kernels for windows of one size."""

    def __init__(self, block, number, points, device, stream):
        self.block, self.number, self.device, self.stream = block, number, device, stream
        self.bits = points.bit_length() - 1
        self.tile = codelets.TILE[codelets.element_bytes(_COMPLEX[number], True)]

    def factors(self, kind, size) -> tuple[Part, Part]:
        """The highest levels, over columns of such samples, and the rest of a long transform."""
        widest = codelets.layout(kind, self.tile, paired=True).vector
        least = max(passes.sector_bits(size), widest)
        low = max(min(self.tile - 1, self.bits - 1), self.bits - (self.tile - least))
        top = self.bits - low
        if low > self.tile:
            most = (2 if self.block == "halves" else 1) << 2 * self.tile - least
            raise ValueError(f"windows on a device have at most {most} samples here")
        columns = min(max(least, self.tile - 1 - top), passes.MAX_COLUMNS, low)
        return Part(top, low=low, columns=max(columns, least)), Part(low, upper=top)

    def launch(self, kind, part, sizes, arrays, scale=1.0, **options):
        """One kernel; `arrays` are dst, src, before and spectra, flat."""
        kernel = filtering_kernel.stage(kind, self.number, part, block=self.block, **options)
        beside = part.low - part.columns if part.low else part.upper
        spare = kernel.form.bits - part.columns - part.levels
        blocks = max(-(-(sizes.units << beside) >> spare), launch.MIN_BLOCKS)
        own = 0 if part.upper else BLOCKS[self.block]
        count = max(1, own + 1 << part.levels >> 1)
        table = fft.roots(-1, count, self.number, self.device)
        kernel.launch[blocks, kernel.form.threads, self.stream](
            *arrays, table, getattr(np, self.number)(scale), np.int32(0), *map(np.int64, sizes)
        )


class _Spectra(_Launches):
    """The transforms of a kernel."""

    def __init__(self, owner, block, number, out):
        super().__init__(
            "complex" if block == "pairs" else block, number, out.shape[1], out.device, out.stream()
        )
        self.owner, self.out = owner, out

    def run(self):
        kernel, out, number = self.owner.kernel, self.out.flat(), self.number
        parts = KINDS[self.owner.dtype].parts
        if isinstance(kernel, NumbaArray):
            if kernel.device != self.out.device:
                raise ValueError(
                    f"the filters are on device {kernel.device}, x is on {self.out.device}"
                )
            given = _compact(kernel).flat()
        else:
            real = kernel.real.dtype
            given = launch.to_device(np.ascontiguousarray(kernel).reshape(-1).view(real))
        taps, count = kernel.shape[-1], self.owner.channels
        sizes = Sizes(taps, 0, 0, self.owner.n, 0, 1, 1, count, count)
        options = {
            "read": KINDS[self.owner.dtype].read,
            "parts": parts,
            "short": self.block == "halves" and taps <= 1 << self.bits,
            "wide_in": False,
        }
        split = {"product": False, "merge": False}
        scale, kind = 0.5**self.bits, _COMPLEX[number]
        if self.bits <= self.tile:
            arrays = out, given, given, out
            self.launch(kind, Part(self.bits), sizes, arrays, scale, **options, **split)
            return
        top, rest = self.factors(kind, np.dtype(kind).itemsize)
        self.launch(kind, top, sizes, (out, given, given, out), **options, **split)
        self.launch(kind, rest, sizes, (out, out, out, out), scale, **split)


class _Work(_Launches):
    """One convolution."""

    def __init__(self, owner, src, dst, step, origin, state):
        self.dtype, self.src, self.dst, self.state = dst.dtype, src, dst, state
        complex_ = dst.dtype in _REAL
        number = KINDS[dst.dtype].number
        if complex_:
            block = "skew complex" if owner.skew else "complex"
        else:
            block = "halves" if owner.skew else "pairs"
        points = owner.n // 2 if block == "halves" else owner.n
        super().__init__(block, number, points, dst.device, dst.stream())
        self.spectra = owner.spectrum(block, number, src)
        rows, length = math.prod(dst.shape[:-1]), dst.shape[-1]
        windows, channels = -(-length // step), owner.channels
        groups = -(-rows // (2 * channels)) * channels if block == "pairs" else rows
        history = 0 if state is None else state.shape[-1]
        self.sizes = Sizes(
            src.shape[-1], history, length, step, origin, windows, channels, rows, groups * windows
        )
        # What a layout is made for.
        self.kind = src.dtype if src.dtype in _HALVES and not complex_ else dst.dtype
        if number == "float64" or (self.kind in _HALVES and src.dtype not in _HALVES):
            self.kind = _COMPLEX[number] if complex_ else number

    def run(self, adjoint, reverse):
        src, dst, sizes, kind = self.src, self.dst, self.sizes, self.kind
        points, pair = 1 << self.bits, _COMPLEX[self.number]
        target = dst.flat()
        given = src if src.size else dst  # empty rows are never read
        source = given.flat()
        before = source if self.state is None or not self.state.size else self.state.flat()
        spectra, reach = self.spectra.flat(), max(sizes.samples, sizes.length)
        alone = sizes.windows == 1 and sizes.origin == 0
        both = {"short": self.block == "halves" and alone and reach <= points}
        reading = {
            "read": KINDS[given.dtype].read,
            "parts": KINDS[given.dtype].parts,
            "history": self.state is not None and sizes.history > 0,
        }
        writing = {"written": KINDS[dst.dtype].read, "reverse": reverse}
        if self.bits <= self.tile:
            part, rest = Part(self.bits), None
        else:
            size = memory.stored(KINDS[src.dtype].read).itemsize * reading["parts"]
            part, rest = self.factors(kind, size)
        width = codelets.layout(kind, part.levels + part.columns, paired=True).width
        steps = sizes.step | sizes.origin if sizes.windows > 1 or sizes.origin else 0
        reading["wide_in"] = not ((sizes.samples | steps) % width or src.address % VECTOR_BYTES)
        writing["wide_out"] = not ((sizes.length | steps) % width or dst.address % VECTOR_BYTES)
        if rest is None:
            arrays = target, source, before, spectra
            options = both | reading | writing | {"conjugate": adjoint}
            self.launch(kind, part, sizes, arrays, **options)
            return
        work = dst.empty((sizes.units * points,), pair).flat()
        alone = {"product": False, "merge": False}
        self.launch(kind, part, sizes, (work, source, before, spectra), **both, **reading, **alone)
        self.launch(pair, rest, sizes, (work, work, work, spectra), conjugate=adjoint)
        alone = {"product": False, "split": False}
        self.launch(kind, part, sizes, (target, work, work, spectra), **both, **writing, **alone)


def last(x: NumbaArray, state: NumbaArray | None, history: int):
    """The last samples of each row, after those of `state` (else zeros), as a new array."""
    with x.context():
        out = x.empty((*x.shape[:-1], history), x.dtype)
        if out.size:
            kind, target = KINDS[x.dtype], out.flat()
            source, before = (
                target if given is None or not given.size else _compact(given).flat()
                for given in (x, state)
            )
            kernel = _tail(memory.stored(kind.read).name, kind.parts, state is not None)
            counts = map(np.int64, (x.shape[-1], history, out.size))
            launch.over(kernel, out.size, x.stream(), target, source, before, *counts)
        return out.array


def _compact(given):
    return given if given.contiguous else given.compact()


@functools.cache
def _tail(word, parts, stateful):
    def body(m, dst, src, before, samples, history, count):
        place = m.block * launch.THREADS + m.thread
        row = place // history
        i = place - row * history
        at = i + samples - history
        there = place < count

        def old():
            if not stateful:
                return [m.constant(0, word)] * parts
            start = (row * history + at + history) * parts
            return m.load(before, start, word, word, parts, where=there)

        inside = at >= 0
        values = m.either(
            inside,
            lambda: m.load(src, (row * samples + at) * parts, word, word, parts, where=there),
            old,
        )
        m.store(dst, place * parts, values, word, where=there)

    array = trace.flat(word)
    return trace.kernel("convolve_tail", body, (array, array, array, *[numba.int64] * 3)).launch
