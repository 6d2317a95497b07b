"""Write docs/reproduction.rst from the results; run scripts before that if asked to.

python reproduction/page.py               write the page
python reproduction/page.py --run         run all scripts first, one after the other
python reproduction/page.py --run li2015  run some
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from _report import RESULTS, shown

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "reproduction.rst"
sys.path.insert(0, str(PAGE.parent))
from make_references import citation, subjects  # noqa: E402

from fasttx._citations import entries  # noqa: E402

HEAD = """\
.. This page is written by reproduction/page.py from reproduction/results; do not edit it.

Reproduction
============

What the papers say that the library follows, beside what the library gives: a theorem, a
construction, or the headline of a table or figure, at a size that a laptop does in seconds. Each
script checks itself: where a theorem gives a number, another one is an error. Where the paper's own
numbers were not at hand, their cells are empty, and the text says so.

A script runs from a checkout, for example ``python reproduction/li2015.py``, and
``python reproduction/page.py --run`` runs all and writes this page.
"""


def scripts() -> list[str]:
    """Keys of all papers that have a script."""
    return sorted(
        path.stem for path in HERE.glob("*.py") if path.name not in ("_report.py", "page.py")
    )


def result(key: str) -> dict[str, Any]:
    """What the last run of a script found."""
    return json.loads((RESULTS / f"{key}.json").read_text())


def escaped(text: str) -> str:
    """Text for reStructuredText, in which only backticks mean something."""
    parts = re.split(r"(``.+?``|`[^`]+`)", text)
    parts[::2] = [re.sub(r"([\\*|_])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def table(columns: list[str], rows: list[list[Any]]) -> list[str]:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [columns, *rows]:
        for i, entry in enumerate(row):
            text = escaped(shown(entry)).strip()
            lines.append(f"   {'* -' if i == 0 else '  -'} {text}".rstrip())
    return lines


def section(key: str) -> list[str]:
    """A paper: what it says, the table, how it differs, how to run it."""
    found = result(key)
    summary = ast.get_docstring(ast.parse((HERE / f"{key}.py").read_text())) or key
    title, _, claim = summary.splitlines()[0].rstrip(".").partition(": ")
    lines = [f".. _reproduction-{key}:", "", title, "~" * len(title), "", citation(entries()[key])]
    if claim:
        lines += ["", f"*{escaped(claim[:1].upper() + claim[1:])}.*"]
    return [
        *lines,
        "",
        escaped(found["what"]),
        "",
        *table(found["columns"], found["rows"]),
        "",
        f"**How it differs.** {escaped(found['differs'])}",
        "",
        f"``python reproduction/{key}.py``, {shown(found['seconds'])} s",
        "",
    ]


def text() -> str:
    """The page."""
    done, lines = set(scripts()), [HEAD]
    for subject, keys in subjects().items():
        some = [key for key in keys if key in done]
        if some:
            lines += [subject, "-" * len(subject), ""]
        for key in some:
            lines += section(key)
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", nargs="*", metavar="KEY", help="run these scripts, or all, before")
    run = parser.parse_args().run
    for key in scripts() if run == [] else run or ():
        subprocess.run([sys.executable, str(HERE / f"{key}.py")], check=True)
    PAGE.write_text(text())


if __name__ == "__main__":
    main()
