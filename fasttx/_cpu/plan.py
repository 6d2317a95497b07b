"""What the host's registers and caches are good for.

Widths come from the CPU that code is generated for; a wrong guess costs speed, never a result,
because LLVM splits vectors that are too wide.
"""

import functools
from pathlib import Path

import numpy as np

from .._jit import host


@functools.cache
def vector_bytes() -> int:
    """Bytes of the widest vector register."""
    features = host()[1]
    if features.get("avx512f") and features.get("avx512dq"):
        return 64
    return 32 if features.get("avx") else 16


@functools.cache
def registers() -> int:
    """Number of vectors a codelet keeps alive: half of what the host has."""
    features = host()[1]
    wide = features.get("avx512f") or features.get("neon") or features.get("fullfp16")
    return 16 if wide else 8


def width(dtype) -> int:
    """Elements of `dtype` in a vector."""
    return vector_bytes() // np.dtype(dtype).itemsize


@functools.cache
def cache_bytes(level: int) -> int:
    """Size of the data cache of that level, as the system tells, else a common one."""
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            kind = (index / "type").read_text().strip()
            if kind != "Instruction" and int((index / "level").read_text()) == level:
                return int((index / "size").read_text().strip().removesuffix("K")) << 10
        except (OSError, ValueError):
            continue
    return {1: 32 << 10, 2: 1 << 20}[level]


def l1_block() -> int:
    """Bytes transformed while they stay in the first-level cache."""
    return 16 << 10


def l2_block() -> int:
    """Bytes transformed while they stay in the second-level cache: half of it, a power of two."""
    return min(1 << 20, 1 << (cache_bytes(2).bit_length() - 2))


# Loops ask for what they will read this many bytes later. Half of a block's lines are asked for in
# its first pass and half in its second, which keeps the memory busy all the time.
PREFETCH = 16 << 10

# A pass over memory does six levels, through a buffer in the first-level cache. More rows would
# map to the same sets of the caches, since their distance is a power of two.
OUTER_LEVELS = 6
OUTER_VECTORS = 4


def converts_half() -> bool:
    """Whether the host has instructions from and to float16."""
    features = host()[1]
    return bool(features.get("f16c") or features.get("neon") or features.get("fullfp16"))
