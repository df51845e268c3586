"""Fault points: named places at durable writes and calls where a test may make this process die, fail or wait.

``HEFU_FAULT=name:nth:kind`` acts at the nth passing of the point. Kinds: ``kill`` (SIGKILL), ``error``, ``delay``;
where something is written also ``enospc`` (the disk is full) and ``eio`` (it fails). Several are divided by commas.

Nothing acts unless a server armed it: its own settings must say ``test: true`` and the environment ``HEFU_TEST=1``.
Where either is missing, ``HEFU_FAULT`` or ``HEFU_CLOCK`` stops the start, so that a production deployment notices it.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hefu import times
from hefu.errors import Malformed, Unavailable


@dataclass(frozen=True, slots=True)
class Point:
    """A named place.

    Attributes:
        where: ``connector``, ``broker``, or ``both``.
        en, zh: what has just happened, or is about to.
        writes: something is being written there: a full or broken disk can be had too.
    """

    name: str
    where: str
    en: str
    zh: str
    writes: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """What can be made to happen there."""
        return (*KINDS, *WRITE_KINDS) if self.writes else KINDS


KINDS = ("kill", "error", "delay")
WRITE_KINDS = ("enospc", "eio")
_CONNECTOR, _BROKER, _BOTH = "connector", "broker", "both"
POINTS = (
    # ---- a release, in its order
    Point("computation.admitted", _CONNECTOR, "A request is kept; nothing is decided.", "请求已保存，尚未裁决。"),
    Point("ledger.before_commit", _CONNECTOR, "A charge is about to be committed.", "扣减即将提交。", writes=True),
    Point("ledger.reserved", _CONNECTOR, "The charge is durable; nothing is computed.", "扣减已落盘，尚未计算。"),
    Point("spool.written", _CONNECTOR, "A snapshot is being put into the spool.", "快照正写入暂存区。", writes=True),
    Point("worker.returned", _CONNECTOR, "A worker returned its values.", "工作进程已返回数值。"),
    Point("guard.passed", _CONNECTOR, "The release gate let the values through.", "发布闸门已放行。"),
    Point(
        "disclosures.kept", _CONNECTOR, "An exact answer is in its asset's history, and not in the journal.",
        "精确结果已入资产的发布史，尚未入日志。",
    ),
    Point(
        "journal.before_commit", _CONNECTOR, "The end of a computation is about to be committed.",
        "计算的结局即将提交。", writes=True,
    ),
    Point("journal.closed", _CONNECTOR, "The end is durable; nobody was told.", "结局已落盘，尚未告知任何人。"),
    Point("release.sent", _CONNECTOR, "A sealed part is about to leave.", "一个密封分片即将发出。"),
    # ---- what else a connector keeps
    Point(
        "store.before_commit", _CONNECTOR, "Any transaction of the connector's store is about to be committed.",
        "连接器存储的任一事务即将提交。", writes=True,
    ),
    Point("store.committed", _CONNECTOR, "Such a transaction is durable.", "该事务已落盘。"),
    Point(
        "certificate.written", _CONNECTOR, "A renewed certificate is about to replace the old one.",
        "续期证书即将替换旧证书。", writes=True,
    ),
    Point("negotiation.kept", _CONNECTOR, "An answer in a negotiation is kept, not sent.", "协商答复已存，尚未发送。"),
    # ---- calls that a connector makes
    Point("broker.call", _CONNECTOR, "A call to the broker is about to be made.", "即将呼叫平台。"),
    Point("broker.answer", _CONNECTOR, "The broker has answered it.", "平台已应答。"),
    Point("broker.heard", _CONNECTOR, "A change of a negotiation has come.", "收到协商变化。"),
    Point("peer.call", _CONNECTOR, "A call to another connector is about to be made.", "即将呼叫另一连接器。"),
    Point("peer.answer", _CONNECTOR, "It has answered.", "对方已应答。"),
    Point("peer.heard", _CONNECTOR, "An item of its stream has come.", "收到对方数据流的一项。"),
    Point("relay.asked", _CONNECTOR, "The relay has given a ticket for a connection.", "中继已给出一张连接票据。"),
    Point("relay.incoming", _CONNECTOR, "A caller was announced by the relay.", "中继通知有来电。"),
    Point(
        "flush.sent", _CONNECTOR, "The broker has journal entries not yet struck here.", "日志已送达平台，本地未划去。"
    ),
    # ---- calls that either takes
    Point("call.taken", _BOTH, "A call has come and its caller is known.", "收到呼叫，来者已认证。"),
    Point("call.answered", _BOTH, "Its answer is about to be sent.", "应答即将发出。"),
    # ---- the broker's relay
    Point("relay.told", _BROKER, "A ticket is out; the one who listens is to hear of it.", "票据已发，即将通知对方。"),
    # ---- the broker's database and log
    Point(
        "broker.before_commit", _BROKER, "Any transaction of the broker is about to be committed.",
        "平台的任一事务即将提交。", writes=True,
    ),
    Point("broker.committed", _BROKER, "Such a transaction is durable.", "该事务已落盘。"),
    Point("log.before_commit", _BROKER, "A batch is about to enter the log.", "一批条目即将进入日志。"),
    Point("log.committed", _BROKER, "The batch is in the tree; no checkpoint is signed.", "已入树，检查点未签。"),
    Point("log.signed", _BROKER, "A checkpoint is signed and not kept.", "检查点已签名，尚未保存。"),
    Point(
        "log.written", _BROKER, "The checkpoint's file is about to be replaced.", "检查点文件即将替换。", writes=True
    ),
    Point("log.kept", _BROKER, "It is on its own file; the history lacks it.", "检查点已存，历史中尚无。"),
    Point(
        "report.written", _BROKER, "A report or its receipt is about to be in place.", "报告或其回执即将就位。", True
    ),
    Point("log.proposed", _BROKER, "It is put up for the witnesses.", "检查点已交见证方联署。"),
    Point(
        "lease.before_commit", _BROKER, "A lead is about to be taken, shown or given back.", "领导租约即将变动。",
        writes=True,
    ),
    Point("lease.committed", _BROKER, "The lease is moved in the database.", "领导租约已变动。"),
)  # fmt: skip
NAMES = tuple(each.name for each in POINTS)
_BY_NAME = {each.name: each for each in POINTS}
_DELAY_SECONDS = 2.0
_ERRNOS = {"enospc": errno.ENOSPC, "eio": errno.EIO}

Act = Callable[[str], None]
_act: Act | None = None


def arm(*, test: bool) -> None:
    """Take up what the environment asks for, or refuse to start.

    Args:
        test: whether this server's own settings say that it is a test installation.

    Raises:
        Malformed: ``HEFU_FAULT`` or ``HEFU_CLOCK`` is set where nothing may be tested, or is misspelt.
    """
    global _act  # noqa: PLW0603 - one process, one plan
    setting, clock = os.environ.get("HEFU_FAULT"), os.environ.get("HEFU_CLOCK")
    if setting is None and clock is None:
        return
    if not test or os.environ.get("HEFU_TEST") != "1":
        raise Malformed("fault.in_production")
    if clock is not None:
        times.move_by(clock)
    if setting is not None:
        _act = _Plan(setting)


def point(name: str) -> None:
    """Pass a fault point. Costs one look where no fault is armed.

    Raises:
        Unavailable: the setting asks for an error here.
        OSError: it asks for a full or a broken disk.
    """
    if _act is not None:
        _act(name)


@contextmanager
def watched(act: Act) -> Iterator[None]:
    """For a simulation in this process: call ``act`` with the name of every point that is passed meanwhile."""
    global _act  # noqa: PLW0603
    before, _act = _act, act
    try:
        yield
    finally:
        _act = before


class _Plan:
    """What is to happen where, from the setting. Safe to use from many threads."""

    def __init__(self, setting: str) -> None:
        self._lock = threading.Lock()
        self._passed: dict[str, int] = {}
        self._wanted: dict[tuple[str, int], str] = {}
        for each in setting.split(","):
            name, nth, kind = (*each.split(":"), "", "", "")[:3]
            if name not in _BY_NAME or not nth.isdigit() or kind not in _BY_NAME[name].kinds or each.count(":") != 2:
                raise Malformed("fault.malformed", setting=setting[:200])
            self._wanted[name, int(nth)] = kind

    def __call__(self, name: str) -> None:
        with self._lock:
            nth = self._passed[name] = self._passed.get(name, 0) + 1
        kind = self._wanted.get((name, nth))
        if kind is not None:
            _happen(name, kind)


def _happen(name: str, kind: str) -> None:
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "delay":
        time.sleep(_DELAY_SECONDS)
    elif kind in _ERRNOS:
        raise OSError(_ERRNOS[kind], os.strerror(_ERRNOS[kind]), name)
    else:
        raise Unavailable("fault.injected", name=name)
