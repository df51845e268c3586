"""The log as a time line, newest first. What is not the reader's to read is a hash; the page verifies all the same."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from hefu.envelope import Statement
from hefu.errors import HefuError, Malformed, Unauthenticated
from hefu.tlog.note import VerifierKey
from starlette.responses import Response

from hefu_broker.membership.visits import LOG
from hefu_broker.web import showing, visitor
from hefu_broker.web.words import entry_word

if TYPE_CHECKING:
    from hefu.identity import Binding

    from hefu_broker.log.entries import Seen

PAGE = 50
router = APIRouter()


@router.api_route("/log", methods=["GET", "HEAD"])
def log(request: Request, before: str = "", at: str = "") -> Response:
    """A page of entries below an index, or around one."""
    rooms, member = visitor.rooms_of(request), _member(request)
    size = rooms.log.size()
    end = min(_number(at) + PAGE // 2, size) if at else min(_number(before), size) if before else size
    first = max(0, end - PAGE)
    found, _ = rooms.log.entries(member, first, end - first) if end > first else ([], size)
    language = visitor.language_of(request)
    return showing.page(
        request,
        "log.html",
        {
            "member": member,
            "size": size,
            "entries": [_shown(each, language) for each in reversed(found)],
            "older": first if first else None,
            "newer": min(end + PAGE, size) if end < size else None,
            "origin": rooms.space.log_origin,
            "key": rooms.space.log_key,
            "key_id": VerifierKey.parse(rooms.space.log_key).id.hex(),
            "prefix": visitor.prefix_of(request),
        },
    )


def _shown(entry: Seen, language: str) -> dict[str, Any]:
    told = {"index": entry.index, "leaf": entry.leaf_hash.hex(), "envelope": "", "type": "", "word": "", "issuer": ""}
    if not entry.envelope:
        return told | {"time": None}
    try:
        said = Statement.parse(entry.envelope)
    except HefuError:  # kept from a version that wrote otherwise: its hash is all that can be shown
        return told | {"time": None}
    return told | {
        "envelope": base64.b64encode(entry.envelope).decode(),
        "type": said.type,
        "word": entry_word(said.type, language),
        "issuer": said.issuer,
        "time": said.time,
    }


def _member(request: Request) -> Binding | None:
    """The member that visits; None for a stranger, who sees hashes."""
    try:
        return visitor.reader(request, LOG)
    except Unauthenticated:
        return None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Malformed("request.malformed", why="an entry is named by its index")
    return int(text)
