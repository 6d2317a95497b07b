"""What came in: the only place that asks an array for its library, dtype, axes and length."""

import math
import operator
import sys

import numpy as np

# Names of dtypes with loops of their own; looking a dtype up is faster than asking for its name.
NAMES = {np.dtype(n): n for n in ("float32", "float64", "complex64", "complex128", "int64")}
_MOST = 2**63 - 1
_ALIGN_FROM = 1 << 16  # bytes from which aligning an output pays
_ACCEPTED = "bool, integers, float16, bfloat16, float32, float64, complex64 and complex128"


def is_device_array(x) -> bool:
    """Whether `x` lives on a GPU; touches no library that the caller has not imported.

    Raises
    ------
    TypeError
        If `x` stands for an array that JAX does not have yet.
    """
    if isinstance(x, np.ndarray):
        return False
    # Asked first: torch's interface raises for tensors that require a gradient.
    on_gpu = getattr(x, "is_cuda", None)
    if on_gpu is not None:
        return bool(on_gpu)
    jax = sys.modules.get("jax")
    if jax is not None and isinstance(x, jax.Array):
        if isinstance(x, jax.core.Tracer):
            raise TypeError(
                f"x is {type(x).__name__}, a value that JAX traces; accepted are arrays: call this "
                "outside of jax.jit, jax.grad and jax.vmap"
            )
        return any(device.platform != "cpu" for device in x.devices())
    # Numba marks its arrays, simulated ones too.
    return hasattr(type(x), "__cuda_ndarray__") or hasattr(x, "__cuda_array_interface__")


def check_host(x, what: str) -> None:
    """Refuse device arrays."""
    if is_device_array(x):
        raise NotImplementedError(f"{what} is on the host only: pass a NumPy array")


def is_half(dtype: np.dtype) -> bool:
    """Whether the dtype is float16 or ml_dtypes.bfloat16."""
    return dtype.char == "e" or (dtype.kind == "V" and dtype.name == "bfloat16")


def as_array(x) -> np.ndarray:
    """`x` as a NumPy array of native byte order and of a dtype that transforms accept."""
    x = np.asarray(x)
    if not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    if x.dtype in NAMES or x.dtype.kind in "bui" or is_half(x.dtype):
        return x
    raise TypeError(f"x has dtype {x.dtype}; accepted are {_ACCEPTED}")


def check_axis(axis, ndim: int) -> int:
    """`axis` as an index from 0 to ndim - 1."""
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def check_length(n, length: int) -> int:
    """Number of points to transform: `n`, or the length of the axis where n is None."""
    n = length if n is None else operator.index(n)
    if n < 1:
        raise ValueError(f"invalid number of data points ({n}) specified")
    return n


def check_count(value, name: str, least: int = 1) -> int:
    """`value` as an integer that is not less than `least`."""
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer; got {type(value).__name__}") from None
    if count < least:
        raise ValueError(f"{name} must be at least {least}; got {count}")
    return count


def check_shape_axes(shape, s, axes) -> tuple[list[int], list[int]]:
    """Lengths and axes of a transform over several axes, by the rules of ``scipy.fft.fftn``."""
    if axes is None:
        count = len(shape) if s is None else len(_integers(s, "s"))
        if count > len(shape):
            raise ValueError(f"s has {count} entries for an array of {len(shape)} dimensions")
        axes = range(len(shape) - count, len(shape))
    axes = [check_axis(a, len(shape)) for a in _integers(axes, "axes")]
    if len(set(axes)) != len(axes):
        raise ValueError(f"all axes must be unique; got {axes}")
    lengths = [None] * len(axes) if s is None else list(_integers(s, "s"))
    if len(lengths) != len(axes):
        raise ValueError(f"s has {len(lengths)} entries, axes has {len(axes)}; must be as many")
    return [check_length(n, shape[a]) for n, a in zip(lengths, axes, strict=True)], axes


def _integers(values, name):
    try:
        return [operator.index(v) for v in values]
    except TypeError:
        pass
    try:
        return [operator.index(values)]
    except TypeError:
        raise TypeError(f"{name} must be an integer or a sequence of integers") from None


