"""Every way to fail, once.

A failure has a stable ``code``, parameters, a ``public`` sentence that says what to do next, and a private ``detail``
for the log. The sentences stand in `hefu.messages`, in English and Chinese, and are rendered at the edges only.
No data value ever stands in a parameter: parameters travel to peers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from hefu.messages import MESSAGES

Language = Literal["en", "zh"]


class HefuError(Exception):
    """A failure that somebody is told about. Raise one of its kinds, never this class.

    Args:
        code: a key of `hefu.messages.MESSAGES`, for example ``"budget.exhausted"``.
        reasons: plain sentences, one a rule or fault; shown to whoever asked.
        detail: what an operator wants in the log; never sent to a peer.
        **parameters: fill the message's ``{braces}``; strings and integers, never a data value.
    """

    kind: ClassVar[str] = "defect"

    def __init__(self, code: str, /, *, reasons: Sequence[str] = (), detail: str = "", **parameters: str | int) -> None:
        if code not in MESSAGES:
            raise AssertionError(f"unknown error code {code!r}: add it to hefu.messages")
        self.code = code
        self.parameters: Mapping[str, str] = {name: str(value) for name, value in parameters.items()}
        self.reasons = tuple(reasons)
        self.detail = detail
        super().__init__(self.public())

    def public(self, language: Language = "en") -> str:
        """The sentence for people, in one of the two languages."""
        return _render(MESSAGES[self.code][language], self.parameters)


class Refused(HefuError):
    """A rule said no. ``reasons`` name the rules."""

    kind = "refused"


class BudgetExceeded(Refused):
    """The privacy budget or the number of releases would be overspent."""

    kind = "budget_exceeded"


class NotFound(HefuError):
    """There is no such thing, or the caller may not know of it."""

    kind = "not_found"


class Conflict(HefuError):
    """The thing is in another state than the caller believes."""

    kind = "conflict"


class Malformed(HefuError):
    """The input cannot be read; the sentence says where and what to write instead."""

    kind = "malformed"


class Unauthenticated(HefuError):
    """Nobody vouches for the caller."""

    kind = "unauthenticated"


class Untrusted(HefuError):
    """A signature, certificate, proof or statement does not hold."""

    kind = "untrusted"


class Unavailable(HefuError):
    """Not now; the same call may succeed later."""

    kind = "unavailable"


class Defect(HefuError):
    """Our own fault. The detail is in the log under the given reference."""

    kind = "defect"


KINDS: Mapping[str, type[HefuError]] = {
    each.kind: each
    for each in (
        Refused,
        BudgetExceeded,
        NotFound,
        Conflict,
        Malformed,
        Unauthenticated,
        Untrusted,
        Unavailable,
        Defect,
    )
}


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def sentence(code: str, language: Language, parameters: Mapping[str, str]) -> str:
    """The sentence of a code, for what is told without being raised."""
    return _render(MESSAGES[code][language], parameters)


def _render(template: str, parameters: Mapping[str, str]) -> str:
    return template.format_map(_Blank(parameters))
