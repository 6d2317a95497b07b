"""Quantizers of device arrays: compiled and run on a machine for PTX, and on a GPU."""

import re

import numpy as np
import pytest

from fasttx.quantize import (
    EDEN,
    FP4_UE5M3,
    INT3,
    INT4,
    INT8,
    MXFP4,
    MXFP6,
    MXFP8,
    NF4,
    NVFP4,
    RandomizedHadamard,
    TurboQuant,
    fake_quantize,
    quantize,
)

MODES = ("floor", "ceil", "rceil", "even")


def same(device, host):
    """Whether codes on a device have the bits of those on the host."""
    for name, array in host._arrays().items():
        there = getattr(device, name).host
        assert there.dtype == array.dtype
        np.testing.assert_array_equal(there, array, err_msg=name)


def exact(rng, shape):
    """Numbers of few bits, with sums that are exact."""
    return (rng.integers(-999, 999, shape) / 64).astype("float32")


# Compiled, on the machine for PTX


@pytest.mark.parametrize(
    ("fmt", "shape", "dtype"),
    [
        (NVFP4(), (2, 5, 64), "float32"),
        (NVFP4(hadamard=64, signs=True, rng=0), (3, 128), "bfloat16"),
        (NVFP4(tensor_scale=0.01), (7, 37), "float32"),
        (NVFP4(tensor_scale=1, hadamard=16), (4, 256), "bfloat16"),
        (NVFP4(hadamard=1024, signs=True, rng=0), (5, 1024), "float32"),
        (MXFP4(hadamard=32, signs=True, rng=0), (5, 64), "float16"),
        (MXFP6(scale_mode="even"), (2, 64), "bfloat16"),
        (MXFP8(scale_mode="ceil"), (3, 64), "float64"),
        (INT4(scale="float16", hadamard=256), (3, 512), "float32"),
        (INT3(mode="affine"), (3, 256), "float32"),
        (INT8(group=512), (9, 512), "float16"),
        (NF4(), (3, 100), "float32"),
        (MXFP4(rounding="stochastic", rng=0), (2, 64), "bfloat16"),
        (INT8(group=64, rounding="stochastic", rng=0), (2, 91), "float32"),
    ],
    ids=repr,
)
def test_compiled(ptx_device, fmt, shape, dtype):
    x = exact(np.random.default_rng(1), shape)
    x = x.astype(pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype)
    device, host = quantize(ptx_device(x), fmt), quantize(x, fmt)
    if fmt.hadamard in (32, 1024):  # the root of their size rounds
        assert np.mean(device.elements.host == host.elements) > 0.95
        np.testing.assert_allclose(device.decode().host, device.to_host().decode(), atol=1e-4)
    else:
        same(device, host)
        np.testing.assert_array_equal(device.decode().host, host.decode())


def test_values_of_all_sizes(ptx_device):
    """Scales from the least to the largest, zeros and subnormal numbers among them."""
    rng = np.random.default_rng(2)
    x = np.ldexp(rng.standard_normal((64, 32)), rng.integers(-140, 127, (64, 1)))
    x[5] = 0
    x = x.astype("float32")
    for fmt in (NVFP4(), FP4_UE5M3(), INT4(group=16), *(MXFP4(scale_mode=s) for s in MODES)):
        same(quantize(ptx_device(x), fmt), quantize(x, fmt))


def test_codes_of_some_rows(ptx_device):
    """Rows out of the middle, whose bytes do not begin at a word."""
    x = exact(np.random.default_rng(3), (4, 16))
    for fmt in (NVFP4(), INT3(group=16)):
        device, host = quantize(ptx_device(x), fmt), quantize(x, fmt)
        np.testing.assert_array_equal(device[1:3].decode().host, host[1:3].decode())


@pytest.mark.parametrize(
    ("d", "rounds", "block", "dtype"),
    [(256, 2, None, "float32"), (192, 1, 64, "bfloat16"), (1024, 1, None, "float64")],
)
def test_compiled_rotations(ptx_device, d, rounds, block, dtype):
    x = np.random.default_rng(3).standard_normal((3, d))
    x = x.astype(pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype)
    rotation = RandomizedHadamard(d, rounds, block, rng=0)
    for function in (rotation, rotation.inverse):
        y, expected = function(ptx_device(x)).host, function(x)
        assert y.dtype == expected.dtype
        np.testing.assert_allclose(y, expected, atol=30 * np.finfo(y.dtype).eps)


@pytest.mark.parametrize(
    ("codec", "dtype"),
    [
        (TurboQuant(128, 4, rng=0), "float32"),
        (TurboQuant(1024, 2, rng=0), "bfloat16"),
        (EDEN(16, 1, "least-squares", norm_dtype="float16", rng=0), "float64"),
    ],
    ids=["TurboQuant-128", "TurboQuant-1024", "EDEN-16"],
)
def test_compiled_vector_codes(ptx_device, codec, dtype):
    """Rows within a thread's lanes and over several warps."""
    x = np.random.default_rng(4).standard_normal((5, codec.d)).astype("float32")
    x = x.astype(pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype)
    device, host = codec.encode(ptx_device(x)), codec.encode(x)
    differ = np.unpackbits(device.planes.host ^ host.planes).mean()
    assert differ <= 1e-3
    np.testing.assert_allclose(device.norms.host, host.norms, rtol=1e-3)
    np.testing.assert_allclose(device.gains.host, host.gains, rtol=2e-3)
    np.testing.assert_allclose(device.decode().host, device.to_host().decode(), atol=1e-5)


