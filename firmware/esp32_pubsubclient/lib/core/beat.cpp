#include "beat.h"

#include <math.h>

#include "median.h"

namespace stresswire {

namespace {

constexpr float kPi = 3.14159265f;

/// Of a filter of the first order with a corner at `hz`.
constexpr float smoothing(float hz, float rate_hz) {
  const float w = 2 * kPi * hz / rate_hz;
  return w / (1 + w);
}

constexpr float kRate = static_cast<float>(BeatDetector::kRateHz);
constexpr float kHighPass = 1 - smoothing(0.5f, kRate);
constexpr float kLowPass = smoothing(8.0f, kRate);
constexpr float kLevel = smoothing(0.2f, kRate);
constexpr float kMean = smoothing(0.1f, kRate);

}  // namespace

void BeatIntervals::add(float interval_ms) {
  if (intervals_.size() == kKept) intervals_.pop_front();
  intervals_.push_back(interval_ms);
}

float BeatIntervals::rate_bpm() const {
  float possible[kKept];
  size_t count = 0;
  for (size_t i = 0; i < intervals_.size(); ++i) {
    if (intervals_[i] >= kMinMs && intervals_[i] <= kMaxMs) possible[count++] = intervals_[i];
  }
  if (count < kNeeded) return NAN;
  const float middle = median(possible, count);
  size_t good = 0;
  for (size_t i = 0; i < count; ++i) {
    if (fabsf(possible[i] - middle) > kTolerance * middle) continue;
    possible[good++] = possible[i];
  }
  if (good < kNeeded || static_cast<float>(good) < kShare * static_cast<float>(intervals_.size())) return NAN;
  return 60'000.0f / median(possible, good);
}

void BeatDetector::reset() {
  if (count_ > 0) *this = BeatDetector();
}

bool BeatDetector::add(uint32_t counts) {
  const bool was = finger_;
  const bool is = counts < kSaturated && counts >= (was ? kNoFinger : kFinger);
  if (!is || !was) reset();
  finger_ = is;
  if (!is) return false;

  const auto x = static_cast<float>(counts);
  if (count_ == 0) {
    last_ = x;
    level_ = x;
  }
  float change = last_ - x;  // upside down: with the pulse more blood is there, and less light comes back
  for (float& high : high_) {
    const float before = high;
    high = kHighPass * (high + change);
    change = high - before;
  }
  last_ = x;
  low1_ += kLowPass * (high_[2] - low1_);
  low2_ += kLowPass * (low1_ - low2_);
  level_ += kLevel * (x - level_);
  ++count_;
  if (filtered_.size() == kHistory) filtered_.pop_front();
  filtered_.push_back(low2_);
  const float positive = low2_ > 0 ? low2_ : 0;
  mean_ += (count_ < kRateHz * 2 ? 0.02f : kMean) * (positive * positive - mean_);
  if (filtered_.size() < kLong || count_ < kSettling) return false;
  // After two seconds without a beat the usual one was that of a motion, and is forgotten step by step.
  if (has_beat_ && count_ - beat_at_ > 2 * kRateHz && (count_ - beat_at_) % (kRateHz / 2) == 0) usual_peak_ *= 0.5f;

  // Both averages stand around one sample, a third of a second ago.
  float short_sum = 0;
  float long_sum = 0;
  const size_t first = filtered_.size() - kLong;
  for (size_t i = 0; i < kLong; ++i) {
    const float value = filtered_[first + i] > 0 ? filtered_[first + i] : 0;
    long_sum += value * value;
    if (i >= kLong / 2 - kShort / 2 && i <= kLong / 2 + kShort / 2) short_sum += value * value;
  }
  const size_t center = first + kLong / 2;
  const bool above = short_sum / kShort > long_sum / kLong + kBeta * mean_;
  if (!above) return in_block_ && close_block();
  if (!in_block_) {
    in_block_ = true;
    width_ = 0;
    peak_ = -1;
  }
  ++width_;
  if (filtered_[center] > peak_) {
    peak_ = filtered_[center];
    before_ = filtered_[center - 1];
    after_ = filtered_[center + 1];
    peak_at_ = count_ - 1 - static_cast<uint32_t>(kLong / 2);
  }
  return false;
}

/// A stretch above the threshold has ended: a beat, if it was long and high enough.
bool BeatDetector::close_block() {
  in_block_ = false;
  const float perfusion = peak_ / level_;
  if (width_ < kShort || perfusion < kMinPerfusion) return false;
  if (peak_ < kMinPeak * usual_peak_) {
    usual_peak_ *= 0.97f;
    return false;
  }
  if (usual_peak_ > 0) {
    usual_peak_ += 0.25f * ((peak_ < 2 * usual_peak_ ? peak_ : 2 * usual_peak_) - usual_peak_);
  } else {
    usual_peak_ = peak_;
  }
  const float curve = before_ - 2 * peak_ + after_;
  const float shift = curve < 0 ? 0.5f * (before_ - after_) / curve : 0;  // the vertex of a parabola through three samples
  // A jump of the finger is no beat, but what follows it is measured from there: the interval is one to be refused.
  const bool motion = perfusion > kMaxPerfusion;
  if (has_beat_) {
    const float samples = static_cast<float>(peak_at_ - beat_at_) + shift - beat_shift_;
    intervals_.add(motion ? 0 : samples * 1000.0f / kRate);
  }
  has_beat_ = true;
  beat_at_ = peak_at_;
  beat_shift_ = shift;
  return true;
}

float BeatDetector::rate_bpm() const {
  if (!finger_ || !has_beat_ || count_ - beat_at_ > kPatience) return NAN;
  const float bpm = intervals_.rate_bpm();
  return periodicity(60.0f * kRate / bpm) >= kMinPeriodicity ? bpm : NAN;
}

/// How much more the signal is like itself after an interval than after half of it: about 1 for a pulse, 0 for noise, and
/// nothing for the slow waves of breath and touch. NaN where the interval is none, or longer than half of what is kept.
float BeatDetector::periodicity(float interval_samples) const {
  if (!(interval_samples > 0 && interval_samples < kHistory / 2)) return NAN;
  float best = -1;
  const auto to = static_cast<size_t>(interval_samples * 1.15f) + 1;
  for (auto lag = static_cast<size_t>(interval_samples * 0.85f); lag <= to; ++lag) {
    const float found = autocorrelation(lag);
    if (found > best) best = found;
  }
  return best - autocorrelation(static_cast<size_t>(interval_samples / 2));
}

float BeatDetector::autocorrelation(size_t lag) const {
  float product = 0;
  float before = 0;
  float after = 0;
  for (size_t i = lag; i < filtered_.size(); ++i) {
    product += filtered_[i] * filtered_[i - lag];
    before += filtered_[i - lag] * filtered_[i - lag];
    after += filtered_[i] * filtered_[i];
  }
  const float power = before * after;
  return power > 0 ? product / sqrtf(power) : 0;
}

}  // namespace stresswire
