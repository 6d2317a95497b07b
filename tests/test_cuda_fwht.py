"""The Walsh-Hadamard transform of device arrays: simulated, compiled to PTX, and on a GPU."""

import functools
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fasttx
from fasttx import _cuda
from tests import ptx_machine
from tests.cuda_libraries import Jax, Numba, Torch

ORDERS = ("hadamard", "sequency", "dyadic")
ROOT = Path(_cuda.__file__).resolve().parents[2]


def test_package_imports_no_numba():
    code = "import sys, fasttx._cuda; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_missing_pieces_are_named():
    """Without a GPU the error says what to install, or that there is no driver."""
    if re.search("compute capability|simulator", _cuda.status()):
        pytest.skip("a device is there")
    if importlib.util.find_spec("numba_cuda") is None:
        error, message = ImportError, r"not installed: pip install 'fasttx\[cuda\]'"
    else:
        error, message = RuntimeError, "no CUDA driver was found"
    with pytest.raises(error, match=message):
        _cuda.require()
    assert not _cuda.status().startswith("simulator")


def test_device_arrays_without_numba_cuda():
    """The first thing that is said is what to install."""
    if _cuda.installed():
        pytest.skip("numba-cuda is there")

    class Foreign:
        is_cuda = True

    for function in (fasttx.fwht, fasttx.fft_unordered, fasttx.zeta, fasttx.bit_reverse):
        with pytest.raises(ImportError, match=r"not installed: pip install 'fasttx\[cuda\]'"):
            function(Foreign())


def sample(rng, shape, dtype):
    x = rng.standard_normal(shape)
    if "int" in dtype:
        return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, True)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def agree(y, expected, n):
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    wide = np.result_type(y.dtype, float)
    norm = np.linalg.norm(expected.astype(wide))
    error = np.linalg.norm(y.astype(wide) - expected.astype(wide)) / max(norm, 1e-300)
    assert error <= 4 * max(1, np.log2(n)) * np.finfo(y.dtype).eps


# PTX: compiled without a driver


@pytest.fixture
def ptx(nvvm):
    """Compiler of kernels to PTX."""
    return compiled


def compiled(kind, levels, *, cc, **options):
    return _compiled(kind, levels, cc, tuple(options.items()))


@functools.lru_cache(maxsize=64)
def _compiled(kind, levels, cc, options):
    from fasttx._cuda import fwht_kernel

    return fwht_kernel.ptx(kind, levels, cc=cc, **dict(options))


ACCUMULATED = {"float64": 8, "complex128": 8, "int32": 8, "scaled int32": 8}


def check_ptx(code, kind, levels, cc, *, mode="rows", columns=0, order="hadamard", **options):
    from fasttx._cuda import codelets

    form = codelets.layout(kind, levels + columns)
    held = 1 << form.vector + form.registers
    words = "u32" if kind in ("float16", "bfloat16") else "(?:f32|f64|u32|b32)"
    count = {
        name: len(re.findall(pattern, code))
        for name, pattern in {
            "vector load": rf"ld\.global\.v[24]\.{words}\b",
            "load": r"ld\.global",
            "vector store": r"st\.global\.v[24]\.",
            "store": r"st\.global",
            "shuffle": r"shfl\.sync\.bfly\.b32",
            "shared": r"(?:ld|st)\.shared",
            "barrier": r"\b(?:bar|barrier)\.sync",
            "division": r"\b(?:div|rem)\.s64",
        }.items()
    }
    assert f".target sm_{cc[0]}{cc[1]}" in code
    assert code.count(".visible .entry") == 1
    # Registers and shared memory only: nothing spilled to local memory, no function called.
    assert not re.search(r"\.local\b|\bcall\b", code)
    shared = re.findall(r"\.shared [^;]*\[(\d+)\];", code)
    assert sum(map(int, shared)) <= 48 << 10
    assert bool(shared) == bool(form.swapped)
    # A lane shuffles one of two numbers at each level of lanes, in words of 32 bits.
    lanes = range(max(form.vector, columns), min(form.vector + 5, columns + levels))
    assert count["shuffle"] == held // 2 * len(lanes) * (ACCUMULATED.get(kind, 4) // 4)
    assert count["shared"] == 2 * held * bool(form.swapped)
    assert bool(count["barrier"]) == bool(form.swapped)
    # Each number is read and written once, in vectors: for whole tiles, and for the last ones.
    cases = 1 if mode == "padded" else 2
    assert count["load"] == count["vector load"] == cases << form.registers
    if order == "hadamard":
        vectors = 2 << form.registers << (kind in ("int32", "scaled int32"))
        assert count["store"] == count["vector store"] == vectors
    else:
        assert count["store"] == 2 * held
    if mode != "columns":
        assert count["division"] == 0
    if ACCUMULATED.get(kind, 4) == 4:
        assert ".f64" not in code


