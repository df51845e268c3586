"""Reads a history and says what in it may never be: the promise's sentences about bad days, as functions of events.

Each rule reads the whole history once and yields plain sentences; none of them asks a room or a store. The rules that
hold only once all had time to come right begin at the event ``settled``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from hefu.tlog import tree

from hefu_space.history import NONE, Amounts, Event

Rule = Callable[[Sequence[Event]], Iterator[str]]
_ENDS = {"finalized", "terminated"}


def check(events: Sequence[Event]) -> list[str]:
    """What a history breaks, each with the time; empty where everything held."""
    return [f"{rule.__name__}: {fault}" for rule in RULES for fault in rule(events)]


def charged_covers_released(events: Sequence[Event]) -> Iterator[str]:
    """At every moment, what an account was charged is at least what was released under it (promise 3, A-b)."""
    charged: dict[tuple[str, str], Amounts] = defaultdict(lambda: NONE)
    released: dict[tuple[str, str], Amounts] = defaultdict(lambda: NONE)
    seen: set[tuple[str, str]] = set()
    for each in events:
        if each.kind == "balance":
            charged[each.node, each.facts["account"]] = _amounts(each.facts["charged"])
        elif each.kind == "sealed" and each.facts["state"] == "released":
            if (each.node, each.facts["computation"]) in seen:
                continue
            seen.add((each.node, each.facts["computation"]))
            for account in each.facts["accounts"]:
                key = (each.node, account)
                released[key] = _sum(released[key], _amounts(each.facts["charge"]))
                if not _within(released[key], charged[key]):
                    yield f"{each.at:.3f} {account} of {each.node}: {released[key]} released, {charged[key]} charged"


def never_above_the_limit(events: Sequence[Event]) -> Iterator[str]:
    """No charge passes its account's limit (promise 3, Q-a), and none is given back."""
    before: dict[tuple[str, str], Amounts] = {}
    for each in events:
        if each.kind != "balance":
            continue
        key, now = (each.node, each.facts["account"]), _amounts(each.facts["charged"])
        if now != before.get(key, NONE) and not _within(now, _amounts(each.facts["limit"])):
            yield f"{each.at:.3f} {key[1]} of {key[0]}: {now} charged, the limit is {each.facts['limit']}"
        if not _within(before.get(key, NONE), now):
            yield f"{each.at:.3f} {key[1]} of {key[0]}: fell from {before[key]} to {now}"
        before[key] = now


def nothing_is_charged_twice(events: Sequence[Event]) -> Iterator[str]:
    """An agreement is never charged more than the different computations under it ask together."""
    asked: dict[str, dict[str, Amounts]] = defaultdict(dict)
    for each in events:
        if each.kind == "asked":
            asked[f"agreement/{each.facts['agreement']}"][each.facts["computation"]] = _amounts(each.facts["price"])
        elif each.kind == "balance" and each.facts["account"] in asked:
            most = _sum(*asked[each.facts["account"]].values())
            if not _within(_amounts(each.facts["charged"]), most):
                yield f"{each.at:.3f} {each.facts['account']}: {each.facts['charged']} charged, {most} was ever asked"


def one_end_for_a_contract(events: Sequence[Event]) -> Iterator[str]:
    """A negotiation ends in one way and in one agreement for everybody, and who saw an end sees it for good."""
    ends: dict[str, set[tuple[str, str]]] = defaultdict(set)
    last: dict[tuple[str, str], str] = {}
    told: set[str] = set()
    for each in events:
        if each.kind != "contract":
            continue
        name, state = each.facts["negotiation"], each.facts["state"]
        if state in _ENDS:
            ends[name].add((state, each.facts["agreement"] if state == "finalized" else ""))
        if len(ends[name]) > 1 and name not in told:
            told.add(name)
            yield f"{each.at:.3f} {name} ended as {sorted(ends[name])}"
        key = (each.node, each.facts["agreement"])
        if last.get(key) == "ended" and state == "active":
            yield f"{each.at:.3f} {key[1]} is in force again at {key[0]}"
        last[key] = state


