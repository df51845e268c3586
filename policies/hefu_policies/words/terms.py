"""The vocabulary of policies in one place: `HEFU`, and everything that the other rooms need of it.

The words stand in `hefu_policies.words.operands` and `hefu_policies.words.actions`, one line each, and what they are
made of in `hefu_policies.words.vocabulary`.

A fact bears the operand's name without prefix. At release every constraint is decided, so the facts of the admission
are carried over; an operand that is first known later than the present phase may still be unknown then, and its
constraint is deferred.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hefu_policies.words.actions import (
    ACTIONS,
    AGGREGATE_QUERY,
    ATTEST,
    COMPENSATE,
    COMPUTE,
    DELETE,
    DELIVER,
    DOWNLOAD,
    DP_QUERY,
    FEDERATED_EVALUATE,
    FEDERATED_TRAIN,
    HE_INFERENCE,
    INFORM,
    LOG,
    MPC_EVALUATE,
    NOTIFY_DENY,
    OBTAIN_APPROVAL,
    PREVIEW,
    PSI,
    READ,
    TEE_EXECUTE,
    USE,
)
from hefu_policies.words.operands import (
    ADD_REMOVE,
    ANONYMISED,
    CONNECTOR_PREFIX,
    CURRENCY,
    FILE,
    MASKED,
    OPERANDS,
    PARTICIPANT_PREFIX,
    PER,
    PROCESSING,
    PURPOSES,
    RAW,
    ROWS,
    SAMPLED,
    USAGE,
)
from hefu_policies.words.purposes import LINEAGE
from hefu_policies.words.vocabulary import (
    PHASES,
    SET_OPERATORS,
    Action,
    Combine,
    Kind,
    Meet,
    Operand,
    Operator,
    Phase,
    Source,
    Vocabulary,
)

__all__ = [
    "ACTIONS", "ADD_REMOVE", "AGGREGATE_QUERY", "ANONYMISED", "ATTEST", "BY_NAME", "COMPENSATE", "COMPUTE",
    "CONNECTOR_PREFIX", "CONTEXTS", "CURRENCY", "DELETE", "DELIVER", "DOWNLOAD", "DP_QUERY", "FEDERATED_EVALUATE",
    "FEDERATED_TRAIN", "FILE", "HEFU", "HE_INFERENCE", "INFORM", "LOG", "MASKED", "MPC_EVALUATE", "NOTIFY_DENY",
    "OBTAIN_APPROVAL", "OPERANDS", "PARTICIPANT_PREFIX", "PER", "PHASES", "PREVIEW", "PROCESSING", "PROFILE", "PSI",
    "PURPOSES", "RAW", "READ", "ROWS", "SAMPLED", "SET_OPERATORS", "TEE_EXECUTE", "USAGE", "USE", "Action", "Combine",
    "Kind", "Meet", "Operand", "Operator", "Phase", "Source", "Vocabulary", "narrower",
]  # fmt: skip

PROFILE: Final = "https://w3id.org/hefu/policy/1.0#"
CONTEXTS: Final = (
    "https://w3id.org/dspace/2025/1/context.jsonld",
    "https://w3id.org/dspace/2025/1/odrl-profile.jsonld",
    "https://w3id.org/hefu/policy/1.0/context.jsonld",
)

HEFU: Final = Vocabulary(ACTIONS, OPERANDS, {PURPOSES: LINEAGE})
BY_NAME: Final[Mapping[str, Operand]] = HEFU.by_name


def narrower(action: str) -> frozenset[str]:
    """An action of ours and all that are included in it: what a rule about it covers."""
    return HEFU.narrower(action)
