"""Offline verification of an evidence bundle, by someone who trusts neither the broker nor a connector's operator.

Needs the base install alone and no network. The steps are numbered; each prints one line, and the closing sentence
says what was verified against which trust, and what could not be checked.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path

from cryptography.x509 import Certificate

from hefu import identity
from hefu.canonical import Object
from hefu.checking import checks, contract_checks, custody, gossip, heads, interruptions, mandated, operating, stamped
from hefu.checking.checks import Facts, Findings, Further
from hefu.checking.tiled import Tiled, open_tiles
from hefu.envelope import PublicKey
from hefu.errors import HefuError, Language, Malformed
from hefu.evidence import timestamps
from hefu.evidence.bundle import Bundle, Excerpt, open_bundle
from hefu.evidence.record import Record
from hefu.keeping import keys
from hefu.members import listed
from hefu.space import SpaceFile
from hefu.terminal.commands import Group, Output, common, explain
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note, VerifierKey
from hefu.tlog.policy import WitnessPolicy

_MOST_SHOWN = 10
_TITLES: Mapping[str, tuple[str, str]] = {
    "bundle": ("the bundle's parts speak of one space, one log and one size", "各部分属于同一空间、日志与长度"),
    "trust": ("the root key and the log key are the pinned ones", "根密钥与日志密钥即所固定者"),
    "checkpoint": ("the log signed the checkpoint", "检查点由日志签名"),
    "tree": ("the entries give the signed root", "各条目得出已签名的树根"),
    "members": ("every member is there as the manifest names it", "各文件均在，且与清单相符"),
    "inclusion": ("every entry stands in the checkpoint's tree", "每个条目均在检查点的树中"),
    "contract": ("the agreement and keys are those of the entries", "合约与密钥与各条目一致"),
    "witnesses": ("the checkpoint has the quorum of the charter", "检查点达到章程所定的见证法定数"),
    "later": ("a later checkpoint extends this one", "较晚的检查点为其延续"),
    "tiles": ("the tiles are those of the entries", "各瓦片与条目一致"),
    "timestamps": ("every time stamp is a pinned authority's, over this log", "每个时间戳均由所固定的机构对本日志作出"),
    "earlier": ("the log extends the earlier checkpoint", "日志是先前检查点的延续"),
    "statements": ("every signature holds under a key certified before it", "每个签名均由此前已认证的密钥作出"),
    "forms": ("every statement has the form of its type", "每条声明符合其类型的格式"),
    "agreements": ("every countersignature is over a contract that all parties signed", "副署均针对各方已签的合约"),
    "receipts": ("every receipt is its provider's, under a contract in force", "回执均属有效合约且由其提供方签名"),
    "budgets": ("the charges of each agreement fit its budget", "每份合约的消耗未超出其预算"),
    "lifetimes": ("the charges of each resource fit its lifetime total", "每项资源的消耗未超出其终身总额"),
    "journals": ("each connector's journal is gapless and chained", "每个连接器的日志链连续无缺"),
    "heads": ("the log has what the broker took, and is what others saw", "平台所收皆在日志，且与他方所见一致"),
    "standings": ("status lists are in order, and name nobody from before it was said", "状态表有序，且未追溯点名"),
    "dates": ("the operator's statements are dated in their order", "运营者的声明按先后次序注明时间"),
    "terminations": ("nothing was released under a contract that had ended", "合约终止后没有数据发布"),
    "suspensions": ("nothing was released while a contract was suspended", "合约中止期间没有数据发布"),
    "gossip": ("what signers saw of the log is its history", "各签署者所见检查点均属此日志的历史"),
    "once": ("no computation was released twice", "没有任何计算被重复发布"),
    "deliveries": ("what was delivered was used and deleted as agreed", "交付的数据均按约使用与删除"),
    "orders": ("regulators kept to their mandate, and were obeyed", "监管方未逾越授权，其指令均获遵行"),
    "filing": ("contracts are filed for the regulators of the charter", "合约均已为章程所列监管方归档"),
}  # fmt: skip
_ONE_CONTRACT = (
    "Only one contract is in this bundle. That no entry of it was left out is the word of whoever made it; the "
    "parties' own copies and the whole log can show it.",
    "本证据包仅含一份合约。无遗漏条目系制作者所称；各方自存副本与完整日志可资核对。",
)
_UNWITNESSED = (
    "No witness policy: the log's own key alone says that everybody was shown this history.",
    "无见证策略：各方所见为同一历史，仅凭日志自身的密钥。",
)
_CHECKS: tuple[tuple[str, Callable[[Facts], Findings]], ...] = (
    ("agreements", checks.check_agreements),
    ("receipts", checks.check_receipts),
    ("budgets", checks.check_budgets),
    ("lifetimes", checks.check_lifetimes),
    ("journals", checks.check_journals),
    ("heads", heads.check_heads),
    ("standings", operating.check_standings),
    ("dates", operating.check_dates),
    ("terminations", checks.check_terminations),
    ("suspensions", interruptions.check_suspensions),
    ("gossip", gossip.check_seen),
    ("once", checks.check_once),
    ("deliveries", custody.check_deliveries),
    ("orders", mandated.check_orders),
    ("filing", mandated.check_filing),
)


@dataclass(frozen=True, slots=True)
class Pins:
    """What the verifier brings along, from another way than the bundle; None where it brings nothing.

    Attributes:
        root: the offline root's key.
        log: the log's verifier key.
        earlier: a signed note that the verifier kept from before.
        space: a space file, whose space and broker are then the only ones.
        witnesses: the witness policy, where it is known another way than by the charter in the log.
        authorities: certificates of those whose time stamps count: roots, and what lies between.
    """

    root: PublicKey | None = None
    log: VerifierKey | None = None
    earlier: str | None = None
    space: SpaceFile | None = None
    witnesses: WitnessPolicy | None = None
    authorities: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """One numbered step: its name, how many things it looked at and could not look at, and its faults."""

    number: int
    name: str
    seen: int
    unchecked: int
    faults: tuple[str, ...]
    titles: tuple[str, str]  # English, Chinese

    @property
    def holds(self) -> bool:
        """Whether the step found no fault."""
        return not self.faults

    def document(self) -> Object:
        """The step for machines."""
        return {
            "number": self.number,
            "name": self.name,
            "holds": self.holds,
            "seen": self.seen,
            "unchecked": self.unchecked,
            "faults": listed(self.faults),
        }

    def title(self, language: Language = "en") -> str:
        """What the step shows."""
        return self.titles[language == "zh"]


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of all steps.

    Attributes:
        head: the verified checkpoint; None where it does not verify.
        limits: what could not be checked, plainly, in English and Chinese.
    """

    results: tuple[Result, ...]
    head: Checkpoint | None
    origin: str
    size: int
    limits: tuple[tuple[str, str], ...]
    record: Record

    @property
    def holds(self) -> bool:
        """Whether every step holds."""
        return all(each.holds for each in self.results)

    def failed(self) -> list[str]:
        """Names of the steps that do not hold."""
        return [each.name for each in self.results if not each.holds]

    def closing(self, language: Language = "en") -> str:
        """The closing sentence."""
        if self.holds and language == "zh":
            return f"验证通过：日志 {self.origin} 的 {self.size} 个条目，共 {len(self.results)} 项检查。"
        if self.holds:
            return f"Verified: {self.size} entries of the log {self.origin}, {len(self.results)} checks."
        names = ", ".join(self.failed())
        return f"未通过验证：{names}。" if language == "zh" else f"NOT verified: {names}. Do not rely on this bundle."

    def document(self) -> Object:
        """The report for machines."""
        return {
            "verified": self.holds,
            "origin": self.origin,
            "size": self.size,
            "checks": listed(each.document() for each in self.results),
            "limits": listed(each[0] for each in self.limits),
        }


