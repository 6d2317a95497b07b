"""Public names that are loaded when first used (PEP 562)."""

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def attach(
    namespace: dict[str, Any], home: Mapping[str, str], modules: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make `__getattr__` and `__dir__` of a package.

    Parameters
    ----------
    namespace : dict
        The package's ``globals()``. A name is put there once it was asked for and not before, which
        is how `fasttx.citations` knows what a process has used. So code inside fasttx takes what
        has papers behind it from the defining modules.
    home : mapping of str to str
        The submodule that defines each name, which must not be called like the name: Python would
        put the submodule in the name's place.
    modules : collection of str
        Names that are submodules themselves.
    """
    package = namespace["__name__"]

    def load(name: str) -> Any:
        if name in modules:
            value: Any = import_module(f"{package}.{name}")
        elif name in home:
            try:
                value = getattr(import_module(f"{package}.{home[name]}"), name)
            except ModuleNotFoundError as error:
                if error.name and error.name.partition(".")[0] == "sklearn":
                    raise ImportError(
                        f"{name} needs scikit-learn: pip install 'fasttx[sklearn]'"
                    ) from error
                raise
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        namespace[name] = value
        return value

    return load, lambda: sorted(namespace["__all__"])