CASES = [
    ("float32", 13, {}),
    ("float32", 10, {"mode": "columns", "columns": 3}),
    ("float16", 9, {}),
    ("bfloat16", 9, {"mode": "padded"}),
    ("float64", 8, {"order": "sequency"}),
    ("complex64", 7, {"columns": 1}),
    ("int32", 6, {}),
]


@pytest.mark.parametrize(("kind", "levels", "options"), CASES)
def test_ptx(ptx, kind, levels, options):
    for cc in ((8, 0), (9, 0)):
        check_ptx(ptx(kind, levels, cc=cc, **options), kind, levels, cc, **options)


def check_run(code, kind, levels, *, mode="rows", columns=0, order="hadamard", **options):
    """What the compiled kernel computes is the transform of the CPU, and it writes nothing else."""
    from fasttx._cuda import codelets, memory

    given, form, n = memory.KINDS[kind], codelets.layout(kind, levels + columns), 1 << levels
    parts, spare = given.parts, form.bits - levels - columns
    inner = parts if mode != "columns" else 24
    strips = (3 << spare >> 1) + 1  # the last tile is not full
    outer = strips if mode != "columns" else strips * 24 // -(-24 >> columns)
    if mode == "columns":
        strips = outer * -(-24 >> columns)
    length = max(n - 8, -(-n // 2)) if mode == "padded" else n
    shape = (outer, length, inner // parts)
    dtype = "float32" if kind == "bfloat16" else kind
    x = sample(np.random.default_rng(levels), shape, dtype)
    src = x.reshape(-1).view(given.read) if kind != "bfloat16" else bfloat16(x.reshape(-1))
    if kind == "bfloat16":
        x = widened(src).reshape(shape)
    poison = np.array([0xA5], np.uint8)
    written = memory.stored(given.written)
    size = outer * n * inner
    dst = np.repeat(poison, (size + 64) * written.itemsize).view(written)
    scale = getattr(np, "float64" if given.number == "int64" else given.number)(1)
    signs = np.zeros(1, given.number)
    counts = (np.int64(i) for i in (length, inner, strips))
    blocks = -(-strips >> spare) + 1
    src = src.view(memory.stored(given.read)).copy()
    ptx_machine.run(code, blocks, form.threads, dst, src, signs, *counts, scale)
    assert (dst[size:].view(np.uint8) == poison).all()
    expected = fasttx.fwht(x, n=n, axis=1, order=order)
    y = widened(dst[:size]) if kind == "bfloat16" else dst[:size].view(expected.dtype)
    if kind == "int32":
        np.testing.assert_array_equal(y.reshape(expected.shape), expected)
    elif kind == "bfloat16":
        assert np.abs(y.reshape(expected.shape) - expected).max() <= 2**-8 * np.abs(expected).max()
    else:
        agree(y.reshape(expected.shape), expected, n)


def bfloat16(x):
    bits = x.view("uint32")
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("uint16")


def widened(bits):
    return (bits.astype("uint32") << 16).view("float32")


@pytest.mark.parametrize(("kind", "levels", "options"), [*CASES, ("float32", 15, {})])
def test_compiled_kernels_transform(ptx, kind, levels, options):
    check_run(ptx(kind, levels, cc=(9, 0), **options), kind, levels, **options)


def test_no_axes(ptx_device):
    x = np.arange(6).reshape(2, 3)
    for dtype in ("float32", "int16"):
        given = ptx_device(x.astype(dtype))
        y = fasttx.fwhtn(given, axes=())
        assert y is not given
        assert y.dtype == ("float32" if dtype == "float32" else "int64")
        np.testing.assert_array_equal(y.host, x)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int16"])
@pytest.mark.parametrize("order", ["hadamard", "sequency"])
def test_three_passes(ptx_device, monkeypatch, dtype, order):
    """With small tiles; the passes are those of a row of 2**28."""
    from fasttx._cuda import codelets

    for size in (4, 8):
        monkeypatch.setitem(codelets.TILE, size, 6)
    x = sample(np.random.default_rng(9), (2, 1024), dtype)
    y = fasttx.fwht(ptx_device(x), order=order).host
    expected = fasttx.fwht(x, order=order)
    if dtype == "int16":
        np.testing.assert_array_equal(y, expected)
    else:  # half precision is rounded after each pass
        agree(y, expected, 1024)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32"])
def test_integers_are_exact(ptx_device, dtype):
    rng = np.random.default_rng(8)
    ends = (0, 2) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    x = rng.integers(*ends, (3, 64), dtype="int64", endpoint=dtype != "bool").astype(dtype)
    y = fasttx.fwht(ptx_device(x)).host
    assert y.dtype == "int64"
    np.testing.assert_array_equal(y, fasttx.fwht(x))
    agree(fasttx.fwht(ptx_device(x), norm="ortho").host, fasttx.fwht(x, norm="ortho"), 64)
    spectrum = fasttx.fft_unordered(ptx_device(x)).host
    agree(spectrum, fasttx.fft_unordered(x), 64)


@pytest.mark.slow
@pytest.mark.parametrize("cc", [(8, 0), (9, 0)], ids=["sm_80", "sm_90"])
@pytest.mark.parametrize(
    "kind", ["float32", "float16", "bfloat16", "float64", "complex64", "complex128", "int32"]
)
def test_every_compiled_kernel(ptx, kind, cc):
    parts = int(kind.startswith("complex"))
    for levels in range(parts, 14 if ACCUMULATED.get(kind, 4) == 8 else 16):
        cases = [{}, {"mode": "padded"}, {"order": "sequency"}, {"order": "dyadic"}]
        if parts:
            cases, levels = [{**case, "columns": 1} for case in cases], levels - 1
        if levels < 10:
            cases.append({"mode": "columns", "columns": 3})
        for options in cases:
            code = ptx(kind, levels, cc=cc, **options)
            if levels >= 4:
                check_ptx(code, kind, levels, cc, **options)
                check_run(code, kind, levels, **options)
            check_run(ptx(kind, levels, cc=cc, wide=False, **options), kind, levels, **options)


# On a GPU


@pytest.mark.cuda
@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "complex64", "complex128", "int32"]
)
@pytest.mark.parametrize("n", [*(1 << k for k in range(17)), 12, 24, 96])
def test_gpu_agrees_with_the_cpu(library, n, dtype):
    rng = np.random.default_rng(n)
    cases = [((n,), 0), ((301, n), -1)]
    if n <= 4096:
        cases += [((5, n, 33), 1), ((n, 1000), 0), ((3, n, 16), 1)]
    for shape, axis in cases:
        a = sample(rng, shape, dtype)
        x = library.to(a)
        for order in ORDERS if n & (n - 1) == 0 else ORDERS[:1]:
            y = fasttx.fwht(x, axis=axis, order=order)
            assert type(y) is type(x)
            expected = fasttx.fwht(a, axis=axis, order=order)
            if dtype == "int32":
                np.testing.assert_array_equal(library.back(y), expected)
            else:
                agree(library.back(y), expected, n)
            again = fasttx.fwht(x, axis=axis, order=order)
            np.testing.assert_array_equal(library.back(again), library.back(y))
        np.testing.assert_array_equal(library.back(x), a)


@pytest.mark.cuda
@pytest.mark.parametrize("levels", [20, 24, 28])
def test_gpu_one_long_row(library, levels):
    """Against closed forms: the transform of a Walsh function is one peak."""
    n, k = 1 << levels, 0xABCDEF1 & ((1 << levels) - 1)
    index = np.arange(n, dtype=np.int64)
    parity = np.bitwise_count(index & k) & 1
    y = library.back(fasttx.fwht(library.to(1 - 2 * parity.astype("float32"))))
    assert y[k] == n
    assert np.count_nonzero(y) == 1


@pytest.mark.cuda
def test_gpu_bfloat16():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    for n in (1, 8, 512, 8192, 32768):
        x = torch.randn(33, n, device="cuda", dtype=torch.bfloat16)
        y = fasttx.fwht(x, norm="ortho")
        assert y.dtype == torch.bfloat16
        exact = fasttx.fwht(x.double(), norm="ortho")
        assert (y.double() - exact).abs().max() <= 2**-8 * exact.abs().max()


@pytest.mark.cuda
@pytest.mark.parametrize("kind", ["float32", "float16", "float64", "int32"])
@pytest.mark.parametrize("levels", [3, 7, 10, 12])
def test_gpu_shuffles_and_shared_memory_agree(kind, levels):
    """The two ways in which lanes exchange give the same bits."""
    try:
        cuda = _cuda.require()
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))
    from fasttx._cuda import fwht_kernel, memory

    given, rows, rng = memory.KINDS[kind], 64, np.random.default_rng(levels)
    a = sample(rng, (rows << levels,), kind).view(memory.stored(given.read))
    results = []
    for shuffles in (True, False):
        kernel = fwht_kernel.transform(kind, levels, shuffles=shuffles)
        src, dst = cuda.to_device(a), cuda.device_array(a.size, memory.stored(given.written))
        n, scale = 1 << levels, getattr(np, "float64" if kind == "int32" else given.number)(1)
        kernel.launch[128, kernel.form.threads](dst, src, dst, n, 1, rows, scale)
        results.append(dst.copy_to_host())
    np.testing.assert_array_equal(*results)