def check_all(facts: Facts) -> list[tuple[str, Findings]]:
    """What must be true of all statements together, by name: the signatures of each, its form, and every check."""
    record = facts.record
    found = [("statements", Findings(record.faults, len(record.logged), record.hidden)), ("forms", facts.forms)]
    return [*found, *((name, check(facts)) for name, check in _CHECKS)]


def further() -> tuple[Further, ...]:
    """The checks of the floors above this one that are installed: the policy decisions made again."""
    found = []
    for point in entry_points(group="hefu.checks"):
        check = point.load()
        if not isinstance(check, Further):
            raise TypeError(f"entry point {point.name} is not a check")
        found.append(check)
    return tuple(sorted(found, key=lambda each: each.name))


def verify(bundle: Bundle, pins: Pins | None = None, above: Sequence[Further] | None = None) -> Report:
    """Verify an open bundle.

    Args:
        above: checks of the floors above this one; by default all that are installed (`further`).

    Raises:
        Malformed: the bundle cannot be read to its end; no report can be made of it.
    """
    pins = pins or Pins()
    root = pins.root or bundle.space.root
    log_key = pins.log or VerifierKey.parse(bundle.space.log_key)
    record = Record(bundle.space, root)
    for entry in bundle.entries():
        record.add(entry)
    if bundle.excerpt is not None:
        record.hidden = max(0, bundle.manifest.size - len(record.leaves))
    facts = Facts.of(record)
    head, signed = _check_signed(bundle, log_key)
    policy = pins.witnesses or (record.charter.policy if record.charter else None)
    found: list[tuple[str, Findings]] = [
        ("bundle", _check_bundle(bundle, record)),
        ("trust", _check_trust(bundle, root, log_key, pins.space)),
        ("checkpoint", signed),
    ]
    if bundle.excerpt is not None:
        found += _check_excerpt(bundle.excerpt, bundle.checkpoint, head, log_key, facts)
    else:
        found += [*_check_witnesses(bundle, policy), ("tree", _check_tree(head, record))]
    if isinstance(bundle, Tiled):
        found.append(("tiles", bundle.check(record.leaves)))
    if pins.earlier is not None:
        whole = bundle.excerpt is None
        same = Findings(unchecked=int(pins.earlier != bundle.checkpoint))
        found.append(("earlier", _check_earlier(pins.earlier, log_key, record) if whole else same))
    stamps = bundle.stamps()
    if stamps:
        found.append(("timestamps", stamped.check(stamps, pins.authorities, bundle, record)))
    found += check_all(facts)
    more = further() if above is None else above
    found += [(each.name, each.check(facts)) for each in more]
    titles = {**_TITLES, **{each.name: each.titles for each in more}}
    results = tuple(
        Result(number, name, each.seen, each.unchecked, tuple(map(plain, each.faults)), titles[name])
        for number, (name, each) in enumerate(found, 1)
    )
    origin = plain(bundle.manifest.origin)
    limits = _limits(pins, record) if bundle.excerpt is None else (_ONE_CONTRACT, *_limits(pins, record))
    limits = limits if policy is not None else (*limits, _UNWITNESSED)
    limits = (*limits, *stamped.limits(stamps, pins.authorities))
    return Report(results, head, origin, len(record.leaves), limits, record)


