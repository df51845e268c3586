"""What was written otherwise than we would: the differences of two JSON values, kept so that the second comes back."""

from __future__ import annotations

from hefu.canonical import Json, Object

Spelling = list[Json]  # of [path, value], or of [path] for a member that is not there


def differences(ours: Json, theirs: Json) -> Spelling:
    """What must be changed in the first value to get the second."""
    return _differences(ours, theirs, [])


def respell(ours: Json, spelling: Spelling) -> Json:
    """The second value, out of the first and the differences. The first is not touched."""
    found = _copy(ours)
    for each in spelling:
        if isinstance(each, list) and isinstance(each[0], list):
            found = _changed(found, each[0], each[1:])
    return found


def place_of(change: Json) -> str:
    """Where a difference is, for people."""
    path = change[0] if isinstance(change, list) else None
    return ".".join(map(str, path)) if isinstance(path, list) else ""


def _differences(ours: Json, theirs: Json, path: list[Json]) -> Spelling:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found: Spelling = [[[*path, name]] for name in ours if name not in theirs]
        for name, value in theirs.items():
            inside = [*path, name]
            found += _differences(ours[name], value, inside) if name in ours else [[inside, value]]
        return found
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [each for place, (one, other) in pairs for each in _differences(one, other, [*path, place])]
    return [] if type(ours) is type(theirs) and ours == theirs else [[path, theirs]]


def _changed(value: Json, path: list[Json], new: list[Json]) -> Json:
    if not path:
        return new[0]
    first, rest = path[0], path[1:]
    if isinstance(value, list) and isinstance(first, int):
        value[first] = _changed(value[first], rest, new)
    elif isinstance(value, dict) and isinstance(first, str):
        if not rest and not new:
            del value[first]
        else:
            value[first] = _changed(value.get(first), rest, new)
    return value


def _copy(value: Json) -> Json:
    if isinstance(value, dict):
        copied: Object = {name: _copy(each) for name, each in value.items()}
        return copied
    return [_copy(each) for each in value] if isinstance(value, list) else value
