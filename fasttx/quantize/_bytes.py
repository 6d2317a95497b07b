"""Codes as bytes: a version, a description in JSON, arrays as they are, and a checksum."""

from __future__ import annotations

import importlib
import json
import math
import struct
from hashlib import blake2b
from typing import Any, TypeVar

import numpy as np

Kind = TypeVar("Kind")

_MAGIC, _VERSION = b"fasttx.q", 1
_HEAD = struct.Struct("<8sHxxIQ")  # magic, version, bytes of the description, bytes in all
_CHECKSUM = 16
_ALIGN = 16


def pack(name: str, state: dict[str, Any]) -> bytes:
    """Bytes of an object of the class `name`."""
    arrays: list[np.ndarray] = []
    text = json.dumps({"class": name, "state": _described(state, arrays)}).encode()
    text += b" " * (-(_HEAD.size + len(text)) % _ALIGN)
    parts = [text]
    for array in arrays:
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        parts += [data, bytes(-len(data) % _ALIGN)]
    total = _HEAD.size + sum(map(len, parts)) + _CHECKSUM
    body = b"".join([_HEAD.pack(_MAGIC, _VERSION, len(text), total), *parts])
    return body + blake2b(body, digest_size=_CHECKSUM).digest()


def unpack(data: bytes) -> tuple[str, dict[str, Any]]:
    """Name of the class and state of what `pack` wrote; its arrays are read-only views."""
    data = bytes(data)
    if len(data) < _HEAD.size + _CHECKSUM or data[: len(_MAGIC)] != _MAGIC:
        raise ValueError("these are not the bytes of codes")
    _, version, length, total = _HEAD.unpack_from(data)
    if version > _VERSION:
        raise ValueError(f"the bytes have version {version}; this library reads up to {_VERSION}")
    if total != len(data):
        raise ValueError(f"expected {total} bytes; got {len(data)}")
    body = memoryview(data)[:-_CHECKSUM]
    if blake2b(body, digest_size=_CHECKSUM).digest() != data[-_CHECKSUM:]:
        raise ValueError("the checksum does not match: the bytes were altered")
    start = _HEAD.size + length
    try:
        tree = json.loads(data[_HEAD.size : start])
        return tree["class"], _restored(tree["state"], body[start:])
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise ValueError("the bytes do not describe codes") from error


def find(name: str, base: type[Kind]) -> type[Kind]:
    """The class of that name of this package, derived from `base`."""
    package = importlib.import_module(__package__)
    kind = getattr(package, name, None)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise ValueError(f"the bytes name an unknown class: {name}")
    return kind


def _described(value: Any, arrays: list[np.ndarray]) -> Any:
    """`value` as JSON knows it; arrays are appended to the list and referred to."""
    if isinstance(value, np.ndarray):
        start = sum(a.nbytes + -a.nbytes % _ALIGN for a in arrays)
        arrays.append(value)
        return {"array": [start, value.dtype.str.lstrip("<>=|"), list(value.shape)]}
    if isinstance(value, dict):
        return {"dict": {k: _described(v, arrays) for k, v in value.items()}}
    if isinstance(value, list | tuple):
        return {"list": [_described(v, arrays) for v in value]}
    if isinstance(value, float | np.floating):  # JSON has no infinity; hexadecimals are exact
        return {"float": float(value).hex()}
    if isinstance(value, bool | int | str | None):
        return value
    if isinstance(value, np.integer | np.bool):
        return value.item()
    state = {k: _described(v, arrays) for k, v in value._state().items()}
    return {"object": [type(value).__name__, state]}


def _restored(value: Any, data: memoryview) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        start, kind, shape = value["array"]
        dtype = np.dtype(kind).newbyteorder("<")
        array = np.frombuffer(data, dtype, math.prod(shape), start).reshape(shape)
        return array.astype(dtype.newbyteorder("="), copy=False)
    if "dict" in value:
        return {k: _restored(v, data) for k, v in value["dict"].items()}
    if "list" in value:
        return [_restored(v, data) for v in value["list"]]
    if "float" in value:
        return float.fromhex(value["float"])
    if "object" in value:
        from ._codes import Described

        name, state = value["object"]
        kind, state = find(name, Described), {k: _restored(v, data) for k, v in state.items()}
        return kind._from_state(state)
    return {k: _restored(v, data) for k, v in value.items()}
