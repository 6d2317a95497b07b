"""Scripts that reproduce papers, their results and the page made of these."""

import importlib
import sys
from pathlib import Path

import pytest

from fasttx._citations import entries

FOLDER = Path(__file__).resolve().parent.parent / "reproduction"
QUICK = 3.0  # seconds


def imported(name):
    """A module of the folder, which is no package."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


page = imported("page")
KEYS = page.scripts()


def timed(key):
    quick = page.result(key)["seconds"] <= QUICK
    return pytest.param(key, marks=() if quick else pytest.mark.slow)


def test_every_script_has_a_result_and_every_result_a_script():
    assert KEYS
    assert set(KEYS) <= entries().keys()
    assert sorted(path.stem for path in page.RESULTS.glob("*.json")) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_results_are_those_of_a_reproduction(key):
    kept = page.result(key)
    assert kept.pop("seconds") >= 0
    found = imported("_report").Reproduction(**kept)
    assert found.paper == key
    assert found.what
    assert found.differs
    assert found.rows
    assert all(len(row) == len(found.columns) for row in found.rows)


def test_the_page_is_that_of_the_results():
    assert page.PAGE.read_text() == page.text(), "python reproduction/page.py writes it"


def test_text_is_escaped_outside_of_code():
    assert page.escaped("0.5^|i - j| * x_1 of `a_b` and ``c|d``") == (
        r"0.5^\|i - j\| \* x\_1 of `a_b` and ``c|d``"
    )


@pytest.mark.parametrize("key", [timed(key) for key in KEYS])
def test_scripts_run_and_give_what_was_kept(key):
    """Each asserts what its paper's theorem says."""
    kept, found = page.result(key), imported(key).run()
    assert found.paper == key
    assert [found.what, found.differs] == [kept["what"], kept["differs"]]
    assert list(found.columns) == kept["columns"]
    assert len(found.rows) == len(kept["rows"])
    for row, line in zip(found.rows, kept["rows"], strict=True):
        assert [isinstance(v, str) for v in row] == [isinstance(v, str) for v in line]
