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
BIBLIOGRAPHY = HERE.parent / "fasttx" / "references.bib"

SUBJECTS = {
    "Transforms": "beauchamp1984 bjorklund2007 fino1976 gibbs1967",
    "Hadamard matrices": "paley1933 williamson1944 baumert1962 goethals1967 turyn1974 horadam2007",
    "Structured matrices": "chan1988 dao2019 gohberg1972 karloff1993 luo2021 qin2023",
    "Sparse transforms": "li2015 amrollahi2019 erginbas2023 kang2024 kang2025 pawar2018 lin2004 "
    "viterbi1967",
    "Points, kernels and cubature": "baldeaux2012 cools2006 dick2008 faure1982 genz1984 "
    "jagadeeswaran2019 joe2008 nuyens2006 owen1995",
    "Sketches, random features and thinning": "ailon2009 avron2010 cohen2017 dwivedi2021 "
    "fandina2022 frady2018 halko2011 indyk2025 le2014 shetty2021 tropp2019 yu2016 zhang2021",
    "Quantizers": "dettmers2023 gao2024 gao2024a gao2024b jeon2025 tseng2024 vargaftik2022 "
    "yvinec2023 zandieh2024 zandieh2025",
    "Boolean functions and S-boxes": "carlet2021 matsui1994",
}
OTHER = "Other methods"

HEAD = """\
:orphan:

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


def references() -> dict[str, str]:
    """Authors, title and year of the keys in the bibliography, where there is one."""
    if not BIBLIOGRAPHY.exists():
        return {}
    found = {}
    for entry in re.split(r"^@", BIBLIOGRAPHY.read_text(), flags=re.MULTILINE)[1:]:
        key = re.match(r"\w+\{([^,]+),", entry)
        fields = dict(
            re.findall(r"^\s*(\w+)\s*=\s*[{\"](.*)[}\"],?\s*$", entry, flags=re.MULTILINE)
        )
        if key and {"author", "title", "year"} <= fields.keys():
            names = [name.strip() for name in fields["author"].split(" and ")]
            authors = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
            title = fields["title"].replace("{", "").replace("}", "")
            found[key[1].strip()] = f"{authors}, *{title}*, {fields['year']}."
    return found


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


def section(key: str, reference: str | None) -> list[str]:
    """A paper: what it says, the table, how it differs, how to run it."""
    found = result(key)
    summary = ast.get_docstring(ast.parse((HERE / f"{key}.py").read_text())) or key
    title, _, claim = summary.splitlines()[0].rstrip(".").partition(": ")
    lines = [f".. _reproduction-{key}:", "", title, "~" * len(title), ""]
    if reference:
        lines += [reference, ""]
    if claim:
        lines += [f"*{escaped(claim[:1].upper() + claim[1:])}.*", ""]
    return [
        *lines,
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
    keys, known = scripts(), references()
    groups = {name: [key for key in some.split() if key in keys] for name, some in SUBJECTS.items()}
    listed = {key for some in groups.values() for key in some}
    groups[OTHER] = [key for key in keys if key not in listed]
    lines = [HEAD]
    for name, some in groups.items():
        if some:
            lines += [name, "-" * len(name), ""]
        for key in some:
            lines += section(key, known.get(key))
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
