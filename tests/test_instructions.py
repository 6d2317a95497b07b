"""The counts that `benchmarks/instructions.py` reads, and its report; needs no Valgrind."""

import json
import sys

import pytest

from benchmarks import instructions

DUMPS = """\
# callgrind format
events: Ir
part: 1
desc: Trigger: Client Request
summary: 990
fn=(1) run
0 990
totals: 1000
part: 2
summary: 2000
fn=(1)
0 2000
totals: 2000
part: 3
desc: Trigger: Program termination
totals: 7
"""


def test_parse():
    assert instructions.parse(DUMPS, ["a", "b"]) == {"a": 1000, "b": 2000}
    for names in (["a"], ["a", "b", "c"]):  # a call that was not counted, or counted twice
        with pytest.raises(ValueError, match="zip"):
            instructions.parse(DUMPS, names)


def test_report():
    baseline = {"same": 1000, "more": 1000, "too many": 1000, "fewer": 1000, "gone": 1}
    counts = {"same": 1000, "more": 1019, "too many": 1080, "fewer": 500, "new": 5}
    assert list(instructions.report(counts, baseline)) == [
        "same: 1000 instructions, 0.0 % fewer than 1000",
        "more: 1019 instructions, 1.9 % more than 1000",
        "WARNING: too many: 1080 instructions, 8.0 % more than 1000",
        "fewer: 500 instructions, 50.0 % fewer than 1000",
        "new: 5 instructions, not counted before",
    ]


def test_baseline_is_of_all_cases():
    kept = json.loads(instructions.BASELINE.read_text())
    assert list(kept["instructions"]) == [name for name, _ in instructions.cases()]


def test_without_valgrind(monkeypatch, capsys):
    monkeypatch.setattr(instructions.shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["instructions.py"])
    instructions.main()
    assert "not counted" in capsys.readouterr().out
