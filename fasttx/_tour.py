"""The command ``tour``: what the library does, on real input, in one table and one picture."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fasttx

from . import _info, _threads
from .boolean import algebraic_degree, linear_approximation_table, sbox_nonlinearity

# What a part of the tour found: lines for the table, and what its panel of the picture shows.
Lines = list[tuple[str, str, str]]


def main(argv: Sequence[str]) -> int:
    """Run the parts, print one table, and draw one picture if Matplotlib is there."""
    parser = argparse.ArgumentParser(
        prog="python -m fasttx tour", description="See what fasttx does, in under a minute."
    )
    parser.add_argument(
        "--output", type=Path, default=Path("fasttx_tour.png"), metavar="PNG", help="the picture"
    )
    parser.add_argument("--exponent", type=int, default=24, metavar="K", help="time 2**K numbers")
    args = parser.parse_args(argv)

    clock = time.perf_counter()
    parts: list[tuple[str, str, Callable[[], tuple[Lines, Any]]]] = [
        ("AES", "the S-box of AES", aes_sbox),
        ("16 bits", "an S-box of 16 bits: 65535 transforms of 65536 numbers", sbox_of_16_bits),
        ("speed", f"2^{args.exponent} numbers beside yardsticks", lambda: speed(args.exponent)),
        ("Toeplitz", "long convolutions and Toeplitz systems", structured),
        ("sparse", "spectra of functions on many bits, from few values", sparse),
        ("kernels", "a Gaussian process on a million points, and an integral", kernels),
        ("sketch", "tall least squares by a sketch", sketches),
        ("quantize", "a hundred thousand vectors in 4 bits", vectors),
        ("image", "a photograph in the Walsh domain", photograph),
    ]
    lines: Lines = []
    shown: dict[str, Any] = {}
    for number, (key, title, part) in enumerate(parts, 1):
        _info.progress(f"[{number}/{len(parts)}] {title} ...")
        start = time.perf_counter()
        found, shown[key] = part()
        lines += found
        _info.progress(f"      {_info.seconds(time.perf_counter() - start)}")
    picture = draw(shown, args.output)
    lines.append(("picture", "", picture))
    lines.append(("all of it", "", _info.seconds(time.perf_counter() - clock)))
    print(_info.table(lines))
    return 0


def check(what: str, found: Any, known: Any) -> None:
    """Stop the tour with an error where a result is not the known one."""
    if found != known:
        raise SystemExit(f"{what}: found {found}, known is {known}")


def field_inverse(bits: int, modulus: int, generator: int) -> np.ndarray:
    """Inverses of all elements of GF(2**bits), with 0 for 0.

    Powers of a generator g run through all elements but 0, and the inverse of g**i is
    g**(2**bits - 1 - i).
    """
    power = [1]
    for _ in range((1 << bits) - 2):
        product, term = 0, power[-1]
        for bit in range(generator.bit_length()):
            if generator >> bit & 1:
                product ^= term
            term <<= 1
            if term >> bits:
                term ^= modulus
        power.append(product)
    powers = np.array(power)
    inverse = np.zeros(1 << bits, np.int64)
    inverse[powers] = np.roll(powers[::-1], 1)
    return inverse


def aes_sbox() -> tuple[Lines, np.ndarray]:
    """Analyse the S-box of AES: the inverse in GF(2^8), then an affine map of its bits."""
    inverse = field_inverse(8, 0x11B, 3)
    sbox = np.bitwise_xor.reduce([inverse << k | inverse >> 8 - k for k in range(5)]) & 0xFF ^ 0x63
    table = linear_approximation_table(sbox)
    zeros = np.unique((table[:, 1:] == 0).sum(axis=0))
    masks = np.arange(1, 256)[:, None]
    components = (np.bitwise_count(masks & sbox) & 1).astype(bool)
    degrees = np.unique(algebraic_degree(components))
    found = sbox_nonlinearity(sbox)
    check("AES: nonlinearity, zeros, degree", (found, *zeros, *degrees), (112, 17, 7))
    title = "AES S-box"
    lines = [
        (title, "nonlinearity", f"{found}"),
        (title, "zeros in each component's Walsh spectrum", ", ".join(map(str, zeros))),
        (title, "algebraic degree of each component", ", ".join(map(str, degrees))),
    ]
    return lines, table


def sbox_of_16_bits() -> tuple[Lines, None]:
    """Find the nonlinearity of the inverse in GF(2^16), whose table would take 32 GB."""
    sbox = field_inverse(16, 0x1100B, 2)
    start = time.perf_counter()
    found = sbox_nonlinearity(sbox)
    spent = time.perf_counter() - start
    check("inverse in GF(2^16): nonlinearity", found, 2**15 - 2**8)
    title = "inverse in GF(2^16)"
    lines = [
        (title, "nonlinearity", f"{found} (known: 2^15 - 2^8 = {2**15 - 2**8})"),
        (title, "time", _info.seconds(spent)),
    ]
    return lines, None


def speed(exponent: int) -> tuple[Lines, dict[str, float]]:
    """Time one long transform beside a real FFT and one pass over memory, in alternation."""
    from scipy.fft import rfft

    x = np.zeros(2**exponent, np.float32)  # zeros stay zeros, and no time depends on a value
    cores = _threads.allowed_cores()
    run: dict[str, Callable[[], Any]] = {
        "one pass over memory": lambda: np.negative(x, out=x),
        "fwht": lambda: fasttx.fwht(x, overwrite_x=True, workers=1),
        "scipy.fft.rfft": lambda: rfft(x, workers=1),
    }
    if cores > 1:
        run[f"fwht, {cores} threads"] = lambda: fasttx.fwht(x, overwrite_x=True, workers=cores)
    samples: dict[str, list[float]] = {name: [] for name in run}
    for name in run:
        run[name]()  # compiles, and touches memory
    for _ in range(5):
        for name, function in run.items():
            start = time.perf_counter()
            function()
            samples[name].append(time.perf_counter() - start)
    found = {name: statistics.median(values) for name, values in samples.items()}
    unit = found["one pass over memory"]
    title = f"2^{exponent} float32, in place"
    lines = [
        (title, name, f"{_info.seconds(value)} ({value / unit:.1f} memory passes)")
        for name, value in found.items()
    ]
    ratio = found["scipy.fft.rfft"] / found["fwht"]
    lines.append((title, "fwht against scipy.fft.rfft, 1 thread", f"{ratio:.0f} times faster"))
    return lines, found


def structured() -> tuple[Lines, None]:
    """A bank of long filters, and a Toeplitz system with a known determinant, beside SciPy."""
    from scipy.linalg import solve_toeplitz
    from scipy.signal import oaconvolve

    rng = np.random.default_rng(0)
    x, h = (rng.standard_normal((8, 2**16), dtype=np.float32) for _ in range(2))
    seconds, y = best_of(lambda: fasttx.fftconvolve_causal(x, h, workers=1))
    other, full = best_of(lambda: oaconvolve(x, h, axes=-1))
    expected = full[:, : x.shape[1]]
    error = np.linalg.norm(y - expected) / np.linalg.norm(expected)
    check("causal convolution: relative error below 1e-5", bool(error < 1e-5), True)
    title = "8 filters of 65536 taps"
    lines: Lines = [
        (title, "fftconvolve_causal", _info.seconds(seconds)),
        (title, "scipy.signal.oaconvolve", f"{_info.seconds(other)} ({other / seconds:.1f} x)"),
    ]
    n, rho = 8192, 0.9
    column, b = rho ** np.arange(n), rng.standard_normal(n)
    seconds, solved = best_of(lambda: fasttx.structured.Toeplitz(column).solve(b))
    other, expected = best_of(lambda: solve_toeplitz(column, b), 1)
    close = np.linalg.norm(solved - expected) <= 1e-9 * np.linalg.norm(expected)
    check("Toeplitz system: agrees with SciPy", bool(close), True)
    found = fasttx.structured.Toeplitz(column).logdet()
    known = (n - 1) * np.log1p(-(rho**2))
    check("Toeplitz determinant: 12 digits", bool(abs(found - known) < 1e-12 * abs(known)), True)
    title = "Toeplitz system of order 8192"
    lines += [
        (title, "Toeplitz(c).solve(b)", _info.seconds(seconds)),
        (title, "solve_toeplitz", f"{_info.seconds(other)} ({other / seconds:.0f} x)"),
        (title, "log-determinant", f"{found:.6f} (known: {known:.6f})"),
    ]
    return lines, None


def sparse() -> tuple[Lines, None]:
    """The spectrum of a multiplexer, which is known, and one under noise as strong as itself."""
    address = 1 << np.arange(5)

    def multiplexer(bits: np.ndarray) -> np.ndarray:
        chosen = 5 + bits[:, :5].astype(np.intp) @ address
        return 1.0 - 2.0 * bits[np.arange(len(bits)), chosen]

    seconds, result = best_of(lambda: fasttx.sparse.sparse_fwht(multiplexer, 37, 1024, rng=0), 1)
    check("multiplexer: number of terms", (result.status, len(result)), ("converged", 1024))
    right = np.allclose(np.abs(result.coefficients), 1 / 32, rtol=1e-9)
    check("multiplexer: all of size 1/32", bool(right), True)
    title = "32-to-1 multiplexer, 37 bits"
    lines: Lines = [
        (title, "terms of 2^37", f"{len(result)} (known: 1024)"),
        (title, "values asked for", f"{result.n_queries}, {_info.seconds(seconds)}"),
    ]
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2, (32, 20))

    def noisy(bits: np.ndarray) -> np.ndarray:
        signs = 1.0 - 2.0 * (bits.astype(float) @ keys.T % 2)
        return signs.sum(axis=1) + np.sqrt(32) * rng.standard_normal(len(bits))

    result = fasttx.sparse.sparse_fwht(noisy, 20, 32, rng=0)
    found = {tuple(key) for key in result.support.astype(int).tolist()}
    check("noise of 0 dB: the 32 keys", found, {tuple(key) for key in keys.tolist()})
    title = "32 terms, noise as strong"
    lines.append((title, "found", f"32, with {result.n_queries} of 2^20 values"))
    return lines, None


def kernels() -> tuple[Lines, None]:
    """Solve a Gram system of 2**20 points, and integrate Keister's function over the plane."""
    from scipy.special import ndtri

    from .gp import FastGram, bayesian_cubature
    from .kernels import DSIKernel
    from .qmc import DigitalNet

    gram = FastGram(DigitalNet(4, rng=0), DSIKernel(4, alpha=2), noise=1e-4, n=1 << 20)
    b = np.random.default_rng(0).standard_normal(1 << 20)
    start = time.perf_counter()
    x, logdet = gram.solve(b), gram.logdet()
    seconds = time.perf_counter() - start
    check("the solution of a Gram system", bool(np.allclose(gram @ x, b, atol=1e-8)), True)

    def keister(u: np.ndarray) -> np.ndarray:
        return np.pi * np.cos(np.linalg.norm(ndtri(u), axis=1) / np.sqrt(2))

    result = bayesian_cubature(keister, 2, abs_tol=1e-6, rng=0, sequence="lattice")
    exact = 1.808186429263620
    check("Keister's integral to 1e-6", bool(abs(result.integral - exact) < 1e-6), True)
    size = "2^20 x 2^20 in four dimensions"
    return [
        ("Gram matrix", size, f"solved in {_info.seconds(seconds)}, log det {logdet:.6g}"),
        ("integral", "Keister's, to 1e-6", f"{result.integral:.7f} from {result.n} values"),
    ], None


