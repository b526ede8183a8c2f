"""The message contract: the single definition of every topic, event, type, range and limit.

A topic is ``stress/v1/<device_id>/<name>``; its last segment is also the name of the Socket.IO event. Payloads are frozen
msgspec types, encoded as JSON. Times are UTC, `hr` is in bpm, `temp` (skin) in degrees Celsius, `eda` in microsiemens.
The TypeScript, C++, JSON Schema, AsyncAPI and OpenAPI twins are generated from this module (``make contract``).
"""

from broker.contract.channels import *
from broker.contract.device_messages import *
from broker.contract.encoding import *
from broker.contract.frontend_messages import *
from broker.contract.limits import *
from broker.contract.rights import *
