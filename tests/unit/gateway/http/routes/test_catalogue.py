"""The catalogue of routes is whole."""

import importlib
import pkgutil

from gateway.http import routes
from gateway.http.routes.catalogue import ENDPOINTS
from gateway.http.routing import Endpoint


def test_every_endpoint_of_every_module_is_in_it_once() -> None:
    modules = [
        importlib.import_module(f"{routes.__name__}.{found.name}") for found in pkgutil.iter_modules(routes.__path__)
    ]
    defined = {value.operation for module in modules for value in vars(module).values() if isinstance(value, Endpoint)}
    assert sorted(endpoint.operation for endpoint in ENDPOINTS) == sorted(defined)
