"""A small log with everything that questions ask of, in an auditor's verified copy."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.keeping.keys import FileSigner
from hefu.statements.delivery import DELETED, USED, Deleted, Kept, Used
from hefu.statements.receipt import Link, Released, Spent
from hefu.terminal.commands import Output
from hefu.times import SystemClock, write_time
from hefu_audit.following import Followed, follow
from hefu_audit.home import Home
from hefu_audit.index import Index
from hefu_audit.questions.answer import Asked, ask
from hefu_audit.questions.table import find

from tests.audit.conftest import ServedLog
from tests.protocol.small_log import AGREEMENT, CONSUMER, LIFETIME, PRODUCT, PROVIDER, RESOURCE, SmallLog

QUIET = Output(as_json=False, language="en")
COMMITMENT = "hmac-sha256:" + "0" * 64
VALUES: dict[str, dict[str, Any]] = {
    "history": {"agreement": AGREEMENT},
    "usage": {"product": PRODUCT},
    "lineage": {"computation": "cmp-one"},
    "budget": {"asset": RESOURCE},
    "reconcile": {"one": PROVIDER, "other": CONSUMER},
    "processing": {"organisation": PROVIDER},
    "absent": {"event": "cmp-never"},
    "sample": {"n": 3, "seed": "a seed"},
    "visible": {"product": PRODUCT},
    "did": {"organisation": PROVIDER},
    "version": {"version": f"{PRODUCT}:1"},
    "in-force": {"policy": "str-one"},
}


class Told(SmallLog):
    """A small log whose products say more of themselves."""

    def publish(self, lifetime: Spent = LIFETIME, version: int = 1) -> Statement:
        resource: Object = {
            "resource": RESOURCE,
            "privacy": {"lifetime": {"currency": "epsilon-delta", **lifetime.body()}},
        }
        offer: Object = {"offer": "off-one", "visibility": {"kind": "listed", "participants": [CONSUMER]}}
        body: Object = {"product": PRODUCT, "version": version, "resources": [resource], "offers": [offer],
                        "title": {"en": "Flights"}, "security_grade": 3, "personal_data": True, "cross_border": False,
                        "legal_basis": "consent"}  # fmt: skip
        self.description = self.say("product.published", body, PROVIDER)
        return self.description

    def deliver(self, computation: str, keep: timedelta) -> Statement:
        """Rows that must be deleted after a while."""
        made = self.receipt(computation, 0)
        facts: Object = {**made.facts, "processing": "sampled", "outputRows": 3, "deadline": write_time(self.at + keep)}
        made = replace(made, charge=Spent(0, 0, 1), mechanisms=(), output=Released("Rows", 3, 0), facts=facts,
                       commitments={"content": COMMITMENT})  # fmt: skip
        return self.journalled("computation.sealed", made)

    def used(self, sealed: Statement, number: int, previous: str = "") -> Statement:
        kept = Kept(str(sealed.body["computation"]), (AGREEMENT,), sealed.digest())
        told = Used(kept, "odrl:read", "urn:rule:1", {}, {"user": COMMITMENT})
        return self.say(USED, told.linked(Link(number, previous, CONSUMER)).body(), CONSUMER)

    def deleted(self, sealed: Statement, number: int, previous: str = "") -> Statement:
        kept = Kept(str(sealed.body["computation"]), (AGREEMENT,), sealed.digest())
        told = Deleted(kept, "retention", 1, 0)
        return self.say(DELETED, told.linked(Link(number, previous, CONSUMER)).body(), CONSUMER)


def home_of(small: SmallLog, folder: Path) -> Home:
    """An auditor with keys that the log's root has certified."""
    home = Home.make(folder / "auditor", small.space, "regulator-a", "regulator-a")
    small.certify("regulator-a", "regulator", home.ring().signer())
    return home


def copied(small: SmallLog, home: Home, hide: frozenset[int] = frozenset()) -> tuple[Index, Followed]:
    """The auditor's copy after a visit."""
    index = Index(home.directory, small.space)
    return index, follow(small.space, ServedLog(small, hide, page=100), home, index, SystemClock())


def answered(index: Index, name: str, **values: Any) -> Asked:
    """The answer to a question, asked as the command asks it."""
    from hefu_audit.commands.asking import given

    question = find(name)
    return ask(question, index, given(question, {**VALUES.get(name, {}), **values}))


def key_of(home: Home) -> FileSigner:
    """The auditor's own key."""
    return home.ring().signer()
