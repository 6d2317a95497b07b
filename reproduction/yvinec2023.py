"""PowerQuant: the exponent of least reconstruction error.

E. Yvinec, A. Dapogny, M. Cord and K. Bailly, "PowerQuant: Automorphism search for non-uniform
quantization", ICLR 2023, sections 3 and 4, figure 2. arXiv:2301.09858. Weights are rounded on a
uniform grid after x -> sign(x) |x|^a; the error as a function of a has one minimum, for weights of
a bell-shaped law below a = 1, the uniform quantizer: for networks about 0.55 (table 1).
"""

import numpy as np
from _report import Reproduction, report

from fasttx.quantize import PowerQuantizer

ROWS, D = 64, 2304  # channels of a convolution with 256 inputs and 3 x 3 taps
GRID = np.round(np.linspace(0.2, 1.0, 17), 2)


def run() -> Reproduction:
    """Search exponents for laws of weights and numbers of bits."""
    rng = np.random.default_rng(0)
    laws = {
        "normal": rng.standard_normal((ROWS, D)),
        "Laplace": rng.laplace(size=(ROWS, D)),
        "t, 5 degrees": rng.standard_t(5, (ROWS, D)),
        "uniform": rng.uniform(-1, 1, (ROWS, D)),
    }
    rows = []
    for name, x in laws.items():
        for bits in (4, 6, 8):

            def error(codec: PowerQuantizer, x=x) -> float:
                return float(np.mean((codec.decode(codec.encode(x)) - x) ** 2))

            curve = np.array([error(PowerQuantizer(D, bits, a)) for a in GRID])
            turns = np.diff(np.sign(np.diff(curve)))
            assert np.count_nonzero(turns) <= 1  # one minimum, on the grid
            fitted = PowerQuantizer(D, bits).fit(x)
            if name != "uniform":
                assert fitted.exponent < 1
            gain = 10 * np.log10(error(PowerQuantizer(D, bits, 1.0)) / error(fitted))
            rows.append(
                (
                    name,
                    bits,
                    "" if name == "uniform" else "< 1",
                    fitted.exponent,
                    float(GRID[curve.argmin()]),
                    gain,
                )
            )
    return Reproduction(
        "yvinec2023",
        "The exponent of least squared error, by search and on a grid, and what it gains over the "
        "uniform quantizer.",
        ("law", "bits", "a, paper", "a, fit", "a, grid", "gain, dB"),
        rows,
        "Weights are drawn here: networks trained on ImageNet are not at hand. The paper's 0.55 "
        "lies between the exponents for tails like Laplace's and a t law's. A number goes to the "
        "nearest level here, in the paper to the nearest after the power, which is more error.",
    )


if __name__ == "__main__":
    report(run)
