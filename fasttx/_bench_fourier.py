"""What is measured of the Fourier transform and of what stands on it, and beside what."""

from __future__ import annotations

from collections.abc import Iterator

from ._bench_cases import Case

TOEPLITZ = """
from scipy.linalg import matmul_toeplitz, solve_toeplitz
from fasttx.structured import Toeplitz
"""
KMS = TOEPLITZ + "c = 0.9 ** np.arange(8192)\nb = np.cos(np.arange(8192.0) ** 2)\n"
RIESZ = (
    KMS
    + """
from scipy.special import gamma
k = np.arange(1, 8192)
c[0] = gamma(2.5) / gamma(1.75) ** 2
c[1:] = c[0] * np.cumprod(1 - 2.5 / (0.75 + k))
"""
)


def transforms(exponents: tuple[int, ...]) -> Iterator[Case]:
    """Cases of single vectors against ``scipy.fft`` on one thread, both in place or both not."""
    at_least = dict.fromkeys((10, 12, 14, 16), 2.5) | {20: 3.0, 24: 5.0}
    scipy_call = "fft(y, overwrite_x=True, workers=1)"
    for k in exponents:  # small ones first, as there
        goal = at_least.get(k)
        for dtype in ("complex64", "complex128"):
            x = (2**k,), dtype
            for name in ("fft_unordered", "fftbr"):
                ours = f"{name}(x, overwrite_x=True, workers=1)"
                yield Case(f"{name} {dtype}", f"2^{k}", ours, scipy_call, x, x, goal=goal)
            ours, label = "fft_unordered(x, workers=1)", f"fft_unordered {dtype}, new array"
            yield Case(label, f"2^{k}", ours, "fft(y, workers=1)", x, x)
            there, back = "fft_unordered(x, overwrite_x=True, workers=1)", "ifft_unordered(x"
            pair = f"np.multiply({there}, h, out=x); {back}, overwrite_x=True, workers=1)"
            beside = f"np.multiply({scipy_call}, h, out=y); ifft(y, overwrite_x=True, workers=1)"
            case = Case(f"convolution {dtype}", f"2^{k}", pair, beside, x, x, goal=3.0)
            yield case.with_setup("h = np.ones(x.shape, x.dtype)")
        for dtype in ("float32", "float64"):
            x = (2**k,), dtype
            ours = "rfft_unordered(x, workers=1)"
            label = f"rfft_unordered {dtype}, new array"
            yield Case(label, f"2^{k}", ours, "rfft(y, workers=1)", x, x, goal=goal)


def rows(exponents: tuple[int, ...]) -> Iterator[Case]:
    """Cases of many rows, 2**20 points in all."""
    for dtype in ("complex64", "complex128"):
        for k in exponents:
            x = (2 ** (20 - k), 2**k), dtype
            ours, beside = (
                f"{name}, overwrite_x=True, workers=1)" for name in ("fft_unordered(x", "fft(y")
            )
            label = f"{2 ** (20 - k)} x 2^{k}"
            yield Case(f"fft_unordered {dtype}", label, ours, beside, x, x, goal=2.5)
        x = (4096, 256), dtype
        ours, beside = "fft_unordered(x, 0, workers=1)", "fft(y, axis=0, workers=1)"
        yield Case(f"fft_unordered {dtype}, axis 0", "4096 x 256", ours, beside, x, x)


def threads(exponents: tuple[int, ...]) -> Iterator[Case]:
    """Cases of two threads against one."""
    for dtype in ("complex64", "complex128"):
        for k in exponents:
            x = (2**k,), dtype
            two, one = (
                f"fft_unordered({a}, overwrite_x=True, workers={n})" for a, n in ("x2", "y1")
            )
            yield Case(f"fft_unordered {dtype}", f"2^{k}", two, one, x, x, 2, goal=1.7)


def convolutions() -> Iterator[Case]:
    """Cases of causal convolutions with filters as long as the signals."""
    for shape in ((64, 4096), (8, 2**17)):
        x, label = (shape, "float32"), " x ".join(map(str, shape))
        for beside in ("oaconvolve(x, h, axes=-1)", "fftconvolve(x, h, axes=-1)"):
            ours = "fftconvolve_causal(x, h, workers=1)"
            case = Case("fftconvolve_causal", label, ours, beside, x, x, goal=2.0)
            yield case.with_setup("h = y + 1")


def operators(quick: bool) -> Iterator[Case]:
    """Cases of Toeplitz products and solutions against SciPy."""
    x: tuple[tuple[int, ...], str]
    for n, goal in ((2**16, 16.0), (49208, 1.8)):
        x = (n,), "float64"
        setup = TOEPLITZ + "c = np.cos(np.arange(x.size))\nT = Toeplitz(c, workers=1)"
        beside = "matmul_toeplitz(c, y, workers=1)"
        yield Case("Toeplitz product", str(n), "T @ x", beside, x, x, goal=goal).with_setup(setup)
    x, y = ((2**16,), "float32"), ((2**16,), "float64")
    setup = TOEPLITZ + (
        "S = Toeplitz(np.cos(np.arange(x.size)).astype('f'), workers=1)\n"
        "T = Toeplitz(np.cos(np.arange(x.size)), workers=1)"
    )
    case = Case("Toeplitz product float32", "65536", "S @ x", "T @ y", x, y, goal=1.6)
    yield case.with_setup(setup)
    if not quick:
        x = (2**20, 16), "float64"
        setup = TOEPLITZ + "c = np.cos(np.arange(len(x)))\nT = Toeplitz(c, workers=1)"
        beside = "matmul_toeplitz(c, y, workers=1)"
        case = Case("Toeplitz product", "2^20, 16 columns", "T @ x", beside, x, x, goal=5.0)
        yield case.with_setup(setup)
    one = (1,), "float64"
    ours, beside = "Toeplitz(c, workers=1).solve(b)", "solve_toeplitz(c, b)"
    for label, setup, goal in (("KMS, 0.9", KMS, 200.0), ("Riesz, 1.5", RIESZ, 15.0)):
        case = Case("Toeplitz solution", f"8192, {label}", ours, beside, one, one, goal=goal)
        yield case.with_setup(setup)
    setup = KMS + "inverse = Toeplitz(c).factor()"
    case = Case("Gohberg-Semencul solution", "8192", "inverse.solve(b)", beside, one, one)
    yield case.with_setup(setup)


def cases(quick: bool = False) -> Iterator[Case]:
    """All cases."""
    yield from transforms((10, 16, 20) if quick else (10, 12, 14, 16, 18, 20, 24))
    yield from rows((6, 10) if quick else (6, 8, 10))
    yield from threads((20,) if quick else (18, 20, 22))
    yield from convolutions()
    yield from operators(quick)