def sketches() -> tuple[Lines, None]:
    """Least squares with 20 million entries, beside LAPACK."""
    from .sketch import sketched_lstsq

    rng = np.random.default_rng(0)
    A = rng.standard_normal((200_000, 100))
    b = A.sum(axis=1) + rng.standard_normal(len(A))
    start = time.perf_counter()
    exact = np.linalg.lstsq(A, b)[0]
    slow = time.perf_counter() - start
    seconds, result = best_of(lambda: sketched_lstsq(A, b, rng=0), 1)
    check("the solution of least squares", bool(np.allclose(result.x, exact, rtol=1e-10)), True)
    size = "200000 x 100"
    times = f"{_info.seconds(seconds)}, LAPACK {_info.seconds(slow)}"
    return [("least squares", size, f"{times}, in {result.iterations} iterations")], None


def vectors() -> tuple[Lines, None]:
    """Search by inner products on codes, beside all exact ones."""
    from .quantize import TurboQuant

    rng = np.random.default_rng(0)
    X = rng.standard_normal((100_000, 128), dtype=np.float32)
    Q = rng.standard_normal((100, 128), dtype=np.float32)
    codec = TurboQuant(128, 4, rng=0)
    encoding, codes = best_of(lambda: codec.encode(X), 1)
    searching, (_, rows) = best_of(lambda: codec.search(Q, codes, 10), 1)
    exact = np.argsort(-(Q @ X.T), axis=1)[:, :10]
    recall = float((rows[:, :, None] == exact[:, None]).any(axis=2).mean())
    check("most of the ten best vectors are found", recall > 0.75, True)
    times = f"{_info.seconds(encoding)} to encode, {_info.seconds(searching)} for 100 queries"
    size = f"{X.nbytes / codes.nbytes:.1f} times smaller"
    return [("vector codes", size, f"{times}, {recall:.0%} of the ten best")], None


