"""
The S-box of AES under linear cryptanalysis
===========================================

Linear cryptanalysis looks for an XOR of input bits of an S-box that agrees with an XOR of output
bits more or less often than half of the time. The linear approximation table lists this bias for
all pairs of input and output masks; the S-box resists if all of its entries are small. The attack
is that of M. Matsui, EUROCRYPT '93 (:doi:`10.1007/3-540-48285-7_33`); the tables are those of
`fasttx.boolean`.
"""

import matplotlib.pyplot as plt
import numpy as np

from fasttx.boolean import linear_approximation_table, sbox_nonlinearity

# %%
# The S-box
# ---------
# A byte is an element of GF(2^8), a polynomial over GF(2) modulo x^8 + x^4 + x^3 + x + 1. The S-box
# takes its inverse (of 0, which has none, 0) and then an affine map of its bits.
# Powers of x + 1, written 3, run through all elements but 0, and the inverse of g^i is g^(255-i).

power = [1]
for _ in range(254):
    doubled = power[-1] << 1
    if doubled > 0xFF:
        doubled ^= 0x11B
    power.append(power[-1] ^ doubled)
power = np.array(power, np.uint8)
inverse = np.zeros(256, np.uint8)
inverse[power] = power[-np.arange(255)]


def linear(byte):
    """XOR of a byte with its rotations by one to four bits."""
    result = byte.copy()
    for bits in range(1, 5):
        result ^= byte << bits | byte >> 8 - bits
    return result


aes = linear(inverse) ^ np.uint8(0x63)
print(bytes(aes[:8]).hex(" "), "...")

# %%
# Its linear approximation table
# ------------------------------
# One transform of size 2^16 gives all 65536 entries: how many of the 256 inputs satisfy the
# approximation, less 128. The first row and column belong to the mask 0 and say nothing: they are
# left out here, and from all that follows. A random permutation is there for comparison.

table = linear_approximation_table(aes)[1:, 1:]
random = np.random.default_rng(2024).permutation(256)
random_table = linear_approximation_table(random)[1:, 1:]

# %%
# The table of AES looks random too, but is not. Every XOR of bits of x is the trace of a multiple
# a x in the field, so masks stand for field elements, and the biases of the inverse depend on the
# product of the input's and the output's element alone. Sorted by the logarithms of these, with the
# signs that the constant 0x63 brings removed, the table is constant along its antidiagonals: it has
# no more than 255 different entries.

exponents = np.arange(255)
trace = np.bitwise_xor.reduce([power[exponents * 2**k % 255] for k in range(8)])
log = np.zeros(256, int)
log[power] = exponents
bits = 1 << np.arange(8)
inputs = trace[(exponents[:, None] + log[bits]) % 255] @ bits  # <inputs[i], x> = trace(g^i x)

outputs = np.arange(1, 256)
through = np.bitwise_count(outputs[:, None] & linear(bits.astype(np.uint8))) % 2 @ bits
columns = np.argsort(through)[inputs - 1]  # <outputs, linear(y)> = <through, y>
signs = 1 - 2 * (np.bitwise_count(outputs & 0x63) % 2).astype(int)
ordered = (table * signs)[inputs - 1][:, columns]
assert all((ordered[i] == np.roll(ordered[0], -i)).all() for i in range(255))

limit = np.abs(random_table).max()
fig, panels = plt.subplots(1, 3, figsize=(12, 4.6), layout="constrained", sharey=True)
for panel, shown, title in (
    (panels[0], random_table, "a random permutation"),
    (panels[1], table, "AES"),
    (panels[2], ordered, "AES, masks sorted by logarithm"),
):
    drawn = panel.imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="none")
    panel.set_title(f"{title}\nlargest bias {np.abs(shown).max()}")
    panel.set_xlabel("output mask")
    panel.set_xticks([])
    panel.set_yticks([])
panels[0].set_ylabel("input mask")
fig.colorbar(drawn, ax=panels, label="bias (count less 128)", shrink=0.9, pad=0.01)
plt.show()

# %%
# How the biases are distributed
# ------------------------------
# The entries of a random permutation spread like a normal distribution and reach far beyond 16.
# Those of AES stop at 16: they are, up to a factor, Kloosterman sums, which are bounded by Weil's
# theorem, and take every even value that the bound allows. Each column has 16 zeros, 17 with that
# of the input mask 0, and five entries of magnitude 16.

bins = np.arange(-limit - 1, limit + 2, 2)
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.hist(table.ravel(), bins, color="C3", alpha=0.5, label="AES")
ax.hist(
    random_table.ravel(),
    bins,
    histtype="step",
    color="C0",
    linewidth=1.5,
    label="random permutation",
)
ax.set(
    xlabel="bias",
    ylabel="number of mask pairs",
    yscale="log",
    ylim=(0.7, 2e4),
    title="Entries of the linear approximation tables",
)
ax.legend()
plt.show()

zeros = (table == 0).sum(axis=0)
extremes = (np.abs(table) == 16).sum(axis=0)
print(
    "AES: zeros in a column", np.unique(zeros), "and entries of magnitude 16", np.unique(extremes)
)

# %%
# Nonlinearity
# ------------
# The nonlinearity of an S-box is 128 less the largest bias. No random permutation of a thousand
# comes near that of AES, 112, the most that is known for permutations of eight bits.

rng = np.random.default_rng(7)
found = [sbox_nonlinearity(rng.permutation(256)) for _ in range(1000)]

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.hist(found, np.arange(min(found) - 1, max(found) + 2, 2), color="C0", edgecolor="white")
ax.axvline(sbox_nonlinearity(aes), color="C3", linewidth=2)
ax.annotate(
    f"AES: {sbox_nonlinearity(aes)}",
    (sbox_nonlinearity(aes), 0.9),
    (-8, 0),
    xycoords=("data", "axes fraction"),
    textcoords="offset points",
    color="C3",
    ha="right",
)
ax.set(
    xlabel="nonlinearity",
    xticks=range(84, 116, 4),
    ylabel="permutations",
    title="1000 random permutations of eight bits",
)
plt.show()
