"""Every HTTP route, in the order of the OpenAPI document; the table of rights is tested against it."""

from typing import Final

from gateway.http.routes import account, alerts, annotations, commands, database, devices, history, pages, samples, system

ENDPOINTS: Final = (
    samples.POST_DATA,
    system.INFO,
    system.STATUS,
    history.HISTORY,
    history.EXPORT,
    devices.DEVICES,
    devices.DEVICE,
    commands.SEND_COMMAND,
    commands.COMMAND,
    devices.RESET_BASELINE,
    alerts.ALERTS,
    alerts.ACT,
    annotations.ANNOTATIONS,
    annotations.ANNOTATE,
    annotations.DELETE,
    account.SIGN_IN,
    account.SIGN_OUT,
    account.ME,
    account.AUDIT,
    database.BACKUP,
    system.HEALTH,
    system.READY,
    system.METRICS,
    pages.INDEX,
    pages.TEST_PAGE,
    pages.LOGIN,
    pages.DOCS,
    pages.OPENAPI,
    pages.ASYNCAPI,
)