def test_other_codecs_refuse_codes_on_a_device(ptx_device):
    x = np.random.default_rng(5).standard_normal((4, 32)).astype("float32")
    codes = TurboQuant(32, 4, rng=0).encode(ptx_device(x))
    with pytest.raises(ValueError, match="another TurboQuant, which differs in rotation"):
        TurboQuant(32, 4, rng=1).decode(codes)
    codes = quantize(ptx_device(x), NVFP4(hadamard=16, signs=True, rng=0))
    with pytest.raises(ValueError, match="another NVFP4, which differs in rng"):
        NVFP4(hadamard=16, signs=True, rng=1).decode(codes)


# Instructions


def ptx(kernel, cc):
    from fasttx._cuda import memory

    return memory.ptx(kernel, cc)


@pytest.mark.parametrize("cc", [(8, 0), (9, 0)])
@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_instructions_of_encoding(nvvm, kind, cc):
    """Numbers are read once, sixteen bytes at a time, and codes written once, in words."""
    from fasttx._cuda import block_kernels
    from fasttx.quantize.formats import _device

    form = _device._form(NVFP4(hadamard=16, signs=True, rng=0))
    kernel = block_kernels.encode(kind, form, flat=True, wide=True)
    text = ptx(kernel, cc)
    vectors = 1 << kernel.form.registers
    word = "u32" if kind == "bfloat16" else "f32"
    size = 2 * 2 * vectors  # for whole tiles and for the last one
    signs = kernel.form.width // 4
    reads = len(re.findall(r"ld\.global\.v4", text))
    assert reads == 2 * vectors + signs
    assert len(re.findall(rf"ld\.global\.v4\.{word}", text)) >= 2 * vectors
    stores = re.findall(r"st\.global\.(\w+)", text)
    assert set(stores) == {"u8", "u32" if kind == "bfloat16" else "u16"}
    assert len(stores) - stores.count("u8") == size // 2
    assert not re.search(r"\.local|\.f64|call|\batom", text.replace(".func", ""))
    assert len(re.findall(r"div\.rn", text)) == 2  # one scale a thread, for two or four blocks


def test_instructions_of_decoding(nvvm):
    from fasttx._cuda import block_kernels
    from fasttx.quantize.formats import _device

    form = _device._form(NVFP4(hadamard=16))
    kernel = block_kernels.decode(form, flat=True, wide=True)
    text = ptx(kernel, (9, 0))
    vectors = 1 << kernel.form.registers
    assert len(re.findall(r"st\.global\.v4\.f32", text)) == 2 * vectors
    assert len(re.findall(r"ld\.global\.u16", text)) == vectors
    assert not re.search(r"\.local|\.f64|call", text)


def test_instructions_of_vector_codes(nvvm):
    """A row is read and its planes are written once, in single precision."""
    from fasttx._cuda import vector_codes

    kernel = vector_codes._encoder(
        "float32", vector_codes.Form(10, 2, 4, "unbiased", "float32"), True
    )
    text = ptx(kernel, (9, 0))
    vectors = 1 << kernel.form.registers
    assert len(re.findall(r"ld\.global\.v4\.f32", text)) == (2 + 2) * vectors  # and signs
    assert len(re.findall(r"st\.global\.u8", text)) == 4 * vectors
    assert not re.search(r"\.local|\.f64|call", text)


# On a GPU


@pytest.mark.cuda
@pytest.mark.parametrize(
    "fmt",
    [NVFP4(), NVFP4(hadamard=16, signs=True, rng=0), MXFP4(), INT4(), INT8(mode="affine"), NF4()],
    ids=repr,
)
def test_gpu_formats(library, fmt):
    rng = np.random.default_rng(4)
    for shape in ((300, 4096), (5, 7, 1000)):
        x = exact(rng, shape)
        device, host = quantize(library.to(x), fmt), quantize(x, fmt)
        assert device.nbytes == host.nbytes
        there = device.to_host()
        for name, array in host._arrays().items():
            np.testing.assert_array_equal(getattr(there, name), array, err_msg=name)
        np.testing.assert_array_equal(library.back(device.decode()), host.decode())
        np.testing.assert_array_equal(library.back(device[1:3].decode()), host[1:3].decode())


@pytest.mark.cuda
def test_gpu_rotations_that_round(library):
    x = np.random.default_rng(5).standard_normal((64, 4096)).astype("float32")
    for fmt in (NVFP4(hadamard=128, signs=True, rng=0), MXFP4(hadamard=4096)):
        device, host = fake_quantize(library.to(x), fmt), fake_quantize(x, fmt)
        assert np.mean(np.isclose(library.back(device), host, atol=1e-4)) > 0.98


@pytest.mark.cuda
@pytest.mark.parametrize(("d", "block"), [(64, None), (4096, None), (4096, 64), (192, None)])
def test_gpu_rotations(library, d, block):
    rotation = RandomizedHadamard(d, 2, block, rng=0)
    x = np.random.default_rng(6).standard_normal((100, d)).astype("float32")
    for function in (rotation, rotation.inverse):
        y = library.back(function(library.to(x)))
        np.testing.assert_allclose(y, function(x), atol=1e-5)


@pytest.mark.cuda
@pytest.mark.parametrize(
    "codec",
    [TurboQuant(128, 4, rng=0), TurboQuant(4096, 2, "mse", rng=0), EDEN(1024, 1, rng=0)],
    ids=["TurboQuant-128", "TurboQuant-4096", "EDEN-1024"],
)
def test_gpu_vector_codes(library, codec):
    x = np.random.default_rng(7).standard_normal((1000, codec.d)).astype("float32")
    device, host = codec.encode(library.to(x)), codec.encode(x)
    there = device.to_host()
    assert np.unpackbits(there.planes ^ host.planes).mean() < 1e-3
    np.testing.assert_allclose(there.norms, host.norms, rtol=1e-5)
    np.testing.assert_allclose(library.back(device.decode()), there.decode(), atol=1e-4)
