"""The Fourier transform without bit reversal on a GPU."""

import functools

from . import NumbaArray, check_dtype, fft_kernel, launch, wrap
from .memory import KINDS, SHORT
from .passes import Passes

# What each dtype becomes.
DTYPES = {
    "float16": "complex64",
    "bfloat16": "complex64",
    "float32": "complex64",
    "float64": "complex128",
    "complex64": "complex64",
    "complex128": "complex128",
    **dict.fromkeys((*SHORT, "int64"), "complex128"),
}
MAX_LEVELS = 30
_NUMBERS = {"complex64": "float32", "complex128": "float64"}


def fft(x, axis: int, merge: bool, sign: int, scale: float, overwrite_x: bool = False):
    """Fourier transform of a device array between natural and bit-reversed order.

    Parameters
    ----------
    x : device array
        Of a dtype in `DTYPES`, with a power of two of at most ``2**MAX_LEVELS`` points along
        `axis`. Strided arrays of CuPy and torch are first copied on their device; those of Numba
        are refused.
    axis : int
        Axis to transform, from 0 to ndim - 1.
    merge : bool
        From bit-reversed to natural order, or from natural to bit-reversed.
    sign : {-1, 1}
        Of the exponent.
    scale : float
        Factor of the result.
    overwrite_x : bool
        Write the result into `x` and return `x`, where it is complex.

    Returns
    -------
    device array
        Of the library and device of `x`, computed on the library's current stream (for Numba on
        the stream of `x`). Except for JAX the call does not wait for it.

    Notes
    -----
    The memory is read once and written once for n up to 2**13 (2**12 for complex128), twice up to
    2**24. Twiddles come from a table of n/2 numbers for the longest pass, kept on the device.
    """
    given = check(x)
    dtype = DTYPES[given.dtype]
    same = dtype == given.dtype
    with given.context():
        src = given if given.contiguous else given.compact()
        if same and (overwrite_x or src is not given):
            dst = src
        else:
            dst = given.empty(given.shape, dtype)
        if dst.size:
            kind = given.dtype if "float" in given.dtype or same else f"scaled {given.dtype}"
            _Fourier(kind, dst, axis, given.stream()).run(src, merge, sign, scale)
        return given.replace(dst) if overwrite_x and same else dst.array


def check(x, overwrite_x: bool = False) -> NumbaArray:
    """The wrapper of a device array that can be transformed."""
    return check_dtype(wrap(x, overwrite_x), DTYPES)


def rows(kind: str, src: NumbaArray, dst: NumbaArray, n: int, merge: bool, sign, scale) -> None:
    """Transforms of rows of n complex numbers, whatever the shapes and dtypes of their arrays."""
    _Fourier(kind, _Rows(dst, n, kind), 1, dst.stream()).run(src, merge, sign, scale)


class _Rows:
    """An array of real numbers, or of complex ones, as rows of n complex numbers."""

    def __init__(self, given, n, dtype):
        self.dtype, self.device = dtype, given.device
        self.size = given.size * KINDS[given.dtype].parts // 2
        self.shape = self.size // n, n
        self.flat, self.address = given.flat, given.address


class _Fourier(Passes):
    """The passes of one transform; its elements are complex numbers."""

    def __init__(self, kind, dst, axis, stream):
        levels = dst.shape[axis].bit_length() - 1
        super().__init__(kind, dst, axis, levels, stream, paired=True)

    def run(self, src, merge, sign, scale):
        """Launch them all: a split goes from the highest bits down, a merge up again."""
        low, passes = 0, []
        for levels in self.factors():
            passes.append((levels, low))
            low += levels
        kind = self.kind
        for levels, low in passes if merge else reversed(passes):
            self._pass(
                kind, src, self.dst, levels, self.inner << low,
                length=1 << levels, scale=scale, table=self._roots(sign, levels), merge=merge,
                sign=sign, upper=self.levels - low - levels,
            )  # fmt: skip
            kind, src, scale = self.dst.dtype, self.dst, 1.0

    _pass = functools.partialmethod(Passes.launch, fft_kernel.transform)

    def _roots(self, sign, levels):
        count = max(1, 1 << levels >> 1)
        return roots(sign, count, _NUMBERS[self.dst.dtype], self.dst.device)


def roots(sign: int, count: int, number: str, device: int):
    """The table `fft_kernel.roots` on the current device, of that number; it is kept."""
    return launch.made_on_device(fft_kernel.roots, device, sign, count, number)
