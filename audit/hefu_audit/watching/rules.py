"""The rules of a watch: pure functions from a verified record to alerts; what they measure by has defaults.

Each alert has a key, so that what was told once is not told again. Levels: 1 the log itself, 2 what is done under it,
3 silence and clocks.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path

from hefu.canonical import Object
from hefu.checking.checks import ASKED, Facts, under
from hefu.checking.heads import HEAD
from hefu.errors import HefuError, Malformed
from hefu.evidence.record import Logged
from hefu.statements.receipt import NOTHING, Spent
from hefu.times import write_time
from hefu_policies.states.negotiation import Move, Role, State, advance

_NEGOTIATION = "negotiation."


@dataclass(frozen=True, slots=True)
class Rules:
    """What a watch measures by; the members of ``watch.json``, each of which may be left out.

    Attributes:
        budget_percent: of a contract's budget, from which it is told.
        denials: of one consumer within `denials_minutes`, from which they are unusual.
        silence_minutes: without an entry more in the log, or without a head of a journal that had one.
        clock_minutes: that a claimed time may lie outside of what is known of when an entry came.
        answer_minutes: from a logged request until its end must be logged.
    """

    budget_percent: int = 90
    denials: int = 10
    denials_minutes: int = 60
    silence_minutes: int = 30
    clock_minutes: int = 5
    answer_minutes: int = 60

    @classmethod
    def read(cls, path: Path) -> Rules:
        """The rules of a file; the defaults where there is none.

        Raises:
            Malformed: not JSON, an unknown member, or not a whole number above 0.
        """
        if not path.exists():
            return cls()
        try:
            document = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            raise Malformed("audit.rules", path=path.name, why="not a JSON object") from None
        known = {each.name for each in fields(cls)}
        if not isinstance(document, dict) or set(document) - known:
            raise Malformed("audit.rules", path=path.name, why=f"the members are some of {', '.join(sorted(known))}")
        if not all(type(each) is int and each > 0 for each in document.values()):
            raise Malformed("audit.rules", path=path.name, why="each is a whole number above 0")
        return cls(**document)

    def document(self) -> dict[str, int]:
        """The members of the file."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Alert:
    """What somebody must look at.

    Attributes:
        key: one alert a key; level: 1 to 3, 1 the gravest.
    """

    rule: str
    level: int
    key: str
    en: str
    zh: str

    def document(self) -> Object:
        """The alert for machines."""
        return {"rule": self.rule, "level": self.level, "key": self.key, "en": self.en, "zh": self.zh}


@dataclass(frozen=True, slots=True)
class Known:
    """When the log had come how far: sizes with the time at which a checkpoint of them was known, in order."""

    marks: Sequence[tuple[int, datetime]]
    now: datetime

    def between(self, index: int) -> tuple[datetime | None, datetime]:
        """(not before, not after) of the entry's coming; before the first mark nothing is known of the first."""
        before = [at for size, at in self.marks if size <= index]
        after = [at for size, at in self.marks if size > index]
        return (before[-1] if before else None), (after[0] if after else self.now)


def judge(facts: Facts, known: Known, rules: Rules) -> list[Alert]:
    """Every alert that the rules give on what is known now."""
    found = (budgets(facts, rules), denials(facts, rules), clocks(facts, known, rules), moves(facts))
    silent = silence(facts, known, rules), answers(facts, known, rules)
    return [each for rule in (*found, *silent) for each in rule]


def budgets(facts: Facts, rules: Rules) -> Iterator[Alert]:
    """Contracts of whose budget so much is charged that it is told before it ends; what is beyond it is a check's."""
    spent: dict[tuple[str, str], Spent] = defaultdict(lambda: NOTHING)
    for logged, end in facts.ended:
        for id_ in under(end):
            spent[id_, logged.statement.issuer] += end.charge
    for (id_, provider), charged in spent.items():
        contract = facts.under(id_, provider)
        if contract is None or contract.provider != provider:
            continue
        limit = contract.budget
        shares = [
            100 * used // most
            for used, most in (
                (charged.epsilon_nano, limit.epsilon_nano), (charged.rho_nano, limit.rho_nano),
                (charged.releases, limit.releases), (charged.delta_femto, limit.delta_femto),
            )
            if most
        ]  # fmt: skip
        if shares and max(shares) >= rules.budget_percent:
            yield Alert(
                "budget", 2, f"budget/{id_}/{provider}",
                f"Of the budget of agreement {id_}, {max(shares)} % are charged.",
                f"合约 {id_} 的预算已用 {max(shares)}%。",
            )  # fmt: skip


