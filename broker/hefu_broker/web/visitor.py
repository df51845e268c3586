"""Who asks, in which space and language: what every page and tile reads of a request, and how a failure is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from hefu.errors import Language, NotFound
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from hefu.errors import HefuError
    from hefu.identity import Binding
    from starlette.responses import Response

    from hefu_broker.rooms import Rooms, Spaces

STATUS = {
    "refused": 403,
    "not_found": 404,
    "conflict": 409,
    "malformed": 400,
    "unauthenticated": 403,
    "unavailable": 503,
}
LANGUAGES: tuple[Language, ...] = ("en", "zh")


def rooms_of(request: Request) -> Rooms:
    """The rooms of the space in the path; of the first where the path names none. Raises NotFound."""
    spaces: Spaces = request.app.state.spaces
    named = request.path_params.get("space")
    try:
        return spaces.first if named is None else spaces.space(named)
    except NotFound:
        raise NotFound("web.absent") from None


def prefix_of(request: Request) -> str:
    """What every path of the request's space begins with."""
    named = request.path_params.get("space")
    return "" if named is None else f"/space/{named}"


def language_of(request: Request) -> Language:
    """The language that the address or, failing that, the browser asks for; English otherwise."""
    asked = request.query_params.get("lang", "")
    for each in (asked, *request.headers.get("accept-language", "")[:200].split(",")):
        for known in LANGUAGES:
            if each.strip().lower().partition(";")[0].partition("-")[0] == known:
                return known
    return "en"


def cookie_of(page: str, space: str) -> str:
    """The name of the cookie that a visit to a page is kept in."""
    return f"hefu-{page.partition('/')[0]}-{space}"


def reader(request: Request, page: str) -> Binding:
    """Who visits the page. Raises Unauthenticated as `Visits.reader`."""
    rooms = rooms_of(request)
    return rooms.visits.reader(request.cookies.get(cookie_of(page, rooms.space.space), ""), page)


def plain(request: Request, fault: HefuError) -> Response:
    """A failure as plain text."""
    return PlainTextResponse(fault.public(language_of(request)) + "\n", STATUS.get(fault.kind, 500))
