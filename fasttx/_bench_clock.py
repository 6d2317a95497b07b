"""How statements are timed."""

from __future__ import annotations

import statistics
import timeit
from collections.abc import Sequence
from typing import Any

# A sample lasts at least this long: far longer than the clock's step or a thread's wake-up.
SAMPLE_SECONDS = 0.02


class Sampler:
    """Seconds of one repetition of a statement, over a sample of many."""

    def __init__(self, statement: str, space: dict[str, Any], inner: int = 1):
        self.timer = timeit.Timer(statement, globals=space)
        self.inner = inner
        self.timer.timeit(1)  # compiles
        self.number = 1
        while (spent := self.timer.timeit(self.number)) < SAMPLE_SECONDS:
            self.number = max(self.number + 1, int(1.2 * self.number * SAMPLE_SECONDS / spent))

    def __call__(self) -> float:
        return self.timer.timeit(self.number) / self.number / self.inner


def quartiles(samples: Sequence[float]) -> dict[str, float]:
    """Median and quartiles."""
    if len(samples) == 1:
        samples = [samples[0]] * 2
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return {"median": middle, "q1": low, "q3": high}
