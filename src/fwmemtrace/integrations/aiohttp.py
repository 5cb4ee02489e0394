"""aiohttp: phases named by the canonical path of a resource."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from ..tracing.phases import annotate, is_tracing
from .requests import request_phase

__all__ = ["memory_middleware"]


@web.middleware
async def memory_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run each request in a phase such as "GET /users/{id}": `web.Application(middlewares=[memory_middleware])`."""
    if not is_tracing():
        return await handler(request)
    resource = request.match_info.route.resource
    with request_phase(request.method, None if resource is None else resource.canonical):
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = error
        if response.prepared or not isinstance(response, web.FileResponse):  # which may turn out not to be there
            annotate(status=response.status)
    if isinstance(response, web.HTTPException):  # a response too, and no error of the phase
        raise response
    return response
