"""
Four bits in blocks
===================

Accelerators multiply numbers of few bits that share a scale in blocks. What such a format keeps
depends on the elements, on the scales, and on the law of the numbers: here it is measured for
normal numbers, for numbers with heavy tails, and for activations with a few large channels, with
and without a rotation of the blocks. NVFP4 and MXFP4 are formats of accelerators; E8 is the lattice
of A. Tseng, J. Chee, Q. Sun, V. Kuleshov and C. De Sa, 2024 (:arxiv:`2402.04396`), NF4 the format
of T. Dettmers, A. Pagnoni, A. Holtzman and L. Zettlemoyer, 2023 (:arxiv:`2305.14314`).
"""

import matplotlib.pyplot as plt
import numpy as np

from fasttx.quantize import (
    E8,
    INT2,
    INT3,
    INT4,
    INT8,
    MXFP4,
    MXFP6,
    NF4,
    NVFP4,
    TurboQuant,
    choose_rotation,
    fake_quantize,
    quantize,
)

blue, orange, green, grey = "#0072B2", "#D55E00", "#009E73", "#777777"
rng = np.random.default_rng(0)
normal = rng.standard_normal((512, 1024))


def decibels(X, fmt):
    error = fake_quantize(X, fmt) - X
    return 10 * np.log10(np.square(X).sum() / np.square(error).sum())


# %%
# Distance to what is possible
# ----------------------------
# No code of b bits for normal numbers has a signal-to-noise ratio above 6.02 b dB. With all scales
# counted, this is how far formats stay below it. The lattice E8 is nearest; TurboQuant, for rows of
# 1024, needs no scales of blocks. Scales for 16 numbers with three bits of mantissa (NVFP4) cost a
# quarter of a bit more than powers of two for 32 (MXFP4), and are worth it.

formats = {
    "INT2": INT2(mode="mse"),
    "INT3": INT3(mode="mse"),
    "INT4": INT4(mode="mse"),
    "INT8": INT8(),
    "E8": E8(),
    "NF4": NF4(),
    "MXFP4": MXFP4(scale_mode="even"),
    "MXFP6": MXFP6(),
    "NVFP4": NVFP4(),
    "NVFP4, 4 over 6": NVFP4(four_over_six=True),
}
sizes = {name: quantize(normal, fmt).bits_per_value for name, fmt in formats.items()}
found = {name: decibels(normal, fmt) for name, fmt in formats.items()}
limit = 20 * np.log10(2)
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
turbo = []
for bits in (1, 2, 3, 4, 5, 6, 7, 8):
    codes = TurboQuant(1024, bits, "mse", rng=0).encode(normal)
    ratio = -10 * np.log10(np.square(codes.decode() - normal).mean())
    turbo.append((codes.bits_per_value, limit * codes.bits_per_value - ratio))
ax.plot(*np.transpose(turbo), "o-", color="black", lw=0.8, ms=4)
ax.annotate("TurboQuant", turbo[4], (4, 8), textcoords="offset points")
colours = {"I": grey, "M": orange, "N": blue, "E": green}
shifts = {
    "INT3": (-14, 8),
    "INT4": (-34, -2),
    "MXFP4": (-46, -8),
    "NVFP4": (8, -12),
    "NVFP4, 4 over 6": (8, 2),
}
for name, size in sizes.items():
    place, colour = (size, limit * size - found[name]), colours[name[0]]
    ax.plot(*place, "o", color=colour)
    shift = shifts.get(name, (8, -4))
    ax.annotate(name, place, shift, textcoords="offset points", color=colour)
ax.set(
    xlabel="bits a number, all counted", ylabel="dB below the bound", ylim=(7.5, 1), xlim=(0.8, 9)
)
ax.spines[["top", "right"]].set_visible(False)
ax.grid(alpha=0.25)
plt.show()

# %%
# Does a rotation help?
# ---------------------
# A Hadamard transform of each group spreads what is large over the group. Powers of two as scales
# for 32 numbers gain by it. Scales of NVFP4 follow a large number in 16 well enough, and its other
# elements then get few bits, but they are small anyway: spreading it makes all of them large.

channels = np.where(rng.random(1024) < 0.02, 30.0, 1.0)
inputs = {
    "normal": normal,
    "heavy tails": rng.standard_t(3, (512, 1024)),
    "large channels": normal * channels,
}
kinds = {"MXFP4": (MXFP4, 32, orange), "NVFP4": (NVFP4, 16, blue), "INT4": (INT4, 128, grey)}
figure, axes = plt.subplots(1, 3, figsize=(8.5, 3), layout="constrained", sharey=True)
for ax, (title, X) in zip(axes, inputs.items(), strict=True):
    for place, (make, size, colour) in enumerate(kinds.values()):
        plain, rotated = decibels(X, make()), decibels(X, make(hadamard=size, signs=True, rng=0))
        ax.plot([place, place], [plain, rotated], color=colour, lw=2)
        ax.plot(place, plain, "o", color=colour, ms=5)
        ax.plot(place, rotated, "^" if rotated > plain else "v", color=colour, ms=9)
    ax.set(title=title, xlim=(-0.6, 2.6), ylim=(10, 24))
    ax.set_xticks(range(3), kinds)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.25)
axes[0].set_ylabel("signal to noise, dB\nfrom plain to rotated")
plt.show()

# %%
# Which one?
# ----------
# All rotations that there are for the large channels, by what is left. In MXFP4 any of them helps;
# in NVFP4 none does.

figure, axes = plt.subplots(1, 2, figsize=(8.5, 3), layout="constrained")
for ax, fmt in zip(axes, ("MXFP4", "NVFP4"), strict=True):
    choice = choose_rotation(inputs["large channels"], fmt, rng=0)
    choice.plot(ax)
print(choice)
plt.show()
