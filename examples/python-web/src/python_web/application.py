"""The routes of the service."""

from __future__ import annotations

import sqlite3
import ssl
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from python_web._letters import wide
from python_web.badge import badge
from python_web.greetings import greetings
from python_web.visits import Visits


def application(visits: Visits) -> Starlette:
    """Return the service over some visits."""
    known = greetings()

    async def facts(request: Request) -> Response:
        at = request.query_params.get("at")
        time = datetime.fromisoformat(at) if at else datetime.now(UTC)
        return JSONResponse(
            {
                "visits": visits.count(),
                "languages": list(known),
                "time": {"utc": time.isoformat(), "local": f"{time.astimezone():%Y-%m-%d %X %z}"},
                "database": sqlite3.sqlite_version,
                "authorities": len(ssl.create_default_context().get_ca_certs()),
            }
        )

    async def greet(request: Request) -> Response:
        greeting = known.get(request.path_params["language"])
        if greeting is None:
            return JSONResponse({"error": "no greeting in that language"}, status_code=404)
        name = request.query_params.get("name", "world")
        text = f"{greeting}, {name}!"
        count = visits.add(name, datetime.now(UTC).isoformat())
        return JSONResponse({"greeting": text, "wide": wide(text), "visits": count})

    async def draw(request: Request) -> Response:
        return Response(badge(request.query_params.get("text", "Grüße")), media_type="image/png")

    async def healthz(_request: Request) -> Response:
        visits.count()
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[
            Route("/", facts),
            Route("/greet/{language}", greet),
            Route("/badge.png", draw),
            Route("/healthz", healthz),
        ]
    )
