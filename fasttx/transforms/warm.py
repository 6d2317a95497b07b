"""Compiling ahead of the first call."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import DTypeLike


def warmup(dtypes: Iterable[DTypeLike] = ("float32", "float64")) -> None:
    """Load or compile the loops of `fwht` for these dtypes now rather than at the first call.

    Parameters
    ----------
    dtypes : sequence of dtypes
        Of float32, float64, complex64, complex128, int64 and float16.

    Notes
    -----
    About one second a dtype the first time on a machine, and a tenth of that from the cache.

    Examples
    --------
    >>> import fasttx
    >>> fasttx.warmup(["float32"])
    """
    from .fwht import fwht

    for dtype in dtypes:
        fwht(np.ones(2, dtype))
        fwht(np.ones((2, 3), dtype), axis=0)
