#include "status.h"

#include "contract.gen.h"
#include "json_writer.h"

namespace stresswire {

size_t write_status(const Status& status, char* buffer, size_t capacity) {
  JsonWriter json(buffer, capacity);
  json.begin_object().key(contract::kFieldStatus).text(status.state);
  json.key(contract::kFieldDeviceId).text(status.device_id);
  if (status.unix_ms > 0) json.key(contract::kFieldTimestamp).integer(status.unix_ms);
  json.key(contract::kFieldFirmware).text(status.firmware);
  if (status.counts) {
    json.key(contract::kFieldWaiting).natural(status.waiting);
    json.key(contract::kFieldDropped).natural(status.dropped);
  }
  json.end_object();
  return json.finish();
}

}  // namespace stresswire
