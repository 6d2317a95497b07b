"""Device arrays that are given together."""

from .. import _array
from . import NumbaArray, same_device, wrap


def first(**given) -> NumbaArray:
    """The wrapper of the one device array among arguments that decides where a result goes.

    `given` are the arguments by their names, the deciding one first.
    """
    name, x = next(iter(given.items()))
    if not _array.is_device_array(x):
        other = next(n for n, a in given.items() if _array.is_device_array(a))
        raise TypeError(f"{other} is on a device and {name}, {_kind(x)}, is not; give both there")
    return wrap(x)


def beside(of: NumbaArray, name: str, x) -> NumbaArray:
    """The wrapper of another argument, of the library and device of the first one."""
    if not _array.is_device_array(x):
        raise TypeError(f"{name} must be {of.library}, as the other argument is; got {_kind(x)}")
    given = wrap(x)
    same_device(of, given)
    return given


def _kind(x):
    return f"a {type(x).__module__}.{type(x).__qualname__}"
