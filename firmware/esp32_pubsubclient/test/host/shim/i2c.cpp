#include <esp_timer.h>
#include <string.h>

#include <cmath>
#include <random>

#include "Arduino.h"
#include "Wire.h"

TwoWire Wire;

namespace {

constexpr uint8_t kPpg = 0x57;
constexpr uint8_t kThermometer = 0x48;
constexpr unsigned kDepth = 32;
constexpr double kPeriodUs = 10'000;

/// A MAX30102: registers, and a FIFO that fills with 100 samples a second.
class Ppg {
 public:
  void write(uint8_t name, uint8_t value) {
    registers_[name] = value;
    if (name == 0x09 && (value & 0x40) != 0) {
      memset(registers_, 0, sizeof registers_);
      running_ = false;
    }
    if (name == 0x09 && (value & 0x07) == 0x07) {
      running_ = true;
      next_us_ = static_cast<double>(esp_timer_get_time());
    }
  }
  uint8_t read(uint8_t* name) {
    fill();
    if (*name == 0xFF) return 0x15;
    if (*name != 0x07) return registers_[(*name)++];
    // The FIFO's register does not move on: three bytes are a sample.
    const uint8_t byte = static_cast<uint8_t>(fifo_[registers_[0x06]] >> (8 * (2 - byte_)));
    byte_ = (byte_ + 1) % 3;
    if (byte_ == 0) {
      registers_[0x06] = static_cast<uint8_t>((registers_[0x06] + 1) % kDepth);
      registers_[0x05] = 0;
    }
    return byte;
  }

 private:
  void fill() {
    if (!running_) return;
    for (const auto now = static_cast<double>(esp_timer_get_time()); next_us_ <= now; next_us_ += kPeriodUs) {
      auto& write = registers_[0x04];
      fifo_[write] = sample();
      write = static_cast<uint8_t>((write + 1) % kDepth);
      if (write == registers_[0x06]) {  // the oldest is gone
        registers_[0x06] = static_cast<uint8_t>((registers_[0x06] + 1) % kDepth);
        if (registers_[0x05] < 31) ++registers_[0x05];
      }
    }
  }
  uint32_t sample() {
    const double hr = shim::world("hr", 72.0);
    if (shim::world("finger", 1.0) <= 0) return static_cast<uint32_t>(2'000 + 20 * normal_(random_));
    phase_ += hr / 60 * kPeriodUs / 1e6;
    phase_ -= floor(phase_);
    const double pulse = exp(-pow((phase_ - 0.2) / 0.08, 2) / 2) + 0.35 * exp(-pow((phase_ - 0.5) / 0.1, 2) / 2);
    return static_cast<uint32_t>(110'000 - (hr > 0 ? 900 * pulse : 0) + 30 * normal_(random_));
  }

  uint8_t registers_[256] = {};
  uint32_t fifo_[kDepth] = {};
  unsigned byte_ = 0;
  bool running_ = false;
  double next_us_ = 0;
  double phase_ = 0;
  std::mt19937 random_{1};
  std::normal_distribution<double> normal_;
};

Ppg ppg;
uint8_t pointer = 0;

bool answers(uint8_t device) {
  return (device == kPpg && shim::world("ppg", 1.0) > 0) || (device == kThermometer && shim::world("thermometer", 1.0) > 0);
}

}  // namespace

bool TwoWire::begin(int, int, uint32_t) { return true; }
void TwoWire::beginTransmission(uint8_t device) {
  device_ = device;
  sent_count_ = 0;
}
size_t TwoWire::write(uint8_t byte) {
  if (sent_count_ == sizeof sent_) return 0;
  sent_[sent_count_++] = byte;
  return 1;
}
uint8_t TwoWire::endTransmission(bool) {
  if (!answers(device_)) return 2;
  if (sent_count_ > 0) pointer = sent_[0];
  if (sent_count_ > 1 && device_ == kPpg) ppg.write(sent_[0], sent_[1]);
  return 0;
}
uint8_t TwoWire::requestFrom(uint8_t device, uint8_t count) {
  heard_count_ = 0;
  heard_at_ = 0;
  if (!answers(device)) return 0;
  const auto raw = static_cast<int16_t>(lround(shim::world("temp", 33.5) * 256));
  for (uint8_t i = 0; i < count; ++i) {
    heard_[heard_count_++] = device == kPpg ? ppg.read(&pointer) : static_cast<uint8_t>(i == 0 ? raw >> 8 : raw);
  }
  return count;
}
int TwoWire::read() { return heard_at_ < heard_count_ ? heard_[heard_at_++] : -1; }