@pytest.mark.cuda
def test_gpu_out_of_memory_is_raised(library):
    x = library.to(np.ones((1, 64), "float32"))
    with pytest.raises(Exception, match=r"(?i)out.?of.?memory"):
        fasttx.fwht(x, n=1 << 30, axis=0)
    np.testing.assert_array_equal(library.back(fasttx.fwht(x))[0, 0], 64)


@pytest.mark.cuda
def test_gpu_copies_nothing_to_the_host(library, no_transfers):
    x = library.to(np.ones((4, 64), "float32"))
    fasttx.fwht(x)  # compiled
    with no_transfers():
        fasttx.fwht(x)
        if library.in_place:
            fasttx.fwht(x, overwrite_x=True)


@pytest.mark.cuda
def test_gpu_second_device(library):
    if isinstance(library, Numba) or len(_cuda.require().gpus) < 2:
        pytest.skip("needs two devices")
    a = np.random.default_rng(7).standard_normal((5, 256)).astype("float32")
    with library.on(1):
        x = library.to(a)
    agree(library.back(fasttx.fwht(x)), fasttx.fwht(a), 256)


@pytest.mark.cuda
@pytest.mark.parametrize("shape", [(7, 64), (300, 4096)])
def test_gpu_overwrites_and_inverts(library, shape):
    a = np.random.default_rng(1).standard_normal(shape)
    x = library.to(a)
    if not library.in_place:
        with pytest.raises(TypeError, match="cannot be overwritten"):
            fasttx.fwht(x, overwrite_x=True)
        np.testing.assert_array_equal(library.back(x), a)
        pytest.skip("arrays of this library cannot be changed")
    assert fasttx.fwht(x, overwrite_x=True) is x
    agree(library.back(x), fasttx.fwht(a), shape[-1])
    agree(library.back(fasttx.ifwht(x)), a, shape[-1])


