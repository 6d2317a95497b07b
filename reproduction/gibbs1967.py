"""Gibbs 1967: the Walsh transform turns dyadic convolution into a product.

J. E. Gibbs, "Walsh spectrometry, a form of spectral analysis well suited to binary digital
computation", National Physical Laboratory, 1967. With the exclusive or in place of the sum of
indices, Walsh functions are what exponentials are to the Fourier transform.
"""

import numpy as np
from _report import Reproduction, report

import fasttx


def run():
    rows = []
    for n in (8, 64, 512, 4096):
        rng = np.random.default_rng(n)
        x, y = rng.integers(-50, 50, (2, n))
        i = np.arange(n)
        naive = np.array([x @ y[k ^ i] for k in i])
        fast = fasttx.xor_convolve(x, y)
        spectra = fasttx.fwht(fast) - fasttx.fwht(x) * fasttx.fwht(y)
        # The power spectrum is the transform of the dyadic autocorrelation (Wiener-Khinchin).
        power = fasttx.fwht(fasttx.xor_convolve(x, x)) - fasttx.fwht(x) ** 2
        # A dyadic shift by s multiplies coefficient k by the k-th Walsh function at s.
        s = int(rng.integers(n))
        signs = 1 - 2 * (np.bitwise_count(i & s).astype(int) & 1)
        shift = fasttx.fwht(x[i ^ s]) - signs * fasttx.fwht(x)
        gaps = [int(np.abs(gap).max()) for gap in (fast - naive, spectra, power, shift)]
        assert gaps == [0, 0, 0, 0]
        rows.append([n, n * n, 3 * n * (n.bit_length() - 1) + n, *gaps])
    return Reproduction(
        "gibbs1967",
        "Dyadic convolution z[k] = sum of x[i] y[k xor i] has the Walsh spectrum X Y, dyadic "
        "autocorrelation has the power spectrum, and a dyadic shift changes signs of coefficients "
        "only. Largest deviation of each in exact integers.",
        ["n", "products, n²", "operations, fast", "convolution", "X Y", "power", "shift"],
        rows,
        "It does not: the laws hold exactly in int64.",
    )


if __name__ == "__main__":
    report(run)
