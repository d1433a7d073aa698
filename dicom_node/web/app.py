"""The status page's door: routes, headers, and the server that answers them."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import jinja2
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles

from dicom_node import readiness, triage
from dicom_node.database.worklist import WorklistQuery
from dicom_node.domain.worklist import WorklistItem
from dicom_node.errors import ConfigurationError, OutOfResources
from dicom_node.resources import Resources, open_resources
from dicom_node.settings import Settings
from dicom_node.web.health import dependency_checks, node_status
from dicom_node.web.worklist_rows import rows_of

_HERE = Path(__file__).parent
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_ANY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104 - compared with, not bound to


def serve_web(settings: Settings) -> None:
    """Serve the status page until told to stop; a port of 0 takes a free one and announces it.

    Raises
    ------
    ConfigurationError
        The address is taken, or not ours.
    """
    with closing(open_resources(settings)) as resources, _listening(settings) as listening:
        port: int = listening.getsockname()[1]
        app = build_app(resources, on_ready=lambda: readiness.announce(settings.run_home, "web", port=port))
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=3
        )
        uvicorn.Server(config).run(sockets=[listening])


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
    try:
        return socket.create_server((settings.web_host, settings.web_port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {settings.web_host}:{settings.web_port}: {error.strerror}"
        ) from error


def build_app(resources: Resources, on_ready: Callable[[], None] = lambda: None) -> FastAPI:
    """Return the application; it reads, and changes nothing."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        on_ready()
        yield

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=_HERE / "static"))
    app.middleware("http")(partial(_guarded, resources.settings.web_host))
    _add_pages(app, resources)
    _add_probes(app, resources)
    return app


def _add_pages(app: FastAPI, resources: Resources) -> None:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    @app.get("/", response_class=HTMLResponse)
    def status_page() -> str:
        status = node_status(resources)
        rows = rows_of(_worklist(resources)) if status.checks["schema"] else []
        page = templates.get_template("status.html")
        return page.render(status=status, rows=rows, now=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}")

    @app.get("/api/status")
    def status_as_json() -> dict[str, object]:
        return node_status(resources).as_json()


def _add_probes(app: FastAPI, resources: Resources) -> None:
    @app.get("/healthz")
    def alive() -> dict[str, bool]:
        return {"alive": True}

    @app.get("/readyz")
    def ready() -> JSONResponse:
        checks = dependency_checks(resources)
        return JSONResponse(
            {"ready": all(checks.values()), "checks": checks}, 200 if all(checks.values()) else 503
        )


def _worklist(resources: Resources) -> list[WorklistItem]:
    try:
        since = datetime.now(UTC) - triage.WINDOW
        return triage.worklist(resources, WorklistQuery(received_since=since, limit=50))
    except OutOfResources:
        return []


async def _guarded(
    web_host: str, request: Request, answer: Callable[[Request], Awaitable[Response]]
) -> Response:
    if _is_own_name(request.url.hostname or "", web_host):
        response = await answer(request)
    else:
        response = PlainTextResponse("this node has another name", 421)
    response.headers.update(_HEADERS)
    return response


def _is_own_name(asked: str, web_host: str) -> bool:
    """Tell whether to answer: a foreign page that rebinds its name (DNS) to our address asks for that name.

    An address is nobody's name and is answered; where we listen on every address, we cannot know our names.
    """
    if web_host in _ANY_ADDRESS or asked in {"localhost", web_host}:
        return True
    try:
        ip_address(asked)
    except ValueError:
        return False
    return True