@pytest.mark.cuda
def test_gpu_pads_and_crops(library):
    a = np.random.default_rng(2).standard_normal((9, 100)).astype("float32")
    for n in (64, 128, 1024):
        agree(library.back(fasttx.fwht(library.to(a), n)), fasttx.fwht(a, n), n)


@pytest.mark.cuda
def test_gpu_strided(library):
    a = np.random.default_rng(3).standard_normal((40, 256)).astype("float32")
    x = library.strided(a)
    agree(library.back(fasttx.fwht(x)), fasttx.fwht(a), 256)
    np.testing.assert_array_equal(library.back(x), a)
    assert fasttx.fwht(x, overwrite_x=True) is x
    agree(library.back(x), fasttx.fwht(a), 256)


@pytest.mark.cuda
def test_gpu_uses_the_current_stream(library):
    """Behind slow work on a stream of its own, the transform must wait for its input."""
    if isinstance(library, Numba):
        pytest.skip("Numba has no current stream")
    a = np.random.default_rng(4).standard_normal((512, 1024)).astype("float32")
    source = library.to(a)
    fasttx.fwht(source)  # compiled before the race
    with library.stream():
        library.busy()
        x = source * 2
        y = library.back(fasttx.fwht(x))
    agree(y, fasttx.fwht(2 * a), 1024)


