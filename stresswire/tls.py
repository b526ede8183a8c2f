"""The TLS side of a listener."""

import ssl
from pathlib import Path
from stat import S_ISREG

from stresswire.settings import PREFIX, SettingsError


def server_context(
    listener: str, certificate: Path | None, key: Path | None, authority: Path | None = None
) -> ssl.SSLContext | None:
    """The context of the certificate files, None where there are none. Raises `SettingsError` that names the setting.

    `listener` is `MQTT` or `HTTP`, as the settings begin. With a CA a client may show a certificate that it has signed.
    """
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    names = f"{PREFIX}{listener}_TLS_CERT={certificate} and {PREFIX}{listener}_TLS_KEY={key}"
    _only_files(listener, CERT=certificate, KEY=key, CA=authority)
    try:
        context.load_cert_chain(certificate, key, password="")  # an encrypted key is refused, not asked for
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{names} cannot be used: {error}") from error
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"{PREFIX}{listener}_TLS_CA={authority} cannot be used: {error}") from error
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _only_files(listener: str, **paths: Path | None) -> None:
    """A pipe would be waited for without end. Raises `SettingsError`."""
    for name, path in paths.items():
        try:
            well = path is None or S_ISREG(path.stat().st_mode)
        except OSError as error:
            raise SettingsError(f"{PREFIX}{listener}_TLS_{name}={path} cannot be used: {error.strerror}") from error
        if not well:
            raise SettingsError(f"{PREFIX}{listener}_TLS_{name}={path} cannot be used: it is not a regular file")
