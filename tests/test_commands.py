"""The command line: info, tour and bench."""

import json
import subprocess
import sys

import pytest

import fasttx
from fasttx import __main__, _bench_cases


def test_version():
    done = subprocess.run(
        [sys.executable, "-m", "fasttx", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"fasttx {fasttx.__version__}"


def test_info(capsys):
    assert __main__.main(["info"]) == 0
    out = capsys.readouterr().out
    for word in ("fasttx", "numba", "llvmlite", "vectors", "threading", "code cache", "cuda"):
        assert word in out


def test_bench_writes_what_it_measured(tmp_path, capsys):
    file = tmp_path / "report.json"
    assert __main__.main(["bench", "--size", "6", "--rounds", "1", "--json", str(file)]) == 0
    assert "2^6" in capsys.readouterr().out
    report = json.loads(file.read_text())
    assert report["machine"]["fasttx"] == fasttx.__version__
    assert report["cases"][0]["seconds"]["median"] > 0


def test_every_case_of_the_bench_runs():
    for case in _bench_cases.cases(quick=True):
        if sum(case.elements()) <= 1 << 14:
            space = case.namespace()
            for statement in (case.ours, case.yardstick):
                eval(statement, space)


def test_tour(tmp_path, capsys):
    picture = tmp_path / "tour.png"
    assert __main__.main(["tour", "--exponent", "12", "--output", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "112" in out
    assert "32512" in out


def test_unknown_command(capsys):
    with pytest.raises(SystemExit) as stop:
        __main__.main(["dance"])
    assert stop.value.code == 2
    assert "invalid choice" in capsys.readouterr().err
