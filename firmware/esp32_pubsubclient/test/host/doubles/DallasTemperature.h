#ifndef DOUBLE_DALLASTEMPERATURE_H
#define DOUBLE_DALLASTEMPERATURE_H

#include "Arduino.h"
#include "OneWire.h"

#define DEVICE_DISCONNECTED_C -127

/// One DS18B20: 85 until its first conversion of 750 ms is over, -127 where it is not there (`thermometer 0`).
class DallasTemperature {
 public:
  void setOneWire(OneWire*) {}
  void begin() {}
  void setWaitForConversion(bool wait) { wait_ = wait; }
  void requestTemperatures() {
    asked_ = millis();
    has_asked_ = true;
    if (wait_) delay(750);
  }
  float getTempCByIndex(uint8_t) const {
    if (shim::world("thermometer", 1.0) <= 0) return DEVICE_DISCONNECTED_C;
    return has_asked_ && millis() - asked_ >= 750 ? static_cast<float>(shim::world("temp", 33.5)) : 85.0f;
  }

 private:
  bool wait_ = true;
  bool has_asked_ = false;
  unsigned long asked_ = 0;
};

#endif
