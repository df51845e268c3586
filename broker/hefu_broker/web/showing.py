"""Pages made of templates: one look, two languages, nothing from elsewhere. Everything that is filled in is escaped."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from hefu.errors import HefuError, NotFound
from hefu.times import write_time
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from hefu_broker.web import visitor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hefu.errors import Language

ASSETS = {
    "hefu.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "verify.js": "text/javascript; charset=utf-8",
    "LICENCE-htmx.txt": "text/plain; charset=utf-8",
}
router = APIRouter()


def page(request: Request, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """A page, in the language that is asked for."""
    language, rooms, prefix = visitor.language_of(request), visitor.rooms_of(request), visitor.prefix_of(request)
    charter = rooms.registry.directory.charter
    asked = request.query_params.get("lang", "")

    def link(path: str, **query: object) -> str:
        """A path of this space, with the language where it was asked for."""
        held = {name: value for name, value in query.items() if value not in (None, "")}
        return _address(prefix + path, held | ({"lang": language} if asked else {}))

    text = (
        _environment()
        .get_template(template)
        .render(
            values,
            lang=language,
            t=lambda en, zh: zh if language == "zh" else en,
            pick=lambda texts: pick(texts, language),
            link=link,
            other=_other(request, language),
            asset=_asset,
            space=pick(charter.names if charter else {}, language) or rooms.space.space,
            here=request.url.path,
        )
    )
    return HTMLResponse(text, status, headers={"content-language": language, "vary": "accept-language, cookie"})


def failure(request: Request, fault: HefuError) -> Response:
    """A failure as a page."""
    language = visitor.language_of(request)
    told = {"why": fault.public(language), "code": fault.code, "reasons": fault.reasons}
    return page(request, "failure.html", told, visitor.STATUS.get(fault.kind, 500))


def pick(texts: Mapping[str, str], language: Language) -> str:
    """A text in a language, or in another where it has none in that."""
    return texts.get(language) or next(iter(texts.values()), "")


def moment(at: datetime | str) -> str:
    """An instant for people: to the second, UTC."""
    text = at if isinstance(at, str) else write_time(at)
    return f"{text[:10]} {text[11:19]}"


@router.api_route("/assets/{name}", methods=["GET", "HEAD"])
def asset(request: Request, name: str) -> Response:
    """A style sheet or script; its address names its bytes, so it may be kept."""
    kind = ASSETS.get(name)
    if kind is None:
        return visitor.plain(request, NotFound("web.absent"))
    return Response(_read(name), headers={"content-type": kind, "cache-control": "public, max-age=31536000, immutable"})


def _asset(name: str) -> str:
    return f"/assets/{name}?v={hashlib.sha256(_read(name)).hexdigest()[:12]}"


@cache
def _read(name: str) -> bytes:
    return resources.files(__package__).joinpath("assets", name).read_bytes()


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters["moment"] = moment
    return made


def _other(request: Request, language: Language) -> str:
    """The same page in the other language. A one-time link is used up: from there to the first page."""
    path = request.url.path if "/open/" not in request.url.path else visitor.prefix_of(request) + "/"
    held = {name: value for name, value in request.query_params.items() if name != "lang"}
    return _address(path, held | {"lang": "en" if language == "zh" else "zh"})


def _address(path: str, query: Mapping[str, object]) -> str:
    from urllib.parse import quote, urlencode

    return quote(path) + (f"?{urlencode(query)}" if query else "")
