"""Float block formats: bits beside ml_dtypes, scales beside plain loops, what is kept of arrays."""

import dataclasses
import itertools
import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from fasttx import hadamard
from fasttx._array import frozen
from fasttx._cpu import block_formats as loops
from fasttx.quantize.formats import (
    FP4_UE5M3,
    MXFP4,
    MXFP6,
    MXFP8,
    NVFP4,
    BlockCodes,
    dequantize,
    fake_quantize,
    gemm,
    quantize,
)
from fasttx.quantize.formats import _grids as grids

f32 = np.float32
GRIDS = {
    grids.E2M1: ml_dtypes.float4_e2m1fn,
    grids.E2M3: ml_dtypes.float6_e2m3fn,
    grids.E3M2: ml_dtypes.float6_e3m2fn,
    grids.E4M3: ml_dtypes.float8_e4m3fn,
    grids.E5M2: ml_dtypes.float8_e5m2,
}
MX = [
    MXFP4(),
    MXFP6(elements="e2m3"),
    MXFP6(elements="e3m2"),
    MXFP8(elements="e4m3"),
    MXFP8(elements="e5m2"),
]
FORMATS = [
    *MX,
    MXFP4(scale_mode="ceil"),
    MXFP4(scale_mode="rceil", hadamard=32),
    MXFP4(hadamard=8, signs=True, rng=1),
    MXFP4(rounding="stochastic", rng=2),
    NVFP4(),
    NVFP4(hadamard=16),
    NVFP4(hadamard=64, signs=True, rng=3, rounding="stochastic"),
    NVFP4(four_over_six=True),
    NVFP4(block="2d"),
    NVFP4(block="2d", four_over_six=True, hadamard=16),
    NVFP4(tensor_scale=0.25),
    FP4_UE5M3(),
]


def normal(*shape, rng=0, dtype=np.float32):
    return np.random.default_rng(rng).standard_normal(shape).astype(dtype)


def sqnr(x, y):
    x = x.astype(np.float64)
    return 10 * np.log10(np.sum(x * x) / np.sum((x - y) ** 2))


# Elements and scales on their own


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"e{grid.exponent}m{grid.mantissa}")
def test_numbers_are_those_of_ml_dtypes(grid):
    codes = np.arange(1 << grid.bits, dtype=np.uint8)
    values = codes.view(GRIDS[grid]).astype(np.float32)
    np.testing.assert_array_equal(grid.values, values)
    np.testing.assert_array_equal(np.signbit(grid.values), np.signbit(values))
    finite = np.isfinite(values)
    np.testing.assert_array_equal(grid.nearest(values[finite]), codes[finite])


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"e{grid.exponent}m{grid.mantissa}")
def test_rounding_is_that_of_ml_dtypes(grid):
    values = np.unique(np.abs(grid.values[np.isfinite(grid.values)]))
    middle = (values[1:] + values[:-1]) / 2
    ties = np.r_[values, middle, np.nextafter(middle, f32(0)), np.nextafter(middle, f32(np.inf))]
    rng = np.random.default_rng(0)
    wide = np.ldexp(rng.uniform(1, 2, 20000), rng.integers(-140, 10, 20000)).astype(np.float32)
    x = np.concatenate([ties, wide, [0.0, 1e-45, grid.largest]]).astype(np.float32)
    x = np.minimum(np.r_[x, -x], f32(grid.largest)).clip(-f32(grid.largest))
    np.testing.assert_array_equal(grid.nearest(x), x.astype(GRIDS[grid]).view(np.uint8))


@pytest.mark.parametrize("grid", [grids.E2M1, grids.E4M3])
def test_what_is_too_large_becomes_the_largest(grid):
    codes = grid.nearest(f32([1e30, -1e30, 3e38, grid.largest * 1.2]))
    np.testing.assert_array_equal(grid.values[codes], grid.largest * f32([1, -1, 1, 1]))


