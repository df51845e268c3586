"""A receipt of a real run is enough, with the signed agreement, to make its decision again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hefu.__main__ import main
from hefu.envelope import Statement
from hefu.errors import Untrusted
from hefu.statements.receipt import Receipt
from hefu_connector.ports import FINAL, ComputationState
from hefu_policies.proving.receipts import again

from tests.connector.world import CONSUMER, Space


@pytest.fixture
def ran(tmp_path: Path) -> tuple[bytes, Statement]:
    space = Space(tmp_path)
    run = space.enforcement.create(space.request(), CONSUMER)
    while run.state not in FINAL:
        run = space.enforcement.wait(run.id, CONSUMER, 10)
    space.enforcement.close()
    assert run.state is ComputationState.RELEASED
    assert run.receipt is not None
    return run.receipt, space.contracts.load("agr-one").statement


def test_what_was_released_is_permitted_again(ran: tuple[bytes, Statement]) -> None:
    receipt = Receipt.of(Statement.parse(ran[0]))
    (decision,) = again(receipt, ran[1])
    assert decision.clause == receipt.agreements[0].clause


def test_every_fact_that_the_clause_needs_is_in_the_receipt(ran: tuple[bytes, Statement]) -> None:
    receipt = Receipt.of(Statement.parse(ran[0]))
    for name in ("epsilon", "column", "minGroup", "purpose", "dateTime"):
        facts = {key: value for key, value in receipt.facts.items() if key != name}
        with pytest.raises(Untrusted):
            again(replace(receipt, facts=facts), ran[1])


def test_the_command_needs_no_connector(
    ran: tuple[bytes, Statement], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "receipt").write_bytes(ran[0])
    (tmp_path / "agreement").write_bytes(ran[1].to_bytes())
    words = ["policy", "replay", str(tmp_path / "receipt"), "--agreement", str(tmp_path / "agreement"), "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["same"]
    assert main(["policy", "explain", str(tmp_path / "agreement"), "--lang", "en"]) == 0
    assert "Signatures are not checked here" in capsys.readouterr().out
