"""Tests of the device quantizers under Numba's CUDA simulator; see `cuda_sim_fwht.py`."""

import numpy as np
import pytest
from numba import config, cuda

from fasttx.quantize import (
    AF4,
    FP,
    FP4_UE5M3,
    INT2,
    INT3,
    INT4,
    INT8,
    ITQ3,
    MXFP4,
    MXFP6,
    MXFP8,
    NF4,
    NVFP4,
    Codes,
    dequantize,
    fake_quantize,
    gemm,
    quantize,
)

assert config.ENABLE_CUDASIM, "set NUMBA_ENABLE_CUDASIM=1"

FORMATS = [
    NVFP4(),
    NVFP4(tensor_scale=0.01),
    NVFP4(tensor_scale=1, hadamard=4),
    NVFP4(hadamard=16, signs=True, rng=0),
    FP4_UE5M3(),
    MXFP4(),
    MXFP4(scale_mode="rceil", hadamard=16, signs=True, rng=1),
    MXFP6(scale_mode="even"),
    MXFP6(elements="e3m2"),
    MXFP8(scale_mode="ceil"),
    MXFP8(elements="e5m2"),
    INT8(group=16),
    INT4(group=32),
    INT4(group=16, mode="affine", scale="float16"),
    INT3(group=16, mode="affine", hadamard=16),
    INT2(group=32, scale="float16"),
    NF4(group=16),
    AF4(group=32),
]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def same(device, host):
    """Whether codes on a device have the bits of those on the host."""
    assert device.nbytes == host.nbytes
    for name, array in host._arrays().items():
        there = getattr(device, name).copy_to_host()
        assert there.dtype == array.dtype
        np.testing.assert_array_equal(there, array, err_msg=name)


@pytest.mark.parametrize("fmt", FORMATS, ids=repr)
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((2, 32), "float32"), ((2, 21), "float32"), ((1, 3, 32), "float16"), ((1, 32), "float64")],
)
def test_codes_are_those_of_the_host(rng, fmt, shape, dtype):
    """Sums of rotations are of numbers of few bits, so that they are exact."""
    x = (rng.integers(-99, 99, shape) / 64).astype(dtype)
    device, host = quantize(cuda.to_device(x), fmt), quantize(x, fmt)
    same(device, host)
    np.testing.assert_array_equal(dequantize(device).copy_to_host(), host.decode())


def test_a_rotation_longer_than_a_warp(rng):
    """Groups of 64 are exchanged through shared memory, and blocks are in lanes all the same."""
    x = (rng.integers(-99, 99, (1, 128)) / 64).astype("float32")
    for fmt in (NVFP4(hadamard=64, signs=True, rng=0), MXFP4(hadamard=64)):
        device, host = quantize(cuda.to_device(x), fmt), quantize(x, fmt)
        same(device, host)
        np.testing.assert_array_equal(device.decode().copy_to_host(), host.decode())


def test_rotations_that_round(rng):
    x = rng.standard_normal((2, 64)).astype("float32")
    fmt = MXFP8(hadamard=32, signs=True, rng=3)
    coarse = fake_quantize(cuda.to_device(x), fmt).copy_to_host()
    np.testing.assert_allclose(coarse, fake_quantize(x, fmt), rtol=0, atol=0.1 * np.abs(x).max())
    close = np.isclose(coarse, fake_quantize(x, fmt), rtol=1e-5, atol=1e-5)
    assert close.mean() > 0.8


