#ifndef STRESSWIRE_BACKOFF_H
#define STRESSWIRE_BACKOFF_H

#include <stdint.h>

namespace stresswire {

/// How long to wait before the next attempt: full jitter, anything up to a ceiling that doubles from `base` to `cap`.
///
/// Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. A thousand devices whose broker comes
/// back do so at a thousand times.
class Backoff {
 public:
  constexpr Backoff(uint32_t base_ms, uint32_t cap_ms) : base_ms_(base_ms), cap_ms_(cap_ms), ceiling_ms_(base_ms) {}

  /// `random`: 32 uniform bits.
  uint32_t next_ms(uint32_t random) {
    const auto wait_ms = static_cast<uint32_t>((static_cast<uint64_t>(random) * (ceiling_ms_ + 1ull)) >> 32);
    ceiling_ms_ = ceiling_ms_ > cap_ms_ / 2 ? cap_ms_ : ceiling_ms_ * 2;
    return wait_ms;
  }
  /// It worked.
  void reset() { ceiling_ms_ = base_ms_; }
  uint32_t ceiling_ms() const { return ceiling_ms_; }

 private:
  uint32_t base_ms_;
  uint32_t cap_ms_;
  uint32_t ceiling_ms_;
};

}  // namespace stresswire

#endif
