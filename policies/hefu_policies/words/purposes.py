"""Purposes: a subset of the Data Privacy Vocabulary, with several parents where it has them.

A purpose that is not here is unknown, and unknown never permits. A concept's parents are those of DPV; a concept is
in the subset only together with all of them, so that no prohibition is lost by leaving a parent out.

Source: W3C DPV 2.1, module purposes, `skos:broader`; labels in Chinese are ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PREFIX: Final = "dpv:"

# name: (label in Chinese, names of the broader concepts)
_SUBSET: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Purpose": ("目的", ()),
    "CommercialPurpose": ("商业目的", ("Purpose",)),
    "NonCommercialPurpose": ("非商业目的", ("Purpose",)),
    "ResearchAndDevelopment": ("研究与开发", ("Purpose",)),
    "AcademicResearch": ("学术研究", ("ResearchAndDevelopment",)),
    "ScientificResearch": ("科学研究", ("ResearchAndDevelopment",)),
    "CommercialResearch": ("商业研究", ("CommercialPurpose", "ResearchAndDevelopment")),
    "NonCommercialResearch": ("非商业研究", ("ResearchAndDevelopment", "NonCommercialPurpose")),
    "PublicBenefit": ("公共利益", ("Purpose",)),
    "CombatClimateChange": ("应对气候变化", ("PublicBenefit",)),
    "DataAltruism": ("数据利他", ("PublicBenefit",)),
    "ImproveHealthcare": ("改善医疗", ("PublicBenefit",)),
    "ImprovePublicServices": ("改善公共服务", ("PublicBenefit",)),
    "ImproveTransportMobility": ("改善交通出行", ("PublicBenefit",)),
    "ProtectionOfPublicSecurity": ("维护公共安全", ("PublicBenefit",)),
    "ProvideOfficialStatistics": ("提供官方统计", ("PublicBenefit",)),
    "PublicPolicyMaking": ("公共政策制定", ("PublicBenefit",)),
    "FulfilmentOfObligation": ("履行义务", ("Purpose",)),
    "FulfilmentOfContractualObligation": ("履行合同义务", ("FulfilmentOfObligation",)),
    "LegalCompliance": ("遵守法律", ("FulfilmentOfObligation",)),
    "OrganisationGovernance": ("组织治理", ("Purpose",)),
    "OrganisationComplianceManagement": ("组织合规管理", ("OrganisationGovernance",)),
    "OrganisationRiskManagement": ("组织风险管理", ("OrganisationGovernance",)),
    "EnforceSecurity": ("安全保障", ("Purpose",)),
    "MisusePreventionAndDetection": ("滥用防范", ("EnforceSecurity",)),
    "FraudPreventionAndDetection": ("反欺诈", ("MisusePreventionAndDetection",)),
    "CounterMoneyLaundering": ("反洗钱", ("FraudPreventionAndDetection",)),
    "ServiceProvision": ("提供服务", ("Purpose",)),
    "ServiceOptimisation": ("优化服务", ("ServiceProvision",)),
    "ServiceUsageAnalytics": ("服务使用分析", ("ServiceProvision",)),
    "SellProducts": ("销售产品", ("ServiceProvision",)),
    "SellInsightsFromData": ("出售数据洞察", ("SellProducts",)),
    "CustomerManagement": ("客户管理", ("Purpose",)),
    "CustomerSolvencyMonitoring": ("客户偿付能力监测", ("CustomerManagement",)),
    "HumanResourceManagement": ("人力资源管理", ("Purpose",)),
    "Personalisation": ("个性化", ("Purpose",)),
    "Marketing": ("市场营销", ("Purpose",)),
    "Advertising": ("广告", ("Marketing",)),
    "DirectMarketing": ("直接营销", ("Marketing",)),
    "SocialMediaMarketing": ("社交媒体营销", ("Marketing",)),
    "PersonalisedAdvertising": ("个性化广告", ("Personalisation", "Advertising")),
    "TargetedAdvertising": ("定向广告", ("PersonalisedAdvertising",)),
}


def _lineage(name: str) -> frozenset[str]:
    found = {PREFIX + name}
    for parent in _SUBSET[name][1]:
        found |= _lineage(parent)
    return frozenset(found)


# Every known purpose with itself and all that is broader.
LINEAGE: Final[Mapping[str, frozenset[str]]] = MappingProxyType({PREFIX + name: _lineage(name) for name in _SUBSET})


def parents(purpose: str) -> tuple[str, ...]:
    """The concepts directly broader than a known purpose."""
    return tuple(PREFIX + name for name in _SUBSET[purpose.removeprefix(PREFIX)][1])


def label(purpose: str, language: str = "en") -> str:
    """What a known purpose is called; an unknown one is called by its name."""
    name = purpose.removeprefix(PREFIX)
    if purpose not in LINEAGE:
        return purpose
    return _SUBSET[name][0] if language == "zh" else re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
