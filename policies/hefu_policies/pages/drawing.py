"""The state machines of this floor as docs/state-machines.md; a test holds the page to the tables."""

from __future__ import annotations

from hefu_policies.states import fulfilment, lifecycle, machine, negotiation


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
