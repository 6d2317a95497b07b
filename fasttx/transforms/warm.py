"""Compiling ahead of the first call."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import DTypeLike


def warmup(
    dtypes: Iterable[DTypeLike] = ("float32", "float64"), functions: Iterable[str] = ("fwht",)
) -> None:
    """Load or compile loops for these dtypes now rather than at the first call.

    Parameters
    ----------
    dtypes : sequence of dtypes
        Of float32, float64, complex64, complex128, and for "fwht" int64 and float16 too.
    functions : sequence of str, optional
        Which loops: "fwht" for Walsh-Hadamard transforms, "fft" for `fft_unordered` and
        `ifft_unordered`, "fftbr" for `fftbr` and `ifftbr`, "rfft" for `rfft_unordered` and
        `irfft_unordered`, "convolve" for `fftconvolve_causal` and products with Toeplitz operators.

    Raises
    ------
    ValueError
        If a function is not one of these.

    Notes
    -----
    One to four seconds for a dtype and a function the first time on a machine, and a tenth of that
    from the cache.

    Examples
    --------
    >>> import fasttx
    >>> fasttx.warmup(["float32"])
    """
    functions = list(functions)
    unknown = [name for name in functions if name not in _CALLS]
    if unknown:
        raise ValueError(f"functions must be of {', '.join(_CALLS)}; got {unknown[0]!r}")
    for dtype in dtypes:
        for name in functions:
            _CALLS[name](np.dtype(dtype))


def _fwht(dtype):
    from .fwht import fwht

    fwht(np.ones(2, dtype))
    fwht(np.ones((2, 3), dtype), axis=0)


def _fft(dtype):
    from .fft import fft_unordered, ifft_unordered

    for shape in (4, (4, 1, 3)):
        ifft_unordered(fft_unordered(np.ones(shape, dtype), 0), 0)


def _fftbr(dtype):
    from .fft import fftbr, ifftbr

    for shape in (4, (4, 1, 3)):
        ifftbr(fftbr(np.ones(shape, dtype), 0), 0)


def _rfft(dtype):
    from .fft import irfft_unordered, rfft_unordered

    x = np.ones(8, dtype).real
    irfft_unordered(rfft_unordered(np.stack([x, x])))


def _convolve(dtype):
    from .causal import fftconvolve_causal

    fftconvolve_causal(np.ones(8, dtype), np.ones(8, dtype))


_CALLS: dict[str, Callable[[np.dtype], None]] = {
    "fwht": _fwht,
    "fft": _fft,
    "fftbr": _fftbr,
    "rfft": _rfft,
    "convolve": _convolve,
}