def _check_excerpt(
    excerpt: Excerpt, note: str, head: Checkpoint | None, key: VerifierKey, facts: Facts
) -> list[tuple[str, Findings]]:
    # 4. Without the log's other entries: each entry by its own proof, and what else stands in the file.
    return [
        ("members", contract_checks.check_members(excerpt)),
        ("inclusion", contract_checks.check_inclusion(excerpt, note, head, key)),
        ("contract", contract_checks.check_contract(excerpt, facts)),
        ("witnesses", contract_checks.check_witnesses(excerpt, note, facts.record)),
        ("later", contract_checks.check_later(excerpt, head, key)),
    ]


def _check_bundle(bundle: Bundle, record: Record) -> Findings:
    # 1. Manifest, space file and lines agree.
    manifest, space = bundle.manifest, bundle.space
    faults = []
    if (manifest.space, manifest.origin) != (space.space, space.log_origin):
        faults.append("the manifest is of another space or log than the space file")
    if VerifierKey.parse(space.log_key).name != space.log_origin:
        faults.append("the log key in the space file is of another log")
    held = len(record.leaves)
    counted = (manifest.size, held) if bundle.excerpt else (held, held - record.hidden)
    if (manifest.size, manifest.readable) != counted:
        faults.append("the manifest counts other entries than there are")
    return Findings(faults, len(record.leaves), record.hidden)


