"""What the gateway counts and measures; nothing of it is labelled with a device, a login or an address."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge

from broker.contract import DataReceived

Transport = Literal["http", "socketio"]


class Metrics:
    """Registered once a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._samples = Counter(
            "stresswire_gateway_samples",
            "Samples that came by way of the gateway, by their answers; the rest came over MQTT.",
            ["transport", "outcome"],
            registry=registry,
        )
        self.requests = Counter(
            "stresswire_http_requests", "HTTP requests, by the class of their status.", ["status"], registry=registry
        )
        self.connections = Gauge("stresswire_connections", "Clients that are connected.", ["kind"], registry=registry)
        self.sockets = Gauge("stresswire_sockets", "Socket.IO sockets, joined or not.", registry=registry)
        self.live_waiting = Gauge(
            "stresswire_live_waiting_messages", "Live events that wait to be sent to frontends.", registry=registry
        )
        self.answers_waiting = Gauge(
            "stresswire_answers_waiting_messages", "Answers that wait to be given to their senders.", registry=registry
        )
        self.uplink_waiting = Gauge(
            "stresswire_uplink_waiting_messages",
            "Messages of HTTP and Socket.IO that wait for their answers.",
            registry=registry,
        )
        self.dropped = Gauge(
            "stresswire_live_dropped_events",
            "Live events that were given up since the start, for all frontends or for those that could not keep up.",
            ["reason"],
            registry=registry,
        )

        self.refused_messages = Counter(
            "stresswire_gateway_refused_messages",
            "Messages of the bus that could not be read, or came from who may not send them.",
            ["channel", "reason"],
            registry=registry,
        )

    def count(self, transport: Transport, received: DataReceived) -> None:
        """Count the samples of a message by what its answer says."""
        samples, refused = self._samples, len(received.errors) or int(received.status == "error")
        if received.error is not None and received.error.code == "timeout":
            samples.labels(transport, "unknown").inc()
            return
        stored = received.count if received.count is not None else int(received.status == "success")
        if stored:
            samples.labels(transport, "duplicate" if received.duplicate else "stored").inc(stored)
        if refused:
            samples.labels(transport, "refused").inc(refused)
