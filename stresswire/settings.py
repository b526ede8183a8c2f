"""The settings, read once from the environment or `.env`; prefix `STRESSWIRE_`, and secrets also from `<NAME>_FILE`."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from broker.address import MqttAddress, parse_url
from broker.authority import Authority, is_loopback, is_opaque_origin, parse_authority, parse_origin
from broker.contract.requests import suggestion
from gateway.public_url import PublicUrl
from ingest.shard import Shard
from models.files import text_of

PREFIX = "STRESSWIRE_"
_SECRETS = ("mqtt_url", "database_url")
_DOTENV = Path(".env")
_MAX_FILE_BYTES = 1 << 20
_PIPE_S = 5.0
"""Longest time to wait for a secret that a command writes into a pipe, as in a shell's ``<(...)``."""
_INTERDEPENDENT = (
    "http_tls_cert",
    "http_tls_key",
    "mqtt_tls_cert",
    "mqtt_tls_key",
    "mqtt_tls_ca",
    "metrics_bind",
    "ingest_shard",
)
"""Settings whose validity depends on another setting."""
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and bytes of the environment that are not UTF-8."""
_OF_KUBERNETES = re.compile(
    rf"{PREFIX}(?:\w+_)?(?:SERVICE_(?:HOST|PORT(?:_\w+)?)=.*|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_\w+)?=.*|PORT=(?:tcp|udp|sctp)://.*)"
)
"""What Kubernetes puts into the environment of every container for services whose names begin with stresswire."""
Rate = Annotated[float, Field(ge=0.001, le=1_000_000)]


class SettingsError(Exception):
    """Invalid setting; the message is one line that names it."""


class _Unreadable(NamedTuple):
    """Placeholder for the content of a file that cannot be read."""

    reason: str


class Bind(NamedTuple):
    """Address and port of a listener."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """True if only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def reachable(self) -> "Bind":
        """Address for a client on this machine: a wildcard becomes the loopback address."""
        return self._replace(host={"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host))  # noqa: S104

    def __str__(self) -> str:
        return str(Authority(*self))


def _bind(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    example = "must be address:port, as in 127.0.0.1:1883 or [::1]:1883"
    try:
        authority = parse_authority(value, zones=True)
    except ValueError as error:
        raise ValueError(f"{example}; it {error}") from error
    if authority.port is None:
        raise ValueError(f"{example}, got {value[:80]!r}")
    return Bind(authority.host, authority.port)


def _shard(value: Any) -> Any:
    return Shard.parse(value) if isinstance(value, str) else value


def _list(value: Any) -> Any:
    return tuple(item.strip() for item in value.split(",") if item.strip()) if isinstance(value, str) else value


def _origin(value: str) -> str:
    """Return an origin of `CORS_ORIGINS`, or ``*``, as it is. Raises `ValueError`."""
    if value != "*" and not is_opaque_origin(value):
        try:
            parse_origin(value.rstrip("/"))
        except ValueError as error:
            if "://" not in value:
                raise ValueError(
                    f"{value[:80]!r} has no scheme: write http://{value[:80]} or https://{value[:80]}"
                ) from error
            raise ValueError(f"must be origins such as https://lab.example, separated by commas: one {error}") from error
    return value


def _public_url(value: Any) -> Any:
    return PublicUrl.parse(value) if isinstance(value, str) else value


def _mqtt_url(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        parse_url(value.get_secret_value())
    return value


class Settings(BaseSettings):
    """Settings of a process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    http_bind: Annotated[Bind, NoDecode, BeforeValidator(_bind)] = Bind("127.0.0.1", 5000)
    mqtt_bind: Annotated[Bind, NoDecode, BeforeValidator(_bind)] = Bind("127.0.0.1", 1883)
    http_tls_cert: Path | None = None
    http_tls_key: Path | None = None
    mqtt_tls_cert: Path | None = None
    mqtt_tls_key: Path | None = None
    mqtt_tls_ca: Path | None = None
    mqtt_url: Annotated[SecretStr | None, AfterValidator(_mqtt_url)] = None
    database_url: SecretStr = SecretStr("sqlite:///var/stresswire.db")
    ingest_shard: Annotated[Shard, NoDecode, BeforeValidator(_shard)] = Shard()
    model_dir: Path | None = None
    models: Path = Path("var/models")
    stress_prior: Annotated[float | None, Field(gt=0, lt=1)] = None
    auth: Literal["auto", "required", "off"] = "auto"
    cors_origins: Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_list)] = ()
    public_url: Annotated[InstanceOf[PublicUrl] | None, NoDecode, BeforeValidator(_public_url)] = None
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_list)] = ()
    metrics_bind: Annotated[Bind | None, NoDecode, BeforeValidator(_bind)] = None
    rate_by_login: Rate = 100.0
    rate_by_address: Rate = 1_000.0

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        if isinstance(value, _Unreadable):
            raise ValueError(value.reason)  # noqa: TRY004 - pydantic turns a ValueError into an error of this setting
        if isinstance(value, str) and _NOT_TEXT.search(value):
            raise ValueError("must be text in UTF-8 without control characters")
        return value

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Self:
        pairs = {"HTTP": (self.http_tls_cert, self.http_tls_key), "MQTT": (self.mqtt_tls_cert, self.mqtt_tls_key)}
        for name, (certificate, key) in pairs.items():
            if (certificate is None) != (key is None):
                both = f"{PREFIX}{name}_TLS_CERT and {PREFIX}{name}_TLS_KEY"
                raise ValueError(f"{both} must be set together: one of them is not set")
        if self.mqtt_tls_ca is not None and self.mqtt_tls_cert is None:
            raise ValueError(f"{PREFIX}MQTT_TLS_CA needs {PREFIX}MQTT_TLS_CERT and {PREFIX}MQTT_TLS_KEY")
        return self

    @model_validator(mode="after")
    def _metrics_without_logins_need_loopback(self) -> Self:
        if self.metrics_bind is not None and not self.metrics_bind.loopback and self.auth != "off":
            raise ValueError(
                f"{PREFIX}METRICS_BIND={self.metrics_bind} serves without logins: use a loopback address, or set"
                f" {PREFIX}AUTH=off; the gateway serves /metrics with logins"
            )
        return self

    @model_validator(mode="after")
    def _shard_needs_external_broker(self) -> Self:
        if self.mqtt_url is None and self.ingest_shard != Shard():
            raise ValueError(f"{PREFIX}INGEST_SHARD needs {PREFIX}MQTT_URL: the embedded broker has one ingest")
        return self

    @property
    def logins_required(self) -> bool:
        """True if broker and gateway accept only clients with a login."""
        return self.auth == "required" or (self.auth == "auto" and self.network_setting is not None)

    @property
    def network_setting(self) -> str | None:
        """Setting that makes a listener reachable from other machines, or None."""
        binds = {"MQTT_BIND": self.mqtt_bind, "HTTP_BIND": self.http_bind}
        if self.trusted_proxies:
            return f"{PREFIX}TRUSTED_PROXIES"
        if self.public_url is not None and not self.public_url.origin.authority.loopback:
            return f"{PREFIX}PUBLIC_URL={self.public_url}"
        return next((f"{PREFIX}{name}={bind}" for name, bind in binds.items() if not bind.loopback), None)

    @property
    def mqtt_address(self) -> MqttAddress | None:
        """Address of the external broker, or None."""
        return None if self.mqtt_url is None else parse_url(self.mqtt_url.get_secret_value())

    @property
    def broker_address(self) -> MqttAddress:
        """Address of the external broker, else of the embedded one for a client on this machine.

        Raises:
            SettingsError: the embedded broker's port is chosen when it starts.
        """
        if self.mqtt_url is None and self.mqtt_bind.port == 0:
            raise SettingsError(
                f"{PREFIX}MQTT_BIND={self.mqtt_bind} takes a random port: set a fixed one, or {PREFIX}MQTT_URL"
            )
        local = MqttAddress(*self.mqtt_bind.reachable, tls=self.mqtt_tls_cert is not None)
        return self.mqtt_address or local

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources by precedence; files with secrets come right after the environment."""
        del file_secret_settings
        return init_settings, env_settings, _SecretFiles(settings_cls, dotenv_settings), dotenv_settings


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `STRESSWIRE_<NAME>_FILE`, from the environment or `.env`."""

    def __init__(self, settings_cls: type[BaseSettings], dotenv: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        variables: Mapping[str, str | None] = dotenv.env_vars if isinstance(dotenv, DotEnvSettingsSource) else {}
        self._variables = {**{name.upper(): value for name, value in variables.items()}, **os.environ}

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Return the content of the file that `<NAME>_FILE` names, the field's name, and False."""
        del field
        path = self._variables.get(f"{PREFIX}{field_name.upper()}_FILE")
        if not path:
            return None, field_name, False
        try:
            return text_of(Path(path), _MAX_FILE_BYTES, pipe_s=_PIPE_S).strip(), field_name, False
        except OSError as error:
            reason = error.strerror
        except ValueError:  # it contains a NUL
            reason = "not a valid path"
        return _Unreadable(f"{PREFIX}{field_name.upper()}_FILE: cannot read {path}: {reason}"), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(None, name)[0] for name in _SECRETS}
        return {name: value for name, value in values.items() if value is not None}


def load_settings() -> Settings:
    """Return the settings of this process. Raises `SettingsError` for the first that is invalid."""
    settings, errors = usable_settings()
    if errors:
        raise SettingsError(next(iter(errors.values())))
    return settings


def usable_settings() -> tuple[Settings, Mapping[str, str]]:
    """Return the settings with invalid ones at their defaults, and the error messages by the names of the invalid ones.

    A name of the mapping is a field's, several fields' with spaces between them, or `.env`.
    """
    errors: dict[str, str] = {}
    replaced: dict[str, Any] = {}
    try:
        if os.path.realpath(_DOTENV) != os.devnull:  # a link to it may stand for an empty file
            text_of(_DOTENV, _MAX_FILE_BYTES)
    except FileNotFoundError:
        pass
    except OSError as error:
        errors[".env"] = f".env cannot be read: {error.strerror}"
        replaced["_env_file"] = None
    if ".env" not in errors:
        errors |= _unknown({name.upper(): value for name, value in DotEnvSettingsSource(Settings).env_vars.items()})
    errors |= _unknown(os.environ)
    while True:
        try:
            return Settings(**replaced), errors
        except ValidationError as error:
            for detail in error.errors():
                names = (str(detail["loc"][0]),) if detail["loc"] else _INTERDEPENDENT
                errors[" ".join(names)] = _with_name(names[0], _in_words(detail))
                replaced |= {name: Settings.model_fields[name].get_default() for name in names}


def _in_words(detail: ErrorDetails) -> str:
    """Return what is wrong with a setting; its value only if it can be no secret."""
    got = f", got {str(detail['input'])[:80]!r}"
    match detail["type"]:
        case "literal_error":
            return f"must be one of {detail['ctx']['expected'].replace(' or ', ', ')}".replace("'", "") + got
        case "float_parsing":
            return f"must be a number{got}"
        case "ip_any_network":
            return f"must be addresses or networks such as 10.0.0.0/8, separated by commas{got}"
        case _:
            return detail["msg"].removeprefix("Value error, ")


def _unknown(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Return the variables that begin as settings do but are none, each with what is wrong."""
    known = {name.upper() for name in (*Settings.model_fields, *(f"{name}_file" for name in _SECRETS))}
    unknown: dict[str, str] = {}
    for name, value in sorted(variables.items()):
        bare = name.upper().removeprefix(PREFIX)
        if name.upper().startswith(PREFIX) and bare not in known and not _OF_KUBERNETES.fullmatch(f"{name}={value}"):
            hint = suggestion(bare, known, "docs/settings.md has all", PREFIX)
            unknown[name] = f"there is no setting {name[:80]}{hint}"
    return unknown


def _with_name(name: str, message: str) -> str:
    return message if message.startswith(PREFIX) else f"{PREFIX}{name.upper()}: {message}"
