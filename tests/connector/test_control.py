"""The commands against real connectors: a source becomes a product, a contract, an answer and a receipt."""

from __future__ import annotations

import getpass
import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from hefu.__main__ import main
from hefu.envelope import Statement
from hefu.errors import Conflict, Untrusted
from hefu_connector.desk import control_socket
from hefu_connector.rpc import control

from tests.connector.small_space import PURPOSE, Space, eventually, write_table

DECISIONS = {
    "en": "Visits",
    "description": "One row per visit",
    "bounds": "{lower: 0, upper: 120, granularity: 1}",
    "unit": "patient",
    "max_contribution": "1",
    "security_grade": "2",
    "personal_data": "true",
    "important_data": "false",
    "legal_basis": "consent",
    "cross_border": "false",
    "until": '"2036-01-01T00:00:00Z"',
}
QUERY = "SELECT region, COUNT(*) AS n, AVG(age) AS mean_age FROM data GROUP BY region"


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    made = Space(tmp_path_factory.mktemp("space")).open()
    try:
        made.member("hospital-a", "provider", quantum_ms=0)
        made.member("pharma-b", "consumer")
        yield made
    finally:
        made.close()


@pytest.fixture
def run(space: Space, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command of a participant under --json; the answer, or the error's document."""

    def call(who: str, *words: str, code: int = 0) -> Any:
        capsys.readouterr()
        found = main([*words, "--json", "--dir", str(space.folder / who)])
        told = capsys.readouterr()
        assert found == code, (words, told)
        return json.loads(told.out or told.err)

    return call


@pytest.fixture
def read(space: Space, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command of a participant; what people read."""

    def call(who: str, *words: str) -> str:
        capsys.readouterr()
        main([*words, "--dir", str(space.folder / who)])
        return capsys.readouterr().out

    return call


def filled(text: str) -> str:
    """A draft with its decisions made: twenty for life, four a contract."""
    totals = iter(("20", "4"))
    decided = re.sub(
        r"(?m)^(\s*)(\w+): DECIDE.*$",
        lambda found: f"{found[1]}{found[2]}: {DECISIONS.get(found[2]) or next(totals)}",
        text,
    )
    decided = re.sub(
        r"(name: region\n(?:    .*\n)*?)    # categories: .*", r"\1    categories: [north, south]", decided
    )
    return decided.replace("min_group: 20", "min_group: 5")


@pytest.fixture(scope="module")
def story(space: Space) -> dict[str, str]:
    """What earlier tests of this story found out; they run in the order of the file."""
    return {"table": str(write_table(space.folder))}


def test_the_socket_is_open_to_its_owner_only(space: Space) -> None:
    directory = space.folder / "hospital-a"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(control_socket.path(directory).stat().st_mode) == 0o600


def test_a_second_connector_in_the_same_directory_is_refused_and_the_first_goes_on(space: Space, run: Any) -> None:
    with pytest.raises(Conflict) as caught:
        control.serve(space.connectors["hospital-a"].desk)
    assert caught.value.code == "control.running"
    assert run("hospital-a", "connector", "status")["participant"] == "hospital-a"


def test_a_directory_that_was_opened_to_others_is_not_served(space: Space) -> None:
    directory = space.folder / "hospital-a"
    directory.chmod(0o755)
    try:
        with pytest.raises(Untrusted):
            control.serve(space.connectors["hospital-a"].desk)
    finally:
        directory.chmod(0o700)


def test_a_source_is_registered_once_and_keeps_its_asset(run: Any, story: dict[str, str]) -> None:
    made = run("hospital-a", "source", "add", "visits", story["table"])
    story["resource"] = made["resource"]
    assert made["uri"].startswith("file:///")
    assert run("hospital-a", "source", "add", "visits", story["table"])["resource"] == made["resource"]
    assert run("hospital-a", "source", "add", "again", story["table"], code=1)["error"] == "source.same_data"
    assert run("hospital-a", "source", "refresh", "visits", code=1)["error"] == "source.undescribed"
    assert [each["name"] for each in run("hospital-a", "source", "list")["sources"]] == ["visits"]


def test_a_source_that_cannot_be_read_is_not_registered(run: Any, space: Space) -> None:
    assert run("hospital-a", "source", "add", "ghost", str(space.folder / "ghost.csv"), code=3)["kind"] == "unavailable"
    assert [each["name"] for each in run("hospital-a", "source", "list")["sources"]] == ["visits"]


def test_an_option_that_looks_like_a_secret_is_refused(run: Any, story: dict[str, str]) -> None:
    words = ("source", "add", "other", story["table"], "--option", "password=x")
    assert run("hospital-a", *words, code=2)["error"] == "source.secret"


def test_a_draft_holds_names_and_types_and_no_value(run: Any, space: Space, story: dict[str, str]) -> None:
    file = space.folder / "visits.yaml"
    made = run("hospital-a", "product", "draft", "visits", "--output", str(file))
    text = file.read_text("utf-8")
    assert made["decisions"] == text.count(": DECIDE")
    assert ("name: age" in text, "type: integer" in text) == (True, True)
    assert not any(value in text for value in ("p17", "north", "south"))
    assert run("hospital-a", "product", "draft", "visits", "-o", str(file), code=2)["error"] == "command.exists"
    assert run("hospital-a", "product", "check", str(file), code=1)["compared_with_source"]
    story["file"] = str(file)


def test_a_file_with_mistakes_is_not_published_and_all_are_told(run: Any, story: dict[str, str]) -> None:
    told = run("hospital-a", "product", "publish", story["file"], code=2)
    assert told["error"] == "product.faulty"
    assert len(told["reasons"]) == int(told["parameters"]["count"]) > 10
    assert run("hospital-a", "product", "list")["products"] == []


def test_a_decided_draft_is_published_and_found_by_the_consumer(run: Any, story: dict[str, str]) -> None:
    file = Path(story["file"])
    file.write_text(filled(file.read_text("utf-8")), "utf-8")
    assert run("hospital-a", "product", "check", str(file))["ok"]
    made = eventually(lambda: run("hospital-a", "product", "publish", str(file)))
    story["product"] = made["product"]
    assert (made["version"], made["state"]) == (1, "listed")
    assert made["resources"][0]["resource"] == story["resource"]
    found = run("pharma-b", "catalog", "search", "Visits")["products"]
    assert [each["product"] for each in found] == [made["product"]]
    assert run("pharma-b", "catalog", "show", made["product"])["provider"] == "hospital-a"


def test_the_same_file_again_changes_nothing_and_a_changed_one_is_the_next_version(
    run: Any, story: dict[str, str]
) -> None:
    file = Path(story["file"])
    assert run("hospital-a", "product", "publish", str(file))["version"] == 1
    file.write_text(file.read_text("utf-8").replace("One row per visit", "One row for each visit"), "utf-8")
    made = run("hospital-a", "product", "publish", str(file))
    assert (made["version"], made["previous"] is None) == (2, False)


def test_a_source_that_a_product_is_about_is_not_removed(run: Any) -> None:
    assert run("hospital-a", "source", "remove", "visits", code=1)["error"] == "source.used"


def test_a_source_is_laid_out_and_its_provider_told_what_the_bound_leaves_out(
    run: Any, read: Any, story: dict[str, str]
) -> None:
    made = run("hospital-a", "source", "refresh", "visits")
    assert (made["snapshot"][:7], made["origin"][:7]) == ("sha256:", "sha256:")
    assert made["rows"] >= made["units"] > 0
    assert made["rows"] - made["rows_beyond"] > 0
    assert "beyond what one unit may contribute" in read("hospital-a", "source", "refresh", "visits")
    assert run("hospital-a", "source", "refresh", "nothing", code=1)["kind"] == "not_found"
    # From now on questions are answered from what is laid out: the next one finds no source at all.
    Path(story["table"]).rename(f"{story['table']}.aside")


def test_an_estimate_needs_an_offer_and_no_contract(run: Any, story: dict[str, str]) -> None:
    found = run("pharma-b", "compute", "estimate", QUERY, "--product", story["product"], "--epsilon", "0.5")
    assert found["charge"] == {"epsilon_nano": 500_000_000, "delta_femto": 0}
    assert found["cells"] == 2
    assert {"n", "mean_age"} <= {each["column"] for each in found["errors"]}


def test_an_error_that_is_asked_for_picks_the_least_loss_or_says_that_there_is_none(
    run: Any, story: dict[str, str]
) -> None:
    asked = ("compute", "estimate", "SELECT region, COUNT(*) AS n FROM data GROUP BY region", "--product")
    found = run("pharma-b", *asked, story["product"], "--target-error", "100")
    assert found["charge"]["epsilon_nano"] > 0
    assert all(float(each["half_width"]) <= 100 for each in found["errors"] if each["column"] == "n")
    less = ("--target-error", "1", "--epsilon", "0.001")
    assert run("pharma-b", *asked, story["product"], *less, code=1)["error"] == "plan.target_error"


def test_a_request_waits_for_the_provider_and_says_on_whom_and_since_when(
    run: Any, read: Any, story: dict[str, str]
) -> None:
    made = run("pharma-b", "contract", "request", story["product"], "--purpose", PURPOSE, "--wait", "0")
    story["negotiation"] = made["negotiation"]
    assert made["state"] == "requested"
    assert (made["waiting"]["on"], bool(made["waiting"]["since"])) == ("hospital-a", True)
    waiting = eventually(lambda: run("hospital-a", "connector", "status")["waiting"])
    assert [(each["kind"], each["on"]) for each in waiting] == [("approval", "you")]
    assert "hospital-a" in read("pharma-b", "contract", "list")
    assert "您" in read("hospital-a", "contract", "list", "--lang", "zh")


def test_a_query_before_the_contract_is_in_force_says_what_it_waits_for(run: Any, story: dict[str, str]) -> None:
    words = ("compute", "query", QUERY, "--contract", story["negotiation"], "--epsilon", "0.5")
    assert run("pharma-b", *words, code=1)["error"] == "command.not_in_force"


def test_an_approved_contract_comes_into_force_for_both(run: Any, read: Any, story: dict[str, str]) -> None:
    run("hospital-a", "contract", "approve", story["negotiation"])

    def in_force(who: str) -> Any:
        found = run(who, "contract", "show", story["negotiation"])
        return found if found["state"] == "active" else None

    for who in ("pharma-b", "hospital-a"):
        found = eventually(lambda who=who: in_force(who))
        story["agreement"] = found["agreement"]
        assert found["purpose"] == PURPOSE
    shown = read("pharma-b", "contract", "show", story["agreement"])
    assert "hospital-a#" in shown
    assert "pharma-b#" in shown
    assert f"--contract {story['agreement']}" in shown


def test_a_query_prints_the_answer_its_error_its_cost_and_its_receipt(
    read: Any, run: Any, space: Space, story: dict[str, str]
) -> None:
    shown = read("pharma-b", "compute", "query", QUERY, "--contract", story["agreement"], "--epsilon", "0.5")
    assert re.search(r"north +\d+ ± \d+", shown)
    assert "Charged ε 0.5." in shown
    assert "left ε 3.5" in shown
    (own,) = run("pharma-b", "compute", "show")["computations"]
    story["computation"] = own["computation"]
    assert own["state"] == "released"
    path = space.folder / "receipt.json"
    read("pharma-b", "compute", "show", story["computation"], "--receipt", str(path))
    receipt = Statement.parse(path.read_bytes())
    assert receipt.type == "computation.sealed"
    assert receipt.id in shown
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_released_layout_leaves_questions_to_the_source(run: Any, story: dict[str, str]) -> None:
    Path(f"{story['table']}.aside").rename(story["table"])
    assert run("hospital-a", "source", "refresh", "visits", "--release") == {"name": "visits"}


def test_the_user_is_the_owner_of_the_socket_whatever_a_call_says(
    run: Any, space: Space, story: dict[str, str]
) -> None:
    from hefu import canonical
    from hefu.v1 import control_pb2, control_pb2_grpc

    from tests.connector.small_space import plan

    request = control_pb2.ControlServiceCreateComputationRequest(
        agreement=f"agreements/{story['agreement']}",
        plan=canonical.encode(plan(story["product"], "0.1", aggregates=plan_aggregates(), group_by=())),
    )
    with control_socket.address(space.folder / "pharma-b") as address, grpc.insecure_channel(address) as channel:
        stub = control_pb2_grpc.ControlServiceStub(channel)
        made = stub.CreateComputation(request, metadata=[("user", "somebody-else"), ("hefu-user", "x")], timeout=20)
    assert made.user == getpass.getuser()
    assert run("pharma-b", "compute", "watch", made.computation.name)["user"] == getpass.getuser()


def plan_aggregates() -> Any:
    from hefu_connector.computing.computation import Aggregate

    return (Aggregate("count", "n"),)


def test_a_refusal_names_its_clause_to_both_sides(run: Any, read: Any, story: dict[str, str]) -> None:
    words = ("compute", "query", QUERY, "--contract", story["agreement"], "--epsilon", "0.9")
    refused = run("pharma-b", *words, code=1)
    assert refused["state"] == "refused"
    assert any("epsilon" in each for each in refused["reasons"])
    left = run("hospital-a", "release", "list")["releases"]
    assert [each["state"] for each in left] == ["refused", "released", "released"]
    assert left[0]["clause"].endswith("epsilon")
    assert (left[0]["consumer"], left[0]["user"]) == ("pharma-b", getpass.getuser())
    assert left[-1]["charge"]["epsilon_nano"] == 500_000_000
    assert len(run("hospital-a", "release", "list", "--limit", "2")["releases"]) == 2
    assert "已拒绝" in read("hospital-a", "release", "list", "--lang", "zh")


def test_both_sides_know_what_is_spent_and_what_is_left(run: Any, story: dict[str, str]) -> None:
    provider = {each["account"]: each for each in run("hospital-a", "budget", "show")["accounts"]}
    consumer = {each["account"]: each for each in run("pharma-b", "budget", "show")["accounts"]}
    account = f"agreement/{story['agreement']}"
    assert provider[account]["remaining"] == consumer[account]["remaining"]
    assert provider[account]["remaining"]["epsilon_nano"] == 4_000_000_000 - 600_000_000
    asset = provider[f"asset/{story['resource']}"]
    assert asset["charged"]["epsilon_nano"] == 600_000_000
    (only,) = run("pharma-b", "budget", "show", story["agreement"])["accounts"]
    assert only["account"] == account


def test_a_contract_is_exported_as_a_chinese_digital_contract_and_reads_back(
    run: Any, space: Space, story: dict[str, str]
) -> None:
    from hefu_policies import tc609

    words = ("contract", "export", story["agreement"], "--subject", "hospital-a=12100000400000624P")
    view = run("hospital-a", *words)
    contract = tc609.read(view)
    terms = run("pharma-b", "contract", "show", story["agreement"])["terms"]
    assert contract.agreement.body() == terms
    assert (contract.status, len(contract.signatures)) == ("05", 2)
    assert view["contractId"][2:20] == "12100000400000624P"
    file = space.folder / "contract.json"
    assert run("pharma-b", *words, "--output", str(file))["contractId"] == view["contractId"]
    assert json.loads(file.read_text(encoding="utf-8"))["strategies"] == view["strategies"]
    assert run("pharma-b", *words, "--output", str(file), code=1)["error"] == "command.exists"


def test_a_plan_is_asked_from_a_file(run: Any, space: Space, story: dict[str, str]) -> None:
    from tests.connector.small_space import plan

    file = space.folder / "plan.json"
    file.write_text(json.dumps(plan(story["product"], "0.1", aggregates=plan_aggregates(), group_by=()), indent=2))
    found = run("pharma-b", "compute", "query", "--file", str(file), "--contract", story["agreement"])
    assert found["answer"]["headings"] == ["n"]
    assert found["charge"]["epsilon_nano"] == 100_000_000


def test_sql_without_an_epsilon_and_broken_plans_are_refused_here(
    run: Any, space: Space, story: dict[str, str]
) -> None:
    contract = ("--contract", story["agreement"])
    assert run("pharma-b", "compute", "query", QUERY, *contract, code=2)["error"] == "command.epsilon"
    words = ("compute", "query", "SELECT * FROM data", *contract, "--epsilon", "0.1")
    assert run("pharma-b", *words, code=2)["error"] == "query.refused"
    file = space.folder / "broken.json"
    file.write_text("{")
    assert run("pharma-b", "compute", "query", "--file", str(file), *contract, code=2)["error"] == "command.file"


@pytest.mark.parametrize(
    "words",
    [
        ("catalog", "show", "prd-nothing"),
        ("contract", "show", "agr-nothing"),
        ("contract", "show", "neg-nothing"),
        ("compute", "show", "cmp-nothing"),
        ("compute", "cancel", "cmp-nothing"),
        ("source", "remove", "nothing"),
        ("product", "retire", "prd-nothing", "--reason", "none"),
    ],
)
def test_what_is_not_there_is_not_found(words: tuple[str, ...], run: Any) -> None:
    assert run("pharma-b", *words, code=1)["kind"] == "not_found"


@pytest.mark.parametrize("name", ["sources/", "a/b/c", "products/" + "x" * 65])
def test_a_name_of_another_collection_is_malformed(name: str, run: Any) -> None:
    assert run("pharma-b", "catalog", "show", f"products/{name}", code=2)["kind"] == "malformed"


def test_a_contract_is_suspended_and_resumed_and_both_sides_read_of_it(
    run: Any, read: Any, story: dict[str, str]
) -> None:
    agreement = story["agreement"]
    assert run("pharma-b", "contract", "suspend", agreement, "--reason", "no", code=1)["error"] == (
        "agreement.provider_only"
    )
    halted = run("hospital-a", "contract", "suspend", agreement, "--reason", "a complaint")
    assert (halted["state"], halted["reason"]) == ("suspended", "a complaint")

    def seen(state: str) -> Any:
        return run("pharma-b", "contract", "show", agreement)["state"] == state

    assert eventually(lambda: seen("suspended"))
    words = ("compute", "query", QUERY, "--contract", agreement, "--epsilon", "0.1")
    assert run("pharma-b", *words, code=1)["error"] in ("contract.suspended", "command.not_in_force")
    (alarm,) = run("pharma-b", "contract", "alarms")["alarms"]
    assert (alarm["code"], alarm["issuer"], alarm["reason"]) == ("agreement.suspended", "hospital-a", "a complaint")
    assert "a complaint" in read("pharma-b", "contract", "show", agreement)
    assert "已中止" in read("pharma-b", "contract", "alarms", "--lang", "zh")
    run("hospital-a", "contract", "resume", agreement, "--reason", "settled")
    assert eventually(lambda: seen("active"))


def test_what_a_policy_demands_is_listed_and_only_who_may_says_that_it_is_done(run: Any, story: dict[str, str]) -> None:
    agreement = story["agreement"]
    for who in ("hospital-a", "pharma-b"):
        (log,) = run(who, "contract", "duties", agreement)["duties"]
        assert (log["action"], log["state"], log["confirmed_by"]) == ("hefu:log", "dormant", None)
    assert run("pharma-b", "contract", "duty", agreement, "hefu:log", code=1)["error"] == "duty.not_yours"
    assert run("pharma-b", "contract", "duty", agreement, "odrl:inform", code=1)["kind"] == "not_found"


def test_a_terminated_contract_answers_nothing_more_and_its_receipts_stay(run: Any, story: dict[str, str]) -> None:
    ended = run("pharma-b", "contract", "terminate", story["agreement"], "--reason", "done")
    assert (ended["state"], ended["reason"]) == ("terminated", "done")
    words = ("compute", "query", QUERY, "--contract", story["agreement"], "--epsilon", "0.1")
    assert run("pharma-b", *words, code=1)["error"] == "contract.ended"
    assert run("pharma-b", "compute", "show", story["computation"])["answer"]["headings"] == ["region", "n", "mean_age"]


def test_a_retired_product_is_requested_no_more_and_frees_its_source(run: Any, story: dict[str, str]) -> None:
    assert run("hospital-a", "product", "retire", story["product"], "--reason", "replaced")["state"] == "retired"
    words = ("contract", "request", story["product"], "--purpose", PURPOSE)
    assert run("pharma-b", *words, code=1)["kind"] in ("conflict", "not_found")
    assert run("hospital-a", "source", "remove", "visits") == {"removed": "visits"}


def test_with_the_broker_away_what_is_kept_here_is_shown(run: Any, space: Space, story: dict[str, str]) -> None:
    space.stop_broker()
    assert [each["agreement"] for each in run("pharma-b", "contract", "list")["contracts"]] == [story["agreement"]]
    assert run("hospital-a", "release", "list")["releases"]
    assert run("hospital-a", "budget", "show")["accounts"]
    assert run("pharma-b", "catalog", "search", code=3)["kind"] == "unavailable"
