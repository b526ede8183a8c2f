#ifndef STRESSWIRE_SENSORS_H
#define STRESSWIRE_SENSORS_H

#include <stdint.h>

#include "beat.h"
#include "eda.h"

#ifdef STRESSWIRE_DS18B20
#include <DallasTemperature.h>
#include <OneWire.h>
#endif

/// A MAX30102 on I2C: infrared at 100 samples a second, all 18 bits, read from its FIFO before it overflows.
///
/// Register names and values: Maxim, MAX30102 data sheet, 19-7740.
class Max30102 {
 public:
  bool begin();
  /// Take what is in the FIFO; false where the sensor does not answer.
  bool poll(stresswire::BeatDetector* beats);
  /// Its LED goes out.
  void sleep();

 private:
  bool ready_ = false;
};

/// A MAX30205 on I2C. Source: Maxim, MAX30205 data sheet, 19-8684.
class Max30205 {
 public:
  /// Degrees Celsius, or NaN where it does not answer.
  float read();
};

#ifdef STRESSWIRE_DS18B20
/// A DS18B20, whose conversion takes 750 ms: asked for now, read with the next sample.
class Ds18b20 {
 public:
  void begin();
  float read(uint64_t now_ms);

 private:
  OneWire wire_;
  DallasTemperature sensors_;
  uint64_t asked_ms_ = 0;
  bool asked_ = false;
  float last_ = 0;
};
#endif

struct Reading {
  float hr;
  float temp;
  float eda;
  float eda_raw_us;  ///< before calibration, without a look at the contact
};

/// All sensors. For the sampling task alone.
class Sensors {
 public:
  Sensors(const stresswire::EdaCircuit& circuit, const stresswire::EdaCalibration& calibration)
      : eda_(circuit, calibration) {}

  void begin();
  /// To be called every 40 ms or sooner.
  void poll(uint64_t now_ms);
  Reading read(uint64_t now_ms);
  void set(const stresswire::EdaCalibration& calibration) { eda_.set(calibration); }
  /// Nothing is between the electrodes now: the circuit's ratio then, or NaN where it has none.
  float set_open();
  void set_open_ratio(float ratio) { eda_.set_open_ratio(ratio); }
  void sleep() { ppg_.sleep(); }

 private:
  void read_millivolts(float* out) const;

  Max30102 ppg_;
  Max30205 temperature_;
#ifdef STRESSWIRE_DS18B20
  Ds18b20 one_wire_;
#endif
  stresswire::BeatDetector beats_{};
  stresswire::Eda eda_;
  bool has_ppg_ = false;
  uint64_t next_begin_ms_ = 0;
};

#endif
