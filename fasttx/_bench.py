"""The command ``bench``: every kind of transform beside its yardstick, in one run."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import _bench_cases, _bench_cuda, _bench_fourier, _info
from ._bench_clock import Sampler, quartiles


def main(argv: Sequence[str]) -> int:
    """Measure, print one table, and write JSON where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m fasttx bench",
        description="Measure transforms beside yardsticks: scipy.fft.rfft on one thread, "
        "numpy.negative in place (one pass over memory), or another transform.",
    )
    parser.add_argument(
        "--size", type=int, nargs="+", metavar="K", help="only vectors of 2**K float32"
    )
    parser.add_argument("--rounds", type=int, help="alternations of each pair (7; 3 if --quick)")
    parser.add_argument("--quick", action="store_true", help="fewer cases and rounds")
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where the arrays are; on cuda beside copies on the device and cuFFT",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was measured")
    parser.add_argument(
        "--compare",
        action="store_true",
        help="beside the packages of the bench extra that are installed, with a report",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where --compare writes its report (fasttx-compare)",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads that each side of --compare has (1)"
    )
    args = parser.parse_args(argv)
    if args.size and not all(0 <= k <= 34 for k in args.size):
        parser.error("--size takes exponents of 2 from 0 to 34")
    if args.rounds is not None and args.rounds < 1:
        parser.error("--rounds must be at least 1")
    if args.json and not args.json.resolve().parent.is_dir():
        parser.error(f"--json: there is no folder {args.json.parent}")
    rounds = args.rounds or (3 if args.quick else 7)
    if args.compare:
        if args.size or args.json or args.device != "cpu":
            parser.error("--compare goes with --rounds, --quick, --output and --threads only")
        if args.threads is not None and args.threads < 1:
            parser.error("--threads must be at least 1")
        folder = args.output or Path("fasttx-compare")
        if not folder.resolve().parent.is_dir():
            parser.error(f"--output: there is no folder {folder.parent}")
        if folder.exists() and not folder.is_dir():
            parser.error(f"--output: {folder} is not a folder")
        from . import _compare

        return _compare.main(folder, args.rounds or 5, args.quick, args.threads or 1)
    if args.output or args.threads:
        parser.error("--output and --threads go with --compare")
    if args.device == "cuda":
        if args.size:
            parser.error("--size is for the processor")
        return _bench_cuda.main(rounds, args.quick, args.json)

    started, clock = _info.now(), time.perf_counter()
    cases = list(_bench_cases.cases(args.size, args.quick))
    if not args.size:
        cases += _bench_fourier.cases(args.quick)
    results = []
    for number, case in enumerate(cases, 1):
        _info.progress(f"[{number}/{len(cases)}] {case.title}, {case.threads} thread(s)")
        try:
            results.append(measure(case, rounds))
        except MemoryError:
            _info.progress("    left out: not enough memory")
    print(_table(results))
    print(
        f"\n{len(results)} cases in {_info.seconds(time.perf_counter() - clock)}, {rounds} rounds."
    )
    if args.json:
        machine = {k: v for k, v in _info.collect().items() if k != "code cache"}  # no folders
        report = {"date": started, "machine": machine, "rounds": rounds, "cases": results}
        args.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return 0


def measure(case: _bench_cases.Case, rounds: int) -> dict[str, Any]:
    """Time a case's two statements in alternation.

    Parameters
    ----------
    case : Case
        What to measure.
    rounds : int
        Number of alternations. Each gives one result, of which the median counts: what disturbs
        the machine for longer than a round then disturbs both statements.

    Returns
    -------
    dict
        What ran, medians and quartiles of the seconds a repetition took, the result and its goal.
    """
    space = case.namespace()
    ours = Sampler(case.ours, space, case.inner)
    yardstick = Sampler(case.yardstick, space, case.inner_yardstick)
    pairs = [(ours(), yardstick()) for _ in range(rounds)]
    result = statistics.median(case.result(*pair) for pair in pairs)
    mine, other = zip(*pairs, strict=True)
    return {
        "case": case.title,
        "statement": case.ours,
        "x": case.x,
        "threads": case.threads,
        "seconds": quartiles(mine),
        "samples": [mine, other],
        "yardstick": case.yardstick,
        "y": case.y,
        "yardstick_seconds": quartiles(other),
        "kind": case.kind,
        "result": result,
        "goal": case.goal,
        "met": case.met(result),
    }


_FORMS = {"faster": ("{:.1f} x faster", ">= {:g}"), "times": ("{:.2f} x", "<= {:g}")}
_FORMS["over"] = ("{:+.2f} µs", "<= {:g} µs")
_MARKS = {True: "yes", False: "no", None: ""}


def _table(results: list[dict[str, Any]]) -> str:
    lines = []
    for row in results:
        result, goal = _FORMS[row["kind"]]
        lines.append(
            (
                row["case"],
                str(row["threads"]),
                _info.seconds(row["seconds"]["median"]),
                yardstick_name(row),
                _info.seconds(row["yardstick_seconds"]["median"]),
                result.format(row["result"]),
                "" if row["goal"] is None else goal.format(row["goal"]),
                _MARKS[row["met"]],
            )
        )
    header = ("transform", "threads", "time", "yardstick", "time", "result", "goal", "met")
    return _info.table(lines, header, right=(1, 2, 4, 5, 6))


_YARDSTICKS = {
    "kernel": "kernel",
    "rfft": "scipy.fft.rfft",
    "fft": "scipy.fft.fft",
    "np.multiply": "scipy.fft, both",
    "oaconvolve": "scipy.signal.oaconvolve",
    "fftconvolve": "scipy.signal.fftconvolve",
    "matmul_toeplitz": "matmul_toeplitz",
    "solve_toeplitz": "solve_toeplitz",
}


def yardstick_name(row: dict[str, Any]) -> str:
    """Name of a case's yardstick in few words."""
    if row["yardstick"] == _bench_cases.PASS:
        return "memory pass"
    function = row["yardstick"].partition("(")[0]
    if function in _YARDSTICKS:
        return _YARDSTICKS[function]
    if row["threads"] > 1 and "workers=1" in row["yardstick"]:
        return "one thread"
    shape, dtype = row["y"]
    return f"{dtype} {'rows' if len(shape) > 1 else f'2^{shape[0].bit_length() - 1}'}"
