"""
Compressing a photograph in the Walsh domain
============================================

A transform compresses an image if few of its coefficients carry most of the energy. Here the
largest 10, 5 and 2 % of the coefficients of a photograph are kept, once of its Walsh-Hadamard
transform and once of its discrete cosine transform (DCT), and the images are rebuilt from these.

Both transforms are orthonormal, and taken of the whole image rather than of small blocks as in
JPEG, so that the functions themselves are compared.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import fft
from sklearn.datasets import load_sample_image

import fasttx

# %%
# The image
# ---------
# Sequency order needs lengths that are powers of two, so the photograph is cropped to 256 x 512
# pixels. Its colours are transformed one by one, along the first two axes.

image = load_sample_image("china.jpg")[85:341, 64:576].astype(np.float32) / 255
axes = (0, 1)

walsh = fasttx.fwht2(image, axes=axes, norm="ortho", order="sequency")
cosine = fft.dctn(image, axes=axes, norm="ortho")

# %%
# Keeping the largest coefficients
# --------------------------------
# By Parseval's identity the squared error of a reconstruction is the energy of the coefficients
# that were left out: keeping the largest is the best that can be done with as many.


def largest(coefficients, share):
    """The largest coefficients, all others set to zero."""
    threshold = np.quantile(np.abs(coefficients), 1 - share)
    return np.where(np.abs(coefficients) >= threshold, coefficients, 0)


def from_walsh(coefficients):
    return fasttx.ifwht2(coefficients, axes=axes, norm="ortho", order="sequency")


def from_cosine(coefficients):
    return fft.idctn(coefficients, axes=axes, norm="ortho")


def psnr(approximation):
    """Peak signal-to-noise ratio in decibels."""
    return -10 * np.log10(np.mean((approximation - image) ** 2))


shares = (0.10, 0.05, 0.02)
fig, panels = plt.subplots(4, 2, figsize=(9, 10), layout="constrained")
for panel in panels.flat:
    panel.set_xticks([])
    panel.set_yticks([])
panels[0, 0].imshow(image)
panels[0, 0].set_title("original")
panels[0, 1].imshow(np.log(np.abs(walsh).mean(axis=2)), cmap="magma", vmin=-4, vmax=1)
panels[0, 1].set_title("Walsh coefficients, logarithm of magnitude")
panels[0, 1].set_xlabel("horizontal sequency \N{RIGHTWARDS ARROW}")
panels[0, 1].set_ylabel("\N{LEFTWARDS ARROW} vertical sequency")
for row, share in zip(panels[1:], shares, strict=True):
    rebuilt = {
        "Walsh": from_walsh(largest(walsh, share)),
        "cosine": from_cosine(largest(cosine, share)),
    }
    for panel, (name, approximation) in zip(row, rebuilt.items(), strict=True):
        panel.imshow(approximation.clip(0, 1))
        panel.set_title(f"{share:.0%} of {name} coefficients: {psnr(approximation):.1f} dB")
plt.show()

# %%
# Steep edges suit the Walsh functions, which are products of square waves; smooth shades suit
# cosines. In sequency order, by number of sign changes, large coefficients gather in the corner of
# low sequencies, as those of the DCT do at low frequencies.
#
# How the error falls
# -------------------
# The sorted energies give the error for every share at once, without any reconstruction.


def error_curve(coefficients):
    """Relative error in the 2-norm when the k largest are kept, k = 0, 1, 2, ..."""
    energy = np.sort(np.abs(coefficients).ravel().astype(np.float64) ** 2)
    left_out = np.cumsum(energy)[::-1]
    return np.sqrt(left_out / left_out[0])


fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
kept = np.arange(image.size) / image.size
for coefficients, name, colour in ((walsh, "Walsh", "C0"), (cosine, "cosine", "C1")):
    error = error_curve(coefficients)
    ax.loglog(100 * kept[1:], 100 * error[1:], color=colour, label=name)
    marks = [int(share * image.size) for share in shares]
    ax.plot(100 * kept[marks], 100 * error[marks], "o", color=colour)
ax.set(
    xlim=(0.1, 60),
    ylim=(2, 30),
    xlabel="coefficients kept (%)",
    ylabel="relative error (%)",
    title="What is lost when the largest coefficients are kept",
)
ax.set_xticks([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50])
ax.set_yticks([2, 5, 10, 20, 30])
for axis in (ax.xaxis, ax.yaxis):
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")
ax.grid(alpha=0.3)
ax.legend(title="transform")
plt.show()

# %%
# At every share the cosine transform is ahead: for photographs it is the better basis. What the
# Walsh-Hadamard transform offers is its price, additions and subtractions only, and results that
# are exact for integers.