@pytest.mark.parametrize(
    "fmt", [NVFP4(), FP4_UE5M3(), MXFP4(), MXFP8(nonfinite="propagate"), INT4(group=16)], ids=repr
)
def test_blocks_with_nan_and_infinity_become_nan(rng, fmt):
    x = rng.standard_normal((4, 64)).astype("float32")
    x[1, 3], x[2, 40] = np.nan, -np.inf
    width = fmt.tile[1]
    bad = np.zeros((4, 64 // width), bool)
    bad[1, 3 // width] = bad[2, 40 // width] = True
    y = fake_quantize(cuda.to_device(x), fmt).copy_to_host()
    np.testing.assert_array_equal(np.isnan(y), np.repeat(bad, width, axis=1))
    if not fmt.propagates:
        clean = np.where(np.repeat(bad, width, axis=1), 0, x)
        np.testing.assert_array_equal(np.nan_to_num(y), fake_quantize(clean, fmt))


def test_scales_that_half_precision_does_not_hold():
    x = np.ones((3, 16), "float32") * np.array([[1e7], [1e-6], [1]], "float32")
    y = fake_quantize(cuda.to_device(x), INT4(group=16, scale="float16")).copy_to_host()
    assert np.isnan(y[:2]).all()
    assert np.allclose(y[2], 1, atol=0.01)


def test_codes_move_and_are_cut(rng):
    x = rng.standard_normal((4, 32)).astype("float32")
    device, host = quantize(cuda.to_device(x), NVFP4()), quantize(x, NVFP4())
    assert repr(device) == repr(host)
    assert device.bits_per_value == host.bits_per_value
    np.testing.assert_array_equal(device[1:3].decode().copy_to_host(), host[1:3].decode())
    np.testing.assert_array_equal(device[-1].decode().copy_to_host(), host[-1].decode())
    assert device.to_host().to_bytes() == host.to_bytes()
    again = Codes.from_bytes(device.to_host().to_bytes())
    np.testing.assert_array_equal(again.decode(), host.decode())
    with pytest.raises(TypeError, match=r"codes.to_host\(\).to_bytes\(\)"):
        device.to_bytes()
    with pytest.raises(NotImplementedError, match="an integer or a slice; got list"):
        device[[0, 2]]
    with pytest.raises(TypeError, match="on a device"):
        gemm(device, device)


def test_codes_of_the_host_are_decoded_on_a_device(rng):
    x = rng.standard_normal((2, 32)).astype("float32")
    host = quantize(x, MXFP4())
    arrays = {name: cuda.to_device(a) for name, a in host._arrays().items()}
    device = type(host)(host.codec, host.shape, host.axis, **arrays)
    np.testing.assert_array_equal(device.decode().copy_to_host(), host.decode())
    mixed = type(host)(host.codec, host.shape, host.axis, arrays["elements"], host.scales)
    with pytest.raises(TypeError, match="elements are on a device, and their scales are not"):
        mixed.decode()
    short = type(host)(host.codec, (3, 32), host.axis, **arrays)
    with pytest.raises(ValueError, match=r"elements are not those of \(3, 32\)"):
        short.decode()


@pytest.mark.parametrize("shape", [(0, 32), (2, 0)])
def test_empty(shape):
    codes = quantize(cuda.to_device(np.empty(shape, "float32")), NVFP4())
    assert codes.decode().shape == shape


@pytest.mark.parametrize(
    ("x", "fmt", "axis", "error", "message"),
    [
        (np.ones((2, 32)), FP(), -1, NotImplementedError, "FP is encoded on the host only"),
        (np.ones((2, 256)), ITQ3(), -1, NotImplementedError, "ITQ3 is encoded on the host only"),
        (np.ones((2, 32)), NVFP4(), 0, NotImplementedError, "the last axis; got axis=0"),
        (np.ones((2, 32)), NVFP4(), 2, ValueError, "axis 2 is out of bounds"),
        (np.ones(()), NVFP4(), -1, ValueError, "at least one axis"),
        (np.ones((2, 32), "int32"), NVFP4(), -1, TypeError, "int32; accepted on a device are"),
        (np.ones((2, 32)), NVFP4(block="2d"), -1, NotImplementedError, r"\(16, 16\)"),
        (np.ones((2, 32)), INT4(group=48), -1, NotImplementedError, r"\(1, 48\)"),
        (np.ones((2, 32)), INT4(mode="mse"), -1, NotImplementedError, "mse.*host only"),
        (np.ones(32), NVFP4(four_over_six=True), -1, NotImplementedError, "four_over_six.*host"),
        (np.ones(32), NVFP4(rounding="stochastic"), -1, NotImplementedError, "stochastic.*host"),
    ],
)
def test_errors(x, fmt, axis, error, message):
    with pytest.raises(error, match=message):
        quantize(cuda.to_device(x), fmt, axis)
