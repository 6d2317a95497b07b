"""Boolean functions and S-boxes as they come in: forms, dtypes, lengths."""

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._array import is_device_array

_BOOL_SIGNS = "f has dtype bool, which holds bits; signs are 1 and -1"
_AMBIGUOUS = (
    "all values of f are 1, which is the constant 1 as bits and the constant 0 as signs: "
    "pass form='bits' or form='signs'"
)


def truth_table(f: ArrayLike, form: str, nvars: int | None) -> NDArray[np.bool_]:
    """The values of `f`, whatever its form."""
    if form == "packed":
        data, n = packed_bytes(f, nvars)
        return np.unpackbits(data, axis=-1, count=1 << n).view(np.bool_)
    _check_form(form)
    f = _host_array(f, "f")
    if f.dtype.kind not in "buif":
        raise TypeError(f"f has dtype {f.dtype}; accepted are bool, integers and real numbers")
    _check_shape(f.shape, nvars)
    if f.dtype == np.bool_:
        if form == "signs":
            raise TypeError(_BOOL_SIGNS)
        return f
    one = f == 1
    if form != "signs" and (one | (f == 0)).all():
        if form == "auto" and f.dtype.kind != "u" and f.size and one.all():
            raise ValueError(_AMBIGUOUS)
        return one
    if form != "bits" and (one | (f == -1)).all():
        return ~one
    values = [str(v) for v in np.unique(f)]
    came = ", ".join(values[:4] + ["..."] * (len(values) > 4))
    raise ValueError(f"f has the values {came}; {_accepted(form, f.dtype.name)}")


def on_device(f: Any, form: str, nvars: int | None, off: int, on: int) -> Any:
    """A device array of int32 that is `on` where f is 1 and `off` where it is 0."""
    from ._cuda import boolean as device

    if form == "packed":
        raise NotImplementedError(
            "form='packed' is on the host only; accepted on a device are 'auto', 'bits', 'signs'"
        )
    _check_form(form)
    given = device.check(f)
    _check_shape(given.shape, nvars)
    if given.dtype == "bool":
        if form == "signs":
            raise TypeError(_BOOL_SIGNS)
        return device.encode(given, off, on, signs=False)
    zero, one, minus, other = device.values(given)
    bits, signs = not (minus or other), not (zero or other)
    if form != "signs" and bits:
        if form == "auto" and not given.dtype.startswith("u") and one and not zero:
            raise ValueError(_AMBIGUOUS)
    elif form == "bits" or not signs:
        raise ValueError(f"f has other values: {_accepted(form, given.dtype)}")
    return device.encode(given, off, on, signs=form == "signs" or not bits)


def _check_form(form: str) -> None:
    if form not in ("auto", "bits", "signs"):
        raise ValueError(f"form {form!r} is not one of 'auto', 'bits', 'signs', 'packed'")


def _check_shape(shape: tuple[int, ...], nvars: int | None) -> None:
    if not shape:
        raise ValueError("f must have at least one axis; got a scalar")
    n = _variables(shape[-1], "the length of f's last axis")
    if nvars is not None and operator.index(nvars) != n:
        raise ValueError(f"nvars is {nvars}, but f has 2**{n} values")


def _accepted(form: str, dtype: str) -> str:
    accepted = {"bits": "0 and 1", "signs": "1 and -1"}.get(form, "0 and 1, or 1 and -1")
    hint = "; packed bytes need form='packed'" if form == "auto" and dtype == "uint8" else ""
    return f"accepted are {accepted}{hint}"


def packed_bytes(f: ArrayLike, nvars: int | None) -> tuple[NDArray[np.uint8], int]:
    """Packed bytes and their number of variables."""
    f = _host_array(f, "f")
    if f.dtype != np.uint8:
        raise TypeError(f"packed functions must be of dtype uint8; got {f.dtype}")
    if f.ndim == 0:
        raise ValueError("f must have at least one axis; got a scalar")
    most = 3 + _variables(f.shape[-1], "the number of packed bytes")
    n = most if nvars is None else operator.index(nvars)
    if n != most and not (most == 3 and 0 <= n < 3):
        fits = "at most 3" if most == 3 else str(most)
        raise ValueError(f"{f.shape[-1]} packed bytes hold {fits} variables; got nvars={n}")
    if n < 3 and (f & np.uint8(0xFF >> (1 << n))).any():
        raise ValueError(f"bits of f beyond the first 2**nvars = {1 << n} must be 0")
    return f, n


def sbox_values(sbox: ArrayLike, m: int | None) -> tuple[NDArray[np.int64], int]:
    """The values and the number of output bits of an S-box."""
    values = _host_array(sbox, "sbox")
    if values.dtype.kind not in "bui":
        raise TypeError(f"sbox has dtype {values.dtype}; accepted are integers")
    if values.ndim != 1:
        raise ValueError(f"sbox must have one axis; got {values.ndim}")
    if _variables(values.size, "the length of sbox") < 1:
        raise ValueError("sbox must have at least one input bit; got one value")
    least, largest = int(values.min()), int(values.max())
    m = max(1, largest.bit_length()) if m is None else operator.index(m)
    if not 1 <= m <= 62:
        raise ValueError(f"S-boxes of 1 to 62 output bits are supported; got {m}")
    if least < 0 or largest >= 1 << m:
        wrong = least if least < 0 else largest
        raise ValueError(f"values of sbox must be in [0, 2**{m}); got {wrong}")
    return values.astype(np.int64), m


def _host_array(x: ArrayLike, name: str) -> NDArray:
    if is_device_array(x):
        raise TypeError(f"{name} is on a device; accepted here are arrays on the host")
    return np.asarray(x)


def _variables(size: int, what: str) -> int:
    if size < 1 or size & (size - 1):
        raise ValueError(f"{what} must be a power of two; got {size}")
    return size.bit_length() - 1
