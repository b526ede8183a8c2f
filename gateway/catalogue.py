"""Every HTTP route that there is: what OpenAPI is made from, and what the table of rights is tested against."""

from typing import Final

from gateway import account, pages, routes

ENDPOINTS: Final = (*routes.ENDPOINTS, *account.ENDPOINTS, *pages.ENDPOINTS)
