#ifndef STRESSWIRE_SCHEDULE_H
#define STRESSWIRE_SCHEDULE_H

#include <stdint.h>

namespace stresswire {

/// Between two samples.
inline uint32_t interval_ms(float rate_hz) { return static_cast<uint32_t>(1000.0f / rate_hz + 0.5f); }

/// Moments at a fixed distance that do not drift: being late once moves none of those that follow.
class Schedule {
 public:
  Schedule(uint64_t now_ms, uint32_t interval_ms) : next_ms_(now_ms + interval_ms), interval_ms_(interval_ms) {}

  /// Whether one has come; several that were missed are one, and counted.
  bool due(uint64_t now_ms) {
    if (now_ms < next_ms_) return false;
    const auto passed = static_cast<uint32_t>((now_ms - next_ms_) / interval_ms_);
    missed_ += passed;
    next_ms_ += static_cast<uint64_t>(passed + 1) * interval_ms_;
    return true;
  }
  /// The next moment is one interval away.
  void set_interval(uint64_t now_ms, uint32_t interval_ms) {
    interval_ms_ = interval_ms;
    next_ms_ = now_ms + interval_ms;
  }
  uint64_t next_ms() const { return next_ms_; }
  uint32_t interval_ms() const { return interval_ms_; }
  uint32_t missed() const { return missed_; }

 private:
  uint64_t next_ms_;
  uint32_t interval_ms_;
  uint32_t missed_ = 0;
};

}  // namespace stresswire

#endif
