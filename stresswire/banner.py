"""The lines that `stresswire up` prints once it is ready."""

from broker.contract import SENSOR_DATA
from broker.embedded.bus import EmbeddedBus
from broker.external.bus import MqttBus
from gateway.http.routes.pages import DOCS, TEST_PAGE
from gateway.service import Gateway
from storage.database import Database
from stresswire import __version__
from stresswire.embedded_broker import address_of
from stresswire.settings import Bind, Settings


def scheme_of(settings: Settings) -> str:
    """Return the URL scheme of the HTTP listener."""
    return "http" if settings.http_tls_cert is None else "https"


def banner(settings: Settings, database: Database, gateway: Gateway, bus: EmbeddedBus | MqttBus) -> str:
    """Return the addresses of the parts, and a command that sends a first sample."""
    http = f"{scheme_of(settings)}://{Bind(gateway.host, gateway.port).reachable}"
    broker = address_of(bus)
    topic = SENSOR_DATA.topic("ESP32_001")
    sample = '{"hr":75.5,"temp":36.2,"eda":0.45}'
    embedded = isinstance(bus, EmbeddedBus)
    shown = "--cafile CA.pem " if embedded and settings.mqtt_tls_cert else ""
    shown += "-u ESP32_001 -P TOKEN " if embedded and settings.logins_required else ""
    return "\n".join(
        (
            f"stresswire {__version__}",
            f"  test page         {http}{TEST_PAGE.path}",
            f"  documents         {http}{DOCS.path}",
            *([] if settings.public_url is None else [f"  behind the proxy  {settings.public_url}"]),
            f"  HTTP, Socket.IO   {http}",
            f"  MQTT              {broker}",
            f"  database          {database}",
            *(["  logins            stresswire token add NAME --role viewer"] if settings.logins_required else []),
            "Send a sample:",
            f"  mosquitto_pub -h {broker.host} -p {broker.port} {shown}-q 1 -t {topic} -m '{sample}'",
            "Ctrl-C stops.",
        )
    )
