"""The bundled taxonomy of purposes."""

import re
from pathlib import Path

import pytest
from hefu_policies.words import purposes

SLICE = "vectors/odrl/mustaf-conflict-benchmark/Problems/ODRL/KGConstraints/Resources/dpv.ttl"


def test_every_lineage_ends_in_the_one_root_and_holds_the_parents_lineages() -> None:
    for purpose, lineage in purposes.LINEAGE.items():
        assert {purpose, "dpv:Purpose"} <= lineage
        for parent in purposes.parents(purpose):
            assert purposes.LINEAGE[parent] < lineage


def test_a_concept_may_have_several_parents() -> None:
    assert purposes.parents("dpv:CommercialResearch") == ("dpv:CommercialPurpose", "dpv:ResearchAndDevelopment")


def test_purposes_have_names_in_both_languages() -> None:
    assert purposes.label("dpv:ScientificResearch") == "scientific research"
    assert purposes.label("dpv:ScientificResearch", "zh") == "科学研究"
    assert purposes.label("dpv:Unheard") == "dpv:Unheard"


def test_the_parents_are_those_of_the_published_slice(shared: Path) -> None:
    text = (shared / SLICE).read_text(encoding="utf-8")
    found = dict(re.findall(r"^(dpv:\w+) a dpv:Purpose.*?skos:broader ([^.]+) \.", text, re.DOTALL | re.MULTILINE))
    assert len(found) > 10
    for purpose, broader in found.items():
        assert set(purposes.parents(purpose)) == {each.strip() for each in broader.split(",")}


@pytest.mark.parametrize("purpose", purposes.LINEAGE)
def test_every_purpose_is_named_in_chinese(purpose: str) -> None:
    assert purposes.label(purpose, "zh") != purposes.label(purpose, "en")
