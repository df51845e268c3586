"""The values of a template's parameters as people write them, in both languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from hefu.canonical import Json
from hefu.errors import Language

from hefu_policies.library import parameters as check
from hefu_policies.library.parameters import Parameter, Values
from hefu_policies.reading import Place
from hefu_policies.telling.wording.values import length_text, value_text
from hefu_policies.words.terms import Kind

_KINDS: Mapping[Callable[[Json], Json], Kind] = {
    check.purpose: Kind.PURPOSE,
    check.digests: Kind.DIGEST,
    check.hours: Kind.WINDOW,
}


def shown(parameters: Iterable[Parameter], values: Values, language: Language) -> dict[str, str]:
    """The words of each parameter, by its name."""
    return {each.name: _shown(each, values[each.name], language) for each in parameters}


def _shown(parameter: Parameter, value: Json, language: Language) -> str:
    if parameter.check is check.length:
        found: timedelta = Place(value, parameter.name).duration()
        return length_text(found, language)
    if parameter.check is check.instant:
        return value_text(Place(value, parameter.name).time(), language)
    kind = _KINDS.get(parameter.check, Kind.TEXT)
    if isinstance(value, list):
        return ("、" if language == "zh" else ", ").join(value_text(each, language, kind) for each in value)
    return value_text(value, language, kind)