def _check_trust(bundle: Bundle, root: PublicKey, log_key: VerifierKey, space: SpaceFile | None) -> Findings:
    # 2. What was pinned is what the bundle speaks of. Everything below is checked under the pinned keys.
    faults = []
    if root.value != bundle.space.root.value:
        faults.append("the bundle is of another root than the pinned one")
    if str(log_key) != bundle.space.log_key:
        faults.append("the bundle is of another log key than the pinned one")
    if space is not None and (space.space, space.broker) != (bundle.space.space, bundle.space.broker):
        faults.append("the bundle is of another space or broker than the pinned one")
    return Findings(faults, 2)


def _check_signed(bundle: Bundle, log_key: VerifierKey) -> tuple[Checkpoint | None, Findings]:
    # 3. The checkpoint is signed by the log.
    try:
        return checkpoint.verify(bundle.checkpoint, log_key), Findings(seen=1)
    except HefuError as fault:
        return None, Findings([fault.public()], 1)


def _check_witnesses(bundle: Bundle, policy: WitnessPolicy | None) -> list[tuple[str, Findings]]:
    # The quorum of other people's witnesses stands behind the checkpoint; without a policy there is nothing to check.
    if policy is None:
        return []
    try:
        return [("witnesses", Findings(seen=len(policy.verify(Note.parse(bundle.checkpoint)))))]
    except HefuError as fault:
        return [("witnesses", Findings([fault.public()], 1))]


def _check_tree(head: Checkpoint | None, record: Record) -> Findings:
    # 4. The whole tree, computed again.
    findings = Findings(seen=len(record.leaves))
    if head is None:
        findings.faults.append("there is no verified checkpoint to compare with")
    elif head.size != len(record.leaves):
        findings.faults.append(f"the checkpoint is of {head.size} entries, the bundle has {len(record.leaves)}")
    elif tree.root(record.leaves) != head.root:
        findings.faults.append("the entries give another root: one was changed, removed, inserted or moved")
    return findings


def _check_earlier(note: str, log_key: VerifierKey, record: Record) -> Findings:
    # 5. The tree as it was, computed again from the same entries: no proof is needed where all leaves are at hand.
    findings = Findings(seen=1)
    try:
        earlier = checkpoint.verify(note, log_key)
    except HefuError as fault:
        return Findings([f"the earlier checkpoint: {fault.public()}"], 1)
    if earlier.size > len(record.leaves):
        findings.faults.append(f"the log was {earlier.size} entries long before: entries were cut off")
    elif tree.root(record.leaves[: earlier.size]) != earlier.root:
        findings.faults.append(f"the first {earlier.size} entries are not those of the earlier checkpoint")
    return findings


def _limits(pins: Pins, record: Record) -> tuple[tuple[str, str], ...]:
    limits = []
    if pins.root is None:
        root = identity.write_bytes(record.root.value)
        limits.append(
            (
                f"Trust comes from the bundle itself: its root key is {root}. "
                "Compare it with one you got another way, or give --root.",
                f"信任来自证据包自身：其根密钥为 {root}。请与另行取得的根密钥核对，或用 --root 给出。",
            )
        )
    if pins.log is None:
        limits.append(
            (
                "The log's key is taken from the bundle; give --space FILE to pin it.",
                "日志密钥取自证据包；请用 --space FILE 固定。",
            )
        )
    if pins.earlier is None:
        limits.append(
            (
                "Whether the log was rewritten since you last looked is not known; give --earlier FILE.",
                "无从得知日志自您上次查看后是否被改写；请用 --earlier FILE 给出先前的检查点。",
            )
        )
    if record.hidden:
        limits.append(
            (
                f"{record.hidden} entries are hidden from this bundle's holder: their hashes are in the tree, their "
                "contents, and what others charged, are not checked.",
                f"有 {record.hidden} 个条目对本证据包持有者隐藏：其哈希在树中，但内容及他人的消耗未经检查。",
            )
        )
    limits.append(
        (
            "What was never handed to the log cannot be seen in it; counterparties hold their own receipts.",
            "从未交给日志的内容在其中不可见；对方持有各自的回执。",
        )
    )
    return tuple(limits)


