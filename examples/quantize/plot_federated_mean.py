"""
The mean of a thousand clients, one bit a number
================================================

In federated learning many clients send a vector each, and the server wants the mean. Upload is
slow, so a client may send one bit of each number and a scale. With a random rotation of its own for
every client, the errors of the clients are independent and unbiased, and vanish in the mean: this
is DRIVE, and EDEN for more bits (S. Vargaftik, R. Ben Basat, A. Portnoy, G. Mendelson, Y.
Ben-Itzhak and M. Mitzenmacher, 2022, :arxiv:`2108.08842`), here `fasttx.quantize.EDEN`.

To see it, the vector is a photograph, of which every client has a copy with noise of its own.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

from fasttx.quantize import EDEN

blue, orange, grey = "#0072B2", "#D55E00", "#777777"

# %%
# Clients
# -------
# 128 x 128 pixels, 16384 numbers with a mean of zero. The noise of a client is a third of the size
# of the picture. Signs without a rotation are the alternative at the same price: one bit a number
# and one scale, :math:`\|x\|_1 / d`, for which their squared error is least.

photo = load_sample_image("flower.jpg")[60:316, 190:446].mean(axis=2)
truth = photo.reshape(128, 2, 128, 2).mean(axis=(1, 3)).ravel()
truth -= truth.mean()
truth /= truth.std()
d, most = truth.size, 1000
rng = np.random.default_rng(0)
rotated, signs = np.zeros(d), np.zeros(d)
counts = np.unique(np.geomspace(1, most, 13).astype(int))
shown, errors = {}, {"EDEN": [], "signs": [], "all of float64": []}
exact = np.zeros(d)
for client in range(1, most + 1):
    vector = truth + 0.33 * rng.standard_normal(d)
    codes = EDEN(d, 1, rng=client).encode(vector[None])
    rotated += codes.decode()[0]
    signs += np.sign(vector) * np.abs(vector).mean()
    exact += vector
    if client in counts:
        sums = (rotated, signs, exact)
        for name, total in zip(errors, sums, strict=True):
            errors[name].append(np.mean((total / client - truth) ** 2))
    if client in (1, 10, 100, 1000):
        shown[client] = rotated / client, signs / client
print(f"{codes.nbytes} bytes a client, {8 * d} as float64")

# %%
# A client's vector decoded has an error of :math:`\pi/2 - 1` of its square norm, far too much for a
# picture. Over s clients it falls like 1/s, like that of the noise. Signs are biased: clients agree
# on their errors, and the mean keeps them. Their picture gets no better after some tens of clients.

decoded = np.array(errors["EDEN"])
expected = ((np.pi / 2 - 1) * (1 + 0.33**2) + 0.33**2) / counts
assert np.allclose(decoded, expected, rtol=0.1)
for name, error in errors.items():
    print(f"{name:15s} error after 1, 1000 clients: {error[0]:.3f}, {error[-1]:.5f}")

figure = plt.figure(figsize=(10.5, 3.6), layout="constrained")
grid = figure.add_gridspec(2, 5, width_ratios=(1, 1, 1, 1, 2.1))
for column, (client, images) in enumerate(shown.items()):
    for row, (image, name) in enumerate(zip(images, ("EDEN", "signs"), strict=True)):
        ax = figure.add_subplot(grid[row, column])
        ax.imshow(image.reshape(128, 128), cmap="gray", vmin=-2, vmax=2.2)
        ax.set(xticks=[], yticks=[])
        if row == 0:
            ax.set_title(f"{client} client{'s' * (client > 1)}", fontsize=11)
        if column == 0:
            ax.set_ylabel(name, color=(blue, orange)[row], fontsize=12)
ax = figure.add_subplot(grid[:, 4])
for (name, error), colour in zip(errors.items(), (blue, orange, grey), strict=True):
    ax.loglog(counts, error, "o-", ms=4, color=colour, label=name)
ax.set(xlabel="clients", ylabel="mean squared error")
ax.spines[["top", "right"]].set_visible(False)
ax.grid(alpha=0.25)
ax.legend(frameon=False, loc="lower left")
plt.show()
