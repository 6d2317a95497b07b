"""Convolutions of device arrays with fixed kernels."""

import re

import numpy as np
import pytest

import fasttx
from fasttx.transforms.circular import CircularFilter
from tests.test_cuda_ptx import check_no_spills

_SLOW = pytest.mark.slow


def sample(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * (1 if "float" in dtype or "complex" in dtype else 1000)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def agree(y, expected):
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    error = np.linalg.norm((y - expected).astype(complex))
    assert error <= 40 * np.finfo(y.dtype).eps * np.linalg.norm(expected.astype(complex))


@pytest.mark.parametrize(
    ("n", "skew", "kernel", "dtype", "channels", "m", "length", "adjoint"),
    [
        (256, True, "float32", "float32", 3, 128, 128, False),
        (256, True, "float32", "float32", 1, 201, 255, True),
        (64, False, "float32", "float32", 1, 64, 64, False),
        (64, True, "complex64", "float32", 2, 64, 50, True),
        (32, False, "float64", "complex64", 1, 32, 32, False),
        (2, True, "float32", "float32", 1, 2, 2, False),
        (2048, True, "float32", "float32", 1, 1024, 1024, False),
        pytest.param(16384, True, "float32", "float32", 1, 8192, 8192, True, marks=_SLOW),
        pytest.param(4096, False, "complex128", "float64", 1, 4000, 4001, False, marks=_SLOW),
        pytest.param(8192, False, "float32", "float16", 1, 8192, 8192, False, marks=_SLOW),
    ],
)
def test_circular(ptx_device, n, skew, kernel, dtype, channels, m, length, adjoint):
    taps = sample((channels, n) if channels > 1 else n, kernel, 1)
    f = CircularFilter(taps, skew=skew)
    x = sample((3, channels, m), dtype)
    agree(f(ptx_device(x), length, adjoint=adjoint).host, f(x, length, adjoint=adjoint))


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_longer_than_a_tile(ptx_device, monkeypatch, dtype):
    from fasttx._cuda import codelets

    monkeypatch.setitem(codelets.TILE, 8, 6)
    monkeypatch.setitem(codelets.TILE, 16, 5)
    f = CircularFilter(sample((2, 300), dtype, 1), 512, skew=True)
    x = sample((2, 2, 200), dtype)
    adjoint = dtype == "complex128"
    agree(f(ptx_device(x), 499, adjoint=adjoint).host, f(x, 499, adjoint=adjoint))


@pytest.mark.parametrize(
    ("h", "dtype", "channels", "taps", "length"),
    [
        ("float32", "float32", 3, 9, 50),
        ("float32", "float16", 1, 16, 64),
        ("complex64", "float32", 1, 5, 21),
        ("float64", "int16", 2, 17, 100),
    ],
)
def test_causal(ptx_device, h, dtype, channels, taps, length):
    h = sample((channels, taps) if channels > 1 else taps, h, 1)
    x = sample((2, channels, length), dtype)
    expected = fasttx.fftconvolve_causal(x, h)
    if dtype == "float16":
        expected = expected.astype(dtype)
    f = fasttx.CausalFilter(h)
    agree(f(ptx_device(x)).host, expected)
    parts, state = [], None
    for part in np.split(x, [length // 3], axis=-1):
        y, state = f(ptx_device(part), state, return_state=True)
        parts.append(y.host)
    agree(np.concatenate(parts, axis=-1), expected)
    assert np.array_equal(state.host, x[..., length - taps + 1 :])


@pytest.mark.parametrize(
    ("kind", "levels", "cc"),
    [("float32", 13, (9, 0)), ("float32", 9, (8, 0)), ("float64", 8, (9, 0))],
)
def test_instructions(nvvm, kind, levels, cc):
    from fasttx._cuda import codelets, filtering_kernel

    part = filtering_kernel.Part(levels)
    code = filtering_kernel.ptx(kind, kind, part, read=kind, written=kind, short=True, cc=cc)
    form = codelets.layout(kind, levels, paired=True)
    assert f".target sm_{cc[0]}{cc[1]}" in code
    assert not re.search(r"\.local\b|\bcall\b", code)
    assert (".f64" in code) == (kind == "float64")
    # Real samples once, complex factors once, results once: in vectors of 16 bytes.
    vectors, letter = 1 << form.registers, "f32" if kind == "float32" else "f64"
    width = {"f32": "v4", "f64": "v2"}[letter]
    assert len(re.findall("st.global", code)) == vectors
    assert len(re.findall(rf"st\.global\.{width}\.{letter}", code)) == vectors
    loads = re.findall(rf"ld\.global(?:\.nc)?\.(v[24])\.{letter}", code)
    assert len(loads) == len(re.findall(r"ld\.global", code))
    if width == "v4":
        assert loads.count("v4") == 3 * vectors
    shared = re.findall(r"\.shared [^;]*\[(\d+)\];", code)
    assert sum(map(int, shared)) <= 48 << 10


@pytest.mark.parametrize(("kind", "levels"), [("float32", 11), ("complex64", 10)])
def test_no_register_is_spilled(nvvm, tmp_path, kind, levels):
    from fasttx._cuda import filtering_kernel

    block = "halves" if kind == "float32" else "complex"
    options = {"block": block, "read": "float32", "written": "float32"}
    part = filtering_kernel.Part(levels)
    form = filtering_kernel.stage(kind, "float32", part, **options).form
    code = filtering_kernel.ptx(kind, "float32", part, cc=(9, 0), **options)
    check_no_spills(code, form, tmp_path)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize(("taps", "length"), [(8192, 8192), (300, 100001), (20000, 30000)])
def test_causal_on_a_device(library, dtype, taps, length):
    x, h = sample((3, 2, length), dtype), sample((2, taps), dtype, 1)
    f = fasttx.CausalFilter(library.to(h))
    y = library.back(f(library.to(x)))
    agree(y, fasttx.fftconvolve_causal(x, h))
    first, rest = (library.to(np.ascontiguousarray(p)) for p in np.split(x, [5000], axis=-1))
    one, state = f(first, return_state=True)
    two = f(rest, state)
    agree(np.concatenate([library.back(one), library.back(two)], axis=-1), y)


@pytest.mark.cuda
def test_real_samples_on_a_device(library):
    for shape, axis in (((5, 1 << 14), -1), ((3, 1 << 17), -1), ((1 << 10, 33), 0)):
        x = sample(shape, "float32")
        y = fasttx.rfft_unordered(library.to(x), axis=axis)
        agree(library.back(y), fasttx.rfft_unordered(x, axis=axis))
        agree(library.back(fasttx.irfft_unordered(y, axis=axis)), x)
