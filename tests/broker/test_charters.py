"""A space's charter at the broker: the root signs it, it acts at once, and what it forbids is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hefu.__main__ import main
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Refused, Untrusted
from hefu.membership.charter import Charter
from hefu.space import SpaceFile
from hefu.statements.filing import FilingKey
from hefu.tlog.note import COSIGNATURE, ED25519, VerifierKey
from hefu_broker.founding import read_root, sign_as_root
from hefu_policies.goods.product import FromTemplate
from hefu_policies.library import template

from tests.broker.world import Deal, Person, World, description, publish

NAME = "open-statistics"
PARAMETERS = {"budget": "1", "columns": ["age"], "until": "2030-01-01T00:00:00Z"}


def set_charter(world: World, **members: object) -> Statement:
    terms = {"names": {}, "roles": frozenset(), "templates": None, "regulators": ()} | members
    drafted = world.rooms.charters.draft(**terms)  # type: ignore[arg-type]
    signed = sign_as_root(drafted, read_root(world.root), world.clock)
    world.rooms.charters.adopt(signed.to_bytes())
    return signed


def test_only_the_root_charters_and_only_the_next_version(world: World, provider: Person) -> None:
    charters = world.rooms.charters
    with pytest.raises(NotFound):
        charters.newest()
    drafted = charters.draft({}, frozenset(), None, ())
    with pytest.raises(HefuError):
        charters.adopt(provider.signs(drafted).to_bytes())
    first = set_charter(world)
    charters.adopt(first.to_bytes())  # again: nothing changes
    other = drafted.sign(read_root(world.root), world.clock.now())
    with pytest.raises((Conflict, Untrusted)):
        charters.adopt(other.to_bytes())
    assert charters.newest().digest() == first.digest()
    with pytest.raises(Malformed):
        charters.draft({}, frozenset(), ("no-such-template",), ())
    world.sequenced()
    entries, _ = world.rooms.log.entries(provider.caller, 0, 100)
    assert first.to_bytes() in [each.envelope for each in entries]


def test_a_product_is_listed_only_with_an_allowed_template(world: World, provider: Person) -> None:
    set_charter(world, templates=(NAME,))
    with pytest.raises(Refused) as refused:
        publish(world, provider, description())
    assert refused.value.code == "charter.template"
    offer = description().offers[0]
    made = replace(offer, policy=template(NAME, PARAMETERS), template=FromTemplate(NAME, PARAMETERS))
    forged = replace(made, policy=template(NAME, {**PARAMETERS, "epsilon": "5"}))
    with pytest.raises(Refused):
        publish(world, provider, description(offers=(forged,)))
    publish(world, provider, description(offers=(made,)))


def test_what_was_listed_before_leads_to_no_agreement_after(world: World, deal: Deal) -> None:
    deal.reach("AGREED")
    set_charter(world, templates=(NAME,))
    with pytest.raises(Refused):
        deal.send(deal.consumer, deal.verified())
    deal.send(deal.consumer, deal.terminated(deal.consumer))  # an end is always possible
    with pytest.raises(Refused):
        Deal(world, deal.provider, deal.consumer, deal.product).reach("REQUESTED")


def test_roles_that_the_charter_does_not_allow_are_neither_given_nor_honoured(world: World, regulator: Person) -> None:
    provider = world.person("hospital-a", "provider")
    hidden = publish(world, provider, description(visibility=_listed("bank-c")))
    assert world.rooms.catalog.product(regulator.caller, "prd-diabetes").digest == hidden.digest()
    set_charter(world, roles=frozenset({"provider", "regulator"}), regulators=("overseer",))
    with pytest.raises(NotFound):
        world.rooms.catalog.product(regulator.caller, "prd-diabetes")
    for name, role in (("bank-c", "consumer"), ("other", "regulator")):
        with pytest.raises(Refused) as refused:
            world.rooms.enrolments.invite(name, frozenset({role}))
        assert refused.value.code == "charter.role"
    assert world.rooms.catalog.product(world.person("overseer", "regulator").caller, "prd-diabetes")
    world.reopen()
    with pytest.raises(NotFound):
        world.rooms.catalog.product(regulator.caller, "prd-diabetes")


def test_a_key_that_serves_something_else_files_nothing(world: World, regulator: Person) -> None:
    used = world.rooms.registry.directory.participant(regulator.id).sealing
    with pytest.raises(Malformed):
        set_charter(world, regulators=(regulator.id,), filing={regulator.id: FilingKey(used)})


def test_the_charter_of_one_space_is_not_another_ones(world: World, tmp_path: Path) -> None:
    from hefu_broker.bootstrap import open_rooms
    from hefu_broker.founding import Addition, add

    add(world.folder, Addition(tmp_path / "other-root", "other", "hefu.example/other"), world.clock)
    rooms = open_rooms(world.folder, world.clock, space="other")
    signed = set_charter(world)
    with pytest.raises(NotFound):
        rooms.charters.newest()
    with pytest.raises(Untrusted):
        rooms.charters.adopt(signed.to_bytes())
    rooms.database.close()


def test_a_charter_by_commands_with_the_root_on_its_own_machine(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> dict[str, object]:
        assert main(["broker", *words, "--json"]) == 0, capsys.readouterr().err
        found: dict[str, object] = json.loads(capsys.readouterr().out)
        return found

    here, asked, signed = ("--dir", str(world.folder)), tmp_path / "asked.json", tmp_path / "signed.json"
    key = FilingKey(b"k" * 32)
    run("charter", "set", *here, "--template", NAME, "--regulator", "overseer", "--name", "zh=医疗空间",
        "--filing", f"overseer={key}", "--request-out", str(asked))  # fmt: skip
    run("root-sign", "--root", str(world.root), "--request", str(asked), "--statement-out", str(signed))
    run("charter", "set", *here, "--statement-in", str(signed))
    charter = Charter(1, {"zh": "医疗空间"}, templates=(NAME,), regulators=("overseer",), filing={"overseer": key})
    assert run("charter", "show", *here) == {"charter": charter.body()}
    assert SpaceFile.read(world.folder / "space.json").charter == "1"


def test_the_witnesses_of_a_charter_stay_until_another_policy_is_given(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy, here = tmp_path / "policy.txt", ("--dir", str(world.folder))
    key = VerifierKey("regulator-a.example", COSIGNATURE, bytes(32))

    def put(*words: str) -> int:
        return main(["broker", "charter", "set", *here, "--root", str(world.root), "--lang", "en", *words])

    text = f"log {world.rooms.space.log_key}\nwitness regulator-a {key}\nquorum regulator-a\n"
    policy.write_text(text)
    assert put("--witnesses", str(policy)) == 0
    assert "cosigned by regulator-a" in capsys.readouterr().out
    assert put("--regulator", "overseer") == 0
    assert Charter.of(world.rooms.charters.newest()).witnesses == text
    policy.write_text(f"log {VerifierKey('other.example', ED25519, bytes(32))}\nquorum none\n")
    assert put("--witnesses", str(policy)) == 2  # another log's policy
    policy.write_text("quorum none\n")
    assert put("--witnesses", str(policy)) == 0
    assert Charter.of(world.rooms.charters.newest()).policy is None


def _listed(*participants: str) -> object:
    from hefu_policies.goods.product import Visibility

    return Visibility("listed", participants)
