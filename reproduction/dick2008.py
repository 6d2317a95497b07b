"""Dick 2008: digital nets of order alpha integrate smooth functions with order alpha.

J. Dick, "Walsh spaces containing smooth functions and quasi-Monte Carlo rules of arbitrary high
order", SIAM Journal on Numerical Analysis 46, 1519-1553, 2008. For functions whose Walsh
coefficients are at most 2^(-mu_alpha(k)) the worst-case error is the sum of these over the dual
net, a mean of a kernel over the points: of order n^-alpha, up to logarithms, for digits of alpha
nets interlaced.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.kernels import DSIKernel
from fasttx.qmc import DigitalNet

FIRST = 4


def worst_case(d, alpha, interlace, m):
    """Sum of 2^(-mu_alpha(k)) over the dual net of 2^m points."""
    points = DigitalNet(d, interlace=interlace, randomize=None).random(1 << m)
    column = DSIKernel(d, alpha, weights=1.0).column(points, stable=True)
    return float(np.mean(column))


def run():
    rows = []
    for d, alpha, last in ((1, 2, 14), (1, 3, 12), (1, 4, 11), (2, 2, 14), (2, 3, 14), (3, 2, 14)):
        for interlace in (1, alpha):
            errors = [worst_case(d, alpha, interlace, m) for m in (FIRST, last)]
            order = float(np.log2(errors[0] / errors[1])) / (last - FIRST)
            # Logarithms, (log n)^(alpha d) at most, take something off at so few points.
            assert interlace == 1 or order > alpha - 0.3 * d
            assert interlace > 1 or order < 1.5
            name = "interlaced" if interlace > 1 else "Sobol'"
            rows.append(
                [d, alpha, name, *errors, alpha if interlace > 1 else 1, order, f"2^{last}"]
            )
    return Reproduction(
        "dick2008",
        "Worst-case error over functions of smoothness alpha: order alpha for interlaced nets, "
        "order one for Sobol' points, whatever alpha is.",
        ["d", "alpha", "net", "16 points", "n points", "order, theory", "order, ours", "n"],
        rows,
        "Orders are between 16 and n points, and up to logarithms of n, which grow with d; the "
        "theorem is about n to infinity. Beyond the numbers shown errors are lost in rounding.",
    )


if __name__ == "__main__":
    report(run)
