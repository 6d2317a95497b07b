"""
A room in eight channels
========================

The sound of a room is a convolution with its impulse response: a second of it at 32 kHz are 32000
taps. Here a synthetic response for each of eight channels is applied to a train of clicks, all at
once and block by block as it would arrive, with the same result. A frequency-sparse version keeps a
share of each spectrum, as D. Y. Fu, H. Kumbong, E. Nguyen and C. Ré proposed for long sequences
("FlashFFTConv", ICLR 2024).
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import oaconvolve

import fasttx

# %%
# Signal and responses
# --------------------
#
# An impulse response: a few early echoes, then noise that dies away, faster in some channels.

rng = np.random.default_rng(1)
rate, channels, length = 32000, 8, 2**17
t = np.arange(rate) / rate
decay = np.exp(-t / np.linspace(0.05, 0.25, channels)[:, None])
response = (0.1 * decay * rng.standard_normal((channels, rate))).astype(np.float32)
response[:, 0] = 1
for channel, echoes in enumerate(rng.integers(500, 4000, (channels, 4))):
    response[channel, echoes] += 0.5
clicks = np.zeros((channels, length), np.float32)
clicks[:, :: rate // 2] = 1

# %%
# At once, and beside SciPy
# -------------------------

room = fasttx.CausalFilter(response)
room(clicks)  # compiles, and plans
began = time.perf_counter()
wet = room(clicks)
ours = time.perf_counter() - began
began = time.perf_counter()
other = oaconvolve(clicks, response, axes=-1)[:, :length]
theirs = time.perf_counter() - began
error = np.abs(wet - other).max() / np.abs(other).max()
print(f"{1e3 * ours:.1f} ms, scipy.signal.oaconvolve {1e3 * theirs:.1f} ms, differ by {error:.0e}")

# %%
# As it arrives
# -------------
#
# Blocks of 50 ms. The state is what later blocks need of earlier ones.

state, heard = None, []
for start in range(0, length, rate // 20):
    block, state = room(clicks[:, start : start + rate // 20], state, return_state=True)
    heard.append(block)
difference = np.abs(np.concatenate(heard, axis=-1) - wet).max()
print(f"{len(heard)} blocks differ from the whole by {difference:.0e}")

# %%
# A share of the spectrum
# -----------------------
#
# Blocks of the spectrum that are left out cost nothing.

shares = np.arange(1, 17) / 16
errors = []
for share in shares:
    sparse = fasttx.fftconvolve_causal(clicks, response, keep=share)
    errors.append(np.linalg.norm(sparse - wet) / np.linalg.norm(wet))

# %%
# Energy over time in each channel, and what keeping less costs.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
energy = (wet[:, : length // 512 * 512].reshape(channels, -1, 512) ** 2).mean(axis=-1)
image = left.imshow(
    10 * np.log10(energy + 1e-9),
    aspect="auto",
    vmin=-60,
    vmax=-10,
    cmap="magma",
    extent=(0, length / rate, channels + 0.5, 0.5),
)
left.set(title="Level of each channel", xlabel="seconds", ylabel="channel")
figure.colorbar(image, ax=left, label="dB")
right.plot(shares, errors, "o-")
right.set(
    title="Frequency-sparse filters",
    xlabel="share of the spectrum kept",
    ylabel="relative error",
    ylim=(0, None),
)
plt.show()
