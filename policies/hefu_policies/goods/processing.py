"""What raw, masked, sampled and anonymised mean: how each column of a delivery is treated, by its declared sensitivity.

Both sides read this table: the provider's connector processes by it, and the consumer knows what to expect. None of
it is differential privacy, and nothing delivered has that guarantee (`PLAIN_WORDS`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from hefu_policies.goods.resource import Column, Resource
from hefu_policies.words.terms import ANONYMISED, MASKED, RAW, SAMPLED


class Treatment(StrEnum):
    """What happens to the values of a column."""

    KEEP = "keep"
    PSEUDONYM = "pseudonym"  # HMAC under a key of the agreement, which the provider holds
    COARSEN = "coarsen"  # to a band, a month or a declared category
    REDACT = "redact"  # absent in every row
    GENERALISE = "generalise"  # as far as k-anonymity needs it
    DROP = "drop"  # the column is not delivered


IDENTIFIER, PERSONAL, QUASI, SENSITIVE = "identifier", "personal", "quasi-identifier", "sensitive"
KNOWN: Final = ("public", "internal", SENSITIVE, QUASI, PERSONAL, IDENTIFIER)

_BY_SENSITIVITY: Mapping[str, Mapping[str, Treatment]] = MappingProxyType({
    RAW: {},
    MASKED: {
        IDENTIFIER: Treatment.PSEUDONYM, PERSONAL: Treatment.PSEUDONYM, QUASI: Treatment.COARSEN,
        SENSITIVE: Treatment.REDACT,
    },
    SAMPLED: {IDENTIFIER: Treatment.PSEUDONYM, PERSONAL: Treatment.PSEUDONYM},
    ANONYMISED: {IDENTIFIER: Treatment.DROP, PERSONAL: Treatment.DROP, QUASI: Treatment.GENERALISE},
})  # fmt: skip

# By language: what a delivery can reveal, for whoever decides on one.
PLAIN_WORDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({
    RAW: {
        "en": "No differential privacy guarantee. The recipient reads the columns as they are and can recognise "
              "whoever stands in them.",
        "zh": "无差分隐私保证。接收方可读取各列原值，并可识别其中的个体。",
    },
    MASKED: {
        "en": "No differential privacy guarantee. Names and numbers of persons are replaced by pseudonyms of this "
              "contract, other details are made coarse or left out. Rows of one person stay linked, and whoever knows "
              "enough about a person may recognise their row.",
        "zh": "无差分隐私保证。个人标识替换为本合约专用的假名，其他细节经粗化或删除。同一人的各行仍可关联，"
              "知情较多者仍可能认出其所在行。",
    },
    SAMPLED: {
        "en": "No differential privacy guarantee. Whoever falls into the sample is delivered whole, with pseudonyms in "
              "place of names and numbers; being outside the sample is the only protection of the others.",
        "zh": "无差分隐私保证。被抽中者的数据行完整交付，仅以假名替换标识；其余个体仅因未被抽中而受保护。",
    },
    ANONYMISED: {
        "en": "No differential privacy guarantee. Nobody stands alone: each combination of the declared indirect "
              "identifiers is shared by at least k persons. Where all of them have the same sensitive value, or by "
              "joining other releases, a person may still be recognised.",
        "zh": "无差分隐私保证。无人单独可辨：每种已声明的间接标识组合至少由 k 人共有。若其敏感值相同，"
              "或与其他发布相结合，仍可能识别个人。",
    },
})  # fmt: skip


def treatment(column: Column, processing: str, resource: Resource) -> Treatment:
    """How a column is treated. One of unknown sensitivity is treated as if it named a person.

    Args:
        processing: one of `hefu_policies.words.terms.PROCESSING`.
    """
    word = IDENTIFIER if column.name == resource.privacy.unit or column.sensitivity not in KNOWN else column.sensitivity
    return _BY_SENSITIVITY[processing].get(word, Treatment.KEEP)
