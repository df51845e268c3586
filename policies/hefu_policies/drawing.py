"""The tables of this floor as pages of the documentation; a test holds the pages to the tables.

`state_machines` is docs/state-machines.md, `vocabulary` is docs/policy-terms.md.
"""

from __future__ import annotations

from collections.abc import Iterable

from hefu_policies import fulfilment, lifecycle, machine, negotiation
from hefu_policies.library import TEMPLATES
from hefu_policies.terms import ACTIONS, CONTEXTS, OPERANDS, PROFILE


def state_machines() -> str:
    """Every state machine, one table each."""
    return "\n".join((
        "# State machines",
        "",
        "Drawn from the tables in `policies/hefu_policies`; do not edit by hand.",
        "",
        machine.draw("Contract negotiation", negotiation.TABLE),
        machine.draw("Fulfilment", fulfilment.TABLE),
        machine.draw("Agreement", lifecycle.AGREEMENT),
        machine.draw("Data product", lifecycle.PRODUCT),
    ))  # fmt: skip


def vocabulary() -> str:
    """What a policy may say, and the templates there are."""
    operands = (
        (f"`{each.term}`", each.en, each.zh, each.kind.value, _words(each.operators),
         _words(each.phases) or "afterwards", each.meet.value, each.source.value)
        for each in OPERANDS.values()
    )  # fmt: skip
    actions = (
        (f"`{each.term}`", each.en, each.zh, _words(each.included_in) or "–", _words(each.uses) or "none")
        for each in ACTIONS.values()
    )
    templates = (
        (f"`{each.name}`", each.en, each.zh, ", ".join(f"`{one.name}`" for one in each.parameters))
        for each in TEMPLATES.values()
    )
    return "\n".join((
        "# Policy terms",
        "",
        "Drawn from the tables in `policies/hefu_policies`; do not edit by hand. A term that is not here is refused "
        "when a policy is loaded.",
        "",
        f"Profile: `{PROFILE}`. Contexts, in this order: {', '.join(f'`{each}`' for each in CONTEXTS)}.",
        "",
        "## Operands",
        "",
        *_table("operand", "en", "zh", "type", "operators", "known at", "two meet at", "known from", rows=operands),
        "",
        "## Actions",
        "",
        *_table("action", "en", "zh", "included in", "stands in", rows=actions),
        "",
        "## Templates",
        "",
        *_table("template", "en", "zh", "parameters", rows=templates),
        "",
    ))  # fmt: skip


def _words(words: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, words)))


def _table(*heads: str, rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return lines + [f"| {' | '.join(row)} |" for row in rows]
