"""
What a kernel believes
======================

A covariance function says which functions are likely, best seen in functions drawn from it. Here
are draws from both families of `fasttx.kernels`, at 65536 points each. Their matrices would have
:math:`2^{32}` entries; on a lattice or a digital net the Fourier or the Walsh-Hadamard transform
diagonalises them, and a draw is their square root times independent normal numbers (for such
systems see R. Jagadeeswaran and F. J. Hickernell, 2019, :doi:`10.1007/s11222-019-09895-9`).
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import cKDTree

from fasttx.gp import FastGram
from fasttx.kernels import DSIKernel, SIKernel
from fasttx.qmc import DigitalNet, Lattice

# %%
# Draws on 65536 points
# ---------------------
# `fasttx.kernels.SIKernel` depends on differences modulo one: draws are smooth and periodic, and
# tile the plane. Its smoothness alpha is the number of derivatives (in L2) that functions of its
# space have. `fasttx.kernels.DSIKernel` depends on differences digit by digit: draws have jumps at
# dyadic fractions. With alpha = 1 it is the first digit in which two points differ that counts,
# with larger alpha those after it do as well. All weights are equal and large, so that what both
# coordinates do together shows.

n, side = 2**16, 256
lattice, net = Lattice(2, rng=0), DigitalNet(2, randomize=None)
centres = (np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1) + 0.5) / side
_, nearest = cKDTree(lattice.random(n), boxsize=1).query(centres)
digits = net.random(n)
lattice.reset()
net.reset()

# %%
# A net of :math:`2^{16}` points has one in each of 256 x 256 pixels. On the lattice a pixel takes
# the value of the nearest point.

place = (digits * side).astype(int)
assert np.unique(place @ (side, 1)).size == n


def draw(points, kernel, rng):
    """One function drawn, as an image."""
    values = FastGram(points, kernel, n=n).sample(rng=rng)
    if points is lattice:
        return values[nearest]
    image = np.empty((side, side))
    image[tuple(place.T)] = values
    return image


families = {"shift-invariant": (lattice, SIKernel), "digitally shift-invariant": (net, DSIKernel)}
figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
for row, (name, (points, family)) in zip(axes, families.items(), strict=True):
    for ax, alpha in zip(row, (1, 2, 3), strict=True):
        image = draw(points, family(2, alpha=alpha, weights=20.0), rng=alpha)
        points.reset()
        ax.imshow(image.T, origin="lower", cmap="cividis")
        ax.set(title=rf"{name}, $\alpha = {alpha}$", xticks=[], yticks=[])
plt.show()

# %%
# Their covariance
# ----------------
# A draw is as it should be if its mean products are the kernel. Of 400 draws on 1024 points, the
# largest difference in the first row is below four standard errors.

for points, family in families.values():
    points.reset()
    kernel = family(2, alpha=1, weights=2.0)
    gram = FastGram(points, kernel, n=1024)
    draws = gram.sample(rng=0, size=400)
    row = draws @ draws[0] / 400
    expected = gram @ np.eye(1024)[0]
    spread = np.sqrt((expected[0] ** 2 + expected**2) / 400)
    worst = np.abs((row - expected) / spread).max()
    print(f"{family.__name__}: off by at most {worst:.1f} standard errors")
    assert worst < 4.5