def test_ue5m3_by_exact_rationals():
    grid = grids.UE5M3
    exact = []
    for code in range(255):
        e, m = divmod(code, 8)
        exact.append(Fraction(m + 8 * (e > 0), 8) * Fraction(2) ** (max(e, 1) - 15))
    assert [Fraction(float(v)) for v in grid.values[:255]] == exact
    assert np.isnan(grid.values[255])
    assert grid.largest == 114688
    np.testing.assert_array_equal(grid.nearest(grid.values[:255]), np.arange(255))
    middle = [(a + b) / 2 for a, b in itertools.pairwise(exact)]
    even = [code + code % 2 for code in range(254)]
    np.testing.assert_array_equal(grid.nearest(f32([float(m) for m in middle])), even)


def test_e8m0_scales_are_those_of_ml_dtypes():
    codes = np.arange(256, dtype=np.uint8)
    values = codes.view(ml_dtypes.float8_e8m0fnu).astype(np.float32)
    from fasttx.quantize.formats._microscaling import E8M0

    np.testing.assert_array_equal(E8M0, values)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 37, 64, 1001])
def test_packing_keeps_codes_of_any_width_and_number(bits, count):
    codes = np.random.default_rng(count).integers(0, 1 << bits, (3, count)).astype(np.uint8)
    packed = np.empty((3, -(-count * bits // 8)), np.uint8)
    loops.pack(bits)(codes, packed)
    for row, line in zip(codes, packed, strict=True):
        number = sum(int(c) << (bits * i) for i, c in enumerate(row))
        assert int.from_bytes(line.tobytes(), "little") == number
    back = np.empty_like(codes)
    loops.unpack(bits)(frozen(packed), back)
    np.testing.assert_array_equal(back, codes)


# Scales and elements of blocks, beside plain loops


def mx_scale(amax, grid, mode):
    """The code of a scale, from exact arithmetic."""
    if amax == 0:
        return 0
    largest = int(math.log2(grid.largest))
    if mode == "rceil":
        ratio = Fraction(float(f32(amax) * (f32(1) / f32(grid.largest))))
        power = math.floor(math.log2(ratio))
        power += ratio > Fraction(2) ** power
    else:
        mantissa, exponent = math.frexp(amax)
        power = exponent - 1
        if mode == "ceil":
            power += mantissa > 0.5
        if mode == "even":
            power += 2 * mantissa >= 2 - 2.0 ** -(grid.mantissa + 1)
        power -= largest
    return min(max(power + 127, 0), 254)


@pytest.mark.parametrize("mode", ["floor", "ceil", "rceil", "even"])
@pytest.mark.parametrize("fmt", MX, ids=lambda fmt: f"{type(fmt).__name__}{fmt.element.exponent}")
def test_microscaling_beside_plain_loops(fmt, mode):
    fmt = type(fmt)(**{**fmt._state(), "scale_mode": mode})
    grid = fmt.element
    x = np.ldexp(normal(48, 70), np.linspace(-118, 100, 48).astype(int)[:, None]).astype(np.float32)
    x[1, :32] = 0
    x[2] = 1.0
    x[3] = grid.largest
    x[4] = np.nextafter(f32(grid.largest), f32(np.inf))
    x[5, ::7] = -0.0
    codes = quantize(x, fmt)
    packed = np.zeros((48, 96), np.float32)
    packed[:, :70] = x
    blocks = packed.reshape(48, 3, 32)
    scales = [[mx_scale(float(b), grid, mode) for b in row] for row in np.abs(blocks).max(-1)]
    np.testing.assert_array_equal(codes.scales, scales)
    powers = np.array(scales)[..., None] - 127.0
    scaled = np.clip(blocks * 2.0**-powers, -grid.largest, grid.largest).astype(np.float32)
    elements = scaled.astype(GRIDS[grid])
    np.testing.assert_array_equal(
        grid.unpacked(frozen(codes.elements), 70), elements.view(np.uint8).reshape(48, -1)[:, :70]
    )
    decoded = (elements.astype(np.float64) * 2.0**powers).reshape(48, -1)[:, :70]
    np.testing.assert_array_equal(dequantize(codes), decoded.astype(np.float32))


def nvfp4(x, rows=1, most=448, four_over_six=False, tensor_scale=None):
    """Scales and elements as torchao computes them, and what is decoded, from float32 matrices."""
    m, n = x.shape
    padded = np.zeros((-(-m // rows) * rows, -(-n // 16) * 16), np.float32)
    padded[:m, :n] = x
    blocks = padded.reshape(-1, rows, padded.shape[1] // 16, 16).transpose(0, 2, 1, 3)
    amax = np.abs(blocks).max((2, 3), keepdims=True)
    t = f32(tensor_scale or np.abs(x).max() / f32(most * 6))
    results = []
    for factor in (1, 1.5) if four_over_six else (1,):
        s = np.clip(amax / f32(6) / t * f32(factor), f32(2.0**-6), f32(448))
        s = s.astype(ml_dtypes.float8_e4m3fn)
        y = blocks * ((f32(1) / t) / s.astype(np.float32))
        q = np.clip(y, f32(-6), f32(6)).astype(ml_dtypes.float4_e2m1fn)
        back = q.astype(np.float32) * (s.astype(np.float32) * t)
        error = np.sum((back.astype(np.float64) - blocks) ** 2, axis=(2, 3), keepdims=True)
        results.append((s, q, back, error))
    best = results[0]
    if four_over_six:
        wider = results[1][3] < results[0][3]
        best = [np.where(wider, b, a) for a, b in zip(*results, strict=True)]
    s, q, back, _ = best

    def rowwise(a):
        return a.transpose(0, 2, 1, 3).reshape(padded.shape)[:m, :n]

    return s[:, :, 0, 0].view(np.uint8), rowwise(q).view(np.uint8), rowwise(back), t


@pytest.mark.parametrize("rows", [1, 16])
@pytest.mark.parametrize("four_over_six", [False, True])
@pytest.mark.parametrize("shape", [(7, 16), (37, 100), (3, 5), (40, 4096)])
def test_nvfp4_is_torchaos(rows, four_over_six, shape):
    x = normal(*shape) * np.exp(3 * normal(shape[0], 1, rng=1))
    x[0, : shape[1] // 2] = 0
    block = (1, 16) if rows == 1 else "2d"
    codes = quantize(x, NVFP4(block=block, four_over_six=four_over_six))
    s, q, back, t = nvfp4(x, rows, 256 if four_over_six else 448, four_over_six)
    assert codes.tensor_scale == t
    differ = codes.scales != s
    if four_over_six:  # where both errors are equal up to rounding
        assert differ.mean() < 2e-3
    else:
        assert not differ.any()
        np.testing.assert_array_equal(grids.E2M1.unpacked(frozen(codes.elements), shape[1]), q)
        np.testing.assert_array_equal(dequantize(codes), back)
    assert sqnr(x, dequantize(codes)) > sqnr(x, back) - 1e-3


def test_even_elements_are_in_the_low_nibble():
    codes = quantize(f32([0.5, 6, -1]), NVFP4(tensor_scale=1))
    np.testing.assert_array_equal(codes.elements, [0x71, 0x0A])


def test_scales_are_clipped():
    x = np.zeros((3, 16), np.float32)
    x[0], x[1] = 2.0**20, 1e-9
    codes = quantize(x, NVFP4(tensor_scale=1))
    np.testing.assert_array_equal(codes.scales[:, 0], [126, 8, 8])  # 448, 2**-6, 2**-6
    np.testing.assert_array_equal(dequantize(codes)[:, 0], [6 * 448, 0, 0])
    codes = quantize(x, FP4_UE5M3())
    np.testing.assert_array_equal(codes.scales[:, 0], [254, 1, 1])
    assert codes.tensor_scale is None


@pytest.mark.parametrize("fmt", FORMATS, ids=repr)
def test_zero_is_zero(fmt):
    for shape in [(3, 40), (1,), (17, 16)]:
        codes = quantize(np.zeros(shape), fmt)
        np.testing.assert_array_equal(dequantize(codes), np.zeros(shape))
    x = normal(4, 128)
    x[:, 64:] = 0
    np.testing.assert_array_equal(dequantize(quantize(x, fmt))[:, 64:], 0)


@pytest.mark.parametrize("scale", [1e-45, 1e-38, 1e-30, 1e30, 3e38])
@pytest.mark.parametrize("fmt", [NVFP4(), MXFP4(), MXFP8()], ids=repr)
def test_extreme_magnitudes_stay_finite(fmt, scale):
    x = (normal(4, 64).clip(-1, 1) * np.float64(scale)).astype(np.float32)
    y = dequantize(quantize(x, fmt)).astype(np.float64)
    assert np.isfinite(y).all()
    assert np.abs(y).max() <= 1.2 * scale
    if scale >= 1e-30:
        assert sqnr(x, y) > 15


# Codes of codes


@pytest.mark.parametrize("fmt", MX, ids=repr)
def test_every_code_of_microscaling_comes_back(fmt):
    """All elements with all scales that cannot be smaller: blocks that hold the largest element."""
    fmt = type(fmt)(**{**fmt._state(), "scale_mode": "rceil"})
    grid = fmt.element
    finite = np.flatnonzero(np.isfinite(grid.values))
    per_block = 31
    count = -(-finite.size // per_block)
    elements = np.resize(finite, (count, per_block)).astype(np.uint8)
    top = np.full((count, 1), np.nanargmax(np.where(np.isfinite(grid.values), grid.values, -1)))
    elements = np.concatenate([top, elements], axis=1).astype(np.uint8)
    elements = np.tile(elements, (1, 2))
    scales = np.arange(1, 255 - 127 + 100, 5, dtype=np.uint8)
    for scale in scales:
        codes = quantize(np.zeros(elements.shape), fmt)
        grid.pack(elements, codes.elements)
        codes.scales[...] = scale
        again = quantize(dequantize(codes), fmt)
        np.testing.assert_array_equal(again.elements, codes.elements)
        np.testing.assert_array_equal(again.scales, codes.scales)


@pytest.mark.parametrize("fmt", [NVFP4(tensor_scale=2.0**-9), FP4_UE5M3()], ids=repr)
def test_every_code_of_fp4_comes_back(fmt):
    elements = np.array([[7, *range(1, 16)], [15, *range(15)]], np.uint8)
    elements[:, 8][elements[:, 8] == 0] = 1
    first = 8 if isinstance(fmt, NVFP4) else 1
    for scale in range(first, 127 if isinstance(fmt, NVFP4) else 255):
        codes = quantize(np.zeros(elements.shape), fmt)
        grids.E2M1.pack(elements, codes.elements)
        codes.scales[...] = scale
        again = quantize(dequantize(codes), fmt)
        np.testing.assert_array_equal(again.elements, codes.elements)
        np.testing.assert_array_equal(again.scales, codes.scales)


# Accuracy

GAUSSIAN = {
    MXFP4(scale_mode="floor"): 18.79,
    MXFP4(scale_mode="ceil"): 16.83,
    MXFP4(scale_mode="rceil"): 18.76,
    MXFP4(scale_mode="even"): 19.03,
    NVFP4(): 20.44,
    NVFP4(four_over_six=True): 21.22,
}


@pytest.mark.parametrize(("fmt", "decibels"), GAUSSIAN.items(), ids=repr)
def test_normal_numbers(fmt, decibels):
    x = normal(1024, 2048)
    assert abs(sqnr(x, fake_quantize(x, fmt)) - decibels) < 0.05


def test_rotation_helps_mxfp4_and_harms_nvfp4_on_heavy_tails():
    x = np.random.default_rng(0).standard_t(3, (2048, 2048)).astype(np.float32)
    found = [
        sqnr(x, fake_quantize(x, fmt))
        for fmt in (
            MXFP4(scale_mode="rceil"),
            MXFP4(scale_mode="rceil", hadamard=32),
            NVFP4(),
            NVFP4(hadamard=16),
        )
    ]
    # The law has no fourth moment: decibels vary by a tenth from sample to sample.
    np.testing.assert_allclose(found, [16.5, 19.0, 20.9, 20.2], atol=0.15)


@pytest.mark.parametrize("h", [4, 16, 32, 256, 1024])
@pytest.mark.parametrize("signs", [False, True])
def test_rotation_is_signs_and_hadamard(h, signs):
    x = normal(5, 2 * h + 3)
    fmt = MXFP8(hadamard=h, signs=signs, rng=4)
    stored = -(-x.shape[1] // h) * h
    padded = np.zeros((5, stored), np.float32)
    padded[:, : x.shape[1]] = x
    factor = np.resize(fmt.rotation[0], h).astype(np.float64)
    np.testing.assert_allclose(np.abs(factor), h**-0.5, rtol=1e-7)
    assert (factor > 0).all() != signs
    rotated = (padded.reshape(5, -1, h) * factor @ hadamard(h).astype(float)).reshape(5, -1)
    codes = quantize(x, fmt)
    plain = quantize(rotated, MXFP8())
    assert codes.elements.shape == plain.elements.shape
    # Elements near ties may go either way.
    assert np.mean(codes.elements != plain.elements) < 1e-2
    back = dequantize(plain).astype(float).reshape(5, -1, h) @ hadamard(h).astype(float) * factor
    back = back.reshape(5, -1)[:, : x.shape[1]]
    assert abs(sqnr(x, dequantize(codes)) - sqnr(x, back)) < 0.1
    np.testing.assert_allclose(dequantize(codes), back, atol=0.07 * np.abs(rotated).max())


# Stochastic rounding


@pytest.mark.parametrize("fmt", [MXFP4, MXFP6, MXFP8])
def test_stochastic_rounding_has_the_right_mean(fmt):
    fmt = fmt(scale_mode="ceil", rounding="stochastic", rng=5)
    row = np.r_[1.0, np.random.default_rng(0).uniform(-1, 1, 31)].astype(np.float32)
    count = 20000
    y = fake_quantize(np.tile(row, (count, 1)), fmt)
    mean, error = y.mean(0, dtype=np.float64), y.std(0, dtype=np.float64) / math.sqrt(count)
    assert (np.abs(mean - row) <= 4 * error + 1e-6).all()
    values = [np.unique(y[:, i]) for i in range(32)]
    assert all(v.size <= 2 for v in values)
    assert all(v[0] <= x <= v[-1] for v, x in zip(values, row, strict=True))


def test_stochastic_rounding_keeps_what_is_exact():
    x = np.resize(grids.E2M1.values, (4, 64))
    fmt = MXFP4(rounding="stochastic", rng=0)
    np.testing.assert_array_equal(fake_quantize(x, fmt), x)


def test_random_bits_follow_from_rng():
    x = normal(8, 128)
    fmt = NVFP4(rounding="stochastic", rng=7)
    same = quantize(x, NVFP4(rounding="stochastic", rng=np.int64(7)))
    np.testing.assert_array_equal(quantize(x, fmt).elements, same.elements)
    np.testing.assert_array_equal(quantize(x, fmt).elements, quantize(x, fmt).elements)
    other = quantize(x, NVFP4(rounding="stochastic", rng=8))
    assert (quantize(x, fmt).elements != other.elements).any()
    drawn = NVFP4(rounding="stochastic", rng=np.random.default_rng(7))
    assert isinstance(drawn.rng, int)
    assert NVFP4(rounding="stochastic") != NVFP4(rounding="stochastic")


# Arrays


@pytest.mark.parametrize("fmt", FORMATS, ids=repr)
@pytest.mark.parametrize("shape", [(3, 5, 48), (50, 1037), (1, 300001), (640, 512), (9,)])
def test_bits_do_not_depend_on_workers(fmt, shape):
    x = normal(*shape)
    one = quantize(x, fmt, workers=1)
    for workers in (2, 3):
        more = quantize(x, fmt, workers=workers)
        for name, array in one._arrays().items():
            np.testing.assert_array_equal(getattr(more, name), array)
    np.testing.assert_array_equal(dequantize(one, workers=3), dequantize(one, workers=1))


@pytest.mark.parametrize("fmt", [f for f in FORMATS if f.rounding == "nearest"], ids=repr)
def test_rows_do_not_depend_on_what_surrounds_them(fmt):
    fmt = NVFP4(**{**fmt._state(), "tensor_scale": 1e-3}) if isinstance(fmt, NVFP4) else fmt
    x = normal(33, 100)
    whole = dequantize(quantize(x, fmt))
    np.testing.assert_array_equal(whole[:16], dequantize(quantize(x[:16], fmt)))
    if fmt.hadamard is None:
        np.testing.assert_array_equal(whole[:, :32], dequantize(quantize(x[:, :32], fmt)))


@pytest.mark.parametrize("fmt", [MXFP4(), NVFP4(hadamard=16), MXFP6(), NVFP4(block="2d")], ids=repr)
def test_axes(fmt):
    x = normal(6, 40, 35)
    for axis in range(-3, 3):
        codes = quantize(x, fmt, axis)
        assert codes.shape == x.shape
        moved = quantize(np.moveaxis(x, axis, -1).copy(), fmt)
        np.testing.assert_array_equal(codes.elements, moved.elements)
        np.testing.assert_array_equal(codes.decode(), np.moveaxis(moved.decode(), -1, axis))
    with pytest.raises(np.exceptions.AxisError):
        quantize(x, fmt, 3)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64, np.int8, bool])
def test_dtypes_become_float32(dtype):
    x = (3 * normal(5, 70)).astype(dtype)
    for fmt in (NVFP4(), MXFP4(hadamard=32)):
        y = fake_quantize(x, fmt)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, fake_quantize(x.astype(np.float32), fmt))


def test_any_layout_is_read_and_none_is_written():
    x = normal(64, 96)
    expected = fake_quantize(x, NVFP4())
    for view in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1].copy()[::-1]):
        kept = view.copy()
        np.testing.assert_array_equal(fake_quantize(view, NVFP4()), expected)
        np.testing.assert_array_equal(view, kept)
    np.testing.assert_array_equal(fake_quantize(frozen(x), NVFP4()), expected)


def test_tensors_of_torch():
    torch = pytest.importorskip("torch")
    x = normal(4, 64)
    expected = fake_quantize(x, MXFP4())
    np.testing.assert_array_equal(fake_quantize(torch.from_numpy(x), MXFP4()), expected)


def test_empty_arrays():
    for shape in [(0,), (0, 16), (3, 0), (2, 0, 5)]:
        for fmt in (NVFP4(), MXFP4(), NVFP4(block="2d")):
            codes = quantize(np.zeros(shape), fmt)
            assert dequantize(codes).shape == shape


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("fmt", FORMATS, ids=repr)
def test_what_is_not_finite_is_refused(fmt, bad):
    x = normal(40, 100, dtype=np.float64)
    x[33, 99] = bad
    with pytest.raises(ValueError, match="NaN, infinity"):
        quantize(x, fmt)


@pytest.mark.parametrize("mode", ["floor", "ceil", "rceil", "even"])
@pytest.mark.parametrize("fmt", [MXFP4, MXFP6, MXFP8])
def test_what_is_not_finite_spreads_in_its_block(fmt, mode):
    x = normal(4, 96)
    expected = fake_quantize(x, fmt(scale_mode=mode))
    x[0, 5], x[1, 40], x[3, 95] = np.nan, np.inf, -np.inf
    codes = quantize(x, fmt(scale_mode=mode, nonfinite="propagate"))
    np.testing.assert_array_equal(np.argwhere(codes.scales == 255), [[0, 0], [1, 1], [3, 2]])
    y = dequantize(codes)
    blocks = y.reshape(4, 3, 32)
    for row, block in ((0, 0), (1, 1), (3, 2)):
        assert np.isnan(blocks[row, block]).all()
        blocks[row, block] = expected.reshape(4, 3, 32)[row, block]
    np.testing.assert_array_equal(y, expected)


# Codes


def test_sizes():
    x = normal(128, 256)
    assert quantize(x, MXFP4()).bits_per_value == 4.25
    assert quantize(x, MXFP6()).bits_per_value == 6.25
    assert quantize(x, MXFP8()).bits_per_value == 8.25
    assert quantize(x, FP4_UE5M3()).bits_per_value == 4.5
    assert quantize(x, NVFP4()).bits_per_value == 4.5 + 32 / x.size
    assert quantize(x, NVFP4(block="2d")).bits_per_value == 4 + 8 / 256 + 32 / x.size
    # A row of 37 numbers: 19 bytes and 3 scales; rotated by groups of 16, 24 bytes.
    assert quantize(normal(10, 37), FP4_UE5M3()).nbytes == 10 * (19 + 3)
    assert quantize(normal(10, 37), FP4_UE5M3(hadamard=16)).nbytes == 10 * (24 + 3)


@pytest.mark.parametrize("fmt", FORMATS, ids=repr)
@pytest.mark.parametrize("shape", [(33, 70), (3, 20, 48)])
def test_codes_are_indexed_by_row(fmt, shape):
    x = normal(*shape)
    codes = quantize(x, fmt)
    y = codes.decode()
    for rows in (0, -1, slice(None), slice(1, None, 2), np.array([2, 0]), np.arange(shape[0]) > 1):
        part = codes[rows]
        assert part.shape == y[rows].shape
        np.testing.assert_array_equal(part.decode(), y[rows])
    with pytest.raises(IndexError):
        codes[shape[0]]
    with pytest.raises(IndexError, match="first axis"):
        quantize(x, fmt, axis=0)[0]


@pytest.mark.parametrize("fmt", FORMATS, ids=repr)
def test_bytes(fmt):
    x = normal(20, 3, 37)
    codes = quantize(x, fmt, axis=1)
    data = codes.to_bytes()
    back = BlockCodes.from_bytes(data)
    assert isinstance(back, BlockCodes)
    assert (back.codec, back.shape, back.axis) == (fmt, codes.shape, -2)
    np.testing.assert_array_equal(back.decode(), codes.decode())
    assert back.to_bytes() == data
    np.testing.assert_array_equal(back.codec.encode(x, 1).elements, codes.elements)
    for broken in (data[:-1], data[:50], b"", data + b"\0"):
        with pytest.raises(ValueError, match=r"bytes|checksum"):
            BlockCodes.from_bytes(broken)
    for place in range(0, len(data), 97):
        altered = bytearray(data)
        altered[place] ^= 4
        with pytest.raises(ValueError, match=r"bytes|checksum|version"):
            BlockCodes.from_bytes(bytes(altered))


def test_other_formats_refuse_codes_of_the_same_shape():
    x = normal(4, 64)
    fmt = MXFP4(hadamard=32, signs=True, rng=1)
    codes = quantize(x, fmt)
    for equal in (fmt, MXFP4(hadamard=32, signs=True, rng=1)):
        np.testing.assert_array_equal(equal.decode(codes), codes.decode())
        np.testing.assert_array_equal(
            equal.decode(BlockCodes.from_bytes(codes.to_bytes())), codes.decode()
        )
    for other, what in (
        (MXFP4(hadamard=32, signs=True, rng=2), "another MXFP4, which differs in rng"),
        (MXFP4(hadamard=32), "another MXFP4, which differs in signs;"),
        (MXFP4(hadamard=16, signs=True, rng=1), "another MXFP4, which differs in hadamard"),
        (MXFP8(), "MXFP4; this MXFP8"),
    ):
        with pytest.raises(ValueError, match=f"codes were made by {what}"):
            other.decode(codes)
    with pytest.raises(ValueError, match="which differs in signs, rng"):
        fmt.decode(quantize(x, MXFP4(hadamard=32)))


def test_how_codes_were_found_does_not_matter_to_who_reads_them():
    x = normal(4, 64)
    for fmt, other in (
        (NVFP4(rounding="stochastic", rng=1, four_over_six=True), NVFP4()),
        (MXFP4(scale_mode="rceil"), MXFP4(rounding="stochastic", rng=2)),
    ):
        codes = quantize(x, fmt)
        np.testing.assert_array_equal(other.decode(codes), codes.decode())


# Products


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (NVFP4(), NVFP4(block="2d")),
        (NVFP4(hadamard=16, signs=True, rng=1), NVFP4(hadamard=16, signs=True, rng=1)),
        (FP4_UE5M3(), NVFP4(four_over_six=True)),
        (MXFP4(), MXFP8(scale_mode="rceil")),
        (MXFP6(), MXFP8(elements="e5m2")),
    ],
    ids=repr,
)
def test_gemm_is_the_product_of_what_is_decoded(a, b):
    k = 205 if a.hadamard is None else 208
    A, B = quantize(normal(9, k), a), quantize(normal(7, k, rng=1), b)
    product = gemm(A, B)
    assert product.dtype == np.float32
    x, y = A.decode().astype(np.float64), B.decode().astype(np.float64)
    # Half a unit in the last place of each block's sum, of its scaling and of each addition.
    bound = 16 * 2.0**-24 * (np.abs(x) @ np.abs(y).T + 1)
    assert (np.abs(product - x @ y.T) <= bound).all()


def test_gemm_adds_blocks_in_order():
    A, B = quantize(normal(5, 96), MXFP4()), quantize(normal(4, 96, rng=1), MXFP4())
    x = (A.decode().astype(np.float64), B.decode().astype(np.float64))
    total = np.zeros((5, 4), np.float32)
    for j in range(3):
        block = slice(32 * j, 32 * j + 32)
        total += (x[0][:, block] @ x[1][:, block].T).astype(np.float32)  # exact: 4-bit elements
    np.testing.assert_array_equal(gemm(A, B), total)


def test_gemm_refuses():
    x = normal(4, 64)
    a = quantize(x, NVFP4())
    for other, match in (
        (quantize(x, MXFP4()), "blocks must be of equal length"),
        (quantize(x, NVFP4(hadamard=16)), "rotated by the same"),
        (quantize(x[:, :48], NVFP4()), "rows of equal length"),
        (quantize(x, NVFP4(), axis=0), "last axis"),
        (quantize(x[0], NVFP4()), "matrix"),
    ):
        with pytest.raises(ValueError, match=match):
            gemm(a, other)


# Descriptions


def test_formats_by_class_and_name():
    x = normal(3, 33)
    for fmt in (NVFP4, "NVFP4", NVFP4()):
        np.testing.assert_array_equal(fake_quantize(x, fmt), fake_quantize(x, NVFP4()))
    for bad in ("NVFP5", "gemm", 4, None, np.float32):
        with pytest.raises(ValueError, match="fmt must be a format") as caught:
            quantize(x, bad)
        names = str(caught.value).split(": ")[1].split("; ")[0].split(", ")
        assert {"AF4", "NVFP4", "MXFP8", "INT4"} <= set(names)
        for name in names:  # each is accepted
            assert fake_quantize(x, name).shape == x.shape


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: MXFP4(scale_mode="round"), "scale_mode"),
        (lambda: MXFP4(nonfinite="ignore"), "nonfinite"),
        (lambda: MXFP6(elements="e4m3"), "elements"),
        (lambda: MXFP8(elements="e2m3"), "elements"),
        (lambda: NVFP4(block=(2, 16)), "block"),
        (lambda: NVFP4(block="3d"), "block"),
        (lambda: NVFP4(tensor_scale=0.0), "tensor_scale"),
        (lambda: NVFP4(tensor_scale=np.nan), "tensor_scale"),
        (lambda: NVFP4(rounding="up"), "rounding"),
        (lambda: NVFP4(hadamard=24), "hadamard"),
        (lambda: NVFP4(hadamard=1), "hadamard"),
        (lambda: NVFP4(hadamard=8192), "hadamard"),
        (lambda: NVFP4(signs=True), "give hadamard"),
        (lambda: quantize(np.float32(1), NVFP4()), "one axis"),
        (lambda: quantize(np.ones(3), NVFP4(), workers=0), "workers"),
    ],
)
def test_bad_input(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_bad_dtypes():
    with pytest.raises(TypeError, match="dtype"):
        quantize(np.ones(3, complex), NVFP4())


@pytest.mark.parametrize("fmt", [NVFP4(), MXFP4(), NVFP4(block="2d")])
def test_arrays_of_other_shapes_are_refused(fmt):
    codes = quantize(np.ones((32, 64)), fmt)
    for change in (
        {"elements": codes.elements[:, :-1]},
        {"scales": codes.scales[:1]},
        {"shape": (32, 96)},
        {"elements": codes.elements.astype(np.uint16)},
    ):
        with pytest.raises(ValueError, match="are not those of"):
            dataclasses.replace(codes, **change).decode()
