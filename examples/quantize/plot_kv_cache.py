"""
Attention on 3-bit keys and values
==================================

A language model reads the keys and values of all earlier tokens for each new one. Here they are
kept in 2 to 5 bits a number, all scales counted, and attention works on the codes as they are (A.
Zandieh, M. Daliri, M. Hadian and V. Mirrokni, "TurboQuant", 2025, :arxiv:`2504.19874`). First on
keys with the channels that language models have, then on a real attention problem: each patch of a
photograph looks for similar patches, and their mean takes the noise away.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

from fasttx.quantize import KVCache, RandomizedHadamard

blue, orange, green, grey = "#0072B2", "#D55E00", "#009E73", "#777777"
rng = np.random.default_rng(0)

# %%
# Keys like those of language models
# ----------------------------------
# A few channels of keys lie far from zero, at nearly the same place for all tokens, and a few vary
# more than others. The mean of each channel is subtracted before the keys are coded: that shifts
# all scores of a query alike, and so changes no weight. Channels that vary can be kept exactly.

heads, tokens, d = 8, 2048, 128
keys, values = rng.standard_normal((2, heads, tokens, d))
far = (np.array([12, 49, 90, 110]) + 7 * np.arange(heads)[:, None]) % d
for head, channels in enumerate(far):
    keys[head, :, channels[:3]] += 12 * rng.choice([-1, 1], (3, 1))
    keys[head, :, channels[3]] *= 4
queries = rng.standard_normal((heads, d))


def attention(q, k, v):
    scores = np.einsum("hd,htd->ht", q, k) / np.sqrt(d)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.einsum("ht,htd->hd", weights / weights.sum(axis=1, keepdims=True), v)


exact = attention(queries, keys, values)

# %%
# A code of few bits for such rows would spend its levels on the channels far from zero. A random
# rotation, signs and a Hadamard transform, spreads them over all channels; scores stay the same if
# queries are rotated too. What is left to see are stripes along the tokens: the part that all rows
# have in common, which is the mean.

rotation = RandomizedHadamard(d, rng=0)
rotated = rotation(keys)
assert np.allclose(
    np.vecdot(rotated, rotation(queries)[:, None]), np.vecdot(keys, queries[:, None])
)
centred = rotation(keys - keys.mean(axis=1, keepdims=True))
shown = {"keys": keys, "rotated": rotated, "centred and rotated": centred}
figure, axes = plt.subplots(
    1, 3, figsize=(11, 3.9), layout="constrained", subplot_kw={"projection": "3d"}
)
channel, token = np.meshgrid(np.arange(d), np.arange(64))
for ax, (title, rows) in zip(axes, shown.items(), strict=True):
    size = np.abs(rows[0, :64])
    ax.plot_surface(channel, token, size, cmap="viridis", vmin=0, vmax=8, rcount=64, ccount=d, lw=0)
    ax.set(zlim=(0, 15), xlabel="channel", ylabel="token")
    ax.set_title(f"{title}\nlargest {np.abs(rows[0]).max():.1f}", y=0.95)
    ax.set_xticks(range(0, 129, 32))
    ax.set_yticks(range(0, 65, 16))
    ax.view_init(25, -60)
plt.show()

# %%
# The error of attention for 1 to 5 bits, with what `fasttx.quantize.KVCache` does about such
# channels.

ways = {
    "codes alone": (grey, {"center": False}),
    "means subtracted": (blue, {}),
    "and one channel kept": (green, {"outlier_channels": 1}),
}
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name, (colour, options) in ways.items():
    found = []
    for bits in (1, 2, 3, 4, 5):
        cache = KVCache(d, heads, bits, bits, rng=0, **options)
        cache.append(keys, values)
        error = np.linalg.norm(cache.attend(queries) - exact) / np.linalg.norm(exact)
        found.append((cache.bits_per_value, error))
    ax.semilogy(*zip(*found, strict=True), "o-", color=colour, label=name)
    size, error = found[2]
    print(f"{name}: 3 bits, {16 / size:.2f} times smaller than float16, error {error:.3f}")
ax.set(xlabel="bits a number, all counted", ylabel="relative error of attention")
ax.spines[["top", "right"]].set_visible(False)
ax.grid(alpha=0.25)
ax.legend(frameon=False)
plt.show()

# %%
# A photograph
# ------------
# Keys and values are the patches of a noisy photograph, 7 x 7 pixels of three colours. A patch is
# also a query, and is replaced by the mean of patches like it (non-local means); a pixel is the
# mean over the patches that it is in. Such keys are anything but normal: most of what they have is
# their brightness. One more channel has their squared norms, so that weights fall with the
# distance; it varies most, and is kept exactly.

size, width = 80, 7
photo = load_sample_image("china.jpg")[140 : 140 + size, 262 : 262 + size] / 255.0
noisy = photo + 0.08 * rng.standard_normal(photo.shape)
windows = np.lib.stride_tricks.sliding_window_view(noisy, (width, width), axis=(0, 1))
patches = windows.reshape(-1, 3 * width**2)
halves = np.square(patches).sum(axis=1, keepdims=True) / 2
one, zero = np.ones_like(halves), np.zeros_like(halves)
keys = np.hstack([patches, -halves])[None]
queries, values = np.hstack([patches, one])[None], np.hstack([patches, zero])[None]


def pixels(rows):
    """The image whose patches are nearest to the rows: means over overlapping patches."""
    total, count = np.zeros_like(photo), np.zeros((size, size, 1))
    rows = rows[:, :-1].reshape(*windows.shape[:3], width, width)
    for i in range(width):
        for j in range(width):
            place = np.s_[i : i + windows.shape[0], j : j + windows.shape[1]]
            total[place] += rows[..., i, j]
            count[place] += 1
    return total / count


def exactly():
    means = []
    for q in np.array_split(queries[0], 16):
        scores = 2.5 * q @ keys[0].T
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        means.append(weights @ values[0] / weights.sum(axis=1, keepdims=True))
    return pixels(np.concatenate(means))


def quality(image):
    return -10 * np.log10(np.mean((image - photo) ** 2))


shown = {"noisy": noisy}
for bits in (3, 4):
    cache = KVCache(keys.shape[2], 1, bits, bits, outlier_channels=1, rng=0)
    cache.append(keys, values)
    shown[f"{cache.bits_per_value:.2f} bits"] = pixels(cache.attend(queries, scale=2.5)[0])
shown["float64"] = exactly()
figure, axes = plt.subplots(1, 4, figsize=(8.5, 2.5), layout="constrained")
for ax, (name, image) in zip(axes, shown.items(), strict=True):
    ax.imshow(image.clip(0, 1), interpolation="nearest")
    ax.set_title(f"{name}: {quality(image):.1f} dB", fontsize=10)
    ax.set_axis_off()
plt.show()