def resized(x: np.ndarray, n: int, axis: int) -> np.ndarray:
    """A new array with `axis` cropped or padded with zeros to length `n`."""
    length = x.shape[axis]
    shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])
    keep = (slice(None),) * axis + (slice(min(n, length)),)
    out = np.zeros(shape, x.dtype) if n > length else np.empty(shape, x.dtype)
    out[keep] = x[keep]
    return out


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised C-contiguous array that begins with a cache line."""
    nbytes = math.prod(shape) * dtype.itemsize
    raw = np.empty(nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + nbytes].view(dtype).reshape(shape)


def empty_like(x: np.ndarray, dtype=None) -> np.ndarray:
    """An uninitialised array of x's shape, in its order of axes, aligned to a cache line."""
    if x.nbytes < _ALIGN_FROM and dtype is None:
        return np.empty_like(x, subok=False)
    dtype = x.dtype if dtype is None else np.dtype(dtype)
    if x.flags.c_contiguous:
        return aligned(x.shape, dtype)
    flat = aligned((x.size,), dtype)
    order = sorted(range(x.ndim), key=lambda a: -abs(x.strides[a]))
    return flat.reshape([x.shape[a] for a in order]).transpose(np.argsort(order))


def output(x: np.ndarray, dtype: np.dtype, overwrite: bool) -> np.ndarray:
    """Where a result of x's shape goes: `x` itself where that is allowed and fits."""
    fits = overwrite and x.dtype == dtype and x.flags.writeable
    return x if fits else empty_like(x, dtype)


def check_finite(x: np.ndarray, name: str) -> None:
    """Refuse NaN and infinity; one pass without memory of its own where the sum is finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(x.sum()) or np.isfinite(x).all()
    if not finite:
        raise ValueError(f"{name} contains NaN or infinity")


def frozen(x: np.ndarray) -> np.ndarray:
    """A C-contiguous, read-only view or copy: the one kind of input that loops are compiled for."""
    x = np.ascontiguousarray(x).view()
    x.flags.writeable = False
    return x


def dense_order(x: np.ndarray) -> list[int] | None:
    """An order of axes in which `x` is C-contiguous, if there is one."""
    if x.flags.c_contiguous:
        return list(range(x.ndim))
    order = sorted(range(x.ndim), key=lambda a: -x.strides[a])
    return order if x.transpose(order).flags.c_contiguous else None


def largest(x: np.ndarray) -> int:
    """Largest magnitude among integers, as a Python integer."""
    if x.size == 0 or x.dtype.kind == "b":
        return 1
    return max(int(x.max()), -int(x.min()))


def largest_sum(x: np.ndarray, axes) -> int:
    """Largest sum of magnitudes along the axes, exact in Python's integers."""
    if x.size == 0:
        return 0
    magnitude = np.abs(x.astype(np.int8 if x.dtype.kind == "b" else x.dtype))
    bits = magnitude.view(f"u{magnitude.itemsize}").astype(np.uint64)  # |-2**63| fits here
    high = (bits >> np.uint64(32)).sum(axis=tuple(axes)).astype(object)
    low = (bits & np.uint64(0xFFFFFFFF)).sum(axis=tuple(axes)).astype(object)
    return int(np.max(high * 2**32 + low))


def norm_factor(norm, points: int, inverse: bool) -> float:
    """Factor of a transform of so many points, by the names of ``scipy.fft``."""
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(
            f'Invalid norm value {norm!r}, should be "backward", "ortho" or "forward" (or None)'
        )
    if norm == "ortho":
        return 1 / math.sqrt(points)
    return 1 / points if (norm == "forward") != inverse else 1.0


def check_sums(x: np.ndarray, axes, what: str) -> None:
    """Raise before any work if a signed sum of integers along the axes might overflow int64."""
    bound = largest(x) * math.prod(x.shape[a] for a in axes)
    if bound > _MOST:
        check_overflow(largest_sum(x, axes), what)


def check_overflow(bound: int, what: str) -> None:
    """Raise if int64 might not hold a result of that magnitude."""
    if bound > _MOST:
        raise OverflowError(
            f"{what} of these integers may reach {bound}, more than int64 holds ({_MOST}); "
            "convert the input to float64, or scale it"
        )
