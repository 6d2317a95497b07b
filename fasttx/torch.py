"""The transforms for tensors of torch, with gradients.

The functions are those of `fasttx` under the same names, for tensors on a CPU (whose memory NumPy
shares) or a CUDA device. Reverse and forward mode propagate derivatives of any order; the functions
of ``torch.func`` (``vmap``, ``grad``, ``jvp``) accept them, and so does ``torch.compile``, but for
these functions inside of compiled code, of which only ``vmap`` works. Tensors may be strided, or
conjugate and negative views. There is no ``overwrite_x``: autograd may need what would be lost; and
no ``workers``: `fasttx.threads` limits them.

Needs torch, ``pip install 'fasttx[torch]'``, and for bfloat16 on a CPU ml_dtypes.
"""

import math
from collections.abc import Sequence
from typing import Any

try:
    import torch
except ImportError as error:
    raise ImportError("fasttx.torch needs torch: pip install 'fasttx[torch]'") from error

from . import _array
from ._torch import causal, transformed, xor_convolve_exactly
from .transforms.convolve import check_lengths
from .transforms.orders import check_order

__all__ = [
    "fft_unordered",
    "fftbr",
    "fftconvolve_causal",
    "fwht",
    "fwhtn",
    "ifft_unordered",
    "ifftbr",
    "ifwht",
    "ifwhtn",
    "xor_convolve",
]

_HALVES = (torch.float16, torch.bfloat16)


def fwht(
    x: Any,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    order: str = "hadamard",
) -> Any:
    """Walsh-Hadamard transform along one axis; see `fasttx.fwht`.

    Parameters
    ----------
    x : torch.Tensor
        Dtypes are those of `fasttx.fwht`. Integers have no gradient.
    n, axis, norm, order
        As for `fasttx.fwht`.

    Returns
    -------
    out : torch.Tensor
        Contiguous, on the device of `x`.

    Raises
    ------
    TypeError
        If `x` is not a dense tensor on a CPU or a CUDA device, or its dtype is not accepted.
    ValueError
        As `fasttx.fwht`.

    Notes
    -----
    The adjoint of the transform is the transposed one with the same factor (in every order the
    matrix is symmetric, for n = 2**p), then padded or cropped to the length of `x`: a backward pass
    costs what the forward pass does, and nothing is saved for it.

    Examples
    --------
    >>> import torch, fasttx.torch
    >>> x = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    >>> y = fasttx.torch.fwht(x)
    >>> y.detach()
    tensor([10., -2., -4.,  0.])
    >>> y[1].backward()
    >>> x.grad
    tensor([ 1., -1.,  1., -1.])
    """
    return _along("fwhtn", x, n, axis, norm, order)


def ifwht(
    x: Any,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    order: str = "hadamard",
) -> Any:
    """Inverse Walsh-Hadamard transform along one axis; see `fwht` and `fasttx.ifwht`."""
    return _along("ifwhtn", x, n, axis, norm, order)


def fwhtn(
    x: Any,
    s: int | Sequence[int] | None = None,
    axes: int | Sequence[int] | None = None,
    norm: str | None = None,
    *,
    order: str = "hadamard",
) -> Any:
    """Walsh-Hadamard transform along several axes; see `fwht` and `fasttx.fwhtn`."""
    return _along("fwhtn", x, s, axes, norm, order, several=True)


def ifwhtn(
    x: Any,
    s: int | Sequence[int] | None = None,
    axes: int | Sequence[int] | None = None,
    norm: str | None = None,
    *,
    order: str = "hadamard",
) -> Any:
    """Inverse Walsh-Hadamard transform along several axes; see `fwht` and `fasttx.ifwhtn`."""
    return _along("ifwhtn", x, s, axes, norm, order, several=True)


def fft_unordered(x: Any, axis: int = -1, norm: str | None = None) -> Any:
    """Fourier transform, its result in bit-reversed order; see `fasttx.fft_unordered`.

    Parameters
    ----------
    x : torch.Tensor
        Real or complex samples; dtypes are those of `fasttx.fft_unordered`.
    axis, norm
        As for `fasttx.fft_unordered`.

    Returns
    -------
    out : torch.Tensor
        Complex and contiguous, on the device of `x`.

    Raises
    ------
    TypeError, ValueError
        As `fwht`.

    Notes
    -----
    The adjoint is `ifft_unordered` with the factor of this transform, by torch's convention for
    gradients of complex numbers; its real part where `x` is real.
    """
    return _along("fft_unordered", x, None, axis, norm)


def ifft_unordered(x: Any, axis: int = -1, norm: str | None = None) -> Any:
    """Inverse of `fft_unordered`; see there and `fasttx.ifft_unordered`."""
    return _along("ifft_unordered", x, None, axis, norm)


def fftbr(x: Any, axis: int = -1, norm: str | None = None) -> Any:
    """Fourier transform of samples in bit-reversed order; see `fft_unordered`, `fasttx.fftbr`."""
    return _along("fftbr", x, None, axis, norm)


def ifftbr(x: Any, axis: int = -1, norm: str | None = None) -> Any:
    """Inverse of `fftbr`; see `fft_unordered` and `fasttx.ifftbr`."""
    return _along("ifftbr", x, None, axis, norm)


