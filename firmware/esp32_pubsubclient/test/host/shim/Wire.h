#ifndef SHIM_WIRE_H
#define SHIM_WIRE_H

#include <stddef.h>
#include <stdint.h>

/// An I2C bus with a MAX30102 at 0x57 and a MAX30205 at 0x48, both by their data sheets' registers. The world says what
/// they feel: `hr` (0: no pulse), `finger` (0 or 1), `temp`; `ppg 0` and `thermometer 0` pull them out.
class TwoWire {
 public:
  bool begin(int sda, int scl, uint32_t hz);
  void beginTransmission(uint8_t device);
  size_t write(uint8_t byte);
  /// 0: sent; 2: nobody acknowledged the address.
  uint8_t endTransmission(bool stop = true);
  uint8_t requestFrom(uint8_t device, uint8_t count);
  int read();

 private:
  uint8_t device_ = 0;
  uint8_t sent_[8];
  size_t sent_count_ = 0;
  uint8_t heard_[255];
  size_t heard_count_ = 0;
  size_t heard_at_ = 0;
};
extern TwoWire Wire;

#endif
