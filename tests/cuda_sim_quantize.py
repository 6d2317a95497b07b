"""Tests of the device quantizers under Numba's CUDA simulator; see `cuda_sim_fwht.py`."""

import dataclasses

import numpy as np
import pytest
from numba import config, cuda

from fasttx.quantize import (
    AF4,
    EDEN,
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
    Identity,
    KroneckerRotation,
    PowerQuantizer,
    RaBitQ,
    RandomizedHadamard,
    TurboQuant,
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
    NVFP4(rounding="stochastic", rng=0),
    MXFP8(rounding="stochastic", rng=1),
    INT3(group=16, mode="affine", rounding="stochastic", rng=2),
    NF4(group=16, rounding="stochastic", rng=3),
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


@pytest.mark.slow
def test_a_rotation_longer_than_a_warp(rng):
    """Groups of 64 are exchanged through shared memory, and blocks are in lanes all the same."""
    x = (rng.integers(-99, 99, (1, 128)) / 64).astype("float32")
    for fmt in (NVFP4(hadamard=64, signs=True, rng=0), MXFP4(hadamard=64)):
        device, host = quantize(cuda.to_device(x), fmt), quantize(x, fmt)
        same(device, host)
        np.testing.assert_allclose(device.decode().copy_to_host(), host.decode(), atol=1e-5)


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
    ],
)
def test_errors(x, fmt, axis, error, message):
    with pytest.raises(error, match=message):
        quantize(cuda.to_device(x), fmt, axis)


# Rotations


@pytest.mark.parametrize(
    ("d", "rounds", "block"),
    [(32, 2, None), (64, 1, None), (12, 2, None), (32, 3, 8), (6, 2, 2), (2, 2, None)],
)
def test_rotations(rng, d, rounds, block):
    """In one pass, of rows or of blocks of them; or round by round."""
    dtype = {32: "float16", 12: "float64"}.get(d, "float32")
    x = rng.standard_normal((3, d)).astype(dtype)
    rotation = RandomizedHadamard(d, rounds, block, rng=0)
    for function in (rotation, rotation.inverse):
        y, expected = function(cuda.to_device(x)).copy_to_host(), function(x)
        assert y.dtype == expected.dtype
        np.testing.assert_allclose(y, expected, atol=20 * np.finfo(y.dtype).eps)


@pytest.mark.parametrize("d", [16, 12])
def test_rotations_in_place(rng, d):
    x, rotation = rng.standard_normal((2, 3, d)), RandomizedHadamard(d, rng=0)
    given = cuda.to_device(x)
    assert rotation(given, overwrite_x=True) is given
    assert rotation.inverse(given, overwrite_y=True) is given
    np.testing.assert_allclose(given.copy_to_host(), x, atol=1e-14)
    half = cuda.to_device(x.astype("float16"))
    y = rotation.inverse(rotation(half, overwrite_x=True)).copy_to_host()
    np.testing.assert_allclose(y, x, atol=2e-3)
    np.testing.assert_array_equal(half.copy_to_host(), x.astype("float16"))
    assert rotation(cuda.to_device(x[:, :0])).shape == (2, 0, d)


def test_rotations_that_are_refused():
    given = cuda.to_device(np.ones((2, 24)))
    for rotation in (Identity(24), KroneckerRotation.random(4, 6)):
        with pytest.raises(TypeError, match="X is on a device; accepted are arrays on the host"):
            rotation(given)
    with pytest.raises(NotImplementedError, match="overlapping blocks are rotated on the host"):
        RandomizedHadamard(24, block="overlap")(given)
    with pytest.raises(NotImplementedError, match="blocks of 12 entries of rows of 24"):
        RandomizedHadamard(24, block=12).inverse(given)
    with pytest.raises(ValueError, match=r"X must have rows of length 8; got shape \(2, 24\)"):
        RandomizedHadamard(8)(given)
    with pytest.raises(TypeError, match="Y has dtype int32; accepted on a device are float16"):
        RandomizedHadamard(8).inverse(cuda.to_device(np.ones(8, "int32")))


# Vector codes