def denials(facts: Facts, rules: Rules) -> Iterator[Alert]:
    """Consumers that were refused unusually often within a time; one alert a consumer and such a time."""
    span, times = timedelta(minutes=rules.denials_minutes), defaultdict[str, list[datetime]](list)
    for logged, refusal in facts.refused:
        times[refusal.consumer].append(logged.statement.time)
    for consumer, all_ in times.items():
        count = Counter(int(each.timestamp() // span.total_seconds()) for each in all_)
        for window, number in count.items():
            if number >= rules.denials:
                yield Alert(
                    "denials", 2, f"denials/{consumer}/{window}",
                    f"{consumer} was refused {number} times within {rules.denials_minutes} minutes.",
                    f"{consumer} 在 {rules.denials_minutes} 分钟内被拒绝 {number} 次。",
                )  # fmt: skip


def clocks(facts: Facts, known: Known, rules: Rules) -> Iterator[Alert]:
    """Statements whose claimed time cannot be: of the future when they came, or of long before.

    What a journal holds may come late, as long as a contract lets its provider be away; all else is handed in at once.
    """
    leeway = timedelta(minutes=rules.clock_minutes)
    for logged in facts.record.logged:
        not_before, not_after = known.between(logged.index)
        claimed = logged.statement.time
        late = not_before is not None and claimed + leeway < not_before and "journal" not in logged.statement.body
        if claimed > not_after + leeway or (late and _is_prompt(logged)):
            yield Alert(
                "clock", 3, f"clock/{logged.index}",
                f"Entry {logged.index} of {logged.statement.issuer} is dated {write_time(claimed)}, which cannot be.",
                f"{logged.statement.issuer} 的条目 {logged.index} 所注时间 {write_time(claimed)} 不可能成立。",
            )  # fmt: skip


def moves(facts: Facts) -> Iterator[Alert]:
    """Negotiations in which a message is logged that its state does not allow."""
    states: dict[str, State | None] = {}
    roles: dict[str, dict[str, Role]] = {}
    for logged in facts.record.logged:
        if not logged.type.startswith(_NEGOTIATION):
            continue
        body, id_ = logged.statement.body, str(logged.statement.body.get("negotiation"))
        parties = {str(body.get("consumer")): Role.CONSUMER, str(body.get("provider")): Role.PROVIDER}
        known = roles.setdefault(id_, parties)  # as its first message names them
        try:
            move = Move(logged.type.removeprefix(_NEGOTIATION))
            states[id_] = advance(states.get(id_), known.get(logged.statement.issuer, Role.ENDORSER), move)
        except (HefuError, ValueError):
            yield Alert(
                "transition", 2, f"transition/{logged.index}",
                f"Entry {logged.index}: {logged.type} is not what the negotiation {id_} allows.",
                f"条目 {logged.index}：协商 {id_} 的状态不允许 {logged.type}。",
            )  # fmt: skip


def silence(facts: Facts, known: Known, rules: Rules) -> Iterator[Alert]:
    """A log that does not grow, and journals that had heads and have none any more."""
    most = timedelta(minutes=rules.silence_minutes)
    if known.marks and known.now - known.marks[-1][1] > most:
        since = write_time(known.marks[-1][1])
        said = f"The log has not grown since {since}.", f"日志自 {since} 起未增长。"
        yield Alert("silence", 3, f"silence/log/{since}", *said)
    last: dict[tuple[str, str], datetime] = {}
    for logged in facts.record.of(HEAD):
        link = logged.statement.body.get("journal")
        connector = str(link.get("connector")) if isinstance(link, dict) else ""
        last[logged.statement.issuer, connector] = logged.statement.time
    for (issuer, connector), at in last.items():
        if known.now - at > most:
            since = write_time(at)
            yield Alert(
                "silence", 3, f"silence/{issuer}/{connector}/{since}",
                f"The journal of {connector} of {issuer} has been silent since {since}.",
                f"{issuer} 的连接器 {connector} 自 {since} 起未报告其日志。",
            )  # fmt: skip


def answers(facts: Facts, known: Known, rules: Rules) -> Iterator[Alert]:
    """Requests that stand in the log and whose end does not."""
    ended = {each.computation for _, each in (*facts.ended, *facts.refused)}
    for logged in facts.record.of(ASKED):
        computation = str(logged.statement.body.get("computation"))
        if computation not in ended and known.now - logged.statement.time > timedelta(minutes=rules.answer_minutes):
            yield Alert(
                "unanswered", 2, f"unanswered/{computation}",
                f"The computation {computation} was asked for and has no end in the log.",
                f"计算 {computation} 已提出请求，但日志中没有其结局。",
            )  # fmt: skip


def _is_prompt(logged: Logged) -> bool:
    """Whether a statement is handed in as it is signed; certifications and charters are signed apart before."""
    return not logged.type.startswith(("participant.", "space.", "enrollment.", "transport."))
