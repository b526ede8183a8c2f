"""Metrics of the gateway; no label is a device, a login or an address."""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge

from broker.contract import ClientStats, DataReceived

Transport = Literal["http", "socketio"]


class Metrics:
    """The gateway's metrics, registered once a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        samples = Counter(
            "stresswire_gateway_samples",
            "Samples that came by way of the gateway, by their answers; the rest came over MQTT.",
            ["transport", "outcome"],
            registry=registry,
        )
        requests = Counter(
            "stresswire_http_requests", "HTTP requests, by the class of their status.", ["status"], registry=registry
        )
        self._samples = lru_cache(None)(samples.labels)
        self._requests = lru_cache(None)(requests.labels)
        self._connections = Gauge("stresswire_connections", "Clients that are connected.", ["kind"], registry=registry)
        self._sockets = Gauge("stresswire_sockets", "Socket.IO sockets, joined or not.", registry=registry)
        self._live_waiting = Gauge(
            "stresswire_live_waiting_messages", "Live events that wait to be sent to frontends.", registry=registry
        )
        self._answers_waiting = Gauge(
            "stresswire_answers_waiting_messages", "Answers that wait to be given to their senders.", registry=registry
        )
        self._requests_waiting = Gauge(
            "stresswire_uplink_waiting_messages",
            "Messages of HTTP and Socket.IO that wait for their answers.",
            registry=registry,
        )
        self._dropped = Gauge(
            "stresswire_live_dropped_events",
            "Live events that were given up since the start, for all frontends or for those that could not keep up.",
            ["reason"],
            registry=registry,
        )
        self.rejected_messages = Counter(
            "stresswire_gateway_refused_messages",
            "Messages of the bus that could not be read, or came from who may not send them.",
            ["channel", "reason"],
            registry=registry,
        )

    def watch(
        self,
        *,
        clients: Callable[[], ClientStats],
        sockets: Callable[[], int],
        live_waiting: Callable[[], int],
        answers_waiting: Callable[[], int],
        requests_waiting: Callable[[], int],
        dropped: Callable[[], int],
        skipped: Callable[[], int],
    ) -> None:
        """Give the functions that are called when the metrics are read.

        `dropped` counts live events that were lost for all frontends, `skipped` those that slow frontends were not sent.
        """
        self._connections.labels("esp32").set_function(lambda: clients().esp32)
        self._connections.labels("frontend").set_function(lambda: clients().frontend)
        self._sockets.set_function(sockets)
        self._live_waiting.set_function(live_waiting)
        self._answers_waiting.set_function(answers_waiting)
        self._requests_waiting.set_function(requests_waiting)
        self._dropped.labels("gateway_busy").set_function(dropped)
        self._dropped.labels("frontend_slow").set_function(skipped)

    def count_request(self, status: int) -> None:
        """Count an HTTP request that was answered with `status`."""
        self._requests(f"{status // 100}xx").inc()

    def count(self, transport: Transport, received: DataReceived) -> None:
        """Count the samples of a message by their outcome in its receipt."""
        rejected = len(received.errors) or int(received.status == "error")
        if received.error is not None and received.error.code == "timeout":
            self._samples(transport, "unknown").inc()
            return
        stored = received.count if received.count is not None else int(received.status == "success")
        if stored:
            self._samples(transport, "duplicate" if received.duplicate else "stored").inc(stored)
        if rejected:
            self._samples(transport, "refused").inc(rejected)