@pytest.mark.cuda
def test_gpu_arrays_of_jax_are_complete_when_it_sees_them(library):
    """Input that is not ready yet, results used at once, and memory given back early."""
    if not isinstance(library, Jax):
        pytest.skip("the other libraries have streams")
    a = np.random.default_rng(5).standard_normal((512, 1024)).astype("float32")
    for _ in range(20):
        library.busy()
        x = library.to(a) * 2
        y = fasttx.ifwht(fasttx.fwht(x, order="sequency"), order="sequency") / 2
        agree(library.back(y), a, 1024)


@pytest.mark.cuda
def test_gpu_arrays_on_several_devices_or_of_several_libraries(library):
    given = _cuda.wrap(library.to(np.ones(4, "float32")))
    _cuda.same_device(given, given)
    if not isinstance(library, Numba):
        other = _cuda.wrap(Numba().to(np.ones(4, "float32")))
        with pytest.raises(TypeError, match="accepted are arrays of one library"):
            _cuda.same_device(given, other)
        if len(_cuda.require().gpus) > 1:
            with library.on(1):
                other = _cuda.wrap(library.to(np.ones(4, "float32")))
            with pytest.raises(ValueError, match=r"on device 0 and .* on device 1"):
                _cuda.same_device(given, other)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["bool", "uint8", "float16", "float32", "complex128", "int64"])
def test_gpu_memory_as_kernels_see_it(library, dtype):
    a = np.arange(6).reshape(2, 3).astype(dtype)
    given = _cuda.wrap(library.to(a))
    with given.context():
        flat = given.flat().copy_to_host()
    seen = {"bool": "uint8", "float16": "uint16", "complex128": "float64"}.get(dtype, dtype)
    np.testing.assert_array_equal(flat, a.reshape(-1).view(seen))


@pytest.mark.cuda
def test_gpu_tensor_that_requires_a_gradient(library):
    if not isinstance(library, Torch):
        pytest.skip("gradients are torch's")
    torch = library.torch
    x = torch.ones(8, device="cuda", requires_grad=True)
    with pytest.raises(NotImplementedError, match=r"requires a gradient.*fasttx\.torch"):
        fasttx.fwht(x)
    with torch.no_grad():
        assert fasttx.fwht(x)[0] == 8
    w = torch.ones(8, device="cuda", requires_grad=True)
    saved = torch.ones(8, device="cuda")
    loss = (w * saved).sum()
    fasttx.fwht(saved, overwrite_x=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
