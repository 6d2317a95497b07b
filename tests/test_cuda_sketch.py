"""Sketches and random features of device arrays: compiled to PTX, and on a GPU."""

import pickle
import re

import numpy as np
import pytest

from fasttx import sketch as sketches
from fasttx.sketch import (
    FJLT,
    SRHT,
    CountSketch,
    Fastfood,
    GaussianSketch,
    OrthogonalFourierFeatures,
    RandomFourierFeatures,
    SigmaDeltaFeatures,
    SparseSign,
    sketch,
)


def sample(shape, dtype):
    rng = np.random.default_rng(1)
    x = 9 * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    return (x if dtype.startswith("complex") else x.real).astype(dtype)


def agree(y, expected, n):
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    error = np.linalg.norm(y - expected) / max(np.linalg.norm(expected), 1e-300)
    assert error <= 8 * np.log2(n) * np.finfo(y.dtype).eps


CASES = [
    ("srht", (3, 1000), 1, 100, "float32"),
    ("srht", (70, 50), 1, 20, "float64"),
    ("srht", (300, 5), 0, 40, "float32"),
    ("srht", (3000, 10), 0, 40, "float32"),  # blocks of points, with sums of parts
    ("srht", (2, 9000), 1, 300, "float32"),  # and a base matrix
    ("srht", (3, 200), 1, 30, "complex64"),
    ("countsketch", (300, 5), 0, 40, "float32"),
    ("sparse-sign", (10, 1100), 1, 300, "float16"),
    ("sparse-sign", (60, 40), 0, 9, "complex128"),
    ("fjlt", (5, 130), 1, 30, "float32"),
]


@pytest.mark.parametrize(("method", "shape", "axis", "k", "dtype"), CASES)
def test_compiled_sketches(ptx_device, method, shape, axis, k, dtype):
    x = sample(shape, dtype)
    y = sketch(ptx_device(x), k, axis, method=method, rng=3).host
    agree(y, sketch(x, k, axis, method=method, rng=3), shape[axis])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "float64", "complex64"])
@pytest.mark.parametrize("method", ["srht", "countsketch", "fjlt"])
@pytest.mark.parametrize(
    ("shape", "axis", "k"),
    [((1, 1), 0, 1), ((3, 9000), 1, 90), ((1500, 9), 0, 700), ((1100, 37), 0, 50)],
)
def test_more_compiled_sketches(ptx_device, method, shape, axis, k, dtype):
    test_compiled_sketches(ptx_device, method, shape, axis, k, dtype)


def test_transformers(ptx_device):
    """Fitted to device arrays they are those fitted on the host, and can be pickled."""
    x = sample((6, 40), "float32")
    for transformer in (SRHT(9, rounds=2, random_state=0), CountSketch(7, random_state=0)):
        expected = transformer.fit_transform(x)
        agree(transformer.fit_transform(ptx_device(x)).host, expected, 40)
        agree(pickle.loads(pickle.dumps(transformer)).transform(x), expected, 40)
        with pytest.raises(ValueError, match=r"X has 39 features, but .* is expecting 40"):
            transformer.transform(ptx_device(x[:, :39].copy()))
        with pytest.raises(ValueError, match="two dimensions"):
            transformer.transform(ptx_device(x[0]))


@pytest.mark.parametrize(
    "transformer",
    [
        SRHT(9, rounds=2, random_state=0),
        FJLT(9, random_state=0),
        SparseSign(9, nonzeros=2, random_state=0),
    ],
    ids=lambda transformer: type(transformer).__name__,
)
def test_adjoints(ptx_device, transformer):
    S = transformer.fit(np.ones((1, 40))).operator_
    y = sample((5, 9), "float64")
    agree(S.spread(ptx_device(y)).host, S.spread(y), 64)
    with pytest.raises(ValueError, match="axis 1 must have the length 9"):
        S.spread(ptx_device(y[:, :8].copy()))


def test_rows_in_pieces(ptx_device):
    x = sample((60, 3), "float64")
    here, there = SparseSign(5, random_state=0), SparseSign(5, random_state=0)
    for rows in np.split(x, 3):
        here.partial_fit(rows)
        there.partial_fit(ptx_device(rows))
    agree(there.sketch_.host, here.sketch_, 60)
    assert there.n_samples_seen_ == 60
    with pytest.raises(TypeError, match="both be on the host or on a device"):
        here.partial_fit(ptx_device(rows))
    with pytest.raises(TypeError, match="float64 cannot take rows that give float32"):
        there.partial_fit(ptx_device(rows.astype("float32")))


@pytest.mark.parametrize(
    ("features", "shape", "k", "dtype", "options"),
    [
        (OrthogonalFourierFeatures, (3, 100), 256, "float32", {}),
        (OrthogonalFourierFeatures, (3, 128), 147, "float64", {"pairs": False}),
        (Fastfood, (5, 20), 77, "float32", {}),
    ],
)
def test_compiled_features(ptx_device, features, shape, k, dtype, options):
    x = sample(shape, dtype)
    z = features(gamma=0.01 / shape[1], n_components=k, random_state=1, **options)
    expected = z.fit_transform(x)
    agree(z.fit_transform(ptx_device(x)).host, expected, 2.0 ** shape[1].bit_length())


