"""Write the README's table from a report of ``python -m fasttx bench --json FILE``.

Run as ``python benchmarks/readme_table.py benchmarks/results/bench.json``.
"""

import json
import sys
from pathlib import Path

from fasttx._bench import yardstick_name
from fasttx._info import seconds

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
FORMS = {"faster": "{:.1f} × faster", "times": "{:.2f} ×", "over": "{:+.2f} µs"}


def row(case):
    """Line of the table for a measured case."""
    goal, met = case["goal"], {True: "yes", False: "no", None: ""}[case["met"]]
    bound = "" if goal is None else f"{'≥' if case['kind'] == 'faster' else '≤'} {goal:g}"
    cells = [
        case["case"],
        case["threads"],
        seconds(case["seconds"]["median"]),
        yardstick_name(case),
        FORMS[case["kind"]].format(case["result"]),
        bound,
        met,
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def headline(case):
    """Whether a case is not between others of its kind."""
    fourier = case["case"].startswith(("fft", "convolution", "rfft"))
    between = case["case"].endswith(("2^12", "2^14", "2^18", "2^8")) and case["threads"] == 1
    return not (fourier and between) and not case["case"].startswith("fftbr")


def main(path):
    """Replace what stands between the two marks."""
    report = json.loads(Path(path).read_text())
    machine = report["machine"]
    lines = [
        f"Measured on {report['date'][:10]} ({machine_line(machine)}), medians of "
        f"{report['rounds']} alternations; a memory pass is `np.negative(x, out=x)`.",
        "",
        "| what | threads | time | yardstick | result | goal | met |",
        "| --- | ---: | ---: | --- | ---: | ---: | --- |",
    ]
    shown = [case for case in report["cases"] if case["goal"] is not None and headline(case)]
    lines += map(row, shown)
    text = README.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    README.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}")


def machine_line(machine):
    """Processor and versions in few words."""
    keys = ("processor", "code for", "cores", "numpy", "scipy", "numba")
    found = {k: machine[k] for k in keys if k in machine}
    return ", ".join(v if k == "processor" else f"{k} {v}" for k, v in found.items())


if __name__ == "__main__":
    main(*sys.argv[1:])
