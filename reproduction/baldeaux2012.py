"""Baldeaux, Dick, Leobacher, Nuyens and Pillichshammer 2012: worst-case errors in closed form.

"Efficient calculation of the worst-case error and (fast) component-by-component construction of
higher order polynomial lattice rules", Numerical Algorithms 59, 403-431, 2012. The Walsh series of
2^(-mu_alpha(k)) has a closed form, so that the worst-case error of n points in d dimensions takes
O(n d) operations where the sum over the dual net has no end.
"""

import numpy as np
from _report import Reproduction, report

import fasttx
from fasttx.kernels import DSIKernel
from fasttx.qmc import DigitalNet

BITS = 18


def decay(alpha):
    """The numbers 2^(-mu_alpha(k)) for k below 2^BITS."""
    k = np.arange(1 << BITS)
    left, mu = k.copy(), np.zeros(k.size)
    for _ in range(alpha):
        top = np.frexp(left.astype(float))[1]  # position of the first 1, zero for 0
        mu += top
        left ^= np.where(top > 0, 1 << np.maximum(top - 1, 0), 0)
    return np.where(k > 0, 2.0**-mu, 0.0)


def run():
    rows = []
    x = np.arange(1 << BITS) / (1 << BITS)
    for alpha in (2, 3, 4):
        r = decay(alpha)
        kernel = DSIKernel(1, alpha, weights=1.0)
        closed = kernel.column(x[:, None], stable=True)
        # wal_k(x) is a sign by the bits of k against the digits of x, most significant first.
        series = fasttx.fwht(r)[fasttx.bit_reversal_permutation(1 << BITS)]
        gap, tail = float(np.abs(closed - series).max()), float(closed[0] - r.sum())
        assert 0 < tail < 2e-4
        assert gap < tail * (1 + 1e-6) + 1e-12
        rows.append([f"alpha = {alpha}: closed form and series", tail, gap])
    for alpha, d, m in ((2, 2, 6), (3, 2, 4)):
        net = DigitalNet(d, interlace=alpha, randomize=None)
        points = net.random(1 << m)
        fast = float(np.mean(DSIKernel(d, alpha, weights=1.0).column(points, stable=True)))
        # Character sums over the net tell which pairs of wavenumbers below 2^9 are in its dual.
        r, size = decay(alpha)[: 1 << BITS // 2].copy(), 1 << BITS // 2
        r[0] = 1
        digits = (points * size).astype(int)
        back = fasttx.bit_reversal_permutation(size)
        counts = np.zeros((size, size))
        np.add.at(counts, tuple(back[digits].T), 1 / len(points))
        dual = fasttx.fwhtn(counts)
        # Digits of the points beyond the ninth would be seen by larger wavenumbers only.
        direct = float(r @ dual @ r - 1)
        assert 0.5 * fast < direct <= fast * (1 + 1e-9)
        rows.append(
            [f"alpha = {alpha}, {1 << m} points, d = {d}: error, dual below 2^9", fast, direct]
        )
    return Reproduction(
        "baldeaux2012",
        "The kernel's closed forms for alpha = 2, 3 and 4 agree with the Walsh series, and the "
        "mean over the points with the sum over the dual net.",
        ["case", "closed form, or bound", "ours, by series"],
        rows,
        f"Series are cut off at wavenumbers of {BITS} bits: the first rows compare the largest "
        "deviation over 2^18 points with what is cut off at 0. The sums over the dual net are cut "
        "off at 9 bits, and must stay below the closed form.",
    )


if __name__ == "__main__":
    report(run)
