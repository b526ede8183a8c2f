"""The real brokers with the profiles of `deploy/`: only paths, ports and the user they run as are the test's own."""

import contextlib
import getpass
import os
import re
import secrets
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from broker.contract import DATA_RECEIVED
from tests.support.certificates import self_signed
from tests.support.harness import START_S, Process, free_port, wait_until

DEPLOY = Path(__file__).parents[3] / "deploy"
RABBITMQ = Path("/usr/lib/rabbitmq/bin")
SLOW_S = 200.0
"""Erlang takes its time to start on a busy machine."""
DEVICE = "ESP32_001"
SIBLING = "ESP32_002"
UP, INGEST, GATEWAY = "stresswire", "stresswire-ingest", "stresswire-gateway"
SERVICES = (UP, INGEST, GATEWAY)
TESTER = "tester"
"""The test's own login, which may publish and read everything: what a device does not get is to be there."""
NARROW = "narrow"
"""A login on RabbitMQ that may do what `stresswire` may, but cannot read topics that are nearly right."""
ANYBODY = ""
"""Without a login."""
PASSWORD = "secret"


class Running(NamedTuple):
    """A broker: the pipeline's port, the devices' with TLS, and whom to trust there. Everybody has the same password."""

    port: int
    tls_port: int
    ca: Path
    process: Process

    def url(self, login: str) -> str:
        return f"mqtt://{login}:{PASSWORD}@127.0.0.1:{self.port}"


def adapted(text: str, changes: Mapping[str, str]) -> str:
    """A profile with other lines; a line that is not there fails."""
    lines = text.splitlines()
    for line, other in changes.items():
        lines[lines.index(line)] = other
    return "\n".join(lines) + "\n"


# --- Mosquitto


@contextlib.contextmanager
def mosquitto(folder: Path, *, port: int | None = None) -> Iterator[Running]:
    """Mosquitto; a second time in the same folder it finds what the first has saved."""
    certificate = self_signed(folder, "server", authority=True)
    port, tls_port = port or free_port(), free_port()
    (folder / "acl").write_text((DEPLOY / "mosquitto" / "acl").read_text() + f"user {TESTER}\ntopic readwrite #\n")
    changes = {
        "user mosquitto": f"user {getpass.getuser()}",
        "pid_file /run/mosquitto/mosquitto.pid": "",
        "log_dest syslog": "log_dest stderr",
        "password_file /etc/mosquitto/stresswire/passwords": f"password_file {_passwords(folder)}",
        "acl_file /etc/mosquitto/stresswire/acl": f"acl_file {folder / 'acl'}",
        "persistence_location /var/lib/mosquitto/": f"persistence_location {folder}/",
        "listener 1883 127.0.0.1": f"listener {port} 127.0.0.1",
        "listener 8883": f"listener {tls_port} 127.0.0.1",
        "certfile /etc/mosquitto/stresswire/server.crt": f"certfile {certificate.cert}",
        "keyfile /etc/mosquitto/stresswire/server.key": f"keyfile {certificate.key}",
        "log_type notice": "log_type all",
    }
    config = folder / "mosquitto.conf"
    config.write_text(adapted((DEPLOY / "mosquitto" / "mosquitto.conf").read_text(), changes))
    program = "mosquitto" if not Path("/usr/sbin/mosquitto").exists() else "/usr/sbin/mosquitto"
    with Process([program, "-c", str(config)]) as process:
        process.wait_for("running")
        yield Running(port, tls_port, certificate.cert, process)


def _passwords(folder: Path) -> Path:
    path = folder / "passwords"
    path.write_text("".join(f"{login}:{PASSWORD}\n" for login in (*SERVICES, TESTER, DEVICE, SIBLING)))
    path.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True, timeout=START_S)
    return path


# --- RabbitMQ