def best_of(function: Callable[[], Any], times: int = 5) -> tuple[float, Any]:
    """Least seconds of a few calls after a first one, and the result."""
    result, spent = function(), []
    for _ in range(times):
        start = time.perf_counter()
        function()
        spent.append(time.perf_counter() - start)
    return min(spent), result


def photograph() -> tuple[Lines, tuple[np.ndarray, np.ndarray, str] | None]:
    """Keep the largest Walsh coefficients of a photograph; without one, name the extra."""
    title = "Walsh compression"
    image = sample_image()
    if image is None:
        install = "pip install 'fasttx[plot]' or 'fasttx[sklearn]'"
        return [(title, "needs a photograph", install)], None
    axes = (0, 1)
    walsh = fasttx.fwht2(image, axes=axes, norm="ortho", order="sequency")
    magnitude = np.abs(walsh)
    lines: Lines = []
    for share in (0.10, 0.05, 0.02):
        kept = np.where(magnitude >= np.quantile(magnitude, 1 - share), walsh, 0)
        rebuilt = fasttx.ifwht2(kept, axes=axes, norm="ortho", order="sequency")
        psnr = -10 * np.log10(np.mean((rebuilt - image) ** 2))
        lines.append((title, f"{share:.0%} of the coefficients", f"PSNR {psnr:.1f} dB"))
        if share == 0.05:
            shown = (image, rebuilt.clip(0, 1), f"{psnr:.1f} dB")
    return lines, shown