def nothing_released_after_an_end(events: Sequence[Event]) -> Iterator[str]:
    """A provider that knows of an agreement's end seals no release under it (promise T-e)."""
    ended: set[tuple[str, str]] = set()
    for each in events:
        if each.kind == "contract" and each.facts["state"] == "ended":
            ended.add((each.node, f"agreement/{each.facts['agreement']}"))
        elif each.kind == "sealed" and each.facts["state"] == "released":
            yield from (
                f"{each.at:.3f} {each.facts['computation']} was released under {account}, which had ended"
                for account in each.facts["accounts"]
                if (each.node, account) in ended
            )


def nothing_served_to_the_revoked(events: Sequence[Event]) -> Iterator[str]:
    """A provider that knows of a revocation gives that participant no byte more (promise T-b)."""
    known: dict[str, set[str]] = defaultdict(set)
    for each in events:
        if each.kind == "knows":
            known[each.node] = set(each.facts["revoked"])
        elif each.kind == "served" and each.facts["consumer"] in known[each.node]:
            yield f"{each.at:.3f} {each.node} served {each.facts['consumer']}, which it knew to be revoked"


def one_receipt_a_computation(events: Sequence[Event]) -> Iterator[str]:
    """A computation has one receipt, for its provider, its consumer and the log (promise 5, T-c)."""
    receipts: dict[str, str] = {}
    for each in events:
        if each.kind in ("sealed", "told"):
            first = receipts.setdefault(each.facts["computation"], each.facts["receipt"])
            if first != each.facts["receipt"]:
                yield f"{each.at:.3f} {each.facts['computation']} has another receipt at {each.node}"


def same_request_same_bytes(events: Sequence[Event]) -> Iterator[str]:
    """Whoever asks the same again gets the same bytes, and a release is sealed before anybody has a byte of it."""
    bytes_: dict[tuple[str, int], str] = {}
    released: set[str] = set()
    for each in events:
        if each.kind == "sealed" and each.facts["state"] == "released":
            released.add(each.facts["computation"])
        if each.kind not in ("served", "part"):
            continue
        key = (each.facts["computation"], each.facts["index"])
        if key[0] not in released:
            yield f"{each.at:.3f} {key[0]}: bytes left before the receipt was journalled"
        if bytes_.setdefault(key, each.facts["digest"]) != each.facts["digest"]:
            yield f"{each.at:.3f} {key[0]}: part {key[1]} has other bytes than before"


def journals_have_no_gap(events: Sequence[Event]) -> Iterator[str]:
    """A connector's journal counts from 0 and each entry names the one before."""
    chains: dict[str, list[str]] = defaultdict(list)
    for each in events:
        if each.kind != "sealed":
            continue
        chain, sequence = chains[each.facts["connector"]], each.facts["sequence"]
        if sequence < len(chain) and chain[sequence] == each.facts["receipt"]:
            continue  # it was seen before
        previous = chain[-1] if chain else ""
        if sequence != len(chain) or each.facts["previous"] != previous:
            yield f"{each.at:.3f} {each.facts['connector']}: entry {sequence} does not follow on entry {len(chain) - 1}"
        chain.append(each.facts["receipt"])


def the_log_only_grows(events: Sequence[Event]) -> Iterator[str]:
    """Every checkpoint that anybody saw is of a prefix of what the log is now (promise T-d)."""
    leaves: list[bytes] = []
    for each in events:
        if each.kind == "entry":
            yield from _grow(leaves, each)
        elif each.kind == "view" and each.facts["size"] > len(leaves):
            size = each.facts["size"]
            yield f"{each.at:.3f} {each.node} saw a checkpoint of {size} entries, the log has {len(leaves)}"
        elif each.kind == "view" and tree.root(leaves[: each.facts["size"]]).hex() != each.facts["root"]:
            yield f"{each.at:.3f} {each.node} saw another log of {each.facts['size']} entries"


def _grow(leaves: list[bytes], event: Event) -> Iterator[str]:
    index, leaf = event.facts["index"], bytes.fromhex(event.facts["leaf"])
    if index < len(leaves):
        if leaves[index] != leaf:
            yield f"{event.at:.3f} entry {index} of the log was changed"
    elif index > len(leaves):
        yield f"{event.at:.3f} the log has a gap before entry {index}"
    else:
        leaves.append(leaf)


