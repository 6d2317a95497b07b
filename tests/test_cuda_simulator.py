"""Runs the files ``cuda_sim_*.py`` under Numba's CUDA simulator.

The simulator is chosen when Numba is imported, so each file runs in a process of its own; two at a
time, since a thread of the simulator is one of Python.
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
FILES = sorted(f.name for f in TESTS.glob("cuda_sim_*.py"))


def run(file):
    path = os.pathsep.join(filter(None, [str(TESTS.parent), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS / file],
        cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": path, "NUMBA_ENABLE_CUDASIM": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )


@pytest.fixture(scope="module")
def runs(request):
    """What will come of each file that is asked for."""
    chosen = {item.callspec.params["file"] for item in request.session.items if is_run(item)}
    with ThreadPoolExecutor(2) as pool:
        yield {file: pool.submit(run, file) for file in FILES if file in chosen}
        pool.shutdown(cancel_futures=True)


def is_run(item):
    return getattr(item, "originalname", None) == "test_under_the_simulator"


@pytest.mark.parametrize("file", FILES)
def test_under_the_simulator(file, runs):
    done = runs[file].result()
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout), done.stdout
    assert "skipped" not in done.stdout, done.stdout
