"""Where a one-time link leads: it is used up, the visit is kept in a cookie, and the page is opened.

The page follows from a page of ours, not by a redirection: a browser that came from elsewhere sends a strict cookie
only then. What the browser held before is never taken up: the visit's secret is always a new one.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from hefu.errors import HefuError
from starlette.responses import Response

from hefu_broker.membership.visits import CATALOG, LOG, VISIT_LIFE
from hefu_broker.web import showing, visitor

router = APIRouter()


@router.get("/open/{token}")
def open_(request: Request, token: str) -> Response:
    """Use up a link. Not for HEAD: who only looks at a link does not use it."""
    rooms, prefix = visitor.rooms_of(request), visitor.prefix_of(request)
    try:
        secret, visit = rooms.visits.open(token)
    except HefuError as fault:
        return showing.failure(request, fault)
    path = {CATALOG: f"{prefix}/", LOG: f"{prefix}/log"}.get(visit.page, f"{prefix}/{visit.page}")
    answer = showing.page(request, "opened.html", {"to": path})
    answer.set_cookie(
        visitor.cookie_of(visit.page, rooms.space.space),
        secret,
        max_age=int(VISIT_LIFE.total_seconds()),
        path=path if visit.page not in (CATALOG, LOG) else prefix or "/",
        secure=request.url.scheme == "https" or rooms.visits.address.startswith("https:"),
        httponly=True,
        samesite="strict",
    )
    return answer
