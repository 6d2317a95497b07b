"""
Hadamard matrices and Walsh functions
=====================================

The Walsh-Hadamard transform multiplies by a matrix of ones and minus ones whose rows are
orthogonal. This page looks at such matrices: the three orders in which the rows of one of them are
commonly written, and others, of orders that are not powers of two. (For the orders see K. G.
Beauchamp, *Applications of Walsh and Related Functions*, Academic Press, 1984.)
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.fft import dct

import fasttx

# %%
# Three orders of the same rows
# -----------------------------
# Entry (k, j) is one if the binary digits of k and j have an even number of common ones: the
# natural or Hadamard order, whose picture repeats itself at every scale. In dyadic order (Paley)
# the digits of k are reversed. In sequency order (Walsh) row k changes its sign k times, as a
# cosine of k half waves does. `fasttx.fwht` returns any of them; `fasttx.hadamard_permutation` has
# the indices.

n = 64
rows = {
    "natural": fasttx.fwht(np.eye(n, dtype=int), axis=0),
    "dyadic": fasttx.fwht(np.eye(n, dtype=int), axis=0, order="dyadic"),
    "sequency": fasttx.fwht(np.eye(n, dtype=int), axis=0, order="sequency"),
}
assert np.array_equal(rows["natural"], fasttx.hadamard(n))
changes = {name: np.count_nonzero(np.diff(H, axis=1), axis=1) for name, H in rows.items()}
assert np.array_equal(changes["sequency"], np.arange(n))

# %%
# Other orders
# ------------
# A Hadamard matrix of order n > 2 can exist only if 4 divides n. Whether there is one for all such
# n is not known. `fasttx.hadamard` has them by constructions of Paley, from quadratic residues, and
# of Williamson, from four circulant matrices. That of order 92, of the second kind, was found in
# 1962 with a computer, by L. Baumert, S. W. Golomb and M. Hall
# (:doi:`10.1090/S0002-9904-1962-10761-7`). `fasttx.fwht` takes these lengths too, and their
# products with powers of two.

others = {
    "order 60: Paley": fasttx.hadamard(60),
    "order 92: Williamson": fasttx.hadamard(92),
    "order 96 = 12 x 8": fasttx.hadamard(96),
}
for title, H in others.items():
    assert np.array_equal(H @ H.T, len(H) * np.eye(len(H)))
    x = np.random.default_rng(0).integers(-9, 10, len(H))
    assert np.array_equal(fasttx.fwht(x), H @ x)
    print(f"{title}: rows are orthogonal, and the transform is the product")

# %%
# The six pictures: ones are light, minus ones dark.

figure, axes = plt.subplots(2, 3, figsize=(9.5, 6.6), layout="constrained")
titles = {f"{name} order": H for name, H in rows.items()} | others
for ax, (title, H) in zip(axes.flat, titles.items(), strict=True):
    ax.imshow(H, cmap="cividis", interpolation="nearest")
    ax.set(title=title, xticks=[], yticks=[])
plt.show()

# %%
# Rows as functions
# -----------------
# The first eight rows in sequency order are the first eight Walsh functions, products of square
# waves, beside the rows of the cosine transform. Both have k sign changes.

cosines = dct(np.eye(n), axis=0, norm="ortho")
t = (np.arange(8 * n) + 0.5) / (8 * n)
figure, ax = plt.subplots(figsize=(7, 5), layout="constrained")
for k in range(8):
    ax.plot(t, 0.38 * np.cos(np.pi * k * t) - k, color="#D55E00", lw=1)
    steps = 0.38 * rows["sequency"][k] - k
    ax.stairs(steps, np.arange(n + 1) / n, baseline=None, color="#0072B2", lw=2)
    assert np.count_nonzero(np.diff(np.sign(cosines[k]))) == changes["sequency"][k] == k
ax.set(yticks=-np.arange(8), yticklabels=range(8), ylabel="sign changes", xlabel="place")
ax.set_title("Walsh functions and cosines")
ax.spines[["top", "right", "left"]].set_visible(False)
plt.show()
