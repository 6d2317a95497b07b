"""Imports, the cache of compiled code, and the other vector widths."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fasttx
from fasttx import _jit
from fasttx._cpu import plan

ROOT = Path(fasttx.__file__).parent.parent

CHECK = """
import numpy as np, fasttx
rng = np.random.default_rng(0)
for dtype in ("float32", "float64", "int64", "complex64"):
    for k in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 19):
        for batch in (1, 3):
            x = rng.integers(-4, 5, (batch, 1 << k)).astype(dtype)
            y = fasttx.fwht(x)
            half = x.shape[1] // 2
            if half:
                a, b = fasttx.fwht(x[:, :half]), fasttx.fwht(x[:, half:])
                assert np.array_equal(y, np.concatenate([a + b, a - b], axis=1)), (dtype, k)
            else:
                assert np.array_equal(y, x)
    x = rng.integers(-4, 5, (12 * 32, 37)).astype(dtype)
    assert np.array_equal(fasttx.fwht(x, axis=0), fasttx.hadamard(384).astype(dtype) @ x)
x = rng.standard_normal((3, 100)).astype(np.float16)
assert np.array_equal(fasttx.fwht(x, 128), fasttx.fwht(x.astype("f"), 128).astype(np.float16))
for dtype in ("complex64", "complex128"):
    for k in (1, 3, 5, 6, 7, 9, 12, 18):
        x = (rng.standard_normal((3, 1 << k)) + 1j).astype(dtype)
        X = np.fft.fft(x.astype(complex))
        error = fasttx.fftbr(fasttx.bit_reverse(x)) - X
        assert np.linalg.norm(error) < 1e-6 * np.linalg.norm(X), (dtype, k)
        assert np.allclose(fasttx.ifft_unordered(fasttx.fft_unordered(x)), x, atol=1e-5)
        assert np.allclose(fasttx.irfft_unordered(fasttx.rfft_unordered(x.real)), x.real, atol=1e-5)
x = rng.standard_normal((300, 33)).astype("f")
h = rng.standard_normal((33, 200)).astype("f")
y = fasttx.fftconvolve_causal(x.T.copy(), h)
assert np.allclose(y[5, 250], h[5] @ x[250:50:-1, 5], atol=1e-4)
from fasttx._cpu import plan
print(plan.vector_bytes(), plan.registers())
"""


def python(code, cwd=ROOT, **environment):
    environment = {k: str(v) for k, v in (os.environ | environment).items()}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_is_light():
    loaded = python("import sys, fasttx; print(*sys.modules)").split()
    assert "fasttx" in loaded
    assert not {"numpy", "numba", "scipy"} & set(loaded)


def test_names_are_there_and_lazy():
    for name in fasttx.__all__:
        assert getattr(fasttx, name) is not None
        assert name in dir(fasttx)
    with pytest.raises(AttributeError, match="has no attribute 'fht'"):
        fasttx.fht  # noqa: B018
    assert python("import fasttx; print(fasttx.__version__)") == fasttx.__version__


def test_torch_is_optional():
    code = "import sys; sys.modules['torch'] = None; import fasttx; {}"
    assert python(code.format("print(fasttx.fwht([1, 2]))")) == "[ 3 -1]"
    with pytest.raises(AssertionError, match=r"ImportError: .*pip install 'fasttx\[torch\]'"):
        python(code.format("fasttx.torch"))


X86 = os.uname().machine in ("x86_64", "AMD64") if hasattr(os, "uname") else False


@pytest.mark.skipif(not X86, reason="names of x86 features")
@pytest.mark.parametrize(
    ("cpu", "features", "widths"),
    [
        ("haswell", "+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+popcnt", "32 8"),
        ("x86-64", "+sse2", "16 8"),
    ],
)
def test_narrower_vectors(tmp_path, cpu, features, widths):
    if int(widths.split()[0]) >= plan.vector_bytes():
        pytest.skip("the other tests have vectors of this width")
    out = python(CHECK, NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES=features, NUMBA_CACHE_DIR=tmp_path)
    assert out == widths


def test_read_only_and_missing_cache(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")
    code = (
        "import numpy as np, fasttx; from fasttx import _jit;"
        "print(fasttx.fwht(np.ones(4))[0], _jit.cache_folder())"
    )
    assert python(code, NUMBA_CACHE_DIR=blocked) == "4.0 None"


def test_damaged_cache(tmp_path):
    code = "import numpy as np, fasttx; print(fasttx.fwht(np.ones(4))[0])"
    assert python(code, NUMBA_CACHE_DIR=tmp_path) == "4.0"
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert any(p.suffix == ".nbc" for p in files)
    for path in files:
        path.write_bytes(b"\x00" * 10)
    assert python(code, NUMBA_CACHE_DIR=tmp_path) == "4.0"


def test_exchanged_files_of_the_cache(tmp_path):
    """What two processes can leave that save two signatures at the same time."""
    code = """
import numpy as np
from fasttx._jit import entry

@entry("total")
def total(x):
    y = x[0]
    for i in range(1, x.size):
        y += x[i]
    return y

print(total(np.array([1, 2])), total(np.array([0.5, 1])), sum(total.stats.cache_hits.values()))
"""
    assert python(code, NUMBA_CACHE_DIR=tmp_path) == "3 1.5 0"
    assert python(code, NUMBA_CACHE_DIR=tmp_path) == "3 1.5 2"
    first, second = tmp_path.rglob("*.nbc")
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    assert python(code, NUMBA_CACHE_DIR=tmp_path) == "3 1.5 0"
    assert python(code, NUMBA_CACHE_DIR=tmp_path) == "3 1.5 2"


def test_editing_any_compiled_source_invalidates(tmp_path):
    copy = tmp_path / "src"
    shutil.copytree(ROOT / "fasttx", copy / "fasttx", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import numpy as np, fasttx; print(fasttx.fwht(np.ones(4))[0])"
    cache = tmp_path / "cache"
    assert python(code, cwd=copy, NUMBA_CACHE_DIR=cache, PYTHONPATH=copy) == "4.0"
    before = set(cache.rglob("*.nbc"))
    assert python(code, cwd=copy, NUMBA_CACHE_DIR=cache, PYTHONPATH=copy) == "4.0"
    assert set(cache.rglob("*.nbc")) == before  # the second process compiled nothing
    simd = copy / "fasttx" / "_cpu" / "simd.py"
    edited = simd.read_text().replace("return self.add(a, b), self.sub(a, b)", "return a, b")
    edited = edited.replace(
        'if op == "wht" and self.is_float:',
        'if op == "wht":\n            return x\n        if False:',
    )
    assert edited != simd.read_text()
    simd.write_text(edited)  # a callee in another file than the entry point: now nothing is added
    assert python(code, cwd=copy, NUMBA_CACHE_DIR=cache, PYTHONPATH=copy) == "1.0"


def test_fingerprint_covers_every_module_with_compiled_code():
    covered = {p for pattern in _jit._SOURCES for p in (ROOT / "fasttx").glob(pattern)}
    for path in (ROOT / "fasttx").rglob("*.py"):
        text = path.read_text()
        if path.parent.name != "_cuda" and ("@entry(" in text or "@compiled" in text):
            assert path in covered, path


def test_warmup_then_no_compilation():
    fasttx.warmup(["float32"])
    assert fasttx.fwht(np.ones(4, np.float32))[0] == 4