@pytest.mark.parametrize(
    "codec",
    [
        TurboQuant(16, 4, rng=0),
        TurboQuant(32, 2, "mse", norm_dtype="float16", rng=0),
        TurboQuant(16, 8, rng=1),
        EDEN(32, 1, rng=0),
        EDEN(32, 3, "least-squares", rng=0),
    ],
    ids=lambda codec: f"{type(codec).__name__}-{codec.d}-{codec.bits}",
)
def test_vector_codes(rng, codec):
    dtype = {1: "float16", 8: "float64"}.get(codec.bits, "float32")
    x = rng.standard_normal((3, codec.d)).astype(dtype)
    x[1] = 0
    device, host = codec.encode(cuda.to_device(x)), codec.encode(x)
    assert repr(device) == repr(host)
    np.testing.assert_array_equal(device.planes.copy_to_host(), host.planes)
    for name in ("norms", "gains"):
        if getattr(host, name) is not None:
            there, here = getattr(device, name).copy_to_host(), getattr(host, name)
            assert there.dtype == here.dtype
            np.testing.assert_allclose(there, here, rtol=1e-3 if here.itemsize == 2 else 1e-6)
    y = device.to_host().decode()
    np.testing.assert_allclose(device.decode().copy_to_host(), y, atol=1e-5)
    np.testing.assert_allclose(device[2].decode().copy_to_host(), y[2], atol=1e-5)


def test_rows_of_all_sizes(rng):
    """Squares of the numbers are out of range; rows with NaN or infinity become NaN."""
    codec = TurboQuant(16, 3, rng=0)
    exponents = np.array([[-140], [-60], [60], [120], [0], [0]])
    x = np.ldexp(rng.standard_normal((6, 16)), exponents).astype("float32")
    x[4, 3], x[5, 5] = np.nan, np.inf
    device, host = codec.encode(cuda.to_device(x)), codec.encode(x[:4])
    np.testing.assert_array_equal(device.planes.copy_to_host()[1:4], host.planes[1:])
    y = device.decode().copy_to_host()
    np.testing.assert_allclose(y[:4], host.decode(), rtol=1e-3, atol=1e-43)
    assert np.isnan(y[4:]).all()
    codec = TurboQuant(16, 3, norm_dtype="float16", rng=0)
    y = codec.encode(cuda.to_device(x[2:4])).decode().copy_to_host()
    assert np.isnan(y).all()


@pytest.mark.parametrize(
    ("codec", "error", "message"),
    [
        (TurboQuant(24, 2), NotImplementedError, "rows of 24 numbers.*powers of two from 16 to"),
        (
            TurboQuant(16, 2, center=np.ones(16)),
            NotImplementedError,
            "with a center is on the host",
        ),
        (TurboQuant(16, 2, "prod"), TypeError, "X is on a device; accepted are arrays on the host"),
        (TurboQuant(16, 2, rotation=Identity(16)), NotImplementedError, "RandomizedHadamard of wh"),
        (RaBitQ(16, 2), NotImplementedError, "RaBitQ is on the host only"),
        (PowerQuantizer(16, 2), NotImplementedError, "PowerQuantizer is on the host only"),
        (TurboQuant(32, 2), ValueError, r"shape \(n, 32\); got \(2, 16\)"),
    ],
)
def test_codecs_that_are_refused(codec, error, message):
    d = codec.d if codec.d != 32 else 16
    with pytest.raises(error, match=message):
        codec.encode(cuda.to_device(np.ones((2, d))))


def test_codes_on_a_device_are_not_searched(rng):
    codec = TurboQuant(16, 2, rng=0)
    x = rng.standard_normal((4, 16))
    codes = codec.encode(cuda.to_device(x))
    with pytest.raises(TypeError, match=r"codes.to_host\(\) has those that are searched"):
        codec.search(x, codes, 1)
    np.testing.assert_array_equal(codec.search(x, codes.to_host(), 1)[1][:, 0], range(4))
    other = TurboQuant(16, 3, rng=0)
    with pytest.raises(ValueError, match="another TurboQuant, which differs in bits"):
        other.decode(codes)
    with pytest.raises(ValueError, match="those of this codec are"):
        dataclasses.replace(codes, codec=other).decode()
