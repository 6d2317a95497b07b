"""Pictures of a Gaussian-process posterior."""

from typing import Any

import numpy as np

BAND = 2.575829303548901  # of the 99 % interval


def plot(gp: Any, ax: Any, task: int) -> Any:
    """Band in one dimension, map in two, else the mean along every coordinate."""
    import matplotlib.pyplot as plt

    ax = plt.gca() if ax is None else ax
    d = gp.n_features_in_
    if d == 1:
        return _band(gp, ax, task)
    if d == 2:
        return _map(gp, ax, task)
    return _slices(gp, ax, task)


def _band(gp: Any, ax: Any, task: int) -> Any:
    x = np.arange(512) / 512
    mean, std = gp.predict(x[:, None], return_std=True, task=task)
    for m, s in zip(np.atleast_2d(mean.T), np.atleast_2d(std.T), strict=True):
        (line,) = ax.plot(x, m)
        ax.fill_between(x, m - BAND * s, m + BAND * s, alpha=0.25, color=line.get_color(), lw=0)
    ax.set(xlabel="$x$", ylabel="posterior mean and 99 % interval", xlim=(0, 1))
    return ax


def _map(gp: Any, ax: Any, task: int) -> Any:
    side = (np.arange(96) + 0.5) / 96
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    mean = gp.predict(grid, task=task)
    first = mean if mean.ndim == 1 else mean[:, 0]
    image = ax.imshow(first.reshape(96, 96).T, origin="lower", extent=(0, 1, 0, 1), aspect="auto")
    ax.figure.colorbar(image, ax=ax, label="posterior mean")
    ax.set(xlabel="$x_0$", ylabel="$x_1$")
    return ax


def _slices(gp: Any, ax: Any, task: int) -> Any:
    """The mean along every coordinate with the others at 1/2."""
    side = np.arange(128) / 128
    for j in range(gp.n_features_in_):
        x = np.full((128, gp.n_features_in_), 0.5)
        x[:, j] = side
        mean = gp.predict(x, task=task)
        ax.plot(side, mean if mean.ndim == 1 else mean[:, 0], label=f"$x_{{{j}}}$")
    ax.set(xlabel="one coordinate, the others being 1/2", ylabel="posterior mean", xlim=(0, 1))
    ax.legend(fontsize="small", ncols=2)
    return ax
