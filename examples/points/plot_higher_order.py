"""
Cubature of higher order
========================

The mean over n random points has an error of the order of n to the power -1/2. Over a digital net
it is close to n to the power -1, whatever the integrand's smoothness beyond that. Nets whose digits
are interlaced do better, to the power -α for integrands with α derivatives (J. Dick, 2008,
:doi:`10.1137/060666639`). `fasttx.qmc.DigitalNet` interlaces digits, and `fasttx.kernels.DSIKernel`
of order α knows the worst error that is left.
"""

import matplotlib.pyplot as plt
import numpy as np

from fasttx.gp import bayesian_cubature
from fasttx.kernels import DSIKernel
from fasttx.qmc import DigitalNet

colours = ["#0072B2", "#D55E00", "#009E73"]
# %%
# The worst case
# --------------
# An integrand with α derivatives has Walsh coefficients of at most 2 to the power -μ(k) but for a
# factor, with μ(k) the sum of the α largest places of ones in k. Of all such integrands, the
# largest error of a net is the mean of the digitally-shift-invariant kernel of order α, less its
# integral: a sum of n numbers. In one dimension there are no logarithms in the way. Slopes are
# those of a line through the last eight points.


def slope(n, error):
    return np.polyfit(np.log2(n[-8:]), np.log2(error[-8:]), 1)[0]


worst_case = []
sizes = 2 ** np.arange(4, 19)
for order, colour in zip((2, 3, 4), colours, strict=True):
    kernel = DSIKernel(1, alpha=order, weights=1.0)
    digits = DigitalNet(1, interlace=order, randomize=None, bits=64).random_raw(sizes[-1])
    column = kernel.column(digits, bits=64, stable=True)
    worst = np.array([column[:n].mean() for n in sizes])
    seen = worst > 1e-15  # the round-off of a mean of numbers of the size of 1
    rate = slope(sizes[seen], worst[seen])
    label = f"α = {order}: {rate:.2f}"
    worst_case.append((sizes[seen], worst[seen], colour, label))
    print(f"order {order}: worst-case error falls as n^{rate:.2f}")

# %%
# A smooth integrand
# ------------------
# The root mean square error over 32 randomizations, each with a linear scrambling before the digits
# are interlaced and a digital shift after. Scrambling gains half an order on average.


def integrand(x):
    return np.exp(x).prod(axis=-1) / (np.e - 1) ** x.shape[-1]


smooth = []
sizes = 2 ** np.arange(4, 15)
for order, colour in zip((1, 2, 3), colours, strict=True):
    net = DigitalNet(2, interlace=order, replications=32, rng=0)
    values = integrand(net.random(sizes[-1]))
    means = np.stack([values[:, :n].mean(axis=1) for n in sizes])
    error = np.sqrt(np.mean((means - 1) ** 2, axis=1))
    seen = error > 1e-15
    rate = slope(sizes[seen], error[seen])
    label = f"interlace={order}: {rate:.2f}"
    smooth.append((sizes[seen], error[seen], colour, label))
    print(f"interlace={order}: error falls as n^{rate:.2f}")

# %%
# To a tolerance
# --------------
# Bayesian cubature doubles the points until its interval is narrow enough. With a kernel of higher
# order and points to go with it, fewer points do.

needed = []
tolerances = 10.0 ** -np.arange(2, 8)
for order, colour in zip((1, 2, 3), colours, strict=True):
    used, result = [], None
    for tolerance in tolerances:
        result = bayesian_cubature(
            integrand, 2, abs_tol=tolerance, alpha=order, rng=1, n_max=2**20, resume=result
        )
        used.append(result.n)
        assert abs(result.integral - 1) < tolerance
    needed.append((tolerances, used, colour, f"α = {order}"))

# %%
# The three pictures
# ------------------
# Slopes steepen with the order; for small tolerances the kernel of order 3 needs the fewest points.

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for ax, curves, title, xlabel, ylabel in (
    (axes[0], worst_case, "worst case, one dimension", "n", "error"),
    (axes[1], smooth, "a smooth integrand", "n", "root mean square error"),
    (axes[2], needed, "points for a tolerance", "tolerance", "n"),
):
    for x, y, colour, label in curves:
        ax.loglog(x, y, "o-", ms=3, color=colour, label=label)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(title="slope" if ylabel != "n" else None, fontsize="small", frameon=False)
axes[2].invert_xaxis()
plt.show()
