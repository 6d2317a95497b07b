"""The command ``bench --compare`` and its report."""

import json
from pathlib import Path

import pytest

from fasttx import __main__
from fasttx._compare import cases, methods, report, transforms

ROOT = Path(__file__).resolve().parent.parent
SETUP = "import numpy as np\nx = np.ones({})\nimport {}"
PASS = cases.Floor(("sums", 8), cases.NEGATIVE, SETUP.format(8, "numpy"))


def job(name, theirs, check, module="numpy", size=8):
    setup = SETUP.format(size, module)
    return cases.Comparison(
        "Sums", name, "x.sum()", theirs, module, module, setup, check, "as one does", ("sums", size)
    )


JOBS = [
    PASS,
    job("add <8>", "sum([sum(x) for _ in range(20)]) / 20", "a == b"),
    job("add 16", "x.sum()", "a == b == 16", size=16),
    job("missing", "x.sum()", "", "a_package_that_nobody_has"),
]


@pytest.fixture
def two_jobs(monkeypatch):
    monkeypatch.setattr(transforms, "cases", lambda quick: JOBS)
    monkeypatch.setattr(methods, "cases", lambda quick: [])


def compare(*options):
    return __main__.main(["bench", "--compare", "--rounds", "2", *map(str, options)])


def test_report(two_jobs, tmp_path, capsys):
    folder = tmp_path / "report"
    assert compare("--output", folder, "--threads", 2) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert "of 2 comparisons" in last
    assert "not installed: a_package_that_nobody_has" in last
    found = json.loads((folder / "compare.json").read_text())
    assert [case["job"] for case in found["cases"]] == ["add <8>", "add 16"]
    assert found["threads"] == 2
    assert found["cases"][0]["ratio"] > 1
    assert found["cases"][0]["version"]
    assert found["floors"] == [{"curve": ["sums", 8], "seconds": found["floors"][0]["seconds"]}]
    page = (folder / "compare.html").read_text()
    assert "add &lt;8&gt;" in page
    assert "sum([sum(x) for" in page  # the peer's code can be read


def test_pictures(two_jobs, tmp_path):
    pytest.importorskip("matplotlib")
    assert compare("--output", tmp_path) == 0
    for name in ("compare.png", "compare-curves.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "compare.html").read_text().count("data:image/png") == 2


def test_a_wrong_result_fails(two_jobs, monkeypatch, tmp_path, capsys):
    wrong = [job("wrong", "x.sum() + 1", "a == b"), job("broken", "1 / 0", "")]
    monkeypatch.setattr(methods, "cases", lambda quick: wrong)
    assert compare("--output", tmp_path) == 1
    out = capsys.readouterr().out
    assert "the results differ: not a == b" in out
    assert "ZeroDivisionError: division by zero" in out
    assert "of 2 comparisons" in out  # the others were measured


def test_what_was_measured_before_an_interruption_is_kept(two_jobs, monkeypatch, tmp_path, capsys):
    stop = job("stop", "(_ for _ in ()).throw(KeyboardInterrupt)", "")
    monkeypatch.setattr(methods, "cases", lambda quick: [stop, job("later", "x.sum()", "")])
    assert compare("--output", tmp_path) == 0
    assert "of 2 comparisons" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "compare.json").read_text())["cases"]) == 2


def test_a_peer_that_wins_is_named(two_jobs, tmp_path):
    compare("--output", tmp_path)
    found = json.loads((tmp_path / "compare.json").read_text())
    found["cases"][0]["ratio"], found["cases"][1]["ratio"] = 0.25, 12.0
    text = report.summary(found)
    assert text.startswith("fasttx was faster in 1 of 2 comparisons, 12.0 × in the median")
    assert "a peer was faster in 1: add <8>: numpy, 4.0 ×" in text
    assert report.verdict(found["cases"][0]) == "numpy 4.0 × faster"
    assert report.shown(found["cases"]) == [found["cases"][1]]  # the larger of the two
    assert 'class="lost"' in report.page(found, {})


def test_nothing_installed():
    empty = {"cases": [], "left out": []}
    assert "pip install 'fasttx[bench]'" in report.summary(empty)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--compare", "--size", "4"], "--compare goes with"),
        (["--compare", "--threads", "0"], "at least 1"),
        (["--compare", "--output", "no/such/folder"], "there is no folder"),
        (["--compare", "--output", "pyproject.toml"], "is not a folder"),
        (["--threads", "2"], "go with --compare"),
    ],
)
def test_bad_options(options, words, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as stop:
        __main__.main(["bench", *options])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


ALL = [c for part in (transforms, methods) for c in part.cases() if isinstance(c, cases.Comparison)]
# The smallest of each chart, beside packages that the tests have anyway.
SMALLEST = {(c.curve[0] if c.curve else c.job, c.peer): c for c in reversed(ALL)}.values()
SMALL = [
    c for c in SMALLEST if c.package in ("scipy", "scikit-learn") and "goodpoints" not in c.setup
]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: f"{case.job}: {case.peer}")
def test_results_agree(case):
    space = {}
    exec(case.setup, space)
    results = {"a": eval(case.ours, space), "b": eval(case.theirs, space)}
    assert not case.check or eval(case.check, space | results)


def test_every_package_is_in_the_extra():
    text = (ROOT / "pyproject.toml").read_text()
    extra = text.partition("\nbench = [")[2].partition("\n]")[0]
    for package in {case.package for case in ALL} - {"numpy", "scipy"}:
        assert f'"{package}>=' in extra, package
