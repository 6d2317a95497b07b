"""The Walsh-Hadamard transform of device arrays: simulated, compiled to PTX, and on a GPU."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fasttx
from fasttx import _cuda

ORDERS = ("hadamard", "sequency", "dyadic")
TESTS = Path(__file__).resolve().parent
ROOT = Path(_cuda.__file__).resolve().parents[2]


def run(*arguments, **variables):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": path, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )


def test_under_the_simulator():
    worker = TESTS / "cuda_sim_worker.py"
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", worker, NUMBA_ENABLE_CUDASIM="1")
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout), done.stdout
    assert "skipped" not in done.stdout, done.stdout


def test_package_imports_no_numba():
    done = run("-c", "import sys, fasttx._cuda; sys.exit('numba' in sys.modules)")
    assert done.returncode == 0, done.stdout


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


# PTX: compiled without a driver


@pytest.fixture
def ptx():
    """Compiler of kernels to PTX, skipping where the extra or its NVVM is not installed."""
    if importlib.util.find_spec("numba_cuda") is None:
        pytest.skip("needs numba-cuda: pip install 'fasttx[cuda]'")
    from numba.cuda.cudadrv import nvvm

    if not nvvm.is_available():
        pytest.skip("needs NVVM: pip install 'numba-cuda[cu13]'")
    from fasttx._cuda import fwht

    return fwht.ptx


def check_ptx(code, dtype, levels, order, columns, cc):
    count = {
        name: len(re.findall(pattern, code))
        for name, pattern in {
            "load": rf"ld\.global\.(?:nc\.)?f{dtype[-2:]}\b",
            "store": rf"st\.global\.f{dtype[-2:]}\b",
            "global": r"(?:ld|st)\.global",
            "barrier": r"\b(?:bar|barrier)\.sync",
            "reversal": r"\bbrev\.",
            "division": r"\b(?:div|rem)\.",
        }.items()
    }
    assert f".target sm_{cc[0]}{cc[1]}" in code
    assert code.count(".visible .entry") == 1
    # Registers and shared memory only: nothing spilled to local memory, no function called.
    assert not re.search(r"\.local\b|\bcall\b", code)
    (shared,) = re.findall(r"\.shared [^;]*\[(\d+)\];", code)
    assert int(shared) <= 48 << 10
    # Each point is read and written once; n = 1 and 2 leave some of the four places unused.
    assert count["load"] <= 4
    assert count["store"] <= 4
    assert count["global"] == count["load"] + count["store"]
    if levels >= 2:
        assert count["load"] == count["store"] == 4
    if levels > 2:  # for n = 4 the places are constants
        assert (count["reversal"] > 0) == (order != "hadamard")
    assert count["barrier"] >= 1
    if not columns:
        assert count["division"] == 0
    if dtype == "float32":
        assert ".f64" not in code


@pytest.mark.parametrize("cc", [(8, 0), (9, 0)], ids=["sm_80", "sm_90"])
@pytest.mark.parametrize(
    ("dtype", "levels", "order", "columns"),
    [
        ("float32", 1, "hadamard", False),
        ("float32", 5, "dyadic", True),
        ("float32", 12, "hadamard", False),
        ("float64", 11, "sequency", False),
        ("float64", 12, "sequency", True),
    ],
)
def test_ptx(ptx, dtype, levels, order, columns, cc):
    check_ptx(ptx(dtype, levels, order, columns, cc=cc), dtype, levels, order, columns, cc)


@pytest.mark.slow
@pytest.mark.parametrize("cc", [(8, 0), (9, 0)], ids=["sm_80", "sm_90"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("levels", range(13))
def test_ptx_of_every_kernel(ptx, dtype, levels, cc):
    for order in ORDERS:
        for columns in (False, True):
            check_ptx(ptx(dtype, levels, order, columns, cc=cc), dtype, levels, order, columns, cc)


# On a GPU


class Numba:
    def __init__(self):
        from numba import cuda

        self.cuda = cuda

    def to(self, a):
        return self.cuda.to_device(a)

    def back(self, x):
        return x.copy_to_host()

    def strided(self, a):
        pytest.skip("strided Numba arrays are refused")


class Cupy:
    def __init__(self):
        self.cupy = pytest.importorskip("cupy")

    def to(self, a):
        return self.cupy.asarray(a)

    def back(self, x):
        return self.cupy.asnumpy(x)

    def strided(self, a):
        return self.cupy.asarray(np.ascontiguousarray(a.T)).T

    def stream(self):
        return self.cupy.cuda.Stream(non_blocking=True)

    def busy(self):
        a = self.cupy.ones((4096, 4096), "float32")
        for _ in range(8):
            a = a @ a / 4096


class Torch:
    def __init__(self):
        self.torch = pytest.importorskip("torch")
        if not self.torch.cuda.is_available():
            pytest.skip("this torch has no CUDA")

    def to(self, a):
        return self.torch.from_numpy(a.copy()).cuda()

    def back(self, x):
        return x.cpu().numpy()

    def strided(self, a):
        return self.to(np.ascontiguousarray(a.T)).T

    def stream(self):
        return self.torch.cuda.stream(self.torch.cuda.Stream())

    def busy(self):
        a = self.torch.ones((4096, 4096), device="cuda")
        for _ in range(8):
            a = a @ a / 4096


@pytest.fixture(params=[Numba, Cupy, Torch], ids=["numba", "cupy", "torch"])
def library(request):
    try:
        _cuda.require()
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))
    return request.param()


def agree(y, expected, n):
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    error = np.linalg.norm((y - expected).astype(float)) / np.linalg.norm(expected.astype(float))
    assert error <= 4 * max(1, np.log2(n)) * np.finfo(y.dtype).eps


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1 << k for k in range(13)])
def test_gpu_agrees_with_the_cpu(library, n, dtype):
    rng = np.random.default_rng(n)
    for shape, axis in (((n,), 0), ((301, n), -1), ((5, n, 33), 1), ((n, 1000), 0)):
        a = rng.standard_normal(shape).astype(dtype)
        x = library.to(a)
        for order in ORDERS:
            y = fasttx.fwht(x, axis=axis, order=order, norm="ortho")
            assert type(y) is type(x)
            agree(library.back(y), fasttx.fwht(a, axis=axis, order=order, norm="ortho"), n)
            again = fasttx.fwht(x, axis=axis, order=order, norm="ortho")
            np.testing.assert_array_equal(library.back(again), library.back(y))
        np.testing.assert_array_equal(library.back(x), a)


@pytest.mark.cuda
@pytest.mark.parametrize("shape", [(7, 64), (300, 4096)])
def test_gpu_overwrites_and_inverts(library, shape):
    a = np.random.default_rng(1).standard_normal(shape)
    x = library.to(a)
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
def test_gpu_tensor_that_requires_a_gradient(library):
    if not isinstance(library, Torch):
        pytest.skip("gradients are torch's")
    torch = library.torch
    x = torch.ones(8, device="cuda", requires_grad=True)
    with pytest.raises(NotImplementedError, match="requires a gradient"):
        fasttx.fwht(x)
    with torch.no_grad():
        assert fasttx.fwht(x)[0] == 8
    w = torch.ones(8, device="cuda", requires_grad=True)
    saved = torch.ones(8, device="cuda")
    loss = (w * saved).sum()
    fasttx.fwht(saved, overwrite_x=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
