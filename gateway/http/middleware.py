"""Every request: rate limits, authentication, CORS, DNS rebinding, security headers, and errors as JSON."""

import errno
import logging
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from broker.contract import MAX_PAYLOAD_BYTES, ErrorCode
from broker.contract.requests import suggestion
from gateway.access.authentication import SAFE_METHODS, Authenticator
from gateway.access.dns_rebinding import HostCheck
from gateway.access.forwarded import PEER, Forwarded
from gateway.access.origins import Origins
from gateway.access.rate_limit import Limits
from gateway.errors import HttpError, forbidden
from gateway.headers import CSRF_HEADER, HOST, IDEMPOTENCY_KEY, check_headers
from gateway.http.listener import Handler as Serve
from gateway.http.listener import sign
from gateway.http.routing import CALLER, error_response
from gateway.metrics import Metrics
from gateway.paths import SOCKET_IO

log = logging.getLogger(__name__)

_METHODS: Final = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
_HEADERS: Final = f"Authorization, Content-Type, {IDEMPOTENCY_KEY}, If-None-Match, {CSRF_HEADER}"
_HSTS: Final = "Strict-Transport-Security"
_EXPOSED: Final = "ETag, Retry-After"
POLICY: Final = (
    "default-src 'self'; connect-src 'self' ws: wss:; object-src 'none'; frame-ancestors 'none'; base-uri 'none';"
    " form-action 'self'"
)
_SECURITY: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-site",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SHOWN: Final = 100
_CODES: Final[dict[int, ErrorCode]] = {404: "not_found", 413: "too_large", 503: "timeout"}


class Middleware:
    """The middleware, and the check of headers before it.

    Args:
        origins: pages that may use the gateway.
        hosts: which hosts are served.
        proxies: whose forwarded headers are believed.
        limits: for addresses.
        authenticator: identifies callers.
        metrics: counts answers.
        whole_host: the gateway is all there is on its host. A browser keeps HSTS for the host: for its other ports, too.
    """

    def __init__(
        self,
        origins: Origins,
        hosts: HostCheck,
        proxies: Forwarded,
        limits: Limits,
        authenticator: Authenticator,
        metrics: Metrics,
        *,
        whole_host: bool,
    ) -> None:
        self._origins = origins
        self._hosts = hosts
        self._proxies = proxies
        self._limits = limits
        self._authenticator = authenticator
        self._metrics = metrics
        self._whole_host = whole_host
        self._closing = False

    def leave(self) -> None:
        """Make every further response close its connection, so that the next request goes to another instance."""
        self._closing = True

    async def enter(self, request: web.BaseRequest, handler: Serve) -> web.StreamResponse:
        """Check the headers before aiohttp does, which would answer some of them with an error of its own."""
        try:
            host = check_headers(request)
        except HttpError as error:
            response = self._reject(error)
            await self.add_headers(request, response)
            return response
        if host is not None:
            request[HOST] = host
        return await handler(request)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass a request on, or answer with the reason why not."""
        try:
            response = await self._pass(request, handler)
        except HttpError as error:
            response = error_response(error)
        except web.HTTPException as error:
            response = _as_json(request, error)
        except ConnectionError:
            raise  # the client is gone: there is nobody to answer, and nothing to log
        except Exception as error:  # whatever a client sends, it gets an answer and the listener goes on
            if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
                return self._reject(HttpError(404, "not_found", "no page can have that name"))
            log.exception("%s %r failed", request.method, request.path[:200])
            response = error_response(HttpError(500, "internal", "an error of the server's own"))
        self._count(response)
        return response

    def _reject(self, error: HttpError) -> web.Response:
        response = error_response(error)
        self._count(response)
        return response

    def _count(self, response: web.StreamResponse) -> None:
        self._metrics.count_request(response.status)

    async def _pass(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.get(HOST)
        if not self._hosts.serves(host):
            raise forbidden(f"{host} is not served here; if it shall be, name http://{host} in STRESSWIRE_CORS_ORIGINS")
        peer = request[PEER] = self._proxies.peer(request)
        self._limits.count_address(peer.address)
        if request.path.startswith(SOCKET_IO):
            return await handler(request)  # authenticated when the client joins the namespace
        if _is_preflight(request):
            return web.Response(status=204)
        origin = request.headers.get(hdrs.ORIGIN)
        if request.method not in SAFE_METHODS and not self._origins.allows(origin, host):
            raise forbidden(
                f"pages from {origin} may not change anything here; name it in STRESSWIRE_CORS_ORIGINS, or in"
                " STRESSWIRE_PUBLIC_URL if a proxy serves this gateway there"
            )
        request[CALLER] = await self._authenticator.authenticate(request, peer)
        return await handler(request)

    async def add_headers(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Add CORS and security headers right before a response goes out, streamed ones included."""
        sign(response)
        if (self._closing or response.status == 408) and not isinstance(response, web.WebSocketResponse):
            response.force_close()
        if request.path.startswith(SOCKET_IO):
            return  # python-socketio sets its own
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and self._origins.allows(origin, request.get(HOST)):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = _METHODS
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = _HEADERS
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
        response.headers[hdrs.VARY] = f"{hdrs.ORIGIN}, {hdrs.AUTHORIZATION}, {hdrs.COOKIE}"
        for name, value in _SECURITY.items():
            response.headers.setdefault(name, value)
        if self._whole_host and PEER in request and request[PEER].secure:
            response.headers[_HSTS] = "max-age=31536000"
        if request.path.startswith("/api/"):
            response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")


def _is_preflight(request: web.Request) -> bool:
    return request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers


def _as_json(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """Give aiohttp's own errors our body; a redirect stays as it is."""
    if error.status < 400:
        return error
    reason = error.reason
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        reason = f"a message must be at most {MAX_PAYLOAD_BYTES} bytes"
    elif isinstance(error, web.HTTPMethodNotAllowed):
        reason = (
            f"{request.path[:_SHOWN]} does not take {error.method[:_SHOWN]}: use {', '.join(sorted(error.allowed_methods))}"
        )
    elif isinstance(error, web.HTTPNotFound):
        known = {resource.canonical for resource in request.app.router.resources()}
        first, _, rest = request.path[1:].partition("/")
        hint = suggestion(request.path[:_SHOWN], known, "see /docs")
        if rest and f"/{rest}" in known:
            hint = f"; a proxy that serves this below /{first[:_SHOWN]} must take that away from the path"
        reason = f"there is no {request.path[:_SHOWN]!r}{hint}"
    rejected = HttpError(error.status, _CODES.get(error.status, "invalid"), reason)
    allowed = error.headers.get(hdrs.ALLOW)
    rejected.headers = {hdrs.ALLOW: allowed} if allowed else {}
    return error_response(rejected)