def nobody_met_a_defect(events: Sequence[Event]) -> Iterator[str]:
    """No room failed in a way that it does not know."""
    for each in events:
        if each.kind == "defect" or (each.kind == "sealed" and each.facts["code"] == "internal"):
            yield f"{each.at:.3f} at {each.node}: {dict(each.facts)}"


def all_comes_right(events: Sequence[Event]) -> Iterator[str]:
    """Once it had time: every computation has its end on both sides, all is logged, and both sides agree (A-a, A-b)."""
    settled = next((each for each in events if each.kind == "settled"), None)
    if settled is None:
        return
    yield from _asked_without_end(events)
    logged = {each.facts["digest"] for each in events if each.kind == "entry"}
    for each in events:
        if each.kind == "sealed" and each.facts["receipt"] not in logged:
            yield f"entry {each.facts['sequence']} of {each.facts['connector']} is not in the log"
    yield from _parties_disagree(events)
    yield from _charged_otherwise(events)


def _asked_without_end(events: Sequence[Event]) -> Iterator[str]:
    over = {each.facts["computation"] for each in events if each.kind in ("told", "given_up")}
    out = _revoked(events)
    whole: dict[str, int] = defaultdict(int)
    for each in events:
        if each.kind == "part":
            whole[each.facts["computation"]] += 1
    for each in events:
        if each.node in out:
            continue
        if each.kind == "asked" and each.facts["computation"] not in over:
            yield f"{each.facts['computation']} of {each.node} has no end"
        if each.kind == "told" and whole[each.facts["computation"]] < each.facts["parts"]:
            yield f"{each.facts['computation']} was released, and {each.node} has not all of it"


def _revoked(events: Sequence[Event]) -> set[str]:
    """Who may act no more: to them nothing is owed."""
    return {each.facts["participant"] for each in events if each.kind == "revoked"}


def _parties_disagree(events: Sequence[Event]) -> Iterator[str]:
    states: dict[str, dict[str, str]] = defaultdict(dict)
    parties: dict[str, set[str]] = defaultdict(set)
    for each in events:
        if each.kind == "contract" and each.facts["state"] in ("active", "ended"):
            states[each.facts["agreement"]][each.node] = each.facts["state"]
            parties[each.facts["agreement"]] |= {each.node, *each.facts.get("parties", ())}
    out = _revoked(events)
    for agreement, held in states.items():
        if out & parties[agreement]:
            continue
        if len(held) < max(2, len(parties[agreement])) or len(set(held.values())) > 1:
            yield f"{agreement} is {held}"


def _charged_otherwise(events: Sequence[Event]) -> Iterator[str]:
    """Each charge stands in the journal, and nothing else is charged."""
    stated: dict[tuple[str, str], Amounts] = defaultdict(lambda: NONE)
    charged: dict[tuple[str, str], Amounts] = {}
    seen: set[str] = set()
    for each in events:
        if each.kind == "balance" and each.facts["account"].startswith("agreement/"):
            charged[each.node, each.facts["account"]] = _amounts(each.facts["charged"])
        elif each.kind == "sealed" and each.facts["computation"] not in seen:
            seen.add(each.facts["computation"])
            for account in each.facts["accounts"]:
                stated[each.node, account] = _sum(stated[each.node, account], _amounts(each.facts["charge"]))
    for key, now in charged.items():
        if stated[key] != now:
            yield f"{key[1]} of {key[0]}: {now} charged, the journal states {stated[key]}"


def _amounts(values: Sequence[int]) -> Amounts:
    epsilon, delta, releases, rho = values
    return epsilon, delta, releases, rho


def _sum(*each: Amounts) -> Amounts:
    return _amounts([sum(column) for column in zip(*each, strict=True)]) if each else NONE


def _within(one: Amounts, limit: Amounts) -> bool:
    return all(a <= b for a, b in zip(one, limit, strict=True))


RULES: tuple[Rule, ...] = (
    charged_covers_released,
    never_above_the_limit,
    nothing_is_charged_twice,
    one_end_for_a_contract,
    nothing_released_after_an_end,
    nothing_served_to_the_revoked,
    one_receipt_a_computation,
    same_request_same_bytes,
    journals_have_no_gap,
    the_log_only_grows,
    nobody_met_a_defect,
    all_comes_right,
)
