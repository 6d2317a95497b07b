"""Keep what matters of pytest-benchmark reports: medians, notes, machine and versions.

Run as ``python benchmarks/summary.py REPORT.json [REPORT.json ...] benchmarks/results/NAME.json``.
"""

import json
import sys
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "numpy",
    "scipy",
    "numba",
    "sparse-transform",
    "qmcpy",
    "qmctoolscl",
    "fastgps",
    "scikit-learn",
    "goodpoints",
    "faiss-cpu",
    "torch",
)


def case(name: str, group: str) -> str:
    """Name of a benchmark, with its parameters where the group does not say them."""
    function, _, rest = name.removeprefix("test_").partition("[")
    parameters = rest.removesuffix("]")
    return function if parameters in ("", group) else f"{function} {parameters}"


def main(*paths: str) -> None:
    """Write the summary, and print its lines."""
    *sources, target = paths
    reports = [json.loads(Path(source).read_text()) for source in sources]
    report = reports[-1]
    benchmarks = [bench for each in reports for bench in each["benchmarks"]]
    machine = report["machine_info"]
    installed = {found.metadata["Name"].lower() for found in metadata.distributions()}
    summary = {
        "date": report["datetime"],
        "processor": machine["cpu"]["brand_raw"],
        "cores": machine["cpu"]["count"],
        "python": machine["python_version"],
        "versions": {name: metadata.version(name) for name in PACKAGES if name in installed},
        "benchmarks": [
            {
                "group": bench["group"],
                "name": case(bench["name"], bench["group"]),
                "median seconds": bench["stats"]["median"],
                "rounds": bench["stats"]["rounds"],
                **bench["extra_info"],
            }
            for bench in sorted(benchmarks, key=lambda b: (b["group"], b["name"]))
        ],
    }
    Path(target).write_text(json.dumps(summary, indent=1) + "\n")
    for line in summary["benchmarks"]:
        print(*(f"{key}: {value}" for key, value in line.items()), sep=", ")


if __name__ == "__main__":
    main(*sys.argv[1:])