def test_what_is_refused(ptx_device):
    x = ptx_device(sample((8, 8), "float32"))
    for call, error, message in (
        (lambda: sketch(x, 3, method="gaussian"), NotImplementedError, "Gaussian sketch is on the"),
        (lambda: sketch(x, 9), ValueError, "k must be between 1 and 8"),
        (lambda: sketch(ptx_device(np.ones(3)), 1), ValueError, "two dimensions"),
        (lambda: GaussianSketch(3).fit_transform(x), NotImplementedError, "on the host only"),
        (lambda: SRHT(3).fit(x).inverse_transform(x), NotImplementedError, "on the host only"),
        (lambda: FJLT(3).fit(x).norm_variance(x), NotImplementedError, "on the host only"),
        (lambda: RandomFourierFeatures().fit_transform(x), NotImplementedError, "dense matrices"),
        (lambda: Fastfood(gamma="scale").fit(x), NotImplementedError, "scale"),
        (lambda: SigmaDeltaFeatures().fit(x), NotImplementedError, "on the host only"),
        (lambda: SRHT(3).fit(ptx_device(np.ones((2, 4), complex))), ValueError, "Complex data"),
        (lambda: sketches.sketched_svd(x, 2), NotImplementedError, "on the host only"),
        (lambda: sketches.sketched_lstsq(x, np.ones(8)), NotImplementedError, "on the host only"),
        (lambda: sketches.kernel_thinning(x, m=1), NotImplementedError, "on the host only"),
        (lambda: sketches.kernel_matvec(x, x, x, 1.0), NotImplementedError, "on the host only"),
    ):
        with pytest.raises(error, match=message):
            call()


# PTX: compiled without a driver

FUSED = [
    ("float32", 12, {"mode": "rows", "columns": 0}, {"load": 16, "chosen": 4, "store": 4}),
    ("float32", 10, {"mode": "padded", "columns": 0}, {"load": 4, "chosen": 4, "store": 4}),
    ("float64", 9, {"mode": "columns", "columns": 3}, {"load": 16, "chosen": 4, "store": 4}),
    (
        "float32",
        10,
        {"mode": "columns", "columns": 3, "carried": 16, "power": 6},
        {"load": 16, "chosen": 16, "store": 16},
    ),
]


@pytest.mark.parametrize(("kind", "levels", "options", "counts"), FUSED)
@pytest.mark.parametrize("cc", [(8, 0), (9, 0)], ids=["sm_80", "sm_90"])
def test_ptx_reads_once_and_writes_what_is_wanted(nvvm, kind, levels, options, counts, cc):
    from fasttx._cuda import memory, sketch_kernel

    code = memory.ptx(sketch_kernel.hadamard(kind, levels, wide=True, **options), cc)
    # Vectors of the input, for whole tiles and for the last ones, and places of the outputs; four
    # stores in a loop over the outputs, or one of each sum.
    assert len(re.findall(r"ld\.global\.v[24]", code)) == counts["load"]
    assert len(re.findall(r"ld\.global", code)) == counts["load"] + counts["chosen"]
    assert len(re.findall(r"st\.global", code)) == counts["store"]
    assert not re.search(r"\.local\b|\bcall\b", code)
    if kind == "float32":
        assert ".f64" not in code
    shared = re.findall(r"\.shared [^;]*\[(\d+)\];", code)
    assert sum(map(int, shared)) <= 48 << 10


@pytest.mark.parametrize("cc", [(8, 0), (9, 0)], ids=["sm_80", "sm_90"])
def test_ptx_of_features(nvvm, cc):
    from fasttx._cuda import features, memory

    kernel = features.transform(
        "float32", 9, mode="rows", signs=(True, True, True, False), permuted=False, waves=True,
        phased=False, wide=True, aligned=True,
    )  # fmt: skip
    code = memory.ptx(kernel, cc)
    vectors = 1 << kernel.form.registers
    # Rows twice as in other kernels, and scales; a word of signs for each vector and diagonal.
    assert len(re.findall(r"ld\.global\.v4\.(?:f32|u32|b32)", code)) == 3 * vectors
    assert len(re.findall(r"ld\.global", code)) == 6 * vectors
    assert len(re.findall(r"st\.global\.v4", code)) == 2 * vectors
    assert len(re.findall(r"st\.global", code)) == 2 * vectors
    assert not re.search(r"\.local\b|\bcall\b|\.f64", code)


# On a GPU


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("method", ["srht", "countsketch", "sparse-sign", "fjlt"])
@pytest.mark.parametrize(
    ("shape", "k"),
    [((301, 1000), 100), ((5, 20_000), 300), ((3, 100_000), 9000), ((40_000, 33), 8), ((7, 5), 5)],
)
def test_gpu_sketches(library, method, shape, k, dtype):
    a = sample(shape, dtype)
    x = library.to(a)
    for axis in (0, 1):
        if k > shape[axis]:
            continue
        y = sketch(x, k, axis, method=method, rng=2)
        assert type(y) is type(x)
        agree(library.back(y), sketch(a, k, axis, method=method, rng=2), max(shape))
        again = sketch(x, k, axis, method=method, rng=2)
        np.testing.assert_array_equal(library.back(again), library.back(y))
    np.testing.assert_array_equal(library.back(x), a)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("d", [65, 1000, 4096])
def test_gpu_features(library, d, dtype):
    a = sample((33, d), dtype)
    for features in (OrthogonalFourierFeatures, Fastfood):
        for k in (256, 3001):
            z = features(gamma=0.01 / d, n_components=k, random_state=0).fit(a)
            agree(library.back(z.transform(library.to(a))), z.transform(a), 2.0 ** d.bit_length())


@pytest.mark.cuda
def test_gpu_strided(library):
    a = sample((40, 256), "float32")
    y = sketch(library.strided(a), 30, 1, rng=0)
    agree(library.back(y), sketch(a, 30, 1, method="srht", rng=0), 256)
