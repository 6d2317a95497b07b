"""What a script of this folder found: a table with the paper's numbers beside ours."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Reproduction:
    """A paper's headline result and what this library gives.

    Attributes
    ----------
    paper : str
        Key of the paper: the first author and the year, the name of the script.
    what : str
        The table, figure or theorem, and what it says, in a sentence or two.
    columns : sequence of str
        Heads of the table's columns.
    rows : sequence of sequences of str or number
        Lines of the table. A number of the paper that can't be had at this size is "".
    differs : str
        Sizes that were reduced, and why numbers differ; or that they do not.
    """

    paper: str
    what: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]
    differs: str

    def __post_init__(self):
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{len(row)} entries under {len(self.columns)} columns: {row}")


def shown(value: str | float) -> str:
    """Write an entry of a table: four digits of a float."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def report(run: Callable[[], Reproduction]) -> None:
    """Run a script's work, print its table and keep it in ``results/``."""
    start = time.perf_counter()
    found = run()
    seconds = time.perf_counter() - start
    print(found.what, end="\n\n")
    lines = [list(found.columns), *([shown(value) for value in row] for row in found.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(entry.ljust(width) for entry, width in zip(line, widths, strict=True)))
    print(f"\n{found.differs}\n{seconds:.1f} s")
    kept = asdict(found) | {"seconds": round(seconds, 1)}
    path = RESULTS / f"{found.paper}.json"
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
