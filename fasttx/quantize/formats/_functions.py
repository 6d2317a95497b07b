"""Arrays to codes of a format and back, and products of codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._array import is_device_array
from ._base import BlockCodes, BlockFormat

Array = NDArray[Any]


def quantize(
    X: ArrayLike,
    fmt: BlockFormat | type[BlockFormat] | str,
    axis: int = -1,
    *,
    workers: int | None = None,
) -> BlockCodes:
    """Encode an array in a block format.

    Parameters
    ----------
    X : array_like
        At least one axis, of any length: blocks at the end may be shorter. bool, integers, float16,
        bfloat16, float32 or float64; computed in float32. Tensors on the host are read by NumPy;
        an array on a device, of floats, gives codes there.
    fmt : BlockFormat, type or str
        A format such as ``NVFP4(hadamard=16)``; a class or its name means its defaults.
    axis : int, optional
        The axis that blocks lie along. Another than the last one costs a copy, and is refused for
        an array on a device.
    workers : int, optional
        Number of threads, as for `fasttx.fwht`; codes do not depend on it.

    Returns
    -------
    BlockCodes

    Raises
    ------
    ValueError
        If `X` contains NaN, infinity or values beyond float32, unless the format says otherwise.

    Notes
    -----
    Two passes over `X`, in parts that stay in the second cache where the format has no scale of the
    tensor.

    On a device it is one kernel, rotation included, that reads `X` once, after a first pass where a
    scale of the tensor is to be found. The formats are NVFP4 and FP4_UE5M3 (blocks of one row, not
    `four_over_six`), MXFP4, MXFP6, MXFP8, INT2 to INT8 (not "mse"), NF4 and AF4, with groups of a
    power of two up to 512. Codes are those of the host, bit for bit, stochastic ones too, where
    there is no rotation; rotated numbers are rounded otherwise in their last bits. Nothing waits
    for the result, so that nothing is raised for what is in `X`: blocks that the host refuses, or
    whose scale it refuses, have a scale that is NaN and are decoded as NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import dequantize, quantize
    >>> codes = quantize(np.array([[0.3, -1.0, 5.0]]), "MXFP4")
    >>> codes.elements, codes.scales
    (array([[161,   6]], dtype=uint8), array([[127]], dtype=uint8))
    >>> dequantize(codes)
    array([[ 0.5, -1. ,  4. ]], dtype=float32)
    """
    return as_format(fmt).encode(X, axis, workers=workers)


def dequantize(codes: BlockCodes, *, workers: int | None = None) -> Array:
    """The array that codes of a block format stand for.

    Parameters
    ----------
    codes : BlockCodes
    workers : int, optional
        As for `quantize`.

    Returns
    -------
    ndarray or device array, of float32
        Of the shape that was encoded; for another axis than the last one, a transposed view. Codes
        on a device give an array there.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import NVFP4, dequantize, quantize
    >>> dequantize(quantize(np.arange(4), NVFP4(tensor_scale=1 / 8)))
    array([0., 1., 2., 3.], dtype=float32)
    """
    return codes.codec.decode(codes, workers=workers)


def fake_quantize(
    X: ArrayLike,
    fmt: BlockFormat | type[BlockFormat] | str,
    axis: int = -1,
    *,
    workers: int | None = None,
) -> Array:
    """``dequantize(quantize(X, fmt, axis))``: what is left of `X`.

    Parameters
    ----------
    X, fmt, axis, workers
        As for `quantize`.

    Returns
    -------
    ndarray or device array, of float32, of the shape of `X`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import fake_quantize
    >>> fake_quantize(np.linspace(0, 6, 7), "MXFP4")
    array([0., 1., 2., 3., 4., 4., 6.], dtype=float32)
    """
    return dequantize(quantize(X, fmt, axis, workers=workers), workers=workers)


def gemm(A: BlockCodes, B: BlockCodes) -> Array:
    """Product ``A @ B.T`` from codes, in the order in which block-scaled hardware computes it.

    Parameters
    ----------
    A, B : BlockCodes
        Codes of matrices, (m, k) and (n, k), of formats with blocks of equal length along the last
        axis and the same rotation, which cancels in the product.

    Returns
    -------
    ndarray of float32, shape (m, n)

    Raises
    ------
    ValueError
        If shapes, lengths of blocks or rotations differ.

    Notes
    -----
    Host only; a reference, not a fast product. For each block along k, in increasing order, the sum
    of the products of elements is computed in float64 (exactly, but for E5M2, whose products span
    more bits) and rounded to float32; it is multiplied by the float32 product of the two scales and
    added in float32. At the end the sum is multiplied by the product of the scales of the tensors,
    if there are any. Hardware may round inside a block as well.

    Rotated groups are multiplied whole: where the rows end inside a group, the product has the
    errors of the numbers beyond, too, which decoding cuts off.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import NVFP4, gemm, quantize
    >>> rng = np.random.default_rng(0)
    >>> A, B = rng.standard_normal((3, 64)), rng.standard_normal((2, 64))
    >>> a, b = quantize(A, NVFP4(hadamard=16)), quantize(B, NVFP4(hadamard=16, block="2d"))
    >>> bool(np.allclose(gemm(a, b), a.decode() @ b.decode().T, atol=1e-5))
    True
    """
    (x, s, t), (y, u, v) = _operand(A, "A"), _operand(B, "B")
    if A.shape[1] != B.shape[1]:
        raise ValueError(f"A and B must have rows of equal length; got {A.shape} and {B.shape}")
    one, other = A.codec, B.codec
    width = one.tile[1]
    if width != other.tile[1]:
        raise ValueError(f"blocks must be of equal length; got {width} and {other.tile[1]}")
    if one.hadamard != other.hadamard or not np.array_equal(one.rotation[0], other.rotation[0]):
        raise ValueError("A and B must be rotated by the same signs and transform")
    total = np.zeros((len(x), len(y)), np.float32)
    for j in range(s.shape[1]):
        block = slice(j * width, (j + 1) * width)
        products = (x[:, block] @ y[:, block].T).astype(np.float32)
        total += products * (s[:, j, None] * u[:, j])
    return total * np.float32(t * v)


def _operand(codes: BlockCodes, name: str) -> tuple[Array, Array, np.float32]:
    """Elements, (rows, stored) of float64; their scales, (rows, blocks); the tensor's scale."""
    if is_device_array(codes.elements):
        raise TypeError(f"{name} is on a device; accepted are codes on the host, as of to_host()")
    fmt = codes.codec
    if len(codes.shape) != 2 or codes.axis != -1:
        raise ValueError(f"{name} must be codes of a matrix with blocks along the last axis")
    height, width = fmt.tile
    rows, stored = codes.shape[0], fmt._stored(codes.shape[1])
    blocks = -(-stored // width)
    values = fmt.element.decoded(codes.elements, stored).astype(np.float64)
    scales = np.repeat(fmt._block_factors(codes.scales, blocks), height, axis=0)[:rows]
    if codes.zeros is not None:
        values -= np.repeat(codes.zeros, width, axis=1)[:, :stored]
    one = np.float32(1)
    return values, scales, one if codes.tensor_scale is None else np.float32(codes.tensor_scale)


def as_format(fmt: BlockFormat | type[BlockFormat] | str) -> BlockFormat:
    """A format from itself, its class or its name."""
    from .. import formats

    kind = getattr(formats, fmt, None) if isinstance(fmt, str) else fmt
    if isinstance(kind, type) and issubclass(kind, BlockFormat):
        kind = kind()
    if not isinstance(kind, BlockFormat):
        kinds = {name: getattr(formats, name) for name in formats.__all__}
        names = ", ".join(
            name
            for name, kind in kinds.items()
            if isinstance(kind, type) and issubclass(kind, BlockFormat) and kind is not BlockFormat
        )
        raise ValueError(f"fmt must be a format or the name of one: {names}; got {fmt!r}")
    return kind
