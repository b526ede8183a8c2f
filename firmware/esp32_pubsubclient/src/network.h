#ifndef STRESSWIRE_NETWORK_H
#define STRESSWIRE_NETWORK_H

#include <stdint.h>

#include "backoff.h"
#include "clock.h"
#include "settings.h"

/// Wi-Fi, which connects without blocking, and the time from SNTP.
class Network {
 public:
  /// `weak_supply`: the last run ended in a brown-out, so the radio sends with less power.
  void begin(const stresswire::Settings& settings, bool weak_supply);
  /// True while there is a network.
  bool step(uint64_t now_ms, stresswire::DeviceClock* clock);

 private:
  const stresswire::Settings* settings_ = nullptr;
  stresswire::Backoff backoff_{2'000, 60'000};
  uint64_t next_try_ms_ = 0;
  bool tried_ = false;
  bool weak_supply_ = false;
  bool sntp_ = false;
};

/// Milliseconds since the start: monotonic, without overflow.
uint64_t uptime_ms();

#endif
