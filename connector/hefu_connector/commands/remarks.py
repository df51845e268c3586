"""What there is to remark on a policy: clauses that clash, what is careless, what this version does not carry out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hefu.terminal.commands import Output

from hefu_connector.commands.show import word

if TYPE_CHECKING:
    from hefu_policies.deciding.policy import Policy
    from hefu_policies.goods.product import Description


class Remarks(NamedTuple):
    """Sentences in the language of the output.

    Attributes:
        faults: what cannot have been meant.
        warnings: what data or money may be lost by, or what will not do what its author may expect.
        notes: what is worth knowing.
    """

    faults: list[str]
    warnings: list[str]
    notes: list[str]

    def tell(self, output: Output, indent: str = "  ") -> None:
        """Print them, each with its sign."""
        for sign, lines in (("✗", self.faults), ("!", self.warnings), ("·", self.notes)):
            for line in lines:
                output.say(f"{indent}{sign} {line}")


def remarks(policy: Policy, output: Output) -> Remarks:
    """Everything there is to remark on a policy."""
    from hefu_policies.analysis import clashes
    from hefu_policies.authoring.lints import lint

    clashing, careless = clashes(policy), lint(policy)
    return Remarks(
        [each.sentence(output.language) for each in clashing if each.is_fault],
        [each.sentence(output.language) for each in careless if each.is_warning] + _idle(policy, output),
        [each.sentence(output.language) for each in clashing if not each.is_fault]
        + [each.sentence(output.language) for each in careless if not each.is_warning],
    )


def on_offers(description: Description | None, output: Output) -> dict[str, Remarks]:
    """The remarks on each offer's policy, by the offer; those that have none are left out."""
    from hefu_policies import odrl

    offers = description.offers if description is not None else ()
    found = {each.id: remarks(odrl.load(each.policy), output) for each in offers}
    return {name: each for name, each in found.items() if any(each)}


def not_carried_out(policy: Policy, output: Output) -> list[str]:
    """What a policy permits and this version cannot carry out yet, in words."""
    from hefu_policies.words.terms import ACTIONS

    from hefu_connector.computing.plans import CARRIED_OUT

    left = [ACTIONS[each] for each in policy.actions() if each not in CARRIED_OUT]
    return [word(output, each.en, each.zh) for each in left]


def _idle(policy: Policy, output: Output) -> list[str]:
    return [
        word(
            output,
            f"{each}: this version does not carry it out yet. It can be agreed on, and not asked for.",
            f"{each}：本版本尚不能执行。可据以签约，但暂不能提出请求。",
        )
        for each in not_carried_out(policy, output)
    ]
