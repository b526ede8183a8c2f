"""Every HTTP route that there is: what OpenAPI is made from, and what the table of rights is tested against."""

from typing import Final

from gateway import account, alerts, devices, operations, pages, record, routes

ENDPOINTS: Final = (
    *routes.ENDPOINTS,
    *record.ENDPOINTS,
    *devices.ENDPOINTS,
    *alerts.ENDPOINTS,
    *account.ENDPOINTS,
    *operations.ENDPOINTS,
    *pages.ENDPOINTS,
)
