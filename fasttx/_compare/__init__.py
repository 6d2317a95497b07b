"""The command ``bench --compare``: jobs beside the packages that do them too, in one run."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import fasttx

from .. import _info
from .._bench_clock import Sampler, quartiles
from . import methods, report, transforms
from .cases import Comparison, Floor

# A case is measured for so long, but at least once.
CASE_SECONDS = 6.0


def main(folder: Path, rounds: int, quick: bool, threads: int) -> int:
    """Measure everything, write the report, and say in the last line who was faster.

    Parameters
    ----------
    folder : Path
        Where compare.json, compare.html and the pictures are written; made if it is not there.
    rounds : int
        Alternations of each pair.
    quick : bool
        Fewer cases.
    threads : int
        How many threads each side has.

    Returns
    -------
    int
        The exit status: 1 if a check of a result failed or something was raised.
    """
    folder.mkdir(exist_ok=True)  # now, while nothing can be lost
    clock = time.perf_counter()
    todo = [*transforms.cases(quick), *methods.cases(quick)]
    found: dict[str, Any] = {
        "date": _info.now(),
        "machine": {k: v for k, v in _info.collect().items() if k != "code cache"},
        "threads": threads,
        "rounds": rounds,
        "cases": [],
        "floors": [],
        "left out": [],
    }
    try:
        with limited(threads), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the peers' own
            for number, case in enumerate(todo, 1):
                _info.progress(f"[{number}/{len(todo)}] {case.title}")
                add(found, case, rounds)
    except KeyboardInterrupt:
        _info.progress("stopped; the report has what was measured")
    found["minutes"] = round((time.perf_counter() - clock) / 60, 1)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    (folder / "compare.json").write_text(text + "\n", encoding="utf-8")
    written = report.write(found, folder)
    print(report.table(found["cases"]))
    print(f"\nWritten to {folder}: {', '.join(['compare.json', *written])}")
    print(report.summary(found))
    return int(any(row["failed"] for row in found["left out"]))


def add(found: dict[str, Any], case: Comparison | Floor, rounds: int) -> None:
    """Measure a case, and put it into the report."""
    if isinstance(case, Floor):
        found["floors"].append({"curve": case.curve, "seconds": floor(case, rounds)})
        return
    try:
        found["cases"].append(measure(case, rounds))
    except ImportError as error:
        missing = (error.name or case.package).partition(".")[0]
        left_out(found, case, f"{missing} is not installed")
    except MemoryError:
        left_out(found, case, "not enough memory")
    except Exception as error:  # whatever a peer raises, the others are measured
        left_out(found, case, f"{type(error).__name__}: {error}", failed=True)


def left_out(found: dict[str, Any], case: Comparison, why: str, failed: bool = False) -> None:
    """Note a case that was not measured."""
    row = {"family": case.family, "job": case.job, "peer": case.peer, "why": why}
    found["left out"].append(row | {"failed": failed})
    _info.progress(f"    left out: {why}")


class Mismatch(Exception):
    """A result that is not what it should be."""


def measure(case: Comparison, rounds: int) -> dict[str, Any]:
    """Check both results of a case, then time its two statements in alternation.

    Raises
    ------
    ImportError
        If the peer is not installed.
    Mismatch
        If the check fails.
    """
    space: dict[str, Any] = {}
    exec(case.setup, space)
    results = {"a": eval(case.ours, space), "b": eval(case.theirs, space)}
    if case.check and not eval(case.check, space | results):
        raise Mismatch(f"the results differ: not {case.check}")
    del results
    ours, theirs = (Sampler(text, space) for text in (case.ours, case.theirs))
    pairs: list[tuple[float, float]] = []
    start = time.perf_counter()
    while len(pairs) < rounds and (not pairs or time.perf_counter() - start < CASE_SECONDS):
        pairs.append((ours(), theirs()))
    mine, other = zip(*pairs, strict=True)
    return {
        "family": case.family,
        "job": case.job,
        "ours": case.ours,
        "theirs": case.theirs,
        "setup": case.setup,
        "peer": case.peer,
        "package": case.package,
        "version": metadata.version(case.package),
        "note": case.note,
        "checked": bool(case.check),
        "curve": case.curve,
        "rounds": len(pairs),
        "seconds": quartiles(mine),
        "peer seconds": quartiles(other),
        "ratio": statistics.median(other / mine for mine, other in pairs),
    }


def floor(case: Floor, rounds: int) -> float:
    """Median seconds of a pass over memory."""
    space: dict[str, Any] = {}
    exec(case.setup, space)
    sampler = Sampler(case.statement, space)
    return statistics.median(sampler() for _ in range(rounds))


@contextlib.contextmanager
def limited(threads: int) -> Iterator[None]:
    """Give everybody as many threads, as far as they can be told."""
    from scipy.fft import set_workers

    with contextlib.ExitStack() as stack:
        stack.enter_context(fasttx.threads(threads))
        stack.enter_context(set_workers(threads))
        # Loaded first: what is loaded later is not limited.
        for name in ("torch", "faiss"):
            with contextlib.suppress(ImportError):
                module = __import__(name)
                limit = "omp_set_num_threads" if name == "faiss" else "set_num_threads"
                getattr(module, limit)(threads)
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:
            _info.progress("threadpoolctl is not installed: the BLAS takes the threads it likes")
        else:
            stack.enter_context(threadpool_limits(threads))
        yield
