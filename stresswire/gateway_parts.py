"""The composition of a gateway: its parts, and the dependencies of each."""

import time
from collections.abc import Callable, Collection
from datetime import datetime

from aiohttp import web
from msgspec import Struct
from prometheus_client import CollectorRegistry

from broker.address import MqttAddress
from broker.bus import Bus
from broker.contract import MAX_PAYLOAD_BYTES
from broker.pacing.supervisor import Supervisor
from gateway.access.authentication import Authenticator, Logins
from gateway.access.browser_sessions import SessionCookie, Sessions
from gateway.access.dns_rebinding import HostCheck
from gateway.access.forwarded import Forwarded, Network
from gateway.access.origins import Origins
from gateway.access.rate_limit import Limits
from gateway.annotations import Annotations
from gateway.bridge import Bridge
from gateway.health import Health
from gateway.http.middleware import Middleware
from gateway.http.routes.account import AccountRoutes
from gateway.http.routes.alerts import AlertRoutes
from gateway.http.routes.annotations import AnnotationRoutes
from gateway.http.routes.commands import CommandRoutes
from gateway.http.routes.database import DatabaseRoutes
from gateway.http.routes.devices import DeviceRoutes
from gateway.http.routes.history import HistoryRoutes
from gateway.http.routes.pages import STATIC_FOLDER, PageRoutes
from gateway.http.routes.samples import SampleRoutes
from gateway.http.routes.system import SystemRoutes
from gateway.http.routing import Endpoints
from gateway.inbound import InboundReader
from gateway.metrics import Metrics
from gateway.mqtt_websocket import Connect, MqttSocket
from gateway.public_url import PublicUrl
from gateway.sample_requests import SampleRequests
from gateway.service import Address, Gateway
from gateway.socketio import arduino
from gateway.socketio.broadcast import Broadcast
from gateway.socketio.clients import Clients
from gateway.socketio.events import SocketEvents
from storage.database import Database
from storage.history import History
from storage.writer import Writer


class Access(Struct, frozen=True):
    """Access control of a gateway.

    Args:
        logins: None if no logins are required.
        origins: pages that may connect in addition to the gateway's and those on loopback.
        public_url: where a proxy serves the first page; None: at the root of the host that a client asks.
        loopback: only this machine can reach the listener.
        trusted_proxies: networks whose forwarded headers are used.
        rate_by_login, rate_by_address: requests a second.
    """

    logins: Logins | None
    origins: Collection[str]
    public_url: PublicUrl | None
    loopback: bool
    trusted_proxies: Collection[Network]
    rate_by_login: float
    rate_by_address: float


def build_gateway(
    bus: Bus,
    database: Database,
    history: History,
    writer: Writer,
    access: Access,
    address: Address,
    health: Health,
    *,
    now: Callable[[], datetime],
    process_id: str,
    registry: CollectorRegistry,
    supervisor: Supervisor,
    broker: Callable[[], MqttAddress],
    mqtt: Connect | None = None,
) -> Gateway:
    """Build all parts of a gateway, with its subscriptions, and return it.

    Args:
        bus: receives samples and commands, and delivers events.
        database: the record, of which admins get copies.
        history: reads the database.
        writer: writes to the database: sessions, the audit log, annotations, alert actions and commands.
        access: access control.
        address: address of the listener.
        health: state of each part.
        now: the server's time, in UTC.
        process_id: makes the generated keys of this process unique; 64 random bits or more, at most 31 characters.
        registry: registry of the process's metrics.
        supervisor: restarts failed tasks.
        broker: returns the broker's address for a client on this machine, for the documents.
        mqtt: connects pages that use MQTT over WebSocket; None without an embedded broker.
    """
    metrics = Metrics(registry)
    reader = InboundReader(metrics)
    path = "/" if access.public_url is None else access.public_url.path
    origins = Origins(access.origins, access.public_url)
    hosts = HostCheck(origins, loopback=access.loopback)
    limits = Limits(access.rate_by_login, access.rate_by_address, time.monotonic)
    sessions = Sessions(history, writer, now)
    cookie = SessionCookie.at(path)
    authenticator = Authenticator(access.logins, sessions, cookie, origins, time.monotonic)
    requests = SampleRequests(bus, process_id)
    annotations = Annotations(history, writer, now)

    server = arduino.Server(origins)
    clients = Clients(server, authenticator, sessions)
    broadcast = Broadcast(server, clients)
    SocketEvents(
        server, clients, requests, reader, annotations, history, health.status, limits, metrics, now=now
    ).register()

    proxies = Forwarded(access.trusted_proxies)
    middleware = Middleware(origins, hosts, proxies, limits, authenticator, metrics, whole_host=path == "/")
    app = web.Application(client_max_size=MAX_PAYLOAD_BYTES, middlewares=[middleware.middleware, arduino.middleware])
    app.on_response_prepare.append(middleware.add_headers)
    devices, commands = DeviceRoutes(history, writer, now), CommandRoutes(bus, history, writer, now)
    endpoints = Endpoints(app, limits)
    SampleRoutes(requests, metrics).add_to(endpoints)
    SystemRoutes(health.status, lambda: clients.stats, registry, path).add_to(endpoints)
    HistoryRoutes(history).add_to(endpoints)
    devices.add_to(endpoints)
    commands.add_to(endpoints)
    AlertRoutes(history, writer, now).add_to(endpoints)
    AnnotationRoutes(annotations, history).add_to(endpoints)
    AccountRoutes(authenticator, sessions, cookie, history).add_to(endpoints)
    DatabaseRoutes(database, writer, now).add_to(endpoints)
    PageRoutes(STATIC_FOLDER, broker, access.public_url).add_to(app, endpoints)
    if mqtt is not None:
        MqttSocket(mqtt, origins).add_to(app)
    server.attach(app)

    bridge = Bridge(bus, reader, requests, broadcast, devices, commands)
    metrics.watch(
        clients=lambda: clients.stats,
        sockets=lambda: server.sockets,
        live_waiting=lambda: bridge.live_waiting,
        answers_waiting=lambda: bridge.answers_waiting,
        requests_waiting=lambda: requests.waiting,
        dropped=lambda: bridge.live_dropped,
        skipped=lambda: broadcast.skipped,
    )
    return Gateway(app, middleware, bridge, server, clients, broadcast, address, supervisor)
