"""Every HTTP route that there is: what OpenAPI is made from, and what the table of rights is tested against."""

from typing import Final

from gateway.http.routes import account, alerts, devices, pages
from gateway.http.routes import history as record
from gateway.http.routes import samples as routes
from gateway.http.routes import system as operations

ENDPOINTS: Final = (
    *routes.ENDPOINTS,
    *record.ENDPOINTS,
    *devices.ENDPOINTS,
    *alerts.ENDPOINTS,
    *account.ENDPOINTS,
    *operations.ENDPOINTS,
    *pages.ENDPOINTS,
)
