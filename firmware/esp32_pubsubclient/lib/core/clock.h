#ifndef STRESSWIRE_CLOCK_H
#define STRESSWIRE_CLOCK_H

#include <stdint.h>

namespace stresswire {

/// From the device's uptime, which never jumps, to the time of the record.
///
/// SNTP sets it. Without SNTP, as in a laboratory's own network, the server's time in `data_received` does. A time from
/// before the contract's floor is none; one that disagrees with what is known by more than `kJumpMs` is believed once
/// `kConfirmations` in a row say the same. Where SNTP and the server disagree by more than `kDisagreementMs`, the server
/// is believed: its clock is the record's. Of its answers those that came quickly count, and the quickest most: an answer
/// says the time to within half of what it took.
class DeviceClock {
 public:
  static constexpr int64_t kJumpMs = 2'000;
  static constexpr int kConfirmations = 3;
  static constexpr int64_t kDisagreementMs = 30'000;
  static constexpr uint64_t kMaxRoundTripMs = 2'000;
  static constexpr uint64_t kDriftPerMillion =
      100;  ///< of a device's quartz, at the worst: a quick answer does not stay the best

  /// SNTP says that it is `unix_ms` at `uptime_ms`.
  void from_sntp(int64_t unix_ms, uint64_t uptime_ms);
  /// The server answered `unix_ms` to what was sent at `sent_ms`, and heard at `heard_ms`.
  void from_server(int64_t unix_ms, uint64_t sent_ms, uint64_t heard_ms);

  bool is_set() const { return offset_ms() != 0; }
  /// Unix time less uptime; 0 where it is not known.
  int64_t offset_ms() const;
  /// When it was, or 0 where that is not known.
  int64_t unix_ms(uint64_t uptime_ms) const;
  /// Times that were not believed.
  uint32_t refused() const { return sntp_.refused + server_.refused; }

 private:
  struct Source {
    int64_t offset_ms = 0;
    int64_t candidate_ms = 0;
    int seen = 0;
    uint32_t refused = 0;

    void hear(int64_t offset);
  };

  Source sntp_;
  Source server_;
  uint64_t round_trip_ms_ = 0;  // of the answer that the server's offset is from
  uint64_t heard_ms_ = 0;
};

/// The Unix time, in milliseconds, of `2026-01-01T12:00:00.000000Z` and the like; 0 for anything else.
int64_t parse_utc(const char* text);

}  // namespace stresswire

#endif
