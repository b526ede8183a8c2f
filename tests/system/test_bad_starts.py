"""What a start may find that it cannot use: one line that names it and exit status 2; the doctor tells of all of it."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from broker.bus import BusError
from broker.embedded.bus import EmbeddedBus
from models.errors import ModelError
from storage.check import Finding
from storage.database import Database, DatabaseError
from stresswire.cli.doctor import examine
from stresswire.cli.one_line import one_line
from stresswire.labelled_readings import labelled_readings
from stresswire.model_in_use import load_model
from stresswire.settings import PREFIX, Settings, SettingsError, load_settings, usable_settings
from stresswire.tls import server_context
from tests.support.command_server import stresswire
from tests.support.mqtt.aio import run

READING = (
    "INSERT INTO history_stress (device_id, boot, seq, timestamp, received_at, hr, stress_level, confidence,"
    " stress_probability, quality, model_version)"
    " VALUES ('d', 'b', 1, '2024-01-01 00:00:00', '2024-01-01 00:00:00', 'abc', 'normal', 1, 0, '', 'm')"
)
LOGIN = (
    "INSERT INTO logins (name, role, token_sha256, created_at, changed_at)"
    " VALUES ('eve', 'device', 'x', 'garbage', '2024-01-01 00:00:00')"
)
ANNOTATION = (
    "INSERT INTO annotations (device_id, source, label, start, created_at) VALUES ('d', 'x', 'calm', 'x', '2024-01-01')"
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of one's own, and no settings but those of the test."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


# --- settings


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("HTTP_BND", "; did you mean STRESSWIRE_HTTP_BIND?"),
        ("HTTPBIND", "; did you mean STRESSWIRE_HTTP_BIND?"),
        ("MQTT_PORT", "; docs/settings.md has all"),
        ("HTTP_PORT", "; docs/settings.md has all"),
        ("MQTT_HOST", "; docs/settings.md has all"),
        ("CORS_ORIGIN", "; did you mean STRESSWIRE_CORS_ORIGINS?"),
        ("CORS_ORIGINS_FILE", "; did you mean STRESSWIRE_CORS_ORIGINS?"),
        ("DATABASE_URI", "; did you mean STRESSWIRE_DATABASE_URL?"),
        ("DATABASE_URL_FILES", "; did you mean STRESSWIRE_DATABASE_URL_FILE?"),
        ("DB_URL", "; docs/settings.md has all"),
        ("TRUSTED_PROXY", "; did you mean STRESSWIRE_TRUSTED_PROXIES?"),
        ("MODELDIR", "; did you mean STRESSWIRE_MODEL_DIR?"),
        ("LOGIN_REQUIRED", "; docs/settings.md has all"),
        ("XYZ", "; docs/settings.md has all"),
        ("", "; docs/settings.md has all"),
    ],
)
@pytest.mark.parametrize("where", ["the environment", ".env"])
def test_a_setting_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, where: str, name: str, hint: str) -> None:
    if where == ".env":
        Path(".env").write_text(f"{PREFIX}{name}=1\n")
    else:
        monkeypatch.setenv(f"{PREFIX}{name}", "1")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"there is no setting {PREFIX}{name}{hint}")


@pytest.mark.parametrize(
    "name",
    [
        *("STRESSWIRE_SERVICE_HOST", "STRESSWIRE_SERVICE_PORT", "STRESSWIRE_SERVICE_PORT_HTTP", "STRESSWIRE_PORT"),
        *("STRESSWIRE_PORT_5000_TCP", "STRESSWIRE_PORT_5000_TCP_ADDR", "STRESSWIRE_MQTT_SERVICE_HOST"),
        *("STRESSWIRE_MQTT_PORT", "STRESSWIRE_GATEWAY_SERVICE_PORT_HTTP"),
        *("STRESSWIRE_MQTT_PORT_1883_TCP_PROTO", "stresswire_http_bind", "OTHER_HTTP_BND", "HTTP_BIND"),
    ],
)
def test_what_is_not_ours_is_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "127.0.0.1:7" if name.lower() == "stresswire_http_bind" else "tcp://10.0.0.1:5000")
    load_settings()


@pytest.mark.parametrize(
    ("origins", "hint"),
    [
        ("lab.example", "'lab.example' has no scheme: write http://lab.example or https://lab.example"),
        ("lab.example:8080", "'lab.example:8080' has no scheme: write http://lab.example:8080 or https://lab.example:8080"),
        ("localhost", "'localhost' has no scheme: write http://localhost or https://localhost"),
        ("https://a.example, b.example", "'b.example' has no scheme"),
        ("https://lab.example/page", "must be origins such as https://lab.example"),
        ("https://", "must be origins such as https://lab.example"),
        ("https://lab.example:port", "must be origins such as https://lab.example"),
        ("https://*.lab.example", "must be origins such as https://lab.example"),
    ],
)
def test_origins(monkeypatch: pytest.MonkeyPatch, origins: str, hint: str) -> None:
    monkeypatch.setenv(f"{PREFIX}CORS_ORIGINS", origins)
    with pytest.raises(SettingsError, match="CORS_ORIGINS") as refused:
        load_settings()
    assert hint in str(refused.value)


@pytest.mark.parametrize("name", ["RATE_BY_LOGIN", "RATE_BY_ADDRESS"])
@pytest.mark.parametrize(
    ("value", "limit"),
    [("inf", "1000000"), ("1e308", "1000000"), ("1000001", "1000000"), ("nan", ""), ("5e-324", "0.001"), ("-1", "0.001")],
)
def test_a_rate_has_limits_and_says_them(monkeypatch: pytest.MonkeyPatch, name: str, value: str, limit: str) -> None:
    monkeypatch.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"{PREFIX}{name}: ")
    assert limit in str(refused.value)


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name not in ("http_bind", "mqtt_bind")])
@pytest.mark.parametrize("value", [b"a\0b", b"a\x1b[31mb", b"a\x7fb"])
def test_a_setting_is_text(name: str, value: bytes) -> None:
    Path(".env").write_bytes(b"%s%s=%s\n" % (PREFIX.encode(), name.upper().encode(), value))
    with pytest.raises(SettingsError, match=f"^{PREFIX}{name.upper()}: must be text"):
        load_settings()


NOT_FILES: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "the process's memory": lambda path: path.symlink_to("/proc/self/mem"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "binary": lambda path: path.write_bytes(bytes(range(256))),
    "too large": lambda path: path.write_bytes(b"#" * (1 << 21)),
}


def test_a_secret_may_come_through_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"sqlite:///from_a_pipe.db\n")
    os.close(writing)
    Path(".env").symlink_to(os.devnull)
    monkeypatch.setenv(f"{PREFIX}DATABASE_URL_FILE", f"/dev/fd/{reading}")
    assert load_settings().database_url.get_secret_value() == "sqlite:///from_a_pipe.db"
    os.close(reading)


@pytest.mark.parametrize("make", NOT_FILES.values(), ids=NOT_FILES)
@pytest.mark.parametrize("name", ["DATABASE_URL_FILE", "MQTT_URL_FILE", ".env"])
def test_a_file_of_settings_that_is_none(
    monkeypatch: pytest.MonkeyPatch, name: str, make: Callable[[Path], object]
) -> None:
    monkeypatch.setattr("stresswire.settings._PIPE_S", 0.2)
    make(Path(".env" if name == ".env" else "secret"))
    if name != ".env":
        monkeypatch.setenv(f"{PREFIX}{name}", "secret")
    with pytest.raises(SettingsError, match=rf"{name}.* cannot (be )?read"):
        load_settings()


@pytest.mark.parametrize("make", [NOT_FILES[name] for name in ("a folder", "a pipe", "a device without end")])
@pytest.mark.parametrize("which", ["CERT", "KEY", "CA"])
def test_a_certificate_that_is_no_file(make: Callable[[Path], object], which: str) -> None:
    files = {"CERT": Path("cert"), "KEY": Path("key"), "CA": Path("ca")}
    for name, path in files.items():
        if name == which:
            make(path)
        else:
            path.write_text("")
    with pytest.raises(SettingsError, match=f"MQTT_TLS_{which}=.* not a regular file"):
        server_context("MQTT", *files.values())


def test_a_port_that_nobody_else_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}MQTT_BIND", "127.0.0.1:0")
    with pytest.raises(SettingsError, match=r"MQTT_BIND=127\.0\.0\.1:0 takes a random port"):
        _ = load_settings().broker_address


@pytest.mark.parametrize("host", ["a..b", "x" * 300])
def test_a_name_that_cannot_be_looked_up(host: str) -> None:
    async def main() -> None:
        async with EmbeddedBus(host, 0) as bus:
            with pytest.raises(BusError, match="cannot listen for MQTT on"):
                await bus.open()

    run(main)


def test_several_bad_settings_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RATE_BY_LOGIN": "inf", "MQTT_URL": "x", "METRICS_BIND": "8.8.8.8:1", "MODELS": "m"}.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    settings, errors = usable_settings()
    assert [error.partition("=")[0].partition(":")[0] for error in errors.values()] == [
        f"{PREFIX}MQTT_URL",
        f"{PREFIX}RATE_BY_LOGIN",
        f"{PREFIX}METRICS_BIND",
    ]
    assert (settings.models, settings.rate_by_login, settings.metrics_bind) == (Path("m"), 100.0, None)


# --- the model says what to do


@pytest.mark.parametrize(
    ("model_dir", "chosen", "words"),
    [
        ("/", "", "unset STRESSWIRE_MODEL_DIR"),
        ("nowhere", "", "unset STRESSWIRE_MODEL_DIR"),
        (None, "2-gone", "(stresswire model list), or remove its line from var/models/chosen"),
        (None, "2-a\0b", "take it out, or delete the file to use the shipped model"),
        (None, "../..", "take it out, or delete the file to use the shipped model"),
    ],
)
def test_a_bad_model_says_the_way_out(model_dir: str | None, chosen: str, words: str) -> None:
    folder = Path("var/models")
    folder.mkdir(parents=True)
    (folder / "chosen").write_text(chosen)
    settings = Settings(model_dir=None if model_dir is None else Path(model_dir))
    with pytest.raises(ModelError) as refused:
        load_model(settings)
    assert words in str(refused.value)


def test_a_share_of_stress_that_the_model_does_not_take() -> None:
    with pytest.raises(SettingsError, match=f"^{PREFIX}STRESS_PRIOR: the prior must be above 0"):
        load_model(Settings(stress_prior=0.9))


# --- records


class Record(NamedTuple):
    """What was done to a record, and what reads it."""

    sql: str
    read: Callable[[Database], object]


def logins_of(database: Database) -> None:
    from stresswire.login_cache import LoginCache  # noqa: PLC0415
    from stresswire.runtime import utc_now  # noqa: PLC0415

    LoginCache(database, utc_now)


@pytest.mark.parametrize(
    "record",
    [
        Record(LOGIN, logins_of),
        Record("DROP TABLE logins", logins_of),
        Record(ANNOTATION, lambda database: labelled_readings(database, [])),
        Record("DROP TABLE annotations", lambda database: labelled_readings(database, [])),
    ],
    ids=lambda record: record.sql[:20],
)
def test_rows_that_are_no_record(sqlite_database: Database, record: Record) -> None:
    with sqlite_database.writer.begin() as connection:
        connection.exec_driver_sql(record.sql)
    with pytest.raises(DatabaseError, match="cannot be read: "):
        record.read(sqlite_database)


# --- the doctor


def examined(settings: Settings | None = None) -> list[Finding]:
    found, errors = usable_settings()
    return list(examine(settings or found, errors))


def parts(findings: list[Finding], *, ok: bool) -> list[str]:
    return [finding.part for finding in findings if finding.ok is ok]


def spoil_database(path: Path, sql: str) -> None:
    Database(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


@pytest.mark.parametrize("sql", [READING, "DROP TABLE history_stress", "UPDATE alembic_version SET version_num = '0099'"])
def test_the_doctor_goes_on_after_a_bad_database(tmp_path: Path, sql: str) -> None:
    spoil_database(tmp_path / "a.db", sql)
    found = examined(Settings(database_url=f"sqlite:///{tmp_path / 'a.db'}"))
    assert parts(found, ok=False) == ["database"]
    assert parts(found, ok=True) == ["model", "disk", "broker"]


def test_the_doctor_goes_on_after_a_malformed_page(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Database(f"sqlite:///{path}").close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    found = examined(Settings(database_url=f"sqlite:///{path}"))
    assert parts(found, ok=False) == ["database"]
    assert "malformed" in found[-1].detail


@pytest.mark.parametrize("name", ["chosen", "models"])
def test_the_doctor_goes_on_after_a_bad_model(name: str) -> None:
    Path("var/models").mkdir(parents=True)
    Path("var/models/chosen").write_bytes(b"\xff\0")
    found = examined(Settings(models=Path("var/models/chosen") if name == "models" else Path("var/models")))
    assert parts(found, ok=False) == ["model"]
    assert parts(found, ok=True) == ["disk", "broker", "database"]


@pytest.mark.parametrize(
    ("setting", "value", "left"),
    [
        ("RATE_BY_LOGIN", "inf", ["model", "disk", "broker", "database"]),
        ("HTTP_TLS_CERT", "cert.pem", ["model", "disk", "broker", "database"]),
        ("DATABASE_URL_FILE", "/", ["model", "disk", "broker"]),
        ("MQTT_URL", "x", ["model", "disk", "database"]),
        ("STRESS_PRIOR", "7", ["disk", "broker", "database"]),
        ("MODELS", "a\nb", ["disk", "broker", "database"]),
    ],
)
def test_the_doctor_goes_on_after_a_bad_setting(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str, left: list[str]
) -> None:
    monkeypatch.setenv(f"{PREFIX}{setting}", value)
    found = examined()
    assert parts(found, ok=False) == ["settings"]
    assert setting in found[0].detail
    assert parts(found, ok=True) == left


# --- real starts


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("model_dir", "/", ["unset STRESSWIRE_MODEL_DIR"]),
        ("rate_by_login", "inf", ["STRESSWIRE_RATE_BY_LOGIN", "1000000"]),
        ("database_url", "sqlite:///a.db?timeout=abc", ["DATABASE_URL", "timeout=abc"]),
        ("database_url", "postgresql://127.0.0.1:abc/d", ["DATABASE_URL"]),
        ("models", "models", ["models/chosen", "delete"]),
        ("models", "a\nb", ["STRESSWIRE_MODELS"]),
        ("mqtt_bind", "a..b:1883", ["a..b"]),
    ],
)
def test_a_start_ends_in_one_line(tmp_path: Path, setting: str, value: str, words: list[str]) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "chosen").write_bytes(b"a\0b")
    done = stresswire(tmp_path, "up", **{"auth": "off", setting: value})
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("stresswire: ")
    assert all(word in line for word in words), line


def test_the_doctor_tells_of_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "var" / "models").mkdir(parents=True)
    (tmp_path / "var" / "models" / "chosen").write_bytes(bytes(range(256)))
    (tmp_path / "var" / "stresswire.db").write_bytes(b"no database" * 1_000)
    done = stresswire(tmp_path, "doctor", rate_by_login="1e308", mqtt_bind="127.0.0.1:1")
    assert (done.returncode, done.stderr) == (1, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["BAD", "settings"],
        ["BAD", "model"],
        ["ok", "disk"],
        ["ok", "broker"],
        ["BAD", "database"],
    ]


def test_a_bad_choice_can_be_mended_with_what_is_said(tmp_path: Path) -> None:
    chosen = tmp_path / "var" / "models" / "chosen"
    chosen.parent.mkdir(parents=True)
    chosen.write_text("2-gone\n")
    listed = stresswire(tmp_path, "model", "list")
    assert (listed.returncode, listed.stdout) == (0, "  shipped\n")
    assert stresswire(tmp_path, "model", "rollback").returncode == 0
    assert stresswire(tmp_path, "model", "list").stdout == "* shipped\n"
    chosen.write_bytes(b"\xff")
    listed = stresswire(tmp_path, "model", "list")
    assert (listed.returncode, listed.stdout) == (2, "  shipped\n")
    assert "delete it to use the shipped model" in listed.stderr


def test_what_is_told_is_one_line() -> None:
    assert one_line("a\nb\r\n\x1b[31mc\u2028d") == "a b [31mc d"


def test_the_doctor_looks_at_the_url_before_there_is_a_record(tmp_path: Path) -> None:
    done = stresswire(tmp_path, "doctor", database_url="sqlite:///var/a.db?timeout=abc", mqtt_bind="127.0.0.1:1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("BAD  database") and "DATABASE_URL" in line]
    assert not list(tmp_path.iterdir()), "nothing is made where the record would be"