class RabbitFolder:
    """A RabbitMQ node that lives in a folder, with a port mapper of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = self_signed(folder, "server", authority=True)
        self.port, self.tls_port, self.mapper_port = free_port(), free_port(), free_port()
        self.env = {
            "HOME": str(folder),  # the cookie
            "RABBITMQ_NODENAME": f"test{secrets.token_hex(4)}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(DEPLOY / "rabbitmq" / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ALLOW_INPUT": "1",  # the script becomes the server, with no shell between
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self.mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        changes = {
            "mqtt.listeners.tcp.1 = 127.0.0.1:1883": f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}",
            "mqtt.listeners.ssl.1 = 8883": f"mqtt.listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
            "ssl_options.certfile = /etc/rabbitmq/stresswire/server.crt": f"ssl_options.certfile = {self.certificate.cert}",
            "ssl_options.keyfile = /etc/rabbitmq/stresswire/server.key": f"ssl_options.keyfile = {self.certificate.key}",
            "ssl_options.cacertfile = /etc/rabbitmq/stresswire/ca.crt": f"ssl_options.cacertfile = {self.certificate.cert}",
            "disk_free_limit.absolute = 2GB": "disk_free_limit.absolute = 1MB",
        }
        (folder / "rabbitmq.conf").write_text(adapted((DEPLOY / "rabbitmq" / "rabbitmq.conf").read_text(), changes))
        (folder / "rabbitmq-env.conf").touch()

    def control(self, *arguments: str) -> str:
        """`rabbitmqctl`."""
        env = {**os.environ, **self.env}
        command = [str(RABBITMQ / "rabbitmqctl"), *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=SLOW_S, check=False)
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def follow(self, block: Sequence[str], **words: str) -> None:
        """Run commands of the README, one after the other, with these words in place of the ones in capitals."""
        for line in block:
            for word, value in words.items():
                line = line.replace(word, value)  # noqa: PLW2901
            script = f'rabbitmqctl() {{ {RABBITMQ}/rabbitmqctl "$@"; }}\n{line}'
            done = subprocess.run(
                ["sh", "-c", script],
                env={**os.environ, **self.env},
                cwd=DEPLOY / "rabbitmq",
                capture_output=True,
                text=True,
                timeout=SLOW_S,
                check=False,
            )
            assert done.returncode == 0, f"{line}:\n{done.stdout}{done.stderr}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Running]:
        """Start it, with its port mapper; both are gone at the end."""
        with (
            Process(["epmd", "-port", str(self.mapper_port), "-address", "127.0.0.1"]),
            Process([str(RABBITMQ / "rabbitmq-server")], env=self.env, cwd=self.folder) as server,
        ):
            server.wait_for("completed with", SLOW_S)
            yield Running(self.port, self.tls_port, self.certificate.cert, server)


def readme_block(containing: str) -> list[str]:
    """The `rabbitmqctl` lines of the block of the README that has this in it."""
    text = (DEPLOY / "rabbitmq" / "README.md").read_text()
    (block,) = [one for one in re.findall(r"(?:^ {4}.*\n)+", text, re.MULTILINE) if containing in one]
    return [line.strip() for line in block.splitlines() if line.strip().startswith("rabbitmqctl")]


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[Running]:
    """RabbitMQ, set up with the commands of its README: the services, and two devices."""
    node = RabbitFolder(folder)
    with node.running() as running:
        node.follow(readme_block("import_definitions"), PASSWORD=PASSWORD)
        for device in (DEVICE, SIBLING):
            node.follow(readme_block("add_user"), ESP32_001=device, PASSWORD=PASSWORD)
        node.control("add_user", TESTER, PASSWORD)
        node.control("add_user", NARROW, PASSWORD)
        for login in (TESTER, NARROW):
            node.control("set_permissions", login, ".*", ".*", ".*")
        contract = r"^stress\.v1\.[^.]+\.[a-z0-9_]{11,}$"
        node.control("set_topic_permissions", NARROW, "amq.topic", contract, contract)
        yield running


# --- a client


class Client:
    """A paho client in a thread that says what happened to it; it never connects again."""

    def __init__(
        self, running: Running, login: str, *, client_id: str | None = None, password: str = PASSWORD, clean: bool = True
    ) -> None:
        self.login = login
        self.refused: str | None = None
        self.granted: dict[int, list[bool]] = {}
        self.received: list[tuple[str, bytes]] = []
        self.gone = threading.Event()
        self._answered = threading.Event()
        self.paho = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id if client_id is not None else secrets.token_hex(8) if login == TESTER else login,
            clean_session=clean,
            reconnect_on_failure=False,
        )
        if login:
            self.paho.username_pw_set(login, password)
        if login in (*SERVICES, TESTER, ANYBODY):
            self._port = running.port
        else:
            self._port = running.tls_port
            self.paho.tls_set(str(running.ca))
        self.paho.on_connect = self._on_connect
        self.paho.on_subscribe = self._on_subscribe
        self.paho.on_message = self._on_message
        self.paho.on_disconnect = self._on_disconnect

    def subscribe(self, topic_filter: str) -> bool:
        """Whether the broker grants it; a connection that it ends instead is a no."""
        _, mid = self.paho.subscribe(topic_filter, 1)
        wait_until(lambda: mid in self.granted or self.gone.is_set())
        return self.granted.get(mid or 0) == [True]

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Whether the broker acknowledges it; a connection that it ends instead is a no."""
        sent = self.paho.publish(topic, payload, qos, retain)
        wait_until(lambda: self.gone.is_set() or sent.is_published())
        return sent.rc == paho.MQTT_ERR_SUCCESS and sent.is_published()

    def wait_for(self, payload: bytes) -> None:
        """Until it comes; who is put out gets nothing more."""
        wait_until(lambda: self.has(payload) or self.gone.is_set())

    def has(self, payload: bytes) -> bool:
        return any(payload == one for _, one in list(self.received))

    def _on_connect(self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self.refused = str(reason)
        self._answered.set()

    def _on_subscribe(self, _client: paho.Client, _data: Any, mid: int, reasons: list[Any], _properties: Any) -> None:
        self.granted[mid] = [not reason.is_failure for reason in reasons]

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self.received.append((message.topic, bytes(message.payload)))

    def _on_disconnect(self, *_: Any) -> None:
        self.gone.set()
        self._answered.set()

    def __enter__(self) -> Self:
        self.paho.connect("127.0.0.1", self._port)
        self.paho.loop_start()
        assert self._answered.wait(START_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


def arrives(running: Running, login: str, topic: str) -> bool:
    """Whether what `login` publishes reaches somebody who may read everything."""
    payload, marker = secrets.token_bytes(8), secrets.token_bytes(8)
    with Client(running, TESTER) as watcher, Client(running, login) as client:
        assert client.refused is None
        assert watcher.subscribe("#")
        client.publish(topic, payload)
        assert watcher.publish("marker", marker)
        watcher.wait_for(marker)
        return watcher.has(payload)


def hears(running: Running, login: str, topic_filter: str, topic: str) -> bool:
    """Whether `login`, a device that asks for `topic_filter`, gets what somebody publishes on `topic`."""
    payload, marker = secrets.token_bytes(8), secrets.token_bytes(8)
    with Client(running, TESTER) as sender, Client(running, login) as client:
        assert client.refused is None
        client.subscribe(topic_filter)
        client.subscribe(DATA_RECEIVED.topic(login))
        assert sender.publish(topic, payload)
        assert sender.publish(DATA_RECEIVED.topic(login), marker)
        client.wait_for(marker)
        return client.has(payload)
