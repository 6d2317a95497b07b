"""The command ``bench --device cuda``, where there is no device."""

import json
import time

import ml_dtypes
import numpy as np
import pytest

from fasttx import __main__, _bench_cuda, _cuda
from tests.ptx_device import HostArray


class Host:
    """A library of arrays on a device that is not there."""

    name = "NumPy"

    def empty(self, shape, dtype):
        return HostArray(np.zeros(shape, ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype))

    def fill(self, x):
        x.host[...] = np.random.default_rng(0).standard_normal(x.shape)

    def copy(self, target, source):
        target.host[...] = source.host

    def fft(self, x):
        return np.fft.fft(x.host)

    def convolve(self, x, h):
        n = x.shape[-1]
        return np.fft.irfft(np.fft.rfft(x.host, 2 * n) * np.fft.rfft(h.host, 2 * n))[..., :n]

    def seconds(self, call):
        started = time.perf_counter()
        call()
        return time.perf_counter() - started


@pytest.mark.parametrize(
    "title",
    [
        "fwht float32 rows 2^7",
        "fwht bfloat16 rows 2^8",
        "fft_unordered complex64 rows 2^8",
        "rotation + NVFP4 of bfloat16 rows 2^12",
        "causal convolution float32 rows 2^13",
    ],
)
def test_cases_run(ptx_device, title):
    some = [case for case in _bench_cuda.cases() if case.title == title]
    results = _bench_cuda.run(Host(), iter(some), 1 << 10, rounds=2)
    assert [row["yardstick"] for row in results] == [case.yardstick for case in some]
    for row in results:
        assert row["result"] > 0
        assert row["met"] == case_of(row).met(row["result"])
        assert len(row["samples"][0]) == 2
    assert title in _bench_cuda._table(results)


def case_of(row):
    keys = ("case", "yardstick")
    return next(
        c for c in _bench_cuda.cases() if (c.title, c.yardstick) == tuple(row[k] for k in keys)
    )


def test_a_gram_system_runs(ptx_device):
    ours, yardstick, moved = _bench_cuda._gram(4, 2)(Host(), 0)
    assert moved > 0
    assert ours().shape == yardstick().shape == (16,)


def test_memory_that_is_not_there_leaves_a_case_out(capsys):
    def make(library, size):
        raise RuntimeError("CUDA out of memory")

    case = _bench_cuda.Case("large", "copy", make, 1.0)
    assert _bench_cuda.run(Host(), iter([case]), 1, 1) == []
    assert "left out: CUDA out of memory" in capsys.readouterr().err


def test_without_a_device_nothing_is_claimed(tmp_path, capsys):
    if "compute capability" in _cuda.status():
        pytest.skip("a device is there")
    file = tmp_path / "cuda.json"
    assert __main__.main(["bench", "--device", "cuda", "--json", str(file)]) == 1
    assert "nothing was measured" in capsys.readouterr().err
    report = json.loads(file.read_text())
    assert report["machine"]["device"] is None
    assert {row["result"] for row in report["cases"]} == {None}
    with pytest.raises(SystemExit):
        __main__.main(["bench", "--device", "cuda", "--size", "5"])
