"""The log over HTTP: the checkpoint, tiles of hashes for everybody, and bundles of entries for those who may read them.

Source: C2SP tlog-tiles v0.1.0.
"""

from __future__ import annotations

import gzip
import struct

from fastapi import APIRouter, Request
from hefu.errors import HefuError, Malformed, NotFound
from hefu.tlog import tiles
from starlette.responses import PlainTextResponse, Response

from hefu_broker.web import visitor
from hefu_broker.web.visitor import rooms_of

FOR_EVER = "max-age=31536000, immutable"
_BYTES = "application/octet-stream"
_ENTRIES = "entries/"

router = APIRouter()


@router.api_route("/checkpoint", methods=["GET", "HEAD"])
def checkpoint(request: Request) -> Response:
    """The newest published checkpoint, a signed note."""
    try:
        note = rooms_of(request).log.checkpoint()
    except HefuError as fault:
        return visitor.plain(request, fault)
    return PlainTextResponse(note, headers={"cache-control": "no-cache"})


@router.api_route("/tile/{path:path}", methods=["GET", "HEAD"])
def tile(request: Request) -> Response:
    """A tile of hashes, or a bundle of entries."""
    path = request.scope["raw_path"].decode("latin-1").partition("/tile/")[2]  # as it was spelt
    try:
        return _bundle(request, path.removeprefix(_ENTRIES)) if path.startswith(_ENTRIES) else _tile(request, path)
    except HefuError as fault:
        return visitor.plain(request, fault)


def _tile(request: Request, path: str) -> Response:
    level, index, width = _place(f"tile/{path}")
    data = rooms_of(request).log.tile(level, index, width)
    return Response(data, media_type=_BYTES, headers={"cache-control": f"public, {FOR_EVER}"})


def _bundle(request: Request, path: str) -> Response:
    _, index, width = _place(f"tile/0/{path}")
    rooms = rooms_of(request)
    found = rooms.log.bundle(visitor.reader(request, "log"), index, width)
    data = b"".join(struct.pack(">H", len(each)) + each for each in found)
    # Some of them are one reader's only: no cache may share them, and another visit must ask anew.
    headers = {"cache-control": f"private, {FOR_EVER}", "vary": "accept-encoding, cookie"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        data, headers = gzip.compress(data, mtime=0), headers | {"content-encoding": "gzip"}
    return Response(data, media_type=_BYTES, headers=headers)


def _place(path: str) -> tuple[int, int, int]:
    try:
        return tiles.parse_path(path)
    except Malformed:
        raise NotFound("web.absent") from None
