"""The words of TC609-6-2025-14 and what they are here: actions, constraints, operators, codes of states and parties.

Published typing errors are part of the standard (``plicyTransmit``, ``dateRecord``): they are written as published, and
the right spelling is accepted too.

Source: TC609-6-2025-14 sections 5.2, C.5 and C.6; the reference of Chinese technical documents, sections 3, 4 and 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

EXPANSION: Final = "expansionItem"  # the place for whatever the standard has no word for

OPERATORS: Final[Mapping[str, str]] = MappingProxyType({
    "eq": "01", "gt": "02", "gteq": "03", "hasPart": "04", "isA": "05", "isAllOf": "06", "isAnyOf": "07",
    "isNoneOf": "08", "isPartOf": "09", "lt": "10", "lteq": "11", "neq": "12",
})  # fmt: skip

# Ours to theirs. `access` is never odrl:use, which would permit everything.
ACTIONS: Final[Mapping[str, str]] = MappingProxyType({
    "odrl:transform": "transform", "odrl:anonymize": "anonymize", "odrl:read": "read", "odrl:reproduce": "reproduce",
    "odrl:distribute": "distribute", "odrl:grantUse": "grantUse", "odrl:sell": "sell", "odrl:delete": "delete",
    "odrl:compensate": "compensate", "hefu:desensitize": "desensitize", "hefu:download": "download",
    "hefu:process": "process", "hefu:jointDevelop": "jointDevelop", "hefu:compute": "compute", "hefu:access": "access",
    "hefu:store": "storage", "hefu:deliver": "delivery", "odrl:nextPolicy": "plicyTransmit",
    "hefu:log": "logRecordSend", "odrl:inform": "alert",
})  # fmt: skip
COMPUTE: Final = "compute"

# Theirs to ours; what is written for ours is the first.
CONSTRAINTS: Final[Mapping[str, str]] = MappingProxyType({
    "time": "odrl:dateTime", "timeWindow": "hefu:timeWindow", "region": "odrl:spatial",
    "networkAddress": "hefu:networkAddress", "physicalAddress": "hefu:physicalAddress", "count": "odrl:count",
    "frequency": "hefu:frequency", "dataSize": "odrl:absoluteSize", "dateRecord": "hefu:inputRows",
    "dataField": "hefu:column", "valueExpression": "hefu:rowFilter", "algorithm": "hefu:program",
    "application": "hefu:program", "machineLearningModels": "hefu:model", "executionEnv": "hefu:environment",
    "encryptMode": "hefu:encryptMode", "deliveryMethod": "odrl:deliveryChannel", "payAmount": "odrl:payAmount",
})  # fmt: skip
RIGHT_SPELLING: Final[Mapping[str, str]] = MappingProxyType({
    "policyTransmit": "plicyTransmit", "dataRecord": "dateRecord", "terminateType": "erminateType",
    "signatoryType": "signatorytype",
})  # fmt: skip

# The codes of concepts, by constraint.
CODES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({
    "executionEnv": {
        "hefu:UsageControl": "01", "hefu:Sandbox": "02", "hefu:MultiParty": "03", "hefu:Federated": "04",
        "hefu:TrustedExecution": "05", "hefu:Ciphertext": "06", "hefu:OtherEnvironment": "07",
    },
    "encryptMode": {"hefu:PlainText": "01", "hefu:CipherText": "02", "hefu:OtherEncryption": "03"},
    "deliveryMethod": {
        "hefu:FileChannel": "01", "hefu:StreamChannel": "02", "hefu:InterfaceChannel": "03", "hefu:OtherChannel": "04",
    },
})  # fmt: skip

PARTIES: Final[Mapping[str, str]] = MappingProxyType(
    {"provider": "01", "consumer": "02", "service": "03", "other": "04"}
)

# 发起 begun, 协商 negotiated, 签订 signed (0301 done, 0302 failed), 履行中 performed, 终止 ended; 04 is undefined.
STATES: Final[Mapping[str, str]] = MappingProxyType({
    "REQUESTED": "01", "OFFERED": "02", "ACCEPTED": "02", "AGREED": "03", "VERIFIED": "03", "FINALIZED": "0301",
    "TERMINATED": "0302", "active": "05", "suspended": "05", "ended": "06",
})  # fmt: skip
STATUS_CODES: Final = frozenset({"01", "02", "03", "0301", "0302", "05", "06"})
PEER_TO_PEER: Final = "01"
BY_PLATFORM: Final = "02"
