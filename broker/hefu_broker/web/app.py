"""The application: which path is answered by what. The first space stands at the root, each also below its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from hefu.errors import HefuError, NotFound
from starlette.exceptions import HTTPException

from hefu_broker.web import catalog, contract, log, opening, showing, tiles, visitor
from hefu_broker.web.guard import Guard

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from hefu_broker.rooms import Spaces

_ROOMS = (tiles, opening, catalog, contract, log)


def make(spaces: Spaces) -> Guard:
    """The application of a broker."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.spaces = spaces
    app.include_router(showing.router)
    for prefix in ("", "/space/{space}"):
        for each in _ROOMS:
            app.include_router(each.router, prefix=prefix)
    app.add_exception_handler(HefuError, _failed)
    app.add_exception_handler(HTTPException, _absent)
    return Guard(app)


async def _failed(request: Request, fault: Exception) -> Response:
    """Whatever a page could not show. What no page raises is a defect, which the server logs without the address."""
    if not isinstance(fault, HefuError):
        raise fault
    if fault.code == "web.absent":
        return visitor.plain(request, fault)
    return showing.failure(request, fault)


async def _absent(request: Request, _: Exception) -> Response:
    return visitor.plain(request, NotFound("web.absent"))
