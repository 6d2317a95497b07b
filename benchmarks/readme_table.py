"""Write the tables of the pages from the reports in ``benchmarks/results``.

Run as ``python benchmarks/readme_table.py`` after ``python -m fasttx bench --compare --output
benchmarks/results``, ``python -m fasttx bench --json benchmarks/results/bench.json``, or when
``summary.py`` has written another of them.
"""

import json
from pathlib import Path

from fasttx._bench import yardstick_name
from fasttx._compare import report as comparison
from fasttx._info import seconds

HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"
RESULTS = HERE / "RESULTS.md"
PAGE = HERE.parent / "docs" / "benchmarks.md"
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


def transforms(report):
    """Lines of the table of transforms and operators."""
    machine = report["machine"]
    shown = [case for case in report["cases"] if case["goal"] is not None and headline(case)]
    return [
        f"Measured on {report['date'][:10]} ({machine_line(machine)}), medians of "
        f"{report['rounds']} alternations; a memory pass is `np.negative(x, out=x)`.",
        "",
        "| what | threads | time | yardstick | result | goal | met |",
        "| --- | ---: | ---: | --- | ---: | ---: | --- |",
        *map(row, shown),
    ]


def machine_line(machine):
    """Processor and versions in few words."""
    keys = ("processor", "code for", "cores", "numpy", "scipy", "numba")
    found = {k: machine[k] for k in keys if k in machine}
    return ", ".join(v if k == "processor" else f"{k} {v}" for k, v in found.items())


