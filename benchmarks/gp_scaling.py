"""Time of one marginal likelihood with its gradient against n, for three libraries in one run.

Run as ``python benchmarks/gp_scaling.py benchmarks/results/gp_scaling.json``; needs scikit-learn,
fastgps, QMCPy and torch. One thread. The gallery's picture is drawn from what it writes.
"""

import json
import platform
import sys
import time
from datetime import UTC, datetime
from importlib import metadata

import fastgps
import numpy as np
import qmcpy
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from threadpoolctl import threadpool_limits

import fasttx
from fasttx.gp import FastGPRegressor
from fasttx.kernels import DSIKernel

D = 4
PACKAGES = ("numpy", "scipy", "numba", "scikit-learn", "fastgps", "qmcpy", "torch")


def function(x):
    """What is fitted."""
    return np.sin(3 * x[:, 0]) * x[:, 1] + x[:, 2] * x[:, 3]


def repeat(call, least=0.5):
    """Median seconds of a call."""
    call()
    taken = []
    while sum(taken) < least or len(taken) < 3:
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def ours(n):
    gp = FastGPRegressor(DSIKernel(D), optimizer=None, noise=1e-8, rng=7, workers=1)
    x = gp.points(n)
    y = function(x)
    gp.fit(x, y)
    model = gp._posterior.model
    hats = [model.group.forward(y[None], 1)]
    return repeat(lambda: model.objective("likelihood", gp.theta_, hats))


def theirs(n):
    """An iteration of the optimizer of fastgps: the difference of 12 and 2, over 10."""

    def fit(iterations):
        kernel = qmcpy.KernelDigShiftInvar(D, torchify=True)
        gp = fastgps.FastGPDigitalNetB2(kernel, qmcpy.DigitalNetB2(dimension=D, seed=7))
        gp.add_y_next(torch.from_numpy(function(gp.get_x_next(n).numpy())))
        start = time.perf_counter()
        gp.fit(iterations=iterations, verbose=0, stop_crit_wait_iterations=1000)
        return time.perf_counter() - start

    fit(2)
    return float(np.median([(fit(12) - fit(2)) / 10 for _ in range(3)]))


def dense(n):
    rng = np.random.default_rng(0)
    x = rng.random((n, D))
    kernel = ConstantKernel() * RBF(np.full(D, 0.5)) + WhiteKernel(1e-4)
    gp = GaussianProcessRegressor(kernel, optimizer=None).fit(x, function(x))
    return repeat(lambda: gp.log_marginal_likelihood(gp.kernel_.theta, eval_gradient=True))


CASES = {
    "fasttx": (ours, range(8, 25, 2)),
    "fastgps": (theirs, range(8, 19, 2)),
    "scikit-learn": (dense, range(6, 12)),
}


def main(target):
    """Measure, print, write."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": platform.processor() or platform.machine(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "dimensions": D,
        "seconds": {},
    }
    with fasttx.threads(1), threadpool_limits(1):
        for name, (measure, powers) in CASES.items():
            report["seconds"][name] = {}
            for m in powers:
                report["seconds"][name][str(1 << m)] = taken = measure(1 << m)
                print(name, f"2^{m}", f"{taken:.3g} s", flush=True)
    with open(target, "w") as file:
        json.dump(report, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
