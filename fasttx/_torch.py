"""The operators behind `fasttx.torch`: what autograd, compilers and function transforms ask for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .transforms import fft
from .transforms import fwht as walsh
from .transforms.causal import fftconvolve_causal
from .transforms.convolve import xor_convolve

# Each transform is its adjoint's adjoint, up to the factor.
_FUNCTIONS: dict[str, Callable] = {
    "fwhtn": walsh.fwhtn,
    "ifwhtn": walsh.ifwhtn,
    "fft_unordered": fft.fft_unordered,
    "ifft_unordered": fft.ifft_unordered,
    "fftbr": fft.fftbr,
    "ifftbr": fft.ifftbr,
}
_ADJOINT = {name: name[1:] if name[0] == "i" else "i" + name for name in _FUNCTIONS}
_ADJOINT_NORM = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


_operators = torch.library.Library("fasttx", "DEF")
_operators.define(
    "transform(Tensor x, str function, SymInt[] lengths, int[] axes, str norm, str order) -> Tensor"
)
_operators.define("causal(Tensor x, Tensor h) -> Tensor")
_operators.define("xor_convolve(Tensor a, Tensor b, int axis) -> Tensor")


def transformed(x, *plan):
    """A transform: name of the function, lengths, axes, norm and order; axes are not negative."""
    # Compilers want an operator, function transforms what has the derivatives.
    call = torch.ops.fasttx.transform if torch.compiler.is_compiling() else _Transform.apply
    return call(x, *plan)


def causal(x, h):
    """Rows of shape (batch, channels, length) with filters of shape (channels, taps)."""
    call = torch.ops.fasttx.causal if torch.compiler.is_compiling() else _Causal.apply
    return call(x, h)


def xor_convolve_exactly(a, b, axis):
    """Of integers, with as many axes."""
    return torch.ops.fasttx.xor_convolve(a, b, axis)


def _transform(x, function, lengths, axes, norm, order):
    arguments: dict[str, Any] = {"norm": norm}
    if function in ("fwhtn", "ifwhtn"):
        arguments |= {"s": lengths, "axes": axes, "order": order}
    else:
        arguments["axis"] = axes[0]
    own = _contiguous(x)
    if own.data_ptr() != x.data_ptr():  # a copy was made
        return _run(_FUNCTIONS[function], own, overwrite_x=True, **arguments)
    y = _run(_FUNCTIONS[function], own, **arguments)
    return y.clone() if y is own else y


def _transform_fake(x, function, lengths, axes, norm, order):
    shape = list(x.shape)
    for n, axis in zip(lengths, axes, strict=True):
        shape[axis] = n
    if function not in ("fwhtn", "ifwhtn"):
        single = x.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.complex64)
        dtype = torch.complex64 if single else torch.complex128
    elif x.is_floating_point() or x.is_complex():
        dtype = x.dtype
    else:
        dtype = torch.int64 if function == "fwhtn" and norm == "backward" else torch.float64
    return x.new_empty(shape, dtype=dtype)


class _Transform(torch.autograd.Function):
    """Derivatives of a transform: it is linear, and another one is its adjoint."""

    @staticmethod
    def forward(x, *plan):
        with torch._C._AutoDispatchBelowAutograd():
            return torch.ops.fasttx.transform(x, *plan)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, *ctx.plan = inputs
        axes = ctx.plan[2]
        ctx.lengths, ctx.dtype = [x.shape[axis] for axis in axes], x.dtype

    @staticmethod
    def backward(ctx, g):
        function, lengths, axes, norm, order = ctx.plan
        g = transformed(g, _ADJOINT[function], lengths, axes, _ADJOINT_NORM[norm], order)
        for n, axis in zip(ctx.lengths, axes, strict=True):
            g = _resized(g, n, axis)
        if g.is_complex() and not ctx.dtype.is_complex:
            g = g.real
        return g.to(ctx.dtype), None, None, None, None, None

    @staticmethod
    def jvp(ctx, tangent, *_):
        return transformed(tangent, *ctx.plan)

    @staticmethod
    def vmap(info, in_dims, x, function, lengths, axes, norm, order):
        axes = [axis + 1 for axis in axes]
        return transformed(x.movedim(in_dims[0], 0), function, lengths, axes, norm, order), 0


def _causal(x, h):
    return _run(fftconvolve_causal, _contiguous(x), _contiguous(h)).contiguous()


def _causal_fake(x, h):
    return x.new_empty(x.shape)


class _Causal(torch.autograd.Function):
    """Derivatives of a convolution: it is linear in both, and convolutions are its adjoints."""

    @staticmethod
    def forward(x, h):
        with torch._C._AutoDispatchBelowAutograd():
            return torch.ops.fasttx.causal(x, h)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, g):
        x, h = ctx.saved_tensors
        length, back, of_x, of_h = x.shape[-1], g.flip(-1), None, None
        if ctx.needs_input_grad[0]:
            of_x = causal(back, h.conj()).flip(-1)
        if ctx.needs_input_grad[1]:
            rows = x.shape[0] * x.shape[1]
            lags = causal(back.reshape(1, rows, length), x.conj().reshape(rows, length)).flip(-1)
            of_h = _resized(lags.reshape(x.shape).sum(0), h.shape[-1], 1)
        return of_x, of_h

    @staticmethod
    def jvp(ctx, of_x, of_h):
        x, h = ctx.saved_tensors
        parts = [] if of_x is None else [causal(of_x, h)]
        if of_h is not None:
            parts.append(causal(x, of_h))
        return sum(parts[1:], parts[0])

    @staticmethod
    def vmap(info, in_dims, x, h):
        of_x, of_h = in_dims
        if of_h is None:
            x = x.movedim(of_x, 0)
            return causal(x.flatten(0, 1), h).reshape(x.shape), 0
        x = x.expand(info.batch_size, *x.shape) if of_x is None else x.movedim(of_x, 0)
        x = x.movedim(0, 1)
        return causal(x.flatten(1, 2), h.movedim(of_h, 0).flatten(0, 1)).reshape(x.shape), 1


def _xor_convolve(a, b, axis):
    return _run(xor_convolve, _contiguous(a), _contiguous(b), axis=axis)


def _xor_convolve_fake(a, b, axis):
    return a.new_empty(torch.broadcast_shapes(a.shape, b.shape), dtype=torch.int64)


def _xor_convolve_vmap(info, in_dims, a, b, axis):
    a, b = (
        x[None] if dim is None else x.movedim(dim, 0)
        for x, dim in zip((a, b), in_dims[:2], strict=True)
    )
    return xor_convolve_exactly(a, b, axis + 1), 0


for _name, _kernel, _fake, _vmap in (
    ("transform", _transform, _transform_fake, _Transform.vmap),
    ("causal", _causal, _causal_fake, _Causal.vmap),
    ("xor_convolve", _xor_convolve, _xor_convolve_fake, _xor_convolve_vmap),
):
    _operators.impl(_name, _kernel, "CompositeExplicitAutograd")
    torch.library.register_fake(f"fasttx::{_name}", _fake, lib=_operators)
    torch.library.register_vmap(f"fasttx::{_name}", _vmap, lib=_operators)
# Not by register_autograd, which has no forward mode: tangents would be lost without a word.
_operators.impl("transform", _Transform.apply, "Autograd")
_operators.impl("causal", _Causal.apply, "Autograd")


def _resized(x, n, axis):
    """`x` with `axis` cropped or padded with zeros to length n."""
    length = x.shape[axis]
    if length > n:
        return x.narrow(axis, 0, n)
    if length < n:
        shape = (*x.shape[:axis], n - length, *x.shape[axis + 1 :])
        return torch.cat([x, x.new_zeros(shape)], axis)
    return x


# Memory


def _contiguous(x):
    return x.detach().resolve_conj().resolve_neg().contiguous()


def _run(function, *tensors, **arguments):
    """Call a function of fasttx; on a CPU with NumPy arrays that share memory with the tensors."""
    kinds = {x.device.type for x in tensors}
    if kinds == {"cuda"}:
        return function(*tensors, **arguments)
    if kinds != {"cpu"}:
        where = " and ".join(str(x.device) for x in tensors)
        raise TypeError(f"got tensors on {where}; accepted are a CPU and a CUDA device")
    result = np.ascontiguousarray(function(*map(_to_numpy, tensors), **arguments))
    if result.dtype.name == "bfloat16":
        return torch.from_numpy(result.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(result)


def _to_numpy(x):
    if x.dtype != torch.bfloat16:
        return x.numpy()
    try:
        from ml_dtypes import bfloat16
    except ImportError as error:
        raise ImportError(
            "bfloat16 tensors on a CPU need ml_dtypes: pip install ml_dtypes"
        ) from error
    return x.view(torch.int16).numpy().view(bfloat16)
