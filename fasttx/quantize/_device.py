"""Codecs of vectors on a device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .._array import is_device_array
from .._cpu import vector_codes as loops
from .._cuda import same_device, wrap
from .rotations.hadamard import RandomizedHadamard

if TYPE_CHECKING:
    from ._vectors import VectorCodec, VectorCodes

_RULES = {loops.PLAIN: "plain", loops.UNBIASED: "unbiased", loops.LEAST_SQUARES: "least squares"}


def encode(codec: VectorCodec, X: Any) -> VectorCodes:
    """Codes of rows of a device array, on its device."""
    from .._cuda import vector_codes as device
    from ._vectors import VectorCodes

    fmt, x, d = _form(codec), wrap(X), codec.d
    if x.dtype not in device.DTYPES:
        raise TypeError(
            f"X has dtype {x.dtype}; accepted on a device are {', '.join(device.DTYPES)}"
        )
    if len(x.shape) != 2 or x.shape[1] != d:
        raise ValueError(f"X must have shape (n, {d}); got {x.shape}")
    n = x.shape[0]
    with x.context():
        x = x if x.contiguous else x.compact()
        arrays = {
            "planes": x.empty((n, fmt.bits, d // 8), "uint8"),
            "norms": x.empty((n,), fmt.norms),
        }
        if fmt.rule != "plain":
            arrays["gains"] = x.empty((n,), "float16")
        if n:
            signs = _signs(codec, x.device)
            device.encode(x, fmt, arrays, signs, codec._thresholds, codec.levels)
    return VectorCodes(codec, (n, d), **{name: a.array for name, a in arrays.items()})


def decode(codec: VectorCodec, codes: VectorCodes) -> Any:
    """The rows that codes on a device stand for, on that device."""
    from .._cuda import vector_codes as device

    fmt, given, d = _form(codec), codes._arrays(), codec.d
    for name, array in given.items():
        if not is_device_array(array):
            raise TypeError(f"the codes' planes are on a device, and their {name} are not")
    arrays = {name: wrap(array) for name, array in given.items()}
    same_device(*arrays.values())
    planes, n = arrays["planes"], math.prod(codes.shape) // d
    expected = {"planes": ((n, fmt.bits, d // 8), "uint8"), "norms": ((n,), fmt.norms)}
    if fmt.rule != "plain":
        expected["gains"] = ((n,), "float16")
    found = {name: (x.shape, x.dtype) for name, x in arrays.items()}
    if found != expected:
        raise ValueError(f"the codes have arrays {found}; those of this codec are {expected}")
    with planes.context():
        arrays = {name: x if x.contiguous else x.compact() for name, x in arrays.items()}
        out = planes.empty(codes.shape, "float32")
        if n:
            device.decode(arrays, fmt, out, _signs(codec, planes.device), codec.levels)
    return out.array


def _form(codec: VectorCodec) -> Any:
    """The codec as kernels know it."""
    from .._cuda import vector_codes as device

    name, rotation, levels = type(codec).__name__, codec.rotation, codec.d.bit_length() - 1
    if codec._peak or codec._factors.size > 1 or codec.center is not None:
        raise NotImplementedError(
            f"{name}{' with a center' if codec.center is not None else ''} is on the host only; "
            "accepted on a device are TurboQuant and EDEN without a center"
        )
    if codec.d != 1 << levels or levels not in device.LEVELS:
        raise NotImplementedError(
            f"rows of {codec.d} numbers are encoded on the host only; accepted on a device are "
            f"powers of two from {1 << device.LEVELS[0]} to {1 << device.LEVELS[-1]}"
        )
    rounds = 0
    if rotation is not None:
        if not isinstance(rotation, RandomizedHadamard) or rotation.block != codec.d:
            raise NotImplementedError(
                f"codes after {rotation!r} are made on the host only; accepted on a device is "
                "RandomizedHadamard of whole rows"
            )
        rounds = rotation.rounds
    return device.Form(levels, rounds, codec._planes, _RULES[codec._rule], codec.norm_dtype)


def _signs(codec: VectorCodec, index: int) -> Any:
    if codec.rotation is None:
        return None
    return codec.rotation.device_signs("float32", index, codec.d**-0.5)
