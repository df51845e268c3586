"""A small product, a request for it, and the agreement that follows."""

import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hefu.envelope import Statement, draft
from hefu_policies.agreeing.contract import (
    Agreement,
    Bounds,
    Column,
    ContractRequest,
    Description,
    Fact,
    Offer,
    Privacy,
    Resource,
    agreement_from,
)  # fmt: skip
from hefu_policies.budget import Budget
from hefu_policies.library import template

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def description() -> Description:
    policy = template(
        "research-statistics",
        {
            "purpose": "dpv:ScientificResearch",
            "epsilon": "0.5",
            "min_group": 50,
            "columns": ["age", "region", "los_days"],
            "until": "2027-11-21T00:00:00Z",
            "count": 200,
            "budget": "4",
        },
    )
    patient = Column("patient", "text", sensitivity="personal")
    age = Column(
        "age",
        "integer",
        unit="a",
        bounds=Bounds(Decimal(0), Decimal(120), Decimal(1)),
        description={"en": "Age at admission", "zh": "入院年龄"},
        elements=({"standard": "WS/T 363", "version": "2023", "code": "DE02.01.026.00"},),
    )
    region = Column("region", "text", categories=("north", "south"))
    los = Column("los_days", "decimal", nullable=True, bounds=Bounds(Decimal("0"), Decimal("90.5"), Decimal("0.5")))
    lifetime = Budget.of_text("10", "1e-6", releases=1000)
    return Description(
        product="prd-admissions",
        version=1,
        title={"en": "Admissions", "zh": "入院记录"},
        resources=(
            Resource(
                "res-admissions", (patient, age, region, los), Privacy("patient", 4, lifetime), (Fact("rows", "9000"),)
            ),
        ),
        offers=(Offer("off-research", policy, Budget.of_text("4", "1e-6", releases=200)),),
        classifications=({"scheme": "GB/T 43697", "code": "health"},),
        security_grade=3,
        personal_data=True,
    )


@pytest.fixture
def published(description: Description) -> Statement:
    return draft("product.published", description.body(), space="demo", issuer="hospital-a", at=NOW)


@pytest.fixture
def request_body(published: Statement) -> ContractRequest:
    return ContractRequest(
        negotiation="neg-1",
        provider="hospital-a",
        consumer="pharma-b",
        connector="pharma-b-main",
        product="prd-admissions",
        description=published.digest(),
        offer="off-research",
        purpose="dpv:ScientificResearch",
    )


@pytest.fixture
def requested(request_body: ContractRequest) -> Statement:
    return draft("negotiation.requested", request_body.body(), space="demo", issuer="pharma-b", at=NOW)


@pytest.fixture
def agreement(published: Statement, requested: Statement) -> Agreement:
    return agreement_from(
        published, requested, agreement="agr-1", strategy="str-1", connector="hospital-a-main", log="demo/log", at=NOW
    )


@pytest.fixture
def shared() -> Path:
    """Where the published vectors are."""
    folder = Path(os.environ.get("HEFU_SHARED", Path(__file__).parents[2] / ".." / "shared"))
    if not (folder / "vectors").is_dir():
        pytest.skip(f"no published vectors in {folder}: set HEFU_SHARED")
    return folder
