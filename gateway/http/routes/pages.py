"""The pages for people, and the documents of the interfaces that they and tools read."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import hdrs, web

from broker.address import MqttAddress
from broker.authority import Authority
from broker.contract import Right
from gateway.headers import HOST
from gateway.http.api_documents import Document, Documents, ReachedAt
from gateway.http.middleware import POLICY
from gateway.http.routing import JSON, Call, Content, Endpoint, Endpoints, Handle
from gateway.public_url import PublicUrl

STATIC: Final = "/static/"
STATIC_FOLDER: Final = Path(__file__).parents[2] / "static"
_NOT_BUILT: Final = "The pages have not been built: run `make install`, or install with pip.\n"
# The icons of the OpenAPI renderer stand in its style sheet.
_DOCS_POLICY: Final = {"Content-Security-Policy": f"{POLICY}; img-src 'self' data:"}


def _open(path: str, operation: str, summary: str, answer: Content) -> Endpoint:
    return Endpoint(method="GET", path=path, operation=operation, summary=summary, right=Right.NONE, answers={200: answer})


_page: Final = partial(_open, answer=Content("The page.", ("text/html",)))
_document: Final = partial(_open, answer=Content("The document.", (JSON,)))


INDEX: Final = _page("/", "index", "The index page.")
TEST_PAGE: Final = _page("/api/websocket/test", "websocket_test", "A page to test the connection.")
LOGIN: Final = _page("/login", "login", "The login page; continues to the path in the query parameter `next`.")
DOCS: Final = _page("/docs", "docs", "A page that shows both API documents.")
OPENAPI: Final = _document("/openapi.json", "openapi", "The HTTP interface: this document.")
ASYNCAPI: Final = _document("/asyncapi.json", "asyncapi", "The messages of MQTT and Socket.IO, as AsyncAPI 3.0.")


class PageRoutes:
    """Serves the pages and documents.

    Args:
        folder: holds what the build of `frontend/` made.
        broker: returns the address of the MQTT broker.
        public: the gateway's address for the documents; None: the one that a client asks.
    """

    def __init__(self, folder: Path, broker: Callable[[], MqttAddress], public: PublicUrl | None) -> None:
        self._folder = folder
        self._broker = broker
        self._public = None if public is None else ReachedAt(public.origin.authority, public.secure, public.path)
        self._documents = Documents.read(folder) if (folder / "openapi.json").is_file() else None

    def add_to(self, app: web.Application, endpoints: Endpoints) -> None:
        """Add the routes, and the files that the pages load."""
        endpoints.add(INDEX, self._file("index.html"))
        endpoints.add(TEST_PAGE, self._file("device-test.html"))
        endpoints.add(LOGIN, self._file("login.html"))
        endpoints.add(DOCS, self._file("docs.html", _DOCS_POLICY))
        endpoints.add(OPENAPI, self._openapi)
        endpoints.add(ASYNCAPI, self._asyncapi)
        if self._folder.is_dir():
            app.router.add_static(STATIC, self._folder)

    def _file(self, name: str, headers: dict[str, str] | None = None) -> Handle:
        async def handle(_call: Call) -> web.StreamResponse:
            page = self._folder / name
            return web.FileResponse(page, headers=headers) if page.is_file() else _not_built()

        return handle

    async def _openapi(self, call: Call) -> web.Response:
        if self._documents is None:
            return _not_built()
        return _json(self._documents.openapi_for(self._public or _reached_at(call)))

    async def _asyncapi(self, call: Call) -> web.Response:
        if self._documents is None:
            return _not_built()
        return _json(self._documents.asyncapi_for(self._public or _reached_at(call), self._broker()))


def _reached_at(call: Call) -> ReachedAt:
    host = call.request.get(HOST)
    if host is None:  # HTTP/1.0: by the address that the client reached
        host = Authority(*call.request.get_extra_info("sockname", ("127.0.0.1", None))[:2])
    return ReachedAt(host, call.caller.peer.secure)


def _json(document: Document) -> web.Response:
    headers = {hdrs.CACHE_CONTROL: "no-cache"}  # the servers in it depend on the request
    return web.Response(body=msgspec.json.encode(document), content_type=JSON, headers=headers)


def _not_built() -> web.Response:
    return web.Response(status=503, text=_NOT_BUILT)
