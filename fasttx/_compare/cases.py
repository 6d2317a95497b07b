"""What a comparison is: the user's line here, and with the package that has it.

A case is two statements; what they need is made before by a third text. All of them are shown in
the report, so that a reader can judge whether it is fair.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """The same job done by fasttx and by a peer.

    Attributes
    ----------
    family : str
        The kind of work, a section of the report.
    job : str
        What is done, and its size.
    ours, theirs : str
        Expressions that do it.
    package : str
        Distribution that `theirs` comes from, as pip knows it.
    peer : str
        What is shown beside its version.
    setup : str
        Statements run before.
    check : str
        Expression on the results ``a`` of `ours` and ``b`` of `theirs`, true where both did the
        job.
    note : str
        What a fair reader has to know: where the two do not do quite the same.
    curve : tuple of str and int, optional
        Chart of times against sizes that the case is a point of, and its size.
    """

    family: str
    job: str
    ours: str
    theirs: str
    package: str
    peer: str
    setup: str
    check: str = ""
    note: str = ""
    curve: tuple[str, int] | None = None

    @property
    def title(self) -> str:
        """The job and the peer."""
        return f"{self.job}: {self.peer}"


@dataclass(frozen=True)
class Floor:
    """The time of a pass over the memory of a chart's case: none that touches it all is faster."""

    curve: tuple[str, int]
    statement: str
    setup: str

    @property
    def title(self) -> str:
        """The chart and the size."""
        return f"{self.curve[0]}, {self.curve[1]}: a pass over the memory"


START = "import numpy as np, scipy, fasttx\nrng = np.random.default_rng(0)\n"
NEGATIVE = "np.negative(x, out=x)"
