"""Groups that nobody declared: the worker finds them, a threshold decides which are told, and answers are read of them.

One count decides for each group in which the data has rows: how many privacy units have rows in it. It is taken less
one, so that a group of one unit is none at all and its name is never told; the rest is noised, and those are told whose
noised count reaches the threshold (`hefu_connector.engines.noise.threshold`). Of more than an answer may have, those
with the largest noised counts are told. Everything else is counted for the told groups only, with noise of its own.

Why it holds. Counts less one, and not below 0, move by no more than counts do, as ``max(n - 1, 0)`` rises by at most 1
where n does; so OpenDP's measurement is of counts that one unit moves by 1, in at most K groups. Values that can be no
group are left out with their rows, by the value alone, which moves nothing of other groups. Once the groups are drawn,
the measures over them are vectors of fixed length, a group without rows having 0; a unit moves them by their
sensitivities. Losses add up (adaptive composition), and sorting and cutting look at noised counts and told names only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Untrusted
from hefu_policies.reading import Place

from hefu_connector.computing import finding
from hefu_connector.engines import noise
from hefu_connector.engines.shape import LEFT_OUT, Measure, Shape

if TYPE_CHECKING:  # a worker reads no contracts, and starts sooner without what they import
    from hefu_connector.ports import Prepared

Group = tuple[
    int, tuple[str, ...]
]  # the place among the groups of the declared keys, and the values of the unknown ones


@dataclass(frozen=True, slots=True)
class Found:
    """What was counted: each group with its exact whole numbers, one list a measure."""

    groups: list[Group]
    exact: list[list[int]]


def gather(shape: Shape, rows: Sequence[Sequence[Any]]) -> Found:
    """The groups that a statement returned, and their numbers in the same order.

    Args:
        rows: of each group once: its place, the values of the unknown keys as text, its measures.
    """
    from hefu_connector.engines import cells  # Arrow: in a worker only

    keys, groups = len(shape.unknown), []
    exact = [[0] * (len(rows) * each.width) for each in shape.measures]
    for index, (place, *values) in enumerate(rows):
        groups.append((int(place), tuple(values[:keys])))
        cells.add(exact, shape, index, values[keys:])
    return Found(groups, exact)


def least_told(found: Object) -> int:
    """The noised count of units that every told group has."""
    return noise.Threshold.of(Place(found["threshold"], "threshold")).least + LEFT_OUT


def release(counted: Found, shape: Shape, noises: Sequence[noise.Noise], parameters: Place) -> Object:
    """Draw the groups, then the noise of the measures over them. Worker only.

    Args:
        parameters: ``found`` as `Statistics.prepare` made it.

    Returns:
        ``groups`` in the order of their names, each its place and its values; ``noised`` as of public groups.
    """
    said = parameters.members(("deciding", "threshold", "most"))
    deciding = said["deciding"].integer()
    places = {_name(group): place for place, group in enumerate(counted.groups) if _fits(group, shape)}
    counts = {
        name: counted.exact[deciding][place] - LEFT_OUT
        for name, place in places.items()
        if counted.exact[deciding][place] > LEFT_OUT
    }
    drawn = noise.draw_found(counts, noises[deciding], noise.Threshold.of(said["threshold"]))
    largest = sorted(drawn, key=lambda name: (-drawn[name], name))[: said["most"].integer(1)]
    told = sorted(largest, key=lambda name: counted.groups[places[name]])
    noised: list[Json] = []
    for index, (values, measure, its) in enumerate(zip(counted.exact, shape.measures, noises, strict=True)):
        if index == deciding:
            noised.append([str(drawn[name] + LEFT_OUT) for name in told])
            continue
        starts = [places[name] * measure.width for name in told]
        exact = [value for start in starts for value in values[start : start + measure.width]]
        noised.append([str(value) for value in drawn_of(exact, measure, its)])
    return {"groups": [_body(counted.groups[places[name]]) for name in told], "noised": noised}


def drawn_of(exact: Sequence[int], measure: Measure, its: noise.Noise) -> list[int]:
    """What is told of a measure's exact numbers: each with noise, or which of them was chosen. Worker only."""
    if not exact:
        return []
    if measure.which is not None:
        return noise.choose_quantile(exact, measure.width, measure.which, its)
    return noise.choose(exact, measure.width, its) if measure.chosen else noise.draw(exact, its)


def read(output: Json, shape: Shape, prepared: Prepared) -> list[tuple[str | None, ...]]:
    """The labels of each told group, in order.

    Raises:
        Untrusted: there are more than may be told, twice the same, in another order, or one is no group.
    """
    groups = [_group(each) for each in output] if isinstance(output, list) else []
    right = (
        isinstance(output, list)
        and len(groups) <= prepared.cells
        and groups == sorted(set(groups))
        and all(0 <= place < shape.cells and _fits((place, values), shape) for place, values in groups)
    )
    if not right:
        raise Untrusted("worker.output")
    declared = [*product(*(each.labels for each in shape.keys if not each.unknown))]
    return [tuple(_labels(shape, declared[place], values)) for place, values in groups]


def _labels(shape: Shape, declared: Sequence[str], values: Sequence[str]) -> Iterator[str]:
    public, found = iter(declared), iter(values)
    for each in shape.keys:
        yield next(found) if each.unknown else next(public)


def _fits(group: Group, shape: Shape) -> bool:
    kinds = [shape.columns[each.column] for each in shape.unknown]
    _, values = group
    return len(values) == len(kinds) and all(map(finding.fits, values, kinds))


def _name(group: Group) -> str:
    return canonical.encode(_body(group)).decode()


def _body(group: Group) -> list[Json]:
    place, values = group
    return [place, *values]


def _group(value: Json) -> Group:
    if not isinstance(value, list) or not value:
        raise Untrusted("worker.output")
    place, *values = value
    texts = tuple(each for each in values if isinstance(each, str))
    if not isinstance(place, int) or isinstance(place, bool) or len(texts) != len(values):
        raise Untrusted("worker.output")
    return place, texts
