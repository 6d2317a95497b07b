"""Gaussian processes beside fastgps (and QMCPy's kernels), on one thread.

Predicted, for n = 2^14 and d = 4: a pass over 65536 digits for the column (about 0.5 ms), three
transforms of 2^14 numbers (10 us each) and a pass for the gradient (1 ms): 2 ms. For n = 2^24 a
thousand times that, and 20 passes over arrays of 128 MB: 3 to 4 s.
"""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

import fasttx
from fasttx.gp import FastGPRegressor
from fasttx.kernels import DSIKernel

SIZE, D = 1 << 14, 4
FULL = os.environ.get("FASTTX_BENCH") == "full"


def function(x):
    return np.sin(3 * x[:, 0]) * x[:, 1] + x[:, 2] * x[:, 3]


def one_evaluation(n):
    """A call that gives the likelihood and its gradient."""
    gp = FastGPRegressor(DSIKernel(D), optimizer=None, noise=1e-8, rng=7, workers=1)
    x = gp.points(n)
    y = function(x)
    gp.fit(x, y)
    model = gp._posterior.model
    hats = [model.group.forward(y[None], 1)]
    return lambda: model.objective("likelihood", gp.theta_, hats)


@pytest.mark.benchmark(group=f"likelihood and gradient, n={SIZE} d={D}")
def test_fasttx(benchmark):
    with fasttx.threads(1):
        value, slope = benchmark(one_evaluation(SIZE))
    assert np.isfinite([value, *slope]).all()


@pytest.mark.benchmark(group=f"likelihood and gradient, n={SIZE} d={D}")
def test_fastgps(benchmark):
    """Time of an iteration of its optimizer: that of 40 less that of 20, over 20."""
    torch = pytest.importorskip("torch")
    fastgps, qmcpy = pytest.importorskip("fastgps"), pytest.importorskip("qmcpy")
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)

    def fit(iterations):
        kernel = qmcpy.KernelDigShiftInvar(D, torchify=True)
        gp = fastgps.FastGPDigitalNetB2(kernel, qmcpy.DigitalNetB2(dimension=D, seed=7))
        gp.add_y_next(torch.from_numpy(function(gp.get_x_next(SIZE).numpy())))
        start = time.perf_counter()
        gp.fit(iterations=iterations, verbose=0, stop_crit_wait_iterations=1000)
        return time.perf_counter() - start

    fit(2)
    benchmark.extra_info["seconds for each iteration"] = np.median(
        [(fit(40) - fit(20)) / 20 for _ in range(3)]
    )
    benchmark.pedantic(fit, args=(20,), rounds=1)


LARGE = """
import time, json, numpy as np, sys
from fasttx.gp import FastGPRegressor
from fasttx.kernels import DSIKernel
n, d = 1 << {log}, 4
gp = FastGPRegressor(DSIKernel(d), optimizer=None, noise=1e-6, rng=7, workers={workers})
x = gp.points(n)
y = np.sin(3 * x[:, 0]) * x[:, 1] + x[:, 2] * x[:, 3]
start = time.perf_counter()
gp.fit(x, y)
fit = time.perf_counter() - start
if {predict}:
    new = np.random.default_rng(0).random((100000, d))
    start = time.perf_counter()
    mean = gp.predict(new)
    fit = time.perf_counter() - start
lines = open("/proc/self/status").read().splitlines()
memory = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
print(json.dumps([fit, memory]))
"""


def in_a_process(benchmark, script):
    import json

    def run():
        return subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        ).stdout

    seconds, memory = json.loads(benchmark.pedantic(run, rounds=1, warmup_rounds=0))
    benchmark.extra_info.update(seconds=seconds, megabytes=memory)
    return seconds, memory


@pytest.mark.skipif(not FULL or sys.platform != "linux", reason="FASTTX_BENCH=full, on Linux")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.benchmark(group="fit at n=2^24 d=4: one likelihood and gradient, checks included")
def test_large(benchmark, workers):
    in_a_process(benchmark, LARGE.format(log=24, workers=workers, predict=False))


@pytest.mark.skipif(not FULL or sys.platform != "linux", reason="FASTTX_BENCH=full, on Linux")
@pytest.mark.benchmark(group="means at 100000 points from n=2^16")
def test_prediction(benchmark):
    in_a_process(benchmark, LARGE.format(log=16, workers=2, predict=True))
