#ifndef STRESSWIRE_EDA_H
#define STRESSWIRE_EDA_H

#include <stddef.h>
#include <stdint.h>

namespace stresswire {

/// What is between the electrodes and the converter.
struct EdaCircuit {
  enum class Kind : uint8_t {
    kDivider,  ///< a reference resistor to the supply, the skin to ground: R = Rref mV / (Vcc - mV)
    kGrove,    ///< Seeed's Grove GSR 1.2: u = mV / Vcc, R = 10 kOhm (1 + 2u) / (u_open - u)
  };

  Kind kind;
  float supply_mv;
  float reference_ohm;  ///< of the divider
  /// mV / Vcc from which on nothing is between the electrodes. Of the Grove, near 0.5, it is part of the formula; of the
  /// divider it is where the converter ends: the ESP32's reads 3.1 V for all that is above.
  float open_ratio;
};

/// From known resistors: true = scale * measured + offset.
struct EdaCalibration {
  float scale = 1.0f;
  float offset_us = 0.0f;
};

/// The conductance in microsiemens before calibration; NaN where the voltage is that of open or shorted electrodes.
float conductance_us(const EdaCircuit& circuit, float millivolts);

/// From readings of the converter to skin conductance, with contact.
///
/// Contact is lost with the first reading below `kLostUs`, and there again after `kSettle` readings above `kFoundUs`.
class Eda {
 public:
  static constexpr float kLostUs = 0.02f;
  static constexpr float kFoundUs = 0.04f;
  static constexpr int kSettle = 3;

  Eda(const EdaCircuit& circuit, const EdaCalibration& calibration) : circuit_(circuit), calibration_(calibration) {}

  /// One sample from some readings in millivolts, which are sorted: the mean of their middle half. NaN without contact.
  float read(float* millivolts, size_t count);
  /// The same before calibration and without a look at the contact.
  float raw_us(float* millivolts, size_t count) const;
  /// That voltage is what open electrodes give; false where the circuit has no such constant, or none so far off.
  bool set_open(float* millivolts, size_t count);
  void set(const EdaCalibration& calibration) { calibration_ = calibration; }
  void set_open_ratio(float ratio) { circuit_.open_ratio = ratio; }
  const EdaCircuit& circuit() const { return circuit_; }
  bool contact() const { return contact_; }

 private:
  EdaCircuit circuit_;
  EdaCalibration calibration_;
  bool contact_ = false;
  int above_ = 0;
};

/// A line through what known resistors gave.
class EdaCalibrator {
 public:
  static constexpr size_t kPoints = 8;
  static constexpr float kMinScale = 0.5f;
  static constexpr float kMaxScale = 2.0f;

  /// False where there is no room, or a value is no positive number.
  bool add(float known_kohm, float measured_us);
  /// One point gives the scale, more a line by least squares of the relative error; false where the result is out of
  /// `kMinScale`-`kMaxScale`: then a resistor is not what was said.
  bool fit(EdaCalibration* calibration) const;
  size_t points() const { return count_; }
  void clear() { count_ = 0; }

 private:
  float true_us_[kPoints] = {};
  float measured_us_[kPoints] = {};
  size_t count_ = 0;
};

}  // namespace stresswire

#endif
