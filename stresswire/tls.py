"""The TLS side of the MQTT listener."""

import ssl

from stresswire.settings import PREFIX, Settings, SettingsError


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """The context of the certificate files, None where there are none. Raises `SettingsError` that names the setting.

    With a CA a client may show a certificate that it has signed; the common name is then the login's name.
    """
    certificate, key, authority = settings.mqtt_tls_cert, settings.mqtt_tls_key, settings.mqtt_tls_ca
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password="")  # an encrypted key is refused, not asked for
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"{PREFIX}MQTT_TLS_CERT={certificate} and {PREFIX}MQTT_TLS_KEY={key} cannot be used: {error}"
        ) from error
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"{PREFIX}MQTT_TLS_CA={authority} cannot be used: {error}") from error
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
