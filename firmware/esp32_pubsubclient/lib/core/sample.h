#ifndef STRESSWIRE_SAMPLE_H
#define STRESSWIRE_SAMPLE_H

#include <stdint.h>

#include "json_writer.h"

namespace stresswire {

/// One reading. A sensor without contact is NaN.
struct Sample {
  uint64_t uptime_ms;
  uint32_t seq;
  float hr;
  float temp;
  float eda;

  /// Whether anything is in it that the pipeline would accept.
  bool has_value() const;
};

/// Writes `esp32_sensor_data`: what is no number or outside of the contract's ranges is null.
///
/// `unix_ms`: when it was taken, 0 where that is not known: then the server computes it from `uptime_ms`.
/// `device_id`: null where the topic or the login says it.
void write_sample(JsonWriter& json, const Sample& sample, const char* boot, int64_t unix_ms, const char* device_id);

}  // namespace stresswire

#endif