def xor_convolve(a: Any, b: Any, axis: int = -1) -> Any:
    """Dyadic convolution ``c[k] = sum_j a[j] b[j ^ k]`` along one axis; see `fasttx.xor_convolve`.

    Parameters
    ----------
    a, b : torch.Tensor
        Of the same length 2**p along `axis`; the other axes broadcast.
    axis : int, optional
        Axis of the result; default is the last.

    Returns
    -------
    c : torch.Tensor
        Of the common dtype by torch's rules; exact int64 for bool and integers, without gradient.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `fasttx.xor_convolve`.

    Notes
    -----
    Three transforms; a backward pass takes three more and uses the two spectra, which are saved.
    """
    a, b = _tensor(a, "a"), _tensor(b, "b")
    ndim = max(a.ndim, b.ndim)
    axis = _array.check_axis(axis, ndim)
    a, b = (x.reshape((1,) * (ndim - x.ndim) + tuple(x.shape)) for x in (a, b))
    check_lengths(a.shape[axis], b.shape[axis])
    if not any(x.is_floating_point() or x.is_complex() for x in (a, b)):
        return xor_convolve_exactly(a, b, axis)
    dtype = torch.promote_types(a.dtype, b.dtype)
    work = torch.float32 if dtype in _HALVES else dtype
    return ifwht(fwht(a.to(work), None, axis) * fwht(b.to(work), None, axis), None, axis).to(dtype)


def fftconvolve_causal(x: Any, h: Any, state: Any = None, *, return_state: bool = False) -> Any:
    """Causal convolution along the last axis; see `fasttx.fftconvolve_causal`.

    Parameters
    ----------
    x : torch.Tensor of shape (..., length) or (..., channels, length)
    h : torch.Tensor of shape (taps,) or (channels, taps)
    state : torch.Tensor of shape (..., taps - 1), optional
        The samples before `x`; zeros by default.
    return_state : bool, optional
        Also return the last ``taps - 1`` samples, as `state` of the call for what follows.

    Returns
    -------
    y : torch.Tensor
        Of x's shape and of the common dtype of `x` and `h`: float32 for halves, float64 for
        integers.
    state : torch.Tensor
        With `return_state`.

    Raises
    ------
    TypeError, ValueError
        As `fasttx.fftconvolve_causal`.

    Notes
    -----
    All of `x`, `h` and `state` may require gradients. That of `x` is a convolution of the reversed
    gradient with `h`, that of `h` one with `x`, whose numbers must then be finite.
    """
    x, h = _tensor(x, "x"), _tensor(h, "h")
    if h.ndim not in (1, 2) or h.numel() == 0:
        raise ValueError(f"h must have shape (taps,) or (channels, taps); got {tuple(h.shape)}")
    taps, channels = h.shape[-1], h.shape[0] if h.ndim == 2 else 1
    if x.ndim < h.ndim or (h.ndim == 2 and x.shape[-2] != channels):
        before = f"{channels}, " if h.ndim == 2 else ""
        raise ValueError(f"x must have shape (..., {before}length); got {tuple(x.shape)}")
    dtype = torch.promote_types(_sample_dtype(x.dtype), _sample_dtype(h.dtype))
    x, rows = x.to(dtype), tuple(x.shape[:-1])
    history, length = (*rows, taps - 1), x.shape[-1]
    if state is not None:
        if tuple(_tensor(state, "state").shape) != history:
            raise ValueError(f"state must have shape {history}; got {tuple(state.shape)}")
        x = torch.cat([state.to(dtype), x], -1)
    batch = math.prod(rows) // channels
    y = causal(x.reshape(batch, channels, x.shape[-1]), h.to(dtype).reshape(channels, taps))
    y = y[..., y.shape[-1] - length :].reshape(*rows, length)
    if not return_state:
        return y
    if state is None:
        x = torch.cat([x.new_zeros(history), x], -1)
    return y, x[..., x.shape[-1] - taps + 1 :].clone()


def _along(function, x, lengths, axes, norm, order="hadamard", several=False):
    """Validate what does not depend on the numbers, then transform."""
    x = _tensor(x, "x")
    check_order(order)
    _array.norm_factor(norm, 1, False)
    if several:
        lengths, axes = _array.check_shape_axes(x.shape, lengths, axes)
    else:
        axes = [_array.check_axis(axes, x.ndim)]
        lengths = [_array.check_length(lengths, x.shape[axes[0]])]
    return transformed(x, function, lengths, axes, norm or "backward", order)


def _tensor(x, name):
    if not isinstance(x, torch.Tensor):
        kind = f"{type(x).__module__}.{type(x).__qualname__}"
        raise TypeError(f"{name} must be a torch.Tensor; got {kind}")
    if x.layout is not torch.strided:
        raise TypeError(f"{name} has layout {x.layout}; accepted are dense tensors")
    return x


def _sample_dtype(dtype):
    if dtype in _HALVES:
        return torch.float32
    return dtype if dtype.is_floating_point or dtype.is_complex else torch.float64