def sample_image() -> np.ndarray | None:
    """Photograph in three colours in [0, 1] that comes with Matplotlib or scikit-learn."""
    try:
        from matplotlib import cbook, image

        pixels = image.imread(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
        return pixels[:512, :512].astype(np.float32) / 255
    except (ImportError, OSError):
        pass
    try:
        from sklearn.datasets import load_sample_image

        return load_sample_image("china.jpg")[:256, :512].astype(np.float32) / 255
    except (ImportError, OSError):
        return None


def draw(shown: dict[str, Any], path: Path) -> str:
    """Draw what the parts found, and say where."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return "needs Matplotlib: pip install 'fasttx[plot]'"
    figure = Figure(figsize=(12, 9.5))
    figure.set_layout_engine("constrained", w_pad=0.15)
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2)

    table = shown["AES"][1:, 1:]
    drawn = panels[0, 0].imshow(table, cmap="RdBu_r", vmin=-16, vmax=16, interpolation="nearest")
    panels[0, 0].set(
        title="AES S-box: no linear approximation is off by more than 16",
        xlabel="output mask",
        ylabel="input mask",
    )
    figure.colorbar(drawn, ax=panels[0, 0], label="inputs that agree, less 128", shrink=0.9)

    times = shown["speed"]
    bars = panels[0, 1].barh(
        list(times),
        [1e3 * t for t in times.values()],
        color=["0.6", "C0", "C1", "C0"][: len(times)],
    )
    panels[0, 1].bar_label(bars, [_info.seconds(t) for t in times.values()], padding=3)
    panels[0, 1].set(title="One long transform of float32", xlabel="milliseconds")
    panels[0, 1].margins(x=0.2)
    panels[0, 1].invert_yaxis()

    for panel in panels[1]:
        panel.set_axis_off()
    if shown["image"] is not None:
        image, rebuilt, quality = shown["image"]
        for panel, pixels, title in (
            (panels[1, 0], image, "Photograph"),
            (panels[1, 1], rebuilt, f"From 5 % of its Walsh coefficients: {quality}"),
        ):
            panel.imshow(pixels)
            panel.set_title(title)
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        return f"not written: {error}"
    return str(path)
