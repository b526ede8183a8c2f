#ifndef STRESSWIRE_BEAT_H
#define STRESSWIRE_BEAT_H

#include <stddef.h>
#include <stdint.h>

#include "ring.h"

namespace stresswire {

/// The heart rate from the last intervals between beats, without those that cannot be.
///
/// An interval outside of 300-2,000 ms is refused, and so is one more than 25 % off the median of the last eight. There is
/// a rate where at least four remain, and they are most of those that were seen: in motion or noise there is none.
class BeatIntervals {
 public:
  static constexpr float kMinMs = 300;
  static constexpr float kMaxMs = 2'000;
  static constexpr float kTolerance = 0.25f;
  static constexpr size_t kKept = 8;
  static constexpr size_t kNeeded = 4;
  static constexpr float kShare = 0.6f;

  void add(float interval_ms);
  void clear() { intervals_.clear(); }
  /// Beats a minute, or NaN.
  float rate_bpm() const;

 private:
  Ring<float, kKept> intervals_;
};

/// Finds heart beats in a photoplethysmogram of 100 samples a second (infrared, as a MAX30102 counts it: 18 bits).
///
/// Method: two moving averages of the squared, band-passed signal; a beat is where the short one stands above the long one
/// for long enough. Source: M. Elgendi et al., "Systolic Peak Detection in Acceleration Photoplethysmograms Measured from
/// Emergency Responders in Tropical Conditions", PLoS ONE 8(10), 2013.
///
/// A rate counts only where the signal of the last five seconds repeats itself after the interval that was found, and
/// not after half of it: noise has peaks too, and some of them are regular.
///
/// Without a finger, or a pulse in what is there, there is no rate: never an old one.
class BeatDetector {
 public:
  static constexpr uint32_t kRateHz = 100;
  static constexpr uint32_t kFinger = 50'000;  ///< counts; without a finger little light comes back
  static constexpr uint32_t kNoFinger = 40'000;
  static constexpr uint32_t kSaturated = 262'000;
  static constexpr float kMinPerfusion = 0.0002f;  ///< peak over level; less is noise
  static constexpr float kMaxPerfusion = 0.1f;     ///< more is motion
  static constexpr uint32_t kPatience = 250;       ///< samples without a beat after which there is no rate
  static constexpr float kMinPeak = 0.5f;          ///< of the beats before it; less is a dicrotic wave or noise
  static constexpr float kMinPeriodicity = 0.5f;   ///< autocorrelation after the interval, less that after half

  /// The next sample; true where it completes a beat.
  bool add(uint32_t counts);
  /// Samples were lost.
  void skip() { reset(); }
  /// Beats a minute, or NaN where there are not enough good beats.
  float rate_bpm() const;
  bool finger() const { return finger_; }

 private:
  static constexpr size_t kShort = 11;  // 111 ms, the width of a systolic peak
  static constexpr size_t kLong = 67;   // 667 ms, that of a beat
  static constexpr size_t kHistory = 512;
  static constexpr float kBeta = 0.02f;
  static constexpr uint32_t kSettling = 150;

  void reset();
  bool close_block();
  float periodicity(float interval_samples) const;
  float autocorrelation(size_t lag) const;

  bool finger_ = false;
  uint32_t count_ = 0;  // samples since the reset
  float last_ = 0;
  float high_[3] = {};
  float low1_ = 0;
  float low2_ = 0;
  float level_ = 0;
  float mean_ = 0;
  Ring<float, kHistory> filtered_;
  bool in_block_ = false;
  uint32_t width_ = 0;
  float peak_ = 0;
  float usual_peak_ = 0;
  float before_ = 0;
  float after_ = 0;
  uint32_t peak_at_ = 0;
  bool has_beat_ = false;
  uint32_t beat_at_ = 0;
  float beat_shift_ = 0;  // where between two samples the peak is
  BeatIntervals intervals_;
};

}  // namespace stresswire

#endif
