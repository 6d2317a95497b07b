"""The report of ``bench --compare``: a table, two pictures, and a page that has them."""

from __future__ import annotations

import base64
import html
import io
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import _info

OURS, THEIRS, GREY = "#0072b2", "#d55e00", "#777777"  # distinct to every eye
PALETTE = ("#d55e00", "#009e73", "#cc79a7", "#e69f00")


def shown(cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cases without those of a chart and a peer for which there is a larger size."""
    largest: dict[tuple[str, str], int] = {}
    for case in cases:
        if case["curve"]:
            key = case["curve"][0], case["peer"]
            largest[key] = max(largest.get(key, 0), case["curve"][1])
    return [
        case
        for case in cases
        if not case["curve"] or largest[case["curve"][0], case["peer"]] == case["curve"][1]
    ]


def verdict(case: dict[str, Any]) -> str:
    """Say who was faster, and how many times."""
    ratio = case["ratio"]
    if ratio >= 1:
        return f"{times(ratio)} faster"
    return f"{case['peer']} {times(1 / ratio)} faster"


def times(ratio: float) -> str:
    """Write a ratio in two or three digits."""
    return f"{ratio:.0f} ×" if ratio >= 20 else f"{ratio:.1f} ×"


def package(case: dict[str, Any]) -> str:
    """Name and version of the peer, and what of it ran."""
    name = f"{case['package']} {case['version']}"
    words = case["peer"].lower().replace("-", "_")
    return name if words in name.lower().replace("-", "_") else f"{case['peer']} ({name})"


def table(cases: Sequence[dict[str, Any]]) -> str:
    """Everything that was measured, for a terminal."""
    lines = [
        (
            case["job"],
            _info.seconds(case["seconds"]["median"]),
            package(case),
            _info.seconds(case["peer seconds"]["median"]),
            verdict(case),
        )
        for case in cases
    ]
    return _info.table(lines, ("job", "fasttx", "peer", "peer's time", "result"), right=(1, 3))


def summary(report: dict[str, Any]) -> str:
    """One line: how often and by how much fasttx was faster, and where it was not."""
    cases = report["cases"]
    if not cases:
        return "Nothing was compared: no peer is installed; pip install 'fasttx[bench]'"
    won = [case["ratio"] for case in cases if case["ratio"] >= 1]
    lost = sorted((case for case in cases if case["ratio"] < 1), key=lambda case: case["ratio"])
    text = f"fasttx was faster in {len(won)} of {len(cases)} comparisons"
    if won:
        middle = times(statistics.median(won))
        text += f", {middle} in the median and up to {times(max(won))}"
    if lost:
        rows = (f"{c['job']}: {c['peer']}, {times(1 / c['ratio'])}" for c in lost)
        text += f"; a peer was faster in {len(lost)}: {'; '.join(rows)}"
    return text + "." + missing(report)


def missing(report: dict[str, Any]) -> str:
    """A sentence on what was left out, for a line that goes on; nothing if all was measured."""
    reasons = sorted({row["why"] for row in report["left out"]})
    absent = [why.split()[0] for why in reasons if why.endswith("is not installed")]
    others = [why for why in reasons if not why.endswith("is not installed")]
    if absent:
        others.append(f"not installed: {', '.join(absent)}")
    return f" Left out: {'; '.join(others)}." if others else ""


def where(report: dict[str, Any]) -> str:
    """Date, machine, threads and versions, in a sentence."""
    machine, threads = report["machine"], report["threads"]
    share = "one thread" if threads == 1 else f"{threads} threads"
    return (
        f"Measured on {report['date'][:10]} with fasttx {machine['fasttx']}, Python "
        f"{machine['python'].split()[0]}, NumPy {machine['numpy']}, SciPy {machine['scipy']} and "
        f"Numba {machine['numba']} on {machine['processor']} (code for {machine['code for']}, "
        f"{machine['vectors'].split(':')[0]}), {share} for everybody; "
        f"medians of up to {report['rounds']} alternations."
    )


def bars(report: dict[str, Any]) -> Any:
    """Draw the ratios, on a logarithmic axis, by family."""
    from matplotlib.figure import Figure

    cases = shown(report["cases"])
    families = list(dict.fromkeys(case["family"] for case in cases))
    height = 0.27 * len(cases) + 0.42 * len(families) + 1.0
    figure = Figure(figsize=(10, height), layout="constrained")
    axes = figure.subplots()
    position, ticks, labels = 0.0, [], []
    reach = max(2.0, *(abs(math.log10(case["ratio"])) for case in cases))
    for family in families:
        axes.text(0.0, position, family, transform=axes.get_yaxis_transform(), weight="bold",
                  ha="right", va="center", fontsize=9)  # fmt: skip
        position += 1
        for case in (c for c in cases if c["family"] == family):
            ratio = math.log10(case["ratio"])
            axes.barh(position, ratio, 0.7, color=OURS if ratio >= 0 else THEIRS)
            axes.annotate(
                f"{times(max(case['ratio'], 1 / case['ratio']))}  {package(case)}",
                (max(ratio, 0), position),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
            )
            ticks.append(position)
            labels.append(case["job"])
            position += 1
        position += 0.55
    axes.set_yticks(ticks, labels, fontsize=8)
    axes.set_ylim(position - 0.6, -0.9)
    low = min(-0.25, *(math.log10(case["ratio"]) - 0.1 for case in cases))
    axes.set_xlim(low, reach + 0.6 * (reach - low))  # room for the words
    decades = range(math.ceil(low), math.floor(reach) + 1)
    axes.set_xticks(list(decades), [f"{10.0**k:g} ×" for k in decades])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("times faster than the peer named beside the bar (orange: the peer is faster)")
    return figure


def curves(report: dict[str, Any]) -> Any:
    """Draw times against sizes, a chart for each kind of work, with the pass over memory."""
    from matplotlib.figure import Figure

    charts = list(dict.fromkeys(case["curve"][0] for case in report["cases"] if case["curve"]))
    rows = max(1, math.ceil(len(charts) / 2))
    figure = Figure(figsize=(10, 3.3 * rows), layout="constrained")
    panels = figure.subplots(rows, 2, squeeze=False).flat
    for panel, chart in zip(panels, charts, strict=False):
        cases = [case for case in report["cases"] if case["curve"] and case["curve"][0] == chart]
        floors = [f for f in report["floors"] if f["curve"][0] == chart]
        sizes = sorted({case["curve"][1] for case in cases})
        mine = [
            statistics.median(c["seconds"]["median"] for c in cases if c["curve"][1] == size)
            for size in sizes
        ]
        panel.plot(sizes, mine, "o-", color=OURS, linewidth=2, markersize=4, label="fasttx")
        peers = dict.fromkeys(case["peer"] for case in cases)
        for peer, color in zip(peers, PALETTE, strict=False):
            line = [
                (c["curve"][1], c["peer seconds"]["median"]) for c in cases if c["peer"] == peer
            ]
            panel.plot(*zip(*line, strict=True), "s--", color=color, markersize=3, label=peer)
        if floors:
            line = [(f["curve"][1], f["seconds"]) for f in floors]
            label = "a pass over the memory"
            panel.plot(*zip(*line, strict=True), ":", color=GREY, label=label)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_title(chart, fontsize=9)
        panel.set_ylabel("seconds", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    for panel in list(panels):
        panel.set_visible(False)
    return figure


STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: auto; max-width: 62rem; padding: 1rem; }
.wide { overflow-x: auto; }
img { width: 100%; min-width: 44rem; }
table { border-collapse: collapse; font-size: 0.85rem; width: 100%; }
th, td { border-bottom: 1px solid #ddd; padding: 0.3rem 0.5rem; text-align: left;
         vertical-align: top; }
td.number { text-align: right; white-space: nowrap; }
tr.lost td { background: #fdf0e6; }
pre, code { font-size: 0.8rem; }
pre { overflow-x: auto; background: #f6f6f6; padding: 0.5rem; }
"""


def page(report: dict[str, Any], pictures: dict[str, bytes]) -> str:
    """Write the page: what was faster, the pictures, and every case with its code."""
    rows = []
    for case in report["cases"]:
        code = f"# before\n{case['setup'].strip()}\n\n# fasttx\n{case['ours']}\n\n"
        code += f"# {package(case)}\n{case['theirs']}"
        note = f"<br><small>{html.escape(case['note'])}</small>" if case["note"] else ""
        kind = "lost" if case["ratio"] < 1 else "won"
        rows.append(
            f'<tr class="{kind}"><td><details><summary>{html.escape(case["job"])}</summary>'
            f"<pre>{html.escape(code)}</pre></details>{note}</td>"
            f'<td class="number">{_info.seconds(case["seconds"]["median"])}</td>'
            f"<td>{html.escape(package(case))}</td>"
            f'<td class="number">{_info.seconds(case["peer seconds"]["median"])}</td>'
            f"<td>{html.escape(verdict(case))}</td></tr>"
        )
    images = "\n".join(
        f'<div class="wide"><img alt="{html.escape(alt)}" '
        f'src="data:image/png;base64,{base64.b64encode(data).decode()}"></div>'
        for alt, data in pictures.items()
    )
    if not pictures:
        images = (
            "<p>No pictures: Matplotlib is not installed; <code>pip install matplotlib</code>.</p>"
        )
    facts = "".join(
        f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>"
        for k, v in report["machine"].items()
    )
    head = "<th>job (open it for the code)</th><th>fasttx</th><th>peer</th><th>its time</th>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>fasttx beside other packages</title><style>{STYLE}</style></head><body>\n"
        f"<h1>fasttx beside other packages</h1>\n<p>{html.escape(summary(report))}</p>\n"
        f"<p>{html.escape(where(report))}</p>\n{images}\n<h2>Every comparison</h2>\n"
        f'<div class="wide"><table><tr>{head}<th>result</th></tr>\n' + "\n".join(rows)
        + f'</table></div>\n<h2>The machine</h2>\n<div class="wide"><table>{facts}</table></div>\n'
        "</body></html>\n"
    )  # fmt: skip


def write(report: dict[str, Any], folder: Path) -> list[str]:
    """Write the page and, with Matplotlib, the pictures; the names of the files."""
    pictures, names = {}, []
    if report["cases"]:
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            pass
        else:
            for name, alt, draw in (
                ("compare.png", "Ratios of times", bars),
                ("compare-curves.png", "Times against sizes", curves),
            ):
                buffer = io.BytesIO()
                draw(report).savefig(buffer, format="png", dpi=130)
                pictures[alt] = buffer.getvalue()
                (folder / name).write_bytes(pictures[alt])
                names.append(name)
    (folder / "compare.html").write_text(page(report, pictures), encoding="utf-8")
    return ["compare.html", *names]