def plain(text: str) -> str:
    """A text from a stranger, without anything that moves a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:400]


# ---------------------------------------------------------------- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle and what is pinned; shared with `hefu audit verify`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "bundle", type=Path, nargs="?", metavar="BUNDLE", help="a bundle: a zip file, or a folder of its files"
    )
    what.add_argument("--tiles", type=Path, metavar="DIR", help="instead of a bundle: a log exported as files")
    parser.add_argument("--root", metavar="KEY", help="the root's public key (base64url), got another way")
    parser.add_argument("--space", type=Path, metavar="FILE", help="a space file, got another way: pins root and log")
    text = "the witness policy, got another way (default: the one that the log's charter pins)"
    parser.add_argument("--witnesses", type=Path, metavar="FILE", help=text)
    parser.add_argument("--earlier", type=Path, metavar="FILE", help="a checkpoint you kept from before")
    parser.add_argument(
        "--authority", type=Path, metavar="FILE", help="certificates (PEM) of the authority whose time stamps count"
    )


def run(arguments: argparse.Namespace) -> int:
    """Verify and print; exit code 0 where everything holds, else 1: a bundle that cannot be read is not verified."""
    output = Output.of(arguments)
    pins = read_pins(arguments.root, arguments.space, arguments.earlier, arguments.witnesses)
    pins = read_pins(arguments.root, arguments.space, arguments.earlier)
    if arguments.authority is not None:
        pins = replace(pins, authorities=timestamps.certificates(arguments.authority))
    try:
        with nullcontext(open_tiles(arguments.tiles)) if arguments.tiles else open_bundle(arguments.bundle) as bundle:
            report = verify(bundle, pins)
    except Malformed as fault:
        explain(fault, output)
        return 1
    show(report, output)
    return 0 if report.holds else 1


def read_pins(root: str | None, space: Path | None, earlier: Path | None, witnesses: Path | None = None) -> Pins:
    """What was given on the command line.

    Raises:
        Malformed: a key or a file cannot be read, or root and space file disagree.
    """
    pinned = SpaceFile.read(space) if space else None
    key = pinned.root if pinned else None
    if root is not None:
        raw = identity.read_bytes(root, 32)
        if key is not None and key.value != raw:
            raise Malformed("bundle.malformed", where="--root", why="the space file has another root")
        key = PublicKey(keys.key_id(identity.ROOT, raw), identity.ROOT, raw)
    note, policy = _text(earlier, "--earlier"), _text(witnesses, "--witnesses")
    log_key = VerifierKey.parse(pinned.log_key) if pinned else None
    return Pins(key, log_key, note, pinned, None if policy is None else WitnessPolicy.parse(policy))


def _text(path: Path | None, where: str) -> str | None:
    try:
        return path.read_text("utf-8") if path else None
    except (OSError, ValueError):
        raise Malformed("bundle.malformed", where=where, why="no such file, or not a text") from None


def show(report: Report, output: Output) -> None:
    """Print a report: a line a check, its faults below it, what could not be checked, one closing sentence."""
    output.data(report.document())
    for each in report.results:
        extra = f", {each.unchecked} not checkable" if each.unchecked else ""
        mark = "ok  " if each.holds else "FAIL"
        output.say(
            f"{mark} {each.number:>2} {each.name:<13}{each.title()} ({each.seen}{extra})",
            f"{mark} {each.number:>2} {each.name:<13}{each.title('zh')}（{each.seen}{extra}）",
        )
        for fault in each.faults[:_MOST_SHOWN]:
            output.say(f"        - {fault}")
        if len(each.faults) > _MOST_SHOWN:
            output.say(f"        - and {len(each.faults) - _MOST_SHOWN} more")
    for en, zh in report.limits:
        output.say(f"note {en}", f"注意 {zh}")
    output.say(report.closing(), report.closing("zh"))


def _add(parser: argparse.ArgumentParser) -> None:
    add_arguments(common(parser, run))


VERIFY = Group("verify", "verify an evidence bundle offline", _add)
