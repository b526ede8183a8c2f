"""TLS contexts of the listeners."""

import ssl
from pathlib import Path
from stat import S_ISREG

from stresswire.settings import PREFIX, SettingsError


def server_context(
    listener: str, certificate: Path | None, key: Path | None, authority: Path | None = None
) -> ssl.SSLContext | None:
    """Return a server context, or None without a certificate.

    Args:
        listener: `MQTT` or `HTTP`, as in the names of the settings.
        certificate: PEM file with the certificate chain.
        key: PEM file with the private key, not encrypted.
        authority: PEM file of a CA; a client may then present a certificate that it has signed.

    Raises:
        SettingsError: a file cannot be used; the message names the setting.
    """
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    names = f"{PREFIX}{listener}_TLS_CERT={certificate} and {PREFIX}{listener}_TLS_KEY={key}"
    _check_regular_files(listener, CERT=certificate, KEY=key, CA=authority)
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


def _check_regular_files(listener: str, **paths: Path | None) -> None:
    """Raise `SettingsError` for a path that is not a regular file: reading a pipe could block without end."""
    for name, path in paths.items():
        try:
            regular = path is None or S_ISREG(path.stat().st_mode)
        except OSError as error:
            raise SettingsError(f"{PREFIX}{listener}_TLS_{name}={path} cannot be used: {error.strerror}") from error
        if not regular:
            raise SettingsError(f"{PREFIX}{listener}_TLS_{name}={path} cannot be used: it is not a regular file")