def sparse(report):
    """Lines of the table of sparse recovery beside the package sparse-transform."""
    groups = {}
    for case in report["benchmarks"]:
        groups.setdefault(case["group"], {})[case["name"]] = case
    lines = [
        f"Measured on {report['date'][:10]} ({report['processor']}, fasttx on one thread, "
        f"sparse-transform {report['versions']['sparse-transform']}); the function's own time "
        "counts on neither side.",
        "",
        "| bits, terms | values | sparse-transform | time | sparse-transform | result |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for group, cases in groups.items():
        if "sparse_transform" not in cases:
            continue
        ours, peer = cases["fasttx"], cases["sparse_transform"]
        took, theirs = ours["median seconds"], peer["median seconds"]
        cells = [group, ours["queries"], peer["queries"], seconds(took), seconds(theirs)]
        cells.append(f"{theirs / took:.0f} × faster")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


# Rows of the table of points, kernels and Gaussian processes: what, and our case and a peer's, by
# the beginnings of their group and name.
KERNELS = [
    ("Sobol' points, 2^20 x 8", "a new array", "fasttx float64", "qmcpy", "QMCPy"),
    ("the same into `out=`", "points into", "fasttx_out radical", "a new array/qmcpy", "QMCPy"),
    ("Sobol' points, 2^20 x 8", "a new array", "fasttx float64", "scipy", "SciPy"),
    ("nested scrambling, 2^14 x 2", "nested", "fasttx", "qmcpy", "QMCPy"),
    ("lattice, 2^20 x 8", "shifted lattice", "lattice", "lattice_qmcpy", "QMCPy"),
    ("Halton, scrambled, 2^20 x 8", "randomized Halton", "halton permute", "halton_scipy", "SciPy"),
    ("column of a net's kernel, order 4", "DSI of order 4", "dsi", "dsi_qmcpy", "QMCPy"),
    ("column of a lattice's kernel, order 2", "SI of order 2", "si", "si_qmcpy", "QMCPy"),
    (
        "Keister's integral to 1e-4",
        "Keister's integral, d=2, to 0.0001: B",
        "fasttx",
        "qmcpy",
        "QMCPy",
    ),
    ("likelihood and gradient, 2^14 points", "likelihood", "fasttx", "fastgps", "fastgps"),
]


def kernels(report):
    """Lines of the table of points, kernels and Gaussian processes."""
    more = json.loads((HERE / "results" / "gp.json").read_text())
    cases = report["benchmarks"] + more["benchmarks"]

    def found(group, name):
        case = next(c for c in cases if c["group"].startswith(group) and c["name"].startswith(name))
        return case.get("seconds for each iteration", case["median seconds"])

    names = ("scipy", "qmcpy", "fastgps")
    versions = ", ".join(f"{name} {report['versions'][name]}" for name in names)
    lines = [
        f"Measured on {report['date'][:10]} ({report['processor']}, one thread; {versions}).",
        "",
        "| what | time | beside | time | result |",
        "| --- | ---: | --- | ---: | ---: |",
    ]
    for what, group, ours, theirs, peer in KERNELS:
        other, _, name = theirs.rpartition("/")
        took, their = found(group, ours), found(other or group, name)
        ratio = their / took
        shown = f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"
        cells = [what, seconds(took), peer, seconds(their), f"{shown} × faster"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


# Rows of the table of sketches: what, and our case and a peer's, by the beginnings of their groups
# and names, with the threads.
SIZE = "20000 x 4096 float32"
SKETCHES = [
    (f"{SIZE} to 256 columns, SRHT", f"{SIZE} to 256, rows", "rows 256-srht", "rows_blas 256"),
    ("the same to 1024", f"{SIZE} to 1024, rows", "rows 1024-srht", "rows_blas 1024"),
    ("to 256 columns, CountSketch", f"{SIZE} to 256, rows", "rows 256-countsketch", "rows_scipy"),
    (
        "4096 orthogonal features",
        f"{SIZE} to 4096 features",
        "features OrthogonalFourierFeatures",
        "features_sklearn",
    ),
    ("least squares, 10^6 x 200", "least squares", "lstsq 1e-12", "lstsq_numpy"),
    ("50 singular values of 20000 x 4000", "50 singular", "svd {}", "svd_sklearn"),
    (
        "Compress++, 2^14 points, d = 2",
        "Compress++ of n=16384",
        "fasttx 16384-2",
        "goodpoints 16384-2",
    ),
    (
        "Compress++, 2^14, d = 100",
        "Compress++ of n=16384",
        "fasttx 16384-100",
        "goodpoints 16384-100",
    ),
    ("Compress++, 2^16, d = 10", "Compress++ of n=65536", "fasttx 65536-10", "goodpoints 65536-10"),
]
PEERS = {"blas": "BLAS", "scipy": "SciPy", "sklearn": "scikit-learn", "numpy": "NumPy"}


def sketches(report):
    """Lines of the table of sketches."""
    cases = report["benchmarks"]

    def found(group, name, threads):
        return next(
            c["median seconds"]
            for c in cases
            if c["group"].startswith(group) and c["name"] == name and c.get("threads", 1) == threads
        )

    names = ("numpy", "scipy", "scikit-learn", "goodpoints")
    versions = ", ".join(f"{name} {report['versions'][name]}" for name in names)
    lines = [
        f"Measured on {report['date'][:10]} ({report['processor']}; {versions}), the peers with as "
        "many threads; goodpoints has one.",
        "",
        "| what | threads | time | beside | time | result |",
        "| --- | ---: | ---: | --- | ---: | ---: |",
    ]
    for what, group, ours, theirs in SKETCHES:
        name = theirs.split()[0].rpartition("_")[2]
        peer = PEERS.get(name, name)
        for threads in (1,) if peer == "goodpoints" else (1, 2):
            took, their = found(group, ours, threads), found(group, theirs, threads)
            cells = [what, str(threads), seconds(took), peer, seconds(their)]
            cells.append(f"{their / took:.1f} × faster")
            lines.append("| " + " | ".join(cells) + " |")
    return lines


# Rows of the table of quantizers: what, and our case and a peer's, by the beginnings of their
# groups and names.
QUANTIZERS = [
    (
        "encode 10^6 x 128, 4 bits",
        "encode 10^6",
        "encode_fasttx TurboQuant",
        "encode_copy",
        "a copy",
    ),
    (
        "the same",
        "encode 10^6",
        "encode_fasttx TurboQuant",
        "encode_faiss 4bit_tqmse",
        "faiss tqmse",
    ),
    (
        "search it, 100 queries",
        "10 best",
        "search_fasttx",
        "search_faiss 4bit_tqmse",
        "faiss tqmse",
    ),
    ("the same", "10 best", "search_fasttx", "search_faiss 4bit", "faiss 4bit"),
    (
        "rotate rows of 4096, two rounds",
        "rotate",
        "rotate_fasttx",
        "rotate_pass",
        "a pass in place",
    ),
    (
        "attend to 8192 tokens, 32 heads, 3 bits",
        "attention",
        "attend_fasttx 3",
        "attend_torch",
        "torch",
    ),
    ("the same", "attention", "attend_fasttx 3", "attend_numpy", "NumPy"),
    ("NVFP4, 4096^2, with rotation", "encode 4096", "encode nvfp4-hadamard16", "copy", "a copy"),
    ("MXFP4, 4096^2, with rotation", "encode 4096", "encode mxfp4-rceil", "copy", "a copy"),
    ("decode NVFP4", "decode 4096", "decode nvfp4", "fill_new", "filling a new array"),
    ("decode it with rotation", "decode 4096", "decode nvfp4-hadamard16", "fill_new", "filling"),
]
CODECS = {
    "TurboQuant": "recall_fasttx {}-TurboQuant",
    "RaBitQ": "recall_fasttx {}-RaBitQ",
    "faiss 4bit_tqmse": "recall_faiss {}-4bit_tqmse",
    "faiss 4bit_eden": "recall_faiss {}-4bit_eden",
    "faiss 4bit": "recall_faiss {}-4bit",
    "faiss RaBitQ": "recall_faiss {}-RaBitQ",
    "faiss PQ, 8 bits": "recall_faiss {}-PQ of 8 bits",
    "faiss PQ, 4 bits": "recall_faiss {}-PQ of 4 bits",
}


def quantizers(report):
    """Lines of the tables of quantizers: times, and how many of the ten best are found."""
    cases = report["benchmarks"]

    def found(group, name):
        chosen = (c for c in cases if c["group"].startswith(group))
        exact = [c for c in chosen if c["name"] == name or c["name"].startswith(f"{name}-")]
        return min(exact, key=lambda c: len(c["name"]))

    names = ("numpy", "faiss-cpu", "torch")
    versions = ", ".join(f"{name} {report['versions'][name]}" for name in names)
    lines = [
        f"Measured on {report['date'][:10]} ({report['processor']}, two threads; {versions}).",
        "",
        "| what | time | beside | time | result |",
        "| --- | ---: | --- | ---: | ---: |",
    ]
    for what, group, ours, theirs, peer in QUANTIZERS:
        took = found(group, ours)["median seconds"]
        their = found(group, theirs)["median seconds"]
        slower = took > their
        result = f"{took / their:.1f} × its time" if slower else f"{their / took:.1f} × faster"
        lines.append(f"| {what} | {seconds(took)} | {peer} | {seconds(their)} | {result} |")
    kinds = ("sphere", "clusters", "digits")
    lines += [
        "",
        "Recall of the ten largest inner products, and bytes a row; faiss 4bit and PQ are trained:",
        "",
        "| codec | sphere, d = 128 | clusters, d = 128 | digits, d = 64 |",
        "| --- | ---: | ---: | ---: |",
    ]
    for codec, name in CODECS.items():
        cells = [found(f"recall@10, {kind}", name.format(kind)) for kind in kinds]
        shown = (f"{c['recall']:.3f} ({c['bytes a row']:.0f})" for c in cells)
        lines.append(f"| {codec} | {' | '.join(shown)} |")
    return lines


def devices(report):
    """Lines of the table of device arrays, if it was measured."""
    machine = report["machine"]
    if machine["device"] is None:
        goals = "[results/cuda.json](results/cuda.json)"
        return [
            f"Not measured yet, for want of a device; the cases and their goals are in {goals}."
        ]
    facts = f"driver {machine['driver']}, {machine['library']}, commit {machine['commit'][:12]}"
    first = (
        f"Measured on {report['date'][:10]} ({machine['device']}, {facts}), medians of "
        f"{report['rounds']} alternations."
    )
    lines = [first, "", "| what | time | beside | time | result | goal |"]
    lines.append("| --- | ---: | --- | ---: | ---: | ---: |")
    for case in report["cases"]:
        bound = f"{'≥' if case['kind'] == 'faster' else '≤'} {case['goal']:g}"
        times = [seconds(case[key]) for key in ("seconds", "yardstick_seconds")]
        result = FORMS[case["kind"]].format(case["result"])
        cells = [case["case"], times[0], case["yardstick"], times[1], result, bound]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def compared(cases):
    """Lines of a table of comparisons with other packages."""
    lines = ["| job | fasttx | beside | its time | result |", "| --- | ---: | --- | ---: | ---: |"]
    for case in cases:
        took, theirs = (seconds(case[key]["median"]) for key in ("seconds", "peer seconds"))
        peer, verdict = comparison.package(case), comparison.verdict(case)
        lines.append(f"| {case['job']} | {took} | {peer} | {theirs} | {verdict} |")
    return lines


def peers(report):
    """Lines of the README's comparison: largest sizes, and all where a peer is faster."""
    cases = report["cases"]
    shown = [case for case in comparison.shown(cases) if case["ratio"] >= 1]
    lost = sorted((case for case in cases if case["ratio"] < 1), key=lambda case: case["ratio"])
    won = len(cases) - len(lost)
    return [
        comparison.where(report),
        "",
        f"fasttx is faster in {won} of {len(cases)} comparisons; of those at several sizes, the "
        "largest:",
        "",
        *compared(shown),
        "",
        f"A peer is faster in {len(lost)}:",
        "",
        *compared(lost),
    ]


def every(report):
    """Lines of the documentation's page: all comparisons, with what a fair reader has to know."""
    lines = [comparison.where(report)]
    for family in dict.fromkeys(case["family"] for case in report["cases"]):
        cases = [case for case in report["cases"] if case["family"] == family]
        notes = dict.fromkeys(f"{c['peer']}: {c['note']}" for c in cases if c["note"])
        lines += ["", f"### {family}", "", *compared(cases)]
        lines += ["", "; ".join(notes) + "."] if notes else []
    return lines


def write(path, name, lines):
    """Replace what stands between a table's two marks in a page."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    text = path.read_text(encoding="utf-8")
    before, after = text.split(begin)[0], text.split(end)[1]
    text = f"{before}{begin}\n\n" + "\n".join(lines) + f"\n\n{end}{after}"
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    tables = [
        (README, "compare", peers),
        (PAGE, "compare", every),
        (RESULTS, "bench", transforms),
        (RESULTS, "sparse", sparse),
        (RESULTS, "qmc", kernels),
        (RESULTS, "sketch", sketches),
        (RESULTS, "quantize", quantizers),
        (RESULTS, "cuda", devices),
    ]
    for page, name, table in tables:
        report = json.loads((HERE / "results" / f"{name}.json").read_text())
        write(page, name, table(report))
