"""Randomized Hadamard transforms: random signs and Hadamard matrices, several times over."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import _threads
from ..._array import check_count, is_device_array
from ..._cpu import fwht as host
from ..._cpu import random
from ..._cpu import rotations as loops
from ...transforms.fwht import fwht, ifwht
from ...transforms.hadamard import base_matrix, split_length
from .._rows import as_seed
from ._base import Rotation

Array = NDArray[Any]


class Tables(NamedTuple):
    """What the loops read: see `fasttx._cpu.rotations.block`."""

    signs: Array
    starts: Array
    span: int
    shape: tuple[int, int]
    scales: tuple[float, float]
    at: tuple[int, int]
    codes: int


class RandomizedHadamard(Rotation):
    """Randomized Hadamard transform: R = H D_r ... H D_1, D_i random signs, H orthogonal.

    Parameters
    ----------
    d : int
        Length of rows.
    rounds : int, optional
        Number of factors H D_i. Two make single large entries, and pairs of them, look Gaussian.
    block : int or "overlap", optional
        Length of the blocks of H, a divisor of d for which there is a Hadamard matrix: a group of
        a block format, say. With "overlap" a round transforms the first or, in every second round,
        the last L entries, L the largest power of two up to d: this mixes all entries for any d.
        By default d itself if it is of the form m * 2**k with a base order m (see
        `fasttx.next_hadamard_len`), else the largest power of two that divides d.
    rng : int or numpy.random.Generator, optional
        Source of the signs.

    Attributes
    ----------
    d, rounds : int
    block : int or "overlap"

    Notes
    -----
    d log2(block) additions a row and round (m/4 more an entry for base orders m > 1); a row stays
    in cache for all rounds: two on long arrays cost about twice a pass over memory. Signs are
    hashes of a seed of 63 bits, all that is stored of them.

    Arrays of floats on a device are rotated there, in one pass for blocks of a power of two up to
    2**15 (2**13 in float64); other blocks have to be whole rows, which take two passes a round.
    Overlapping blocks are for the host only.

    References
    ----------
    .. [1] N. Ailon and B. Chazelle, "The fast Johnson-Lindenstrauss transform and approximate
       nearest neighbors", SIAM J. Comput. 39 (2009), section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import RandomizedHadamard
    >>> rotation = RandomizedHadamard(80, rng=0)
    >>> x = np.eye(80, dtype=np.float32)[:1]
    >>> y = rotation(x)
    >>> float(np.abs(y).max()) < 0.6, bool(np.allclose(rotation.inverse(y), x, atol=1e-6))
    (True, True)
    """

    def __init__(self, d: int, rounds: int = 2, block: int | str | None = None, *, rng: Any = None):
        self.d = check_count(d, "d")
        self.rounds = check_count(rounds, "rounds")
        self.block = _block(self.d, block)
        self._seed = as_seed(rng)

    def _state(self) -> dict[str, Any]:
        return {"d": self.d, "rounds": self.rounds, "block": self.block, "seed": self._seed}

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> RandomizedHadamard:
        made = cls(state["d"], state["rounds"], state["block"], rng=0)
        made._seed = state["seed"]
        return made

    def __repr__(self) -> str:
        return f"RandomizedHadamard({self.d}, rounds={self.rounds}, block={self.block!r})"

    def _tables(self, dtype: Any, inverse: bool = False) -> Tables:
        """What loops over rows of that dtype read."""
        overlap = isinstance(self.block, str)
        block = self._window if isinstance(self.block, str) else self.block
        m, exponent = split_length(block)
        scale = 1 / math.sqrt(block)
        return Tables(
            self._signs,
            self._starts,
            block if overlap else self.d,
            (m, 1 << exponent),
            (1.0, scale) if overlap else (scale, 1.0),
            loops.transforms_at(np.dtype(dtype).name),
            _base_codes(m)[int(inverse)].ctypes.data,
        )

    @functools.cached_property
    def _signs(self) -> Array:
        """Random bits, one row for each round."""
        return _words(self._seed, self.rounds, self.d)

    @functools.cached_property
    def _starts(self) -> Array:
        starts = np.zeros(self.rounds, np.int64)
        if isinstance(self.block, str):
            starts[1::2] = self.d - self._window
        return starts

    @property
    def _window(self) -> int:
        """The largest power of two up to d."""
        return 1 << (self.d.bit_length() - 1)

    def _apply(
        self, x: ArrayLike, name: str, inverse: bool, overwrite: bool, workers: int | None
    ) -> Any:
        if is_device_array(x):
            return self._on_device(x, name, inverse, overwrite)
        return super()._apply(x, name, inverse, overwrite, workers)

    def _on_device(self, x: Any, name: str, inverse: bool, overwrite: bool) -> Any:
        from ..._cuda import rotations as device
        from ..._cuda import wrap

        given = wrap(x, overwrite)
        if given.dtype not in device.DTYPES:
            raise TypeError(
                f"{name} has dtype {given.dtype}; accepted on a device are "
                f"{', '.join(device.DTYPES)}"
            )
        if not given.shape or given.shape[-1] != self.d:
            raise ValueError(f"{name} must have rows of length {self.d}; got shape {given.shape}")
        levels = self._levels(device.most(given.dtype))
        with given.context():
            source = given if given.contiguous else given.compact()
            dtype = "float64" if given.dtype == "float64" else "float32"
            same = dtype == given.dtype and (overwrite or source is not given)
            out = source if same else given.empty(given.shape, dtype)
            if out.size and levels is not None:
                signs = self.device_signs(dtype, given.device, 2 ** (-levels / 2))
                device.rotate(source, out, signs, self.rounds, levels, inverse)
            elif out.size:
                out = self._in_passes(device, source, out, inverse)
        return given.replace(out) if overwrite and dtype == given.dtype else out.array

    def _levels(self, most: int) -> int | None:
        """Levels of a block that a device rotates in one pass, or None where it takes more."""
        if isinstance(self.block, str):
            raise NotImplementedError("overlapping blocks are rotated on the host only")
        m, levels = split_length(self.block)
        if m == 1 and levels <= most:
            return levels
        if self.block != self.d:
            raise NotImplementedError(
                f"blocks of {self.block} entries of rows of {self.d} are rotated on the host only; "
                f"accepted on a device are powers of two up to {1 << most}, or whole rows"
            )
        return None

    def _in_passes(self, device: Any, source: Any, out: Any, inverse: bool) -> Any:
        """Rotate whole rows round by round, two passes over the memory each."""
        from ..._cuda import wrap

        def transform(function: Any, y: Any) -> Any:
            result = function(y.array, norm="ortho", overwrite_x=y.writable)
            return y if result is y.array else wrap(result)

        signs = self.device_signs(out.dtype, out.device, 1.0)
        if inverse and out is not source:
            device.multiply(source, out, signs, -1)
        for step in range(self.rounds):
            start = (self.rounds - 1 - step if inverse else step) * self.d
            if inverse:
                out = transform(ifwht, out)
                device.multiply(out, out, signs, start)
            else:
                device.multiply(out if step else source, out, signs, start)
                out = transform(fwht, out)
        return out

    def device_signs(self, dtype: str, index: int, factor: float) -> Any:
        """± `factor` for all rounds, on the current device, of that number."""
        return _device_signs(self._seed, self.rounds, self.d, factor, dtype, index)

    def _rotate(self, rows: Array, out: Array, inverse: bool, workers: int | None) -> None:
        run, tables = loops.rotate(rows.dtype.name), self._tables(rows.dtype, inverse)
        share = functools.partial(run, rows, out, tuple(tables), inverse)
        _threads.share(share, len(rows), _threads.resolve(workers, rows.size))


def _words(seed: int, rounds: int, d: int) -> Array:
    count = -(-d // 64)
    words = np.empty(rounds * count, np.uint64)
    random.words()(np.uint64(seed), 0, words)
    return words.reshape(rounds, count)


@functools.lru_cache(maxsize=64)
def _device_signs(seed: int, rounds: int, d: int, factor: float, dtype: str, index: int) -> Any:
    from ..._cuda import launch
    from ..._cuda import rotations as device

    return launch.on_device(device.table(_words(seed, rounds, d), d, factor, dtype), index)


@functools.cache
def _base_codes(m: int) -> tuple[Array, Array]:
    if m == 1:
        return np.zeros(1, np.int32), np.zeros(1, np.int32)
    return host.base_codes(base_matrix(m)), host.base_codes(base_matrix(m).T)


def default_rotation(d: int, rng: Any) -> Rotation:
    """Hadamard transforms that make every row look Gaussian.

    Two rounds make sums of few signs of a row with one or two entries: below a thousand coordinates
    these lie on a grid that 4-bit codebooks notice, with errors up to a third larger. Three do not.
    """
    if has_hadamard(d):
        return RandomizedHadamard(d, 2 if d >= 1024 else 3, rng=rng)
    return RandomizedHadamard(d, 4, "overlap", rng=rng)


def has_hadamard(n: int) -> bool:
    """Whether there is a fast transform of n points."""
    try:
        split_length(n)
    except ValueError:
        return False
    return True


def _block(d: int, block: int | str | None) -> int | str:
    if block is None:
        return d if has_hadamard(d) else d & -d
    if isinstance(block, str):
        if block != "overlap":
            raise ValueError(f"block must be an integer or 'overlap'; got {block!r}")
        return block
    block = check_count(block, "block")
    if d % block:
        raise ValueError(f"block must divide d = {d}; got {block}")
    split_length(block)
    return block
