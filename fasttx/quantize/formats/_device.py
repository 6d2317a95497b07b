"""Block formats of device arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._array import check_axis, is_device_array

if TYPE_CHECKING:
    from ._base import BlockCodes, BlockFormat


def encode(fmt: BlockFormat, X: Any, axis: int) -> BlockCodes:
    """Codes of a device array, on its device."""
    from ..._cuda import block_formats as device
    from ..._cuda import wrap
    from ._base import BlockCodes

    rule, tensor = _form(fmt), fmt._tensor_rule()
    x = wrap(X)
    if x.dtype not in device.DTYPES:
        raise TypeError(
            f"X has dtype {x.dtype}; accepted on a device are {', '.join(device.DTYPES)}"
        )
    if not x.shape:
        raise ValueError("X must have at least one axis")
    if check_axis(axis, len(x.shape)) != len(x.shape) - 1:
        raise NotImplementedError(
            f"blocks of device arrays lie along the last axis; got axis={axis} of {len(x.shape)}"
        )
    layout = fmt._layout(x.shape, -1)
    if tensor is not None:
        layout["tensor_scale"] = ((), np.float32)
    with x.context():
        x = x if x.contiguous else x.compact()
        arrays = {
            name: x.empty(shape, np.dtype(kind).name) for name, (shape, kind) in layout.items()
        }
    if x.size:
        _rows(fmt, rule, x.shape).encode(x, arrays, tensor)
    found = {name: array.array for name, array in arrays.items()}
    return BlockCodes(codec=fmt, shape=x.shape, axis=-1, **found)


def decode(fmt: BlockFormat, codes: BlockCodes) -> Any:
    """The array that codes on a device stand for, on that device."""
    from ..._cuda import same_device, wrap

    rule, given = _form(fmt), codes._arrays()
    for name, array in given.items():
        if not is_device_array(array):
            raise TypeError(f"the codes' elements are on a device, and their {name} are not")
    arrays = {name: wrap(array) for name, array in given.items()}
    same_device(*arrays.values())
    if codes.axis != -1:
        raise NotImplementedError("blocks of codes on a device lie along the last axis")
    for name, (shape, dtype) in fmt._layout(codes.shape, -1).items():
        x = arrays.get(name)
        if x is None or x.size != math.prod(shape) or x.dtype != np.dtype(dtype).name:
            raise ValueError(f"the codes' {name} are not those of {codes.shape} in this format")
    first = arrays["elements"]
    with first.context():
        arrays = {name: x if x.contiguous else x.compact() for name, x in arrays.items()}
        out = first.empty(codes.shape, "float32")
    if out.size:
        rule = rule._replace(tensor="tensor_scale" in arrays)
        _rows(fmt, rule, codes.shape).decode(arrays, out)
    return out.array


def _form(fmt: BlockFormat) -> Any:
    """The format as kernels know it."""
    from ..._cuda.block_kernels import Form

    scale, width = fmt._scale_rule(), fmt.tile[1]
    if fmt.tile[0] > 1 or width & (width - 1) or width > LARGEST_BLOCK:
        raise NotImplementedError(
            f"blocks of {fmt.tile} are encoded on the host only; accepted on a device are blocks "
            f"of one row and a power of two of columns, at most {LARGEST_BLOCK}"
        )
    rotation = (fmt.hadamard or 1).bit_length() - 1
    return Form(
        fmt.element.traced(),
        scale,
        width.bit_length() - 1,
        rotation,
        fmt.signs,
        fmt._tensor_rule() is not None,
        fmt.rounding == "stochastic",
    )


LARGEST_BLOCK = 512


def _rows(fmt: BlockFormat, rule: Any, shape: tuple[int, ...]) -> Any:
    from ..._cuda.block_formats import Rows
    from ..._cuda.block_kernels import LEAST_SIGNS, TABLE

    factor, h, _ = fmt.rotation
    values = np.ones(1, np.float32)
    if rule.scale.stored == "uint8":
        values = fmt._factors(np.arange(TABLE, dtype=np.uint8))
    signs = factor[: max(h, LEAST_SIGNS) if rule.signed else 1]
    return Rows(rule, shape, fmt._stored(shape[-1]), signs, values, int(fmt.seed))
