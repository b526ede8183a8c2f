#include "sample.h"

#include "contract.gen.h"

namespace stresswire {

namespace {

constexpr int kHrDigits = 1;
constexpr int kTempDigits = 2;
constexpr int kEdaDigits = 4;

bool inside(float value, const contract::Range& range) { return value >= range.low && value <= range.high; }

void channel(JsonWriter& json, const char* name, float value, const contract::Range& range, int digits) {
  json.key(name);
  if (inside(value, range)) {
    json.decimal(static_cast<double>(value), digits);
  } else {
    json.null();
  }
}

}  // namespace

bool Sample::has_value() const {
  return inside(hr, contract::kRangeHr) || inside(temp, contract::kRangeTemp) || inside(eda, contract::kRangeEda);
}

void write_sample(JsonWriter& json, const Sample& sample, const char* boot, int64_t unix_ms, const char* device_id) {
  json.begin_object();
  channel(json, contract::kFieldHr, sample.hr, contract::kRangeHr, kHrDigits);
  channel(json, contract::kFieldTemp, sample.temp, contract::kRangeTemp, kTempDigits);
  channel(json, contract::kFieldEda, sample.eda, contract::kRangeEda, kEdaDigits);
  if (unix_ms > 0) {
    json.key(contract::kFieldTimestamp).integer(unix_ms);
  } else {
    json.key(contract::kFieldUptimeMs).natural(sample.uptime_ms);
  }
  json.key(contract::kFieldBoot).text(boot);
  json.key(contract::kFieldSeq).natural(sample.seq);
  if (device_id != nullptr) json.key(contract::kFieldDeviceId).text(device_id);
  json.end_object();
}

}  // namespace stresswire
