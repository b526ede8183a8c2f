// Commands to the device, and their results.

#include <Arduino.h>
#include <math.h>
#include <stdio.h>

#include "board.h"
#include "device.h"
#include "median.h"
#include "nvs_store.h"

using stresswire::Command;
using stresswire::CommandError;
namespace result = stresswire::result;

namespace {

constexpr uint32_t kLastWordsMs = 1'000;  // so that the answer to a command, and its PUBACK, are out
constexpr float kSteady = 0.05f;

}  // namespace

/// Called while the client library uses its only buffer: the command is queued, and executed later.
void Device::on_command(const char* text, size_t size) {
  Parsed parsed{};
  parsed.error = stresswire::parse_command(text, size, &parsed.command, &parsed.reason);
  if (parsed.error == CommandError::kNoCommand) return;
  if (!commands_.push_back(parsed)) Serial.println("a command is lost: 16 wait already");
}

void Device::answer_commands(uint64_t now_ms) {
  for (; !commands_.empty(); commands_.pop_front()) {
    const Parsed& parsed = commands_[0];
    const char* message = parsed.reason;
    const char* status = log_.find(parsed.command.id);
    if (status == nullptr) {
      status = result::kRefused;
      if (parsed.error == CommandError::kUnknown) status = result::kUnknown;
      if (parsed.error == CommandError::kNone) status = execute(parsed.command, now_ms, &message);
      log_.add(parsed.command.id, status);
    } else {
      message = nullptr;
    }
    char text[board::kResultBytes];
    const size_t size = stresswire::write_result(
        parsed.command.id, status, message, link_->needs_device_id() ? settings_.device_id : nullptr, text, sizeof text);
    if (size > 0) link_->send_result(text, size);
  }
}

const char* Device::execute(const Command& command, uint64_t now_ms, const char** message) {
  *message = nullptr;
  switch (command.kind) {
    case Command::Kind::kSamplingRate:
      if (!sampler_commands_.push({SamplerCommand::Kind::kRate, stresswire::interval_ms(command.value), {}}))
        return result::kRefused;
      draft_.rate_hz = command.value;
      nvs_store::save_rate(command.value);
      return result::kDone;
    case Command::Kind::kIdentify:
      blink_until_ms_ = now_ms + static_cast<uint64_t>(command.value * 1000);
      return result::kDone;
    case Command::Kind::kCalibrate: return calibrate(command.value, message);
    case Command::Kind::kCalibrateOpen:
      *message = "only the Grove circuit has such a constant";
      if (board::kEdaCircuit.kind != stresswire::EdaCircuit::Kind::kGrove) return result::kRefused;
      *message = nullptr;
      return sampler_commands_.push({SamplerCommand::Kind::kOpen, 0, {}}) ? result::kAccepted : result::kRefused;
    case Command::Kind::kCalibrateReset:
      if (!sampler_commands_.push({SamplerCommand::Kind::kReset, 0, {}})) return result::kRefused;
      calibrator_.clear();
      nvs_store::save_calibration({});
      nvs_store::save_open_ratio(board::kEdaCircuit.open_ratio);
      return result::kDone;
    case Command::Kind::kReboot: end_ = End::kRestart; break;
    case Command::Kind::kSleep:
      end_ = End::kSleep;
      sleep_s_ = static_cast<uint32_t>(command.value);
      break;
  }
  end_at_ms_ = now_ms + kLastWordsMs;
  nvs_store::save_last_command(command.id);
  return result::kAccepted;
}

/// Calibrate with a known resistor between the electrodes, by the last readings.
const char* Device::calibrate(float known_kohm, const char** message) {
  *message = message_;
  float values[5];
  for (size_t i = 0; i < raw_us_.size(); ++i) values[i] = raw_us_[i];
  bool steady = raw_us_.size() == raw_us_.capacity();
  const float middle = raw_us_.empty() ? NAN : stresswire::median(values, raw_us_.size());
  for (size_t i = 0; i < raw_us_.size(); ++i) steady = steady && fabsf(raw_us_[i] - middle) <= kSteady * middle;
  if (!steady) {
    snprintf(message_, sizeof message_, "unsteady: leave the resistor there for 5 samples");
    return result::kRefused;
  }
  stresswire::EdaCalibration fitted;
  if (!calibrator_.add(known_kohm, middle) || !calibrator_.fit(&fitted)) {
    calibrator_.clear();
    snprintf(message_, sizeof message_, "%ld nS were measured for %ld kOhm: begin again", lroundf(middle * 1000),
             lroundf(known_kohm));
    return result::kRefused;
  }
  if (!sampler_commands_.push({SamplerCommand::Kind::kCalibration, 0, fitted})) return result::kRefused;
  nvs_store::save_calibration(fitted);
  snprintf(message_, sizeof message_, "scale %ld/1000, offset %ld nS from %u resistors", lroundf(fitted.scale * 1000),
           lroundf(fitted.offset_us * 1000), static_cast<unsigned>(calibrator_.points()));
  return result::kDone;
}
