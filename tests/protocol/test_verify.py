"""The offline verifier: a good bundle passes, and every attack on it is found by the check that is meant to find it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hefu import canonical, identity
from hefu.checking.verify import Pins, Report, verify
from hefu.envelope import Statement
from hefu.errors import Malformed
from hefu.evidence.bundle import NAMES, open_bundle
from hefu.statements.receipt import Link, Spent

from tests.protocol.small_log import AGREEMENT, BROKER, CONSUMER, PROVIDER, START, SmallLog, public, signer


def report(small: SmallLog, tmp_path: Path, note: str | None = None, pins: Pins | None = None) -> Report:
    with open_bundle(small.bundle(tmp_path / "bundle.zip", note)) as bundle:
        return verify(bundle, pins)


def pinned(small: SmallLog) -> Pins:
    return Pins(small.space.root, small.log_key)


def test_a_good_bundle_passes_every_check(small: SmallLog, tmp_path: Path) -> None:
    found = report(small, tmp_path, pins=pinned(small))
    assert found.holds, found.document()
    assert found.size == len(small.entries)
    assert {each.name: each.seen for each in found.results}["receipts"] == 3


def test_a_folder_with_the_same_files_passes_too(small: SmallLog, tmp_path: Path) -> None:
    with zipfile.ZipFile(small.bundle(tmp_path / "b.zip")) as archive:
        archive.extractall(tmp_path / "folder")
    with open_bundle(tmp_path / "folder") as bundle:
        assert verify(bundle).holds


def test_the_same_log_makes_the_same_bundle_bytes(small: SmallLog, tmp_path: Path) -> None:
    note = small.checkpoint()
    assert small.bundle(tmp_path / "a", note).read_bytes() == small.bundle(tmp_path / "b", note).read_bytes()


def test_without_a_pinned_root_the_report_says_that_trust_comes_from_the_bundle(
    small: SmallLog, tmp_path: Path
) -> None:
    found = report(small, tmp_path)
    assert found.holds
    assert any("Trust comes from the bundle itself" in en for en, _ in found.limits)
    assert not any("Trust comes from" in en for en, _ in report(small, tmp_path, pins=pinned(small)).limits)


# ---------------------------------------------------------------- attacks on the bundle, without the log's key


def _delete(entries: list[bytes]) -> None:
    del entries[5]


def _edit(entries: list[bytes]) -> None:
    entries[6] = entries[6].replace(b'"releases":1', b'"releases":0')


def _reorder(entries: list[bytes]) -> None:
    entries[7], entries[8] = entries[8], entries[7]


def _truncate(entries: list[bytes]) -> None:
    del entries[-2:]


def _insert(entries: list[bytes]) -> None:
    entries.insert(3, entries[6])


@pytest.mark.parametrize("attack", [_delete, _edit, _reorder, _truncate, _insert])
def test_a_changed_entry_list_no_longer_gives_the_signed_root(
    small: SmallLog, tmp_path: Path, attack: Callable[[list[bytes]], None]
) -> None:
    note = small.checkpoint()
    before = list(small.entries)
    attack(small.entries)
    assert small.entries != before
    assert "tree" in report(small, tmp_path, note).failed()


@pytest.mark.parametrize("attack", [_delete, _edit, _reorder, _truncate, _insert])
def test_a_log_that_signs_another_history_is_found_by_an_earlier_checkpoint(
    small: SmallLog, tmp_path: Path, attack: Callable[[list[bytes]], None]
) -> None:
    earlier = Pins(small.space.root, small.log_key, small.checkpoint())
    attack(small.entries)
    found = report(small, tmp_path, pins=earlier)
    assert "earlier" in found.failed()
    assert "tree" not in found.failed()


def test_an_earlier_checkpoint_of_a_log_that_only_grew_holds(small: SmallLog, tmp_path: Path) -> None:
    pins = Pins(small.space.root, small.log_key, small.checkpoint(4))
    assert report(small, tmp_path, pins=pins).holds


def test_a_checkpoint_of_another_key_is_refused(small: SmallLog, tmp_path: Path) -> None:
    small.log_signer = signer("log.demo.hefu")
    assert {"checkpoint", "tree"} <= set(report(small, tmp_path).failed())


def test_a_bundle_of_a_foreign_root_is_refused_under_the_pinned_one(small: SmallLog, tmp_path: Path) -> None:
    found = report(small, tmp_path, pins=Pins(root=public(signer(identity.ROOT))))
    assert {"trust", "statements"} <= set(found.failed())


def test_a_bundle_of_a_foreign_log_key_is_refused_under_the_pinned_one(small: SmallLog, tmp_path: Path) -> None:
    other = SmallLog()
    found = report(small, tmp_path, pins=Pins(small.space.root, other.log_key))
    assert {"trust", "checkpoint"} <= set(found.failed())


# ---------------------------------------------------------------- attacks by a broker or provider that signs again


def test_an_edited_statement_is_found_by_its_signature_even_if_the_log_signs_it(
    small: SmallLog, tmp_path: Path
) -> None:
    _edit(small.entries)
    assert "statements" in report(small, tmp_path).failed()


def test_a_statement_before_the_certification_of_its_key_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.entries.append(small.entries.pop(1))
    assert "statements" in report(small, tmp_path).failed()


def test_a_certification_by_anyone_but_the_root_is_found(tmp_path: Path) -> None:
    small = SmallLog()
    true_root = small.space
    small.signers["root"] = signer("root")
    small.tell()
    small.space = true_root
    assert "statements" in report(small, tmp_path).failed()


def test_a_key_that_was_replaced_signs_nothing_later(small: SmallLog, tmp_path: Path) -> None:
    small.certify(CONSUMER, "consumer", signer(CONSUMER))
    small.terminate(CONSUMER)
    assert report(small, tmp_path).failed() == ["statements"]


def test_a_statement_of_another_space_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.at += timedelta(seconds=1)
    from hefu.envelope import draft

    foreign = draft("product.retired", {}, space="other", issuer=PROVIDER, at=small.at)
    small.entries.append(foreign.sign(small.signers[PROVIDER], small.at).to_bytes())
    assert "statements" in report(small, tmp_path).failed()


def test_an_entry_that_is_not_canonical_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.entries[7] = json.dumps(json.loads(small.entries[7])).encode()
    assert "statements" in report(small, tmp_path).failed()


def test_the_same_statement_logged_twice_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.entries.append(small.entries[-1])
    assert "statements" in report(small, tmp_path).failed()


@pytest.mark.parametrize("only", [PROVIDER, CONSUMER])
def test_an_agreement_with_one_signature_is_found(tmp_path: Path, only: str) -> None:
    small = SmallLog()
    for name, role in ((BROKER, "operator"), (PROVIDER, "provider"), (CONSUMER, "consumer")):
        small.certify(name, role)
    small.publish()
    small.agree(only)
    small.finalize()
    small.release("cmp-one")
    assert {"statements", "agreements", "receipts"} <= set(report(small, tmp_path).failed())


def test_a_countersignature_over_other_bytes_is_found(small: SmallLog, tmp_path: Path) -> None:
    body: canonical.Object = {"agreement": small.agreement.digest(), "envelope": canonical.digest(b"other")}
    small.say("agreement.finalized", body, BROKER)
    assert report(small, tmp_path).failed() == ["agreements"]


def test_a_countersignature_by_anyone_but_the_broker_is_found(small: SmallLog, tmp_path: Path) -> None:
    envelope = canonical.digest(small.agreement.to_bytes())
    small.say("agreement.finalized", {"agreement": small.agreement.digest(), "envelope": envelope}, PROVIDER)
    assert report(small, tmp_path).failed() == ["statements"]


def test_a_receipt_under_an_agreement_without_countersignature_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.agree(id_="agr-two")
    small.release("cmp-five")
    assert report(small, tmp_path).failed() == ["receipts"]


def test_a_receipt_before_the_countersignature_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.agree(id_="agr-two")
    small.release("cmp-five")
    small.finalize()
    assert report(small, tmp_path).failed() == ["receipts"]


def test_a_receipt_signed_by_the_consumer_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.say("computation.sealed", small.receipt("cmp-five").body(), CONSUMER)
    assert "receipts" in report(small, tmp_path).failed()


@pytest.mark.parametrize("member", ["description", "resource", "product"])
def test_a_receipt_that_names_what_was_not_agreed_is_found(small: SmallLog, tmp_path: Path, member: str) -> None:
    other = canonical.digest(b"other")
    small.journalled("computation.sealed", replace(small.receipt("cmp-five"), **{member: other}))
    assert "receipts" in report(small, tmp_path).failed()


def test_a_receipt_outside_the_validity_of_its_agreement_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.at = START + timedelta(days=40)
    small.release("cmp-five")
    assert report(small, tmp_path).failed() == ["receipts"]


def test_a_receipt_sealed_shortly_after_its_agreement_ended_holds_if_it_was_admitted_before(
    small: SmallLog, tmp_path: Path
) -> None:
    small.at = datetime(2026, 12, 20, 23, 59, 59, tzinfo=UTC)
    receipt = small.receipt("cmp-five")
    small.at += timedelta(seconds=10)
    small.journalled("computation.sealed", receipt)
    assert report(small, tmp_path).holds


def test_a_receipt_for_another_request_than_was_logged_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.say("computation.requested", {"computation": "cmp-five"}, CONSUMER)
    small.release("cmp-five")
    assert report(small, tmp_path).failed() == ["receipts"]


def test_overspending_an_agreement_by_one_unit_is_found(small: SmallLog, tmp_path: Path) -> None:
    # 100 + 50 + 100 million are spent of 1000 million.
    small.release("cmp-five", 750_000_000)
    assert report(small, tmp_path).holds
    small.entries.pop()
    small.journal.pop()
    small.release("cmp-five", 750_000_001)
    assert report(small, tmp_path).failed() == ["budgets"]


def test_more_releases_than_agreed_are_found(small: SmallLog, tmp_path: Path) -> None:
    small.release("cmp-five", 1)
    small.release("cmp-six", 1)
    assert report(small, tmp_path).holds
    small.release("cmp-seven", 1)
    assert report(small, tmp_path).failed() == ["budgets"]


def test_overspending_a_resource_through_two_agreements_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.agree(id_="agr-two", limit=Spent(10**10, 0, 100))
    small.finalize()
    small.release("cmp-five", 1_250_000_000)
    assert report(small, tmp_path).holds
    small.release("cmp-six", 1)
    assert report(small, tmp_path).failed() == ["lifetimes"]


def test_a_new_description_version_does_not_raise_a_lifetime_total(small: SmallLog, tmp_path: Path) -> None:
    small.publish(Spent(10**12, 0, 1000))
    small.agree(id_="agr-two", limit=Spent(10**10, 0, 100))
    small.finalize()
    small.release("cmp-five", 1_250_000_001)
    assert report(small, tmp_path).failed() == ["lifetimes"]


def test_a_journal_that_does_not_chain_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.journalled(
        "computation.sealed", small.receipt("cmp-five"), Link(len(small.journal), canonical.digest(b""), PROVIDER)
    )
    assert report(small, tmp_path).failed() == ["journals"]


def test_a_withheld_journal_entry_leaves_a_gap(small: SmallLog, tmp_path: Path) -> None:
    small.release("cmp-five")
    small.entries.pop()
    small.release("cmp-six")
    assert report(small, tmp_path).failed() == ["journals"]


def test_a_second_journal_under_another_connectors_name_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.journalled("computation.sealed", small.receipt("cmp-five"), Link(0, "", "elsewhere"))
    assert report(small, tmp_path).failed() == ["receipts"]


def test_a_second_journal_started_beside_the_first_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.journalled("computation.sealed", small.receipt("cmp-five"), Link(0, "", PROVIDER))
    assert report(small, tmp_path).failed() == ["journals"]


def test_a_back_dated_journal_entry_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.at += timedelta(minutes=5)
    small.release("cmp-five")
    small.at -= timedelta(seconds=61)  # and a second later it is said
    small.refuse("cmp-six")
    assert report(small, tmp_path).holds
    small.at += timedelta(minutes=5)
    small.refuse("cmp-seven")
    small.at -= timedelta(seconds=62)
    small.refuse("cmp-eight")
    assert report(small, tmp_path).failed() == ["journals"]


def test_a_release_after_a_termination_was_seen_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.terminate()
    ended = small.at
    small.at = ended + timedelta(seconds=599)
    small.release("cmp-five")  # sealed inside the contract's offline window of ten minutes
    assert report(small, tmp_path).holds
    small.release("cmp-six")
    assert report(small, tmp_path).failed() == ["terminations"]


def test_a_termination_by_a_stranger_ends_nothing_and_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.terminate(BROKER)
    assert report(small, tmp_path).failed() == ["terminations"]


def test_a_release_while_its_contract_was_suspended_is_found(small: SmallLog, tmp_path: Path) -> None:
    halt = small.turn("suspended")
    small.at = halt.time + timedelta(seconds=58)
    small.release("cmp-five", 1)  # within the minute in which it must be seen
    assert report(small, tmp_path).holds
    go = small.turn("resumed", halt.digest())
    assert report(small, tmp_path).holds
    again = small.turn("suspended", go.digest())
    small.at = again.time + timedelta(seconds=61)
    small.release("cmp-six", 1)
    assert report(small, tmp_path).failed() == ["suspensions"]


@pytest.mark.parametrize("what", ["consumer's", "digest", "order", "again", "form"])
def test_a_suspension_that_is_not_as_it_must_be_is_found(small: SmallLog, tmp_path: Path, what: str) -> None:
    halt = small.turn("suspended")
    assert report(small, tmp_path).holds
    other = canonical.digest(b"")
    match what:
        case "consumer's":
            small.turn("resumed", halt.digest(), CONSUMER)
        case "digest":
            small.turn("resumed", halt.digest(), digest=other)
        case "order":
            small.turn("resumed", other)
        case "again":
            small.turn("suspended", halt.digest())
        case "form":
            small.say("agreement.resumed", {"agreement": AGREEMENT}, PROVIDER)
    assert report(small, tmp_path).failed() == ["suspensions"]


def test_a_stranger_states_nothing_about_an_agreement(small: SmallLog, tmp_path: Path) -> None:
    body: canonical.Object = {
        "agreement": AGREEMENT, "digest": small.agreement.digest(), "duty": "urn:d:1", "subject": "", "reference": "",
    }  # fmt: skip
    small.say("agreement.fulfilled", body, CONSUMER)
    assert report(small, tmp_path).holds
    small.say("agreement.fulfilled", body, BROKER)
    assert report(small, tmp_path).failed() == ["suspensions"]


def test_a_computation_released_twice_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.release("cmp-four")
    assert report(small, tmp_path).failed() == ["once"]


def test_a_receipt_of_another_form_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.say("computation.sealed", {"journal": {"sequence": 9}}, PROVIDER)
    assert report(small, tmp_path).failed() == ["forms"]


def test_an_agreement_inside_a_negotiation_is_verified_too(small: SmallLog, tmp_path: Path) -> None:
    envelope = canonical.decode(small.agreement.to_bytes())
    small.say("negotiation.verified", {"agreement": envelope}, CONSUMER)
    assert report(small, tmp_path).holds
    forged = canonical.decode(small.agreement.to_bytes().replace(AGREEMENT.encode(), b"agr-two"))
    small.say("negotiation.verified", {"agreement": forged}, CONSUMER)
    assert report(small, tmp_path).failed() == ["statements"]


def test_a_signature_outside_the_validity_of_its_key_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.at = START + timedelta(days=366)
    small.refuse("cmp-five")
    assert report(small, tmp_path).failed() == ["statements"]


def test_a_receipt_with_another_digest_of_its_agreement_is_found(small: SmallLog, tmp_path: Path) -> None:
    receipt = small.receipt("cmp-five")
    other = (replace(receipt.agreements[0], digest=canonical.digest(b"other")),)
    small.journalled("computation.sealed", replace(receipt, agreements=other))
    assert report(small, tmp_path).failed() == ["receipts"]


def test_a_later_description_may_lower_a_lifetime_total(small: SmallLog, tmp_path: Path) -> None:
    small.publish(Spent(300_000_000, 0, 6))
    small.agree(id_="agr-two")
    small.finalize()
    small.release("cmp-five", 50_000_000)
    assert report(small, tmp_path).holds
    small.release("cmp-six", 1)
    assert report(small, tmp_path).failed() == ["lifetimes"]


def test_a_termination_of_another_digest_ends_nothing_and_is_found(small: SmallLog, tmp_path: Path) -> None:
    body: canonical.Object = {"agreement": AGREEMENT, "digest": canonical.digest(b""), "code": "done", "reason": ""}
    small.say("agreement.terminated", body, CONSUMER)
    assert report(small, tmp_path).failed() == ["terminations"]


def test_one_request_released_under_two_computation_ids_is_found(small: SmallLog, tmp_path: Path) -> None:
    same = small.receipt("cmp-one").request
    small.journalled("computation.sealed", replace(small.receipt("cmp-five"), request=same))
    assert report(small, tmp_path).failed() == ["once"]


def test_a_description_published_by_another_participant_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.description = small.say("product.published", {**small.description.body}, CONSUMER)
    small.agree(id_="agr-two")
    small.finalize()
    small.release("cmp-five")
    assert "receipts" in report(small, tmp_path).failed()


def test_a_countersignature_that_names_another_agreement_is_found(small: SmallLog, tmp_path: Path) -> None:
    envelope = canonical.digest(small.agreement.to_bytes())
    small.say("agreement.finalized", {"agreement": canonical.digest(b""), "envelope": envelope}, BROKER)
    assert report(small, tmp_path).failed() == ["agreements"]


def test_a_second_agreement_of_the_same_id_is_found(small: SmallLog, tmp_path: Path) -> None:
    small.agree(limit=Spent(10**12, 0, 10**6))
    small.finalize()
    assert "forms" in report(small, tmp_path).failed()


# ---------------------------------------------------------------- hidden entries


def test_hidden_entries_still_prove_the_tree_and_are_counted(small: SmallLog, tmp_path: Path) -> None:
    path = small.bundle(tmp_path / "b.zip", hide=frozenset({7, 8}))
    with open_bundle(path) as bundle:
        found = verify(bundle, pinned(small))
    assert found.holds, found.document()
    assert any("2 entries are hidden" in en for en, _ in found.limits)
    journal = next(each for each in found.results if each.name == "journals")
    assert journal.unchecked == 1


def test_a_hidden_certification_vouches_for_nobody(small: SmallLog, tmp_path: Path) -> None:
    with open_bundle(small.bundle(tmp_path / "b.zip", hide=frozenset({1}))) as bundle:
        assert "statements" in verify(bundle).failed()


# ---------------------------------------------------------------- hostile files


def _repack(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


HOSTILE: dict[str, Callable[[dict[str, bytes]], object]] = {
    "a member too many": lambda m: m.update({"../../evil": b""}),
    "a member missing": lambda m: m.pop("checkpoint"),
    "a huge manifest": lambda m: m.update({"manifest.json": b" " * (1 << 20)}),
    "a manifest with a duplicate key": lambda m: m.update({"manifest.json": b'{"size":1,"size":2}'}),
    "a bomb of one line": lambda m: m.update({"entries.jsonl": b"a" * (50 << 20)}),
    "more lines than said": lambda m: m.update({"entries.jsonl": m["entries.jsonl"] * 2}),
    "no final newline": lambda m: m.update({"entries.jsonl": m["entries.jsonl"][:-1]}),
    "a hidden line of another form": lambda m: m.update({"entries.jsonl": b'{"leaf":1}\n'}),
    "a note that is not text": lambda m: m.update({"checkpoint": b"\xff\xfe"}),
    "a space file nested too deep": lambda m: m.update({"space.json": b"[" * 60_000}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_malformed_and_nothing_worse(small: SmallLog, tmp_path: Path, name: str) -> None:
    path = _repack(small.bundle(tmp_path / "b.zip"), lambda members: (HOSTILE[name](members), None)[1])
    with pytest.raises(Malformed), open_bundle(path) as bundle:
        verify(bundle)


def test_a_flipped_byte_anywhere_in_the_zip_never_verifies_as_another_log(small: SmallLog, tmp_path: Path) -> None:
    path = small.bundle(tmp_path / "b.zip")
    whole = path.read_bytes()
    with open_bundle(path) as bundle:
        good = verify(bundle, pinned(small))
    for place in range(0, len(whole), 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            with open_bundle(path) as bundle:
                found = verify(bundle, pinned(small))
        except Malformed:
            continue
        assert not found.holds or found.head == good.head


def test_manifest_counts_that_do_not_fit_are_found(small: SmallLog, tmp_path: Path) -> None:
    def lie(members: dict[str, bytes]) -> None:
        members["manifest.json"] = members["manifest.json"].replace(b'"readable":10', b'"readable":9')

    with open_bundle(_repack(small.bundle(tmp_path / "b.zip"), lie)) as bundle:
        assert verify(bundle).failed() == ["bundle"]


# ---------------------------------------------------------------- the command


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hefu", "verify", *words], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_command_verifies_without_importing_grpc_or_any_tower(small: SmallLog, tmp_path: Path) -> None:
    path = small.bundle(tmp_path / "b.zip")
    code = (
        "import sys; from hefu.__main__ import main; code = main(['verify', sys.argv[1]]);"
        "bad = {n for n in sys.modules if n.split('.')[0] in ('grpc', 'google', 'hefu_broker', 'hefu_connector',"
        " 'hefu_audit', 'hefu_space', 'pyld', 'z3', 'sqlmodel', 'rich')};"
        "sys.exit(f'imported {bad}' if bad else code)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Verified: 10 entries" in done.stdout


def test_the_command_answers_with_exit_code_and_names_what_failed(small: SmallLog, tmp_path: Path) -> None:
    space = tmp_path / "space.json"
    small.space.write(space)
    good = _run(str(small.bundle(tmp_path / "good.zip")), "--space", str(space), "--json")
    assert good.returncode == 0
    assert json.loads(good.stdout)["verified"] is True
    small.release("cmp-four")
    bad = _run(str(small.bundle(tmp_path / "bad.zip")), f"--root={identity.write_bytes(small.space.root.value)}")
    assert bad.returncode == 1
    assert "NOT verified: once" in bad.stdout
    (tmp_path / "junk").write_bytes(b"junk")
    assert _run(str(tmp_path / "junk")).returncode == 1


def test_an_agreement_as_the_policies_floor_writes_it_can_be_read() -> None:
    from hefu.checking.agreed import Contract
    from hefu.evidence.record import Logged
    from hefu_policies.agreeing.contract import Agreement, Party, Strategy
    from hefu_policies.budget import Budget

    digest = canonical.digest(b"")
    agreement = Agreement(
        id="agr-one", negotiation="neg-one", offer="off-one", product="prd-one", description=digest,
        resources=("res-one",), snapshot_rule="latest",
        parties=(Party(PROVIDER, "provider", PROVIDER), Party(CONSUMER, "consumer", CONSUMER)),
        strategies=(Strategy("str-one", PROVIDER, {}),), computations=("hefu:dpQuery",), not_before=START,
        not_after=START + timedelta(days=1), offline_window_seconds=60, offline_share_percent=10,
        budget=Budget.of_text("1", releases=3), unit="row", log="log.demo.hefu", previous=(digest,),
    )  # fmt: skip
    from hefu.envelope import draft

    statement: Statement = draft("agreement", agreement.body(), space="demo", issuer=PROVIDER, at=START)
    contract = Contract.of(Logged(0, statement, digest))
    assert (contract.provider, contract.consumer, contract.budget) == (PROVIDER, CONSUMER, Spent(10**9, 0, 3))


def test_the_names_in_a_bundle_are_four() -> None:
    assert sorted(NAMES) == ["checkpoint", "entries.jsonl", "manifest.json", "space.json"]
