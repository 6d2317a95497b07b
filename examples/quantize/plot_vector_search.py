"""
Searching vectors of 4 bits
===========================

Embeddings take four bytes a number, and a search reads all of them. A random rotation makes every
vector look the same: each coordinate has nearly a normal law, known before any vector is seen. One
codebook is then the best for all, nothing is trained, and inner products with queries that are not
quantized are estimated without bias. See J. Gao and C. Long, 2024 (:arxiv:`2405.12497`), and A.
Zandieh, M. Daliri, M. Hadian and V. Mirrokni, 2025 (:arxiv:`2504.19874`).
"""

# sphinx_gallery_thumbnail_number = 2

import time

import matplotlib.pyplot as plt
import numpy as np

from fasttx.quantize import RaBitQ, TurboQuant, lloyd_max

blue, orange, green, grey = "#0072B2", "#D55E00", "#009E73", "#777777"
rng = np.random.default_rng(0)
d = 128

# %%
# What a rotation does
# --------------------
# Vectors with a single entry, with a few, and with entries of very unequal sizes, divided by their
# norms: after the rotation their coordinates have one law, that of a random direction. Behind it
# are the levels of the codebook of 3 bits, which is optimal for that law.

signs = rng.choice([-1.0, 1.0], (300, d))
kinds = {
    "one entry": signs * np.eye(d)[rng.integers(d, size=300)],
    "five entries": signs * (rng.random((300, d)).argsort(axis=1) < 5),
    "unequal entries": signs * np.exp(2 * rng.standard_normal((300, d))),
}
figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.2), layout="constrained")
edges = np.linspace(-3.5, 3.5, 29), np.linspace(-12, 12, 49)
for (name, rows), colour in zip(kinds.items(), (blue, orange, green), strict=True):
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True) * np.sqrt(d)
    rotated = TurboQuant(d, 3, rng=1).rotation(rows)
    for ax, values, bins in zip(axes, (rows, rotated), edges[::-1], strict=True):
        ax.hist(
            values.ravel(), bins, density=True, histtype="step", color=colour, label=name, lw=1.5
        )
line = np.linspace(-3.5, 3.5, 300)
density = np.maximum(1 - line**2 / d, 0) ** ((d - 3) / 2)
axes[1].plot(line, density / np.trapezoid(density, line), color="black", lw=1, label="exact law")
for level in lloyd_max(3, d).levels:
    axes[1].axvline(level, color=grey, lw=0.7, ls=":", zorder=0)
axes[0].set(title="coordinates of vectors", yscale="log", xlabel="times $\\sqrt{d}$ / norm")
axes[1].set(title="after the rotation", xlabel="times $\\sqrt{d}$ / norm")
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
axes[1].legend(frameon=False, fontsize=8)
plt.show()

# %%
# Inner products
# --------------
# Estimates beside exact products, for 1, 2 and 4 bits. The clouds lie around the diagonal: no bits
# are so few that products shrink, as they do with the levels of least squared error (grey).
# A query and vectors at all angles to it:

q = rng.standard_normal(d)
q /= np.linalg.norm(q)
others = rng.standard_normal((1500, d))
others -= np.outer(others @ q, q)
others /= np.linalg.norm(others, axis=1, keepdims=True)
exact = rng.uniform(-1, 1, 1500)
X = exact[:, None] * q + np.sqrt(1 - exact[:, None] ** 2) * others  # <x, q> = exact

figure, axes = plt.subplots(1, 3, figsize=(8.5, 3), layout="constrained", sharex=True, sharey=True)
for ax, bits in zip(axes, (1, 2, 4), strict=True):
    for objective, colour in (("mse", "#bbbbbb"), ("unbiased", blue)):
        codec = TurboQuant(d, bits, objective, rng=0)
        ax.plot(exact, codec.inner(q[None], codec.encode(X))[0], ".", ms=3, color=colour)
    ax.axline((0, 0), slope=1, color="black", lw=0.7)
    ax.set(title=f"{bits} bit{'s' * (bits > 1)}", xlabel="exact inner product", aspect="equal")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("estimate")
plt.show()

# %%
# How many of the ten best are found
# ----------------------------------
# 50 000 vectors in 256 clusters of unequal sizes. Bytes are all that is stored for a vector, norms
# and scales too; as float32 it takes 512. The two-stage quantizer spends a bit of each number on
# signs of what the others leave, and finds less.

centers = rng.standard_normal((256, d))
X = centers[rng.integers(256, size=50_000)] + 0.5 * rng.standard_normal((50_000, d))
X = (X * np.exp(0.2 * rng.standard_normal((len(X), 1)))).astype(np.float32)
Q = X[:200] + 0.3 * rng.standard_normal((200, d), dtype=np.float32)
best = np.argpartition(-(Q @ X.T), 10, axis=1)[:, :10]


def recall(codec):
    codes = codec.encode(X)
    _, rows = codec.search(Q, codes, k=10)
    return codes.nbytes / len(X), (rows[:, :, None] == best[:, None]).any(axis=2).mean()


half = {"norm_dtype": "float16", "rng": 0}
codecs = {
    "TurboQuant, unbiased": (blue, "o-", lambda b: TurboQuant(d, b, **half)),
    "TurboQuant, least error": (grey, "s--", lambda b: TurboQuant(d, b, "mse", **half)),
    "RaBitQ": (green, "^-", lambda b: RaBitQ(d, b, **half)),
    "two stages": (orange, "v-", lambda b: TurboQuant(d, b, "prod", **half)),
}
figure, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
for name, (colour, style, make) in codecs.items():
    bits = range(1, 5) if name == "two stages" else range(1, 7)
    found = np.array([recall(make(b)) for b in bits])
    ax.plot(found[:, 0], found[:, 1], style, color=colour, label=name)
ax.set(xlabel="bytes a vector", ylabel="recall of the ten best", ylim=(0.6, 1.01))
ax.spines[["top", "right"]].set_visible(False)
ax.grid(alpha=0.25)
ax.legend(frameon=False, loc="lower right")
plt.show()

codec = TurboQuant(d, 4, rng=0)
codes = codec.encode(X)
start = time.perf_counter()
codec.search(Q, codes, k=10)
print(f"{codes}: 200 queries in {1e3 * (time.perf_counter() - start):.0f} ms")
