#include "eda.h"

#include <math.h>

#include "contract.gen.h"
#include "median.h"

namespace stresswire {

namespace {

constexpr float kGroveOhm = 10'000.0f;
constexpr float kMicro = 1e6f;

/// The mean of the middle half.
float middle(float* values, size_t count) {
  sort(values, count);
  const size_t cut = count / 4;
  float sum = 0;
  for (size_t i = cut; i < count - cut; ++i) sum += values[i];
  return sum / static_cast<float>(count - 2 * cut);
}

}  // namespace

float conductance_us(const EdaCircuit& circuit, float millivolts) {
  const float u = millivolts / circuit.supply_mv;
  if (!(u < circuit.open_ratio)) return NAN;
  float ohm = NAN;
  if (circuit.kind == EdaCircuit::Kind::kDivider) {
    ohm = circuit.reference_ohm * millivolts / (circuit.supply_mv - millivolts);
  } else {
    ohm = kGroveOhm * (1 + 2 * u) / (circuit.open_ratio - u);
  }
  if (!(ohm > 0)) return NAN;
  const float us = kMicro / ohm;
  return us <= contract::kRangeEda.high ? us : NAN;
}

float Eda::raw_us(float* millivolts, size_t count) const {
  return count == 0 ? NAN : conductance_us(circuit_, middle(millivolts, count));
}

float Eda::read(float* millivolts, size_t count) {
  const float us = raw_us(millivolts, count) * calibration_.scale + calibration_.offset_us;
  if (!(us >= kLostUs)) {  // NaN too
    contact_ = false;
    above_ = 0;
  } else if (!contact_) {
    above_ = us >= kFoundUs ? above_ + 1 : 0;
    contact_ = above_ >= kSettle;
  }
  return contact_ && us <= contract::kRangeEda.high ? us : NAN;
}

bool Eda::set_open(float* millivolts, size_t count) {
  if (circuit_.kind != EdaCircuit::Kind::kGrove || count == 0) return false;
  const float ratio = middle(millivolts, count) / circuit_.supply_mv;
  if (!(ratio > 0.4f && ratio < 0.6f)) return false;
  circuit_.open_ratio = ratio;
  return true;
}

bool EdaCalibrator::add(float known_kohm, float measured_us) {
  if (count_ == kPoints || !(known_kohm > 0) || !(measured_us > 0)) return false;
  true_us_[count_] = 1000.0f / known_kohm;
  measured_us_[count_] = measured_us;
  ++count_;
  return true;
}

bool EdaCalibrator::fit(EdaCalibration* calibration) const {
  if (count_ == 0) return false;
  // Weighted by 1 / true^2: a resistor of 1 MOhm counts as much as one of 100 kOhm.
  float w = 0;
  float wx = 0;
  float wy = 0;
  float wxx = 0;
  float wxy = 0;
  for (size_t i = 0; i < count_; ++i) {
    const float x = measured_us_[i];
    const float y = true_us_[i];
    const float weight = 1 / (y * y);
    w += weight;
    wx += weight * x;
    wy += weight * y;
    wxx += weight * x * x;
    wxy += weight * x * y;
  }
  const float spread = w * wxx - wx * wx;
  EdaCalibration found;
  if (count_ > 1 && spread > 1e-4f * w * wxx) {
    found.scale = (w * wxy - wx * wy) / spread;
    found.offset_us = (wy - found.scale * wx) / w;
  } else {  // one resistor, or one several times
    found.scale = wxy / wxx;
  }
  if (!(found.scale >= kMinScale && found.scale <= kMaxScale)) return false;
  *calibration = found;
  return true;
}

}  // namespace stresswire
