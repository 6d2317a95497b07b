"""The functions of `fasttx.boolean` for device arrays, as compositions of transforms.

One number for each function is an array of the batch's shape, 0-d for one function.
"""

from typing import Any

from ._cuda import boolean as device
from ._truth_table import on_device
from .transforms.fwht import fwht
from .transforms.subsets import zeta


def walsh_spectrum(f: Any, form: str, nvars: int | None) -> Any:
    """Exact, since the transform of int32 is."""
    return fwht(on_device(f, form, nvars, off=1, on=-1))


def nonlinearity(f: Any, form: str, nvars: int | None) -> Any:
    spectrum = walsh_spectrum(f, form, nvars)
    return device.largest(spectrum, "half", "int64", -1, _size(spectrum) // 2)


def anf(f: Any, form: str, nvars: int | None) -> Any:
    """Sums over subsets, modulo 2."""
    return device.odd(zeta(on_device(f, form, nvars, off=0, on=1)))


def algebraic_degree(f: Any, form: str, nvars: int | None) -> Any:
    return device.largest(anf(f, form, nvars), "degree", "int64", 1, -1)


def autocorrelation(f: Any, form: str, nvars: int | None) -> Any:
    power = device.square(walsh_spectrum(f, form, nvars))
    return device.rounded(fwht(power, norm="forward", overwrite_x=True))


def correlation_immunity(f: Any, form: str, nvars: int | None) -> Any:
    spectrum = walsh_spectrum(f, form, nvars)
    n = _size(spectrum).bit_length() - 1
    return device.largest(spectrum, "immunity", "int64", -1, n)


def is_balanced(f: Any, form: str, nvars: int | None) -> Any:
    return device.largest(walsh_spectrum(f, form, nvars), "first", "bool", 1, 0)


def is_bent(f: Any, form: str, nvars: int | None) -> Any:
    """By Parseval's identity, where the largest value is as small as it can be."""
    spectrum = walsh_spectrum(f, form, nvars)
    n = _size(spectrum).bit_length() - 1
    least = -1 if n % 2 else 1 << n // 2  # no magnitude is negative
    return device.largest(spectrum, "size", "bool", 1, -least)


def _size(x: Any) -> int:
    """Number of values of a function."""
    return tuple(x.shape)[-1]
