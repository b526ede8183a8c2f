#include "sensors.h"

#include <Arduino.h>
#include <Wire.h>
#include <math.h>

#include "board.h"

namespace {

constexpr uint8_t kPpg = 0x57;
constexpr uint8_t kFifoWrite = 0x04;
constexpr uint8_t kOverflow = 0x05;
constexpr uint8_t kFifoRead = 0x06;
constexpr uint8_t kFifoData = 0x07;
constexpr uint8_t kFifoConfig = 0x08;
constexpr uint8_t kModeConfig = 0x09;
constexpr uint8_t kSpo2Config = 0x0A;
constexpr uint8_t kLed2Current = 0x0D;
constexpr uint8_t kSlots = 0x11;
constexpr uint8_t kPartId = 0xFF;

constexpr uint8_t kReset = 0x40;
constexpr uint8_t kMultiLed = 0x07;
constexpr uint8_t kShutdown = 0x80;
constexpr uint8_t kInfraredInSlot1 = 0x02;
constexpr uint8_t kRollOver = 0x10;    // no averaging; the newest overwrite the oldest
constexpr uint8_t k100Hz411us = 0x27;  // 4,096 nA full scale, 100 samples a second, 18 bits
constexpr uint8_t kLedCurrent = 0x24;  // 7.2 mA
constexpr uint8_t kIsMax3010x = 0x15;
constexpr uint8_t kDepth = 32;
constexpr uint8_t kBytesASample = 3;
constexpr uint8_t kSamplesARead = 8;

constexpr uint8_t kThermometer = 0x48;
constexpr uint8_t kTemperature = 0x00;
constexpr float kDegreesABit = 0.00390625f;

constexpr uint64_t kTryAgainMs = 5'000;

bool write_register(uint8_t device, uint8_t name, uint8_t value) {
  Wire.beginTransmission(device);
  Wire.write(name);
  Wire.write(value);
  return Wire.endTransmission() == 0;
}

bool read_registers(uint8_t device, uint8_t name, uint8_t* out, uint8_t count) {
  Wire.beginTransmission(device);
  Wire.write(name);
  if (Wire.endTransmission(false) != 0 || Wire.requestFrom(device, count) != count) return false;
  for (uint8_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(Wire.read());
  return true;
}

}  // namespace

bool Max30102::begin() {
  uint8_t part = 0;
  ready_ = read_registers(kPpg, kPartId, &part, 1) && part == kIsMax3010x && write_register(kPpg, kModeConfig, kReset);
  if (!ready_) return false;
  delay(10);  // the reset takes less than one
  ready_ = write_register(kPpg, kFifoConfig, kRollOver) && write_register(kPpg, kSpo2Config, k100Hz411us) &&
           write_register(kPpg, kLed2Current, kLedCurrent) && write_register(kPpg, kSlots, kInfraredInSlot1) &&
           write_register(kPpg, kFifoWrite, 0) && write_register(kPpg, kOverflow, 0) &&
           write_register(kPpg, kFifoRead, 0) && write_register(kPpg, kModeConfig, kMultiLed);
  return ready_;
}

bool Max30102::poll(stresswire::BeatDetector* beats) {
  uint8_t state[3];  // write pointer, overflow counter, read pointer
  if (!ready_ || !read_registers(kPpg, kFifoWrite, state, sizeof state)) return false;
  auto waiting = static_cast<uint8_t>((state[0] - state[2]) & (kDepth - 1));
  if (state[1] > 0) {
    beats->skip();
    waiting = kDepth;
  }
  while (waiting > 0) {
    const uint8_t count = waiting < kSamplesARead ? waiting : kSamplesARead;
    uint8_t bytes[kSamplesARead * kBytesASample];
    if (!read_registers(kPpg, kFifoData, bytes, static_cast<uint8_t>(count * kBytesASample))) return false;
    for (uint8_t i = 0; i < count; ++i) {
      const uint8_t* at = bytes + i * kBytesASample;
      beats->add(((static_cast<uint32_t>(at[0]) << 16) | (static_cast<uint32_t>(at[1]) << 8) | at[2]) & 0x3FFFF);
    }
    waiting = static_cast<uint8_t>(waiting - count);
  }
  return true;
}

void Max30102::sleep() { write_register(kPpg, kModeConfig, kShutdown); }

float Max30205::read() {
  uint8_t bytes[2];
  if (!read_registers(kThermometer, kTemperature, bytes, sizeof bytes)) return NAN;
  return static_cast<float>(static_cast<int16_t>((bytes[0] << 8) | bytes[1])) * kDegreesABit;
}

#ifdef STRESSWIRE_DS18B20
void Ds18b20::begin() {
  wire_.begin(board::kOneWire);
  sensors_.setOneWire(&wire_);
  sensors_.begin();
  sensors_.setWaitForConversion(false);
  last_ = NAN;
}

float Ds18b20::read(uint64_t now_ms) {
  constexpr uint64_t kConversionMs = 750;
  if (asked_ && now_ms - asked_ms_ < kConversionMs) return last_;
  if (asked_) {
    const float degrees = sensors_.getTempCByIndex(0);
    // -127 is no answer, 85 what it says before its first conversion.
    last_ = degrees == DEVICE_DISCONNECTED_C || degrees == 85.0f ? NAN : degrees;
  }
  sensors_.requestTemperatures();
  asked_ = true;
  asked_ms_ = now_ms;
  return last_;
}
#endif

void Sensors::begin() {
  Wire.begin(board::kSda, board::kScl, board::kI2cHz);
  analogReadResolution(12);
  analogSetPinAttenuation(board::kEda, ADC_11db);
  has_ppg_ = ppg_.begin();
#ifdef STRESSWIRE_DS18B20
  one_wire_.begin();
#endif
}

void Sensors::poll(uint64_t now_ms) {
  if (has_ppg_) {
    has_ppg_ = ppg_.poll(&beats_);
    if (has_ppg_) return;
    beats_.skip();  // pulled out, or its supply broke down
  }
  if (now_ms < next_begin_ms_) return;
  next_begin_ms_ = now_ms + kTryAgainMs;
  has_ppg_ = ppg_.begin();
}

Reading Sensors::read(uint64_t now_ms) {
  float millivolts[board::kEdaReadings];
  read_millivolts(millivolts);
  Reading reading{};
  reading.hr = beats_.rate_bpm();
#ifdef STRESSWIRE_DS18B20
  reading.temp = one_wire_.read(now_ms);
#else
  (void)now_ms;
  reading.temp = temperature_.read();
#endif
  reading.eda_raw_us = eda_.raw_us(millivolts, board::kEdaReadings);
  reading.eda = eda_.read(millivolts, board::kEdaReadings);
  return reading;
}

float Sensors::set_open() {
  float millivolts[board::kEdaReadings];
  read_millivolts(millivolts);
  return eda_.set_open(millivolts, board::kEdaReadings) ? eda_.circuit().open_ratio : NAN;
}

void Sensors::read_millivolts(float* out) const {
  for (int i = 0; i < board::kEdaReadings; ++i) out[i] = static_cast<float>(analogReadMilliVolts(board::kEda));
}
