#ifndef STRESSWIRE_OUTBOX_H
#define STRESSWIRE_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "boot.h"
#include "clock.h"
#include "receipt.h"
#include "ring.h"
#include "sample.h"
#include "spill.h"

namespace stresswire {

/// What became of the samples since the boot. Each is acknowledged, waits, or was dropped: nothing is lost unseen.
struct OutboxCounts {
  uint32_t added;
  uint32_t acknowledged;
  uint32_t refused;   ///< among the acknowledged: the pipeline keeps them in `rejected`
  uint32_t dropped;   ///< a full memory lost them
  uint32_t sent;      ///< messages
  uint32_t timeouts;  ///< messages without an answer in time
  uint32_t ignored;   ///< answers to nothing that is under way: duplicates, and other devices'
};

/// Keeps samples until the pipeline has said that they are stored: at-least-once over transports that promise nothing.
///
/// New samples go into a ring in RAM; when more than `kSpillAt` wait there, the oldest go into flash, a segment at a time.
/// They leave in the order in which they were taken, flash first, in messages of one sample while all is well and in
/// batches after an outage. At most `kWindow` messages are under way; one alone over a link that has not brought an answer
/// yet, so that a pipeline that is down is not sent everything again and again. One without an answer in time (5 s, doubled
/// up to 60 s) is sent again, with all behind it, in batches half as large: what a client's buffer, a broker's limit or an
/// answer too large for the device makes impossible, a smaller message does. A resend is the same sample under the same
/// key, which the pipeline stores once.
///
/// While the clock is not set and samples have waited, the newest goes out first, alone: its answer tells the time, so that
/// the others can be dated.
///
/// Not for two tasks at once: a `Handoff` brings samples over.
class Outbox {
 public:
  static constexpr size_t kRing = 512;
  static constexpr size_t kSpillAt = 256;
  static constexpr size_t kWindow = 8;
  static constexpr size_t kMaxBatch = 40;
  static constexpr uint32_t kTimeoutMs = 5'000;
  static constexpr uint32_t kMaxTimeoutMs = 60'000;
  static constexpr int kSilent = 3;
  static constexpr int kProbes = 2;
  static constexpr uint64_t kFreshMs = 2'000;

  /// `device_id`: written into every sample; null where the topic or the login says it.
  Outbox(const Boot& boot, Spill& spill, DeviceClock& clock, const char* device_id = nullptr)
      : boot_(boot), spill_(spill), clock_(clock), device_id_(device_id) {}

  /// Keep a sample. May write to flash.
  void add(const Sample& sample);
  void link_up();
  /// What was under way is not; it is sent again once there is a link.
  void link_down();
  /// The next message that is due, into `buffer`; its size, or 0 where nothing is. It counts as sent: where sending fails,
  /// call `link_down`.
  size_t compose(uint64_t now_ms, char* buffer, size_t capacity);
  /// Take an answer. False where it is about nothing that is under way.
  bool answered(const Receipt& receipt, uint64_t now_ms);
  /// Everything into flash, before a restart or sleep. False where it did not all go: the rest counts as dropped.
  bool store();

  /// `kSilent` timeouts in a row: the link is dead, whatever the client library says.
  bool silent() const { return timeouts_in_a_row_ >= kSilent; }
  /// Samples of this boot and earlier ones that are not acknowledged; those in flash by whole segments.
  uint32_t waiting() const;
  OutboxCounts counts() const;

 private:
  struct Message {
    uint64_t sent_ms;
    uint32_t last_seq;
    uint16_t count;
    uint16_t refused;
    bool done;
  };

  bool from_flash();
  const Sample& at(size_t index) const;
  size_t available() const;
  int64_t unix_ms(const Sample& sample) const;
  size_t probe(uint64_t now_ms, char* buffer, size_t capacity);
  void time_out(uint64_t now_ms);
  void heard();
  void halve_batch();
  void settle();
  void forget();
  void drop_oldest();
  bool spill_oldest();

  Boot boot_;
  Spill& spill_;
  DeviceClock& clock_;
  const char* device_id_;

  Ring<Sample, kRing> ring_;
  Segment segment_{};        // the oldest of the flash, while it is being sent
  size_t segment_sent_ = 0;  // how many of it are acknowledged
  bool loaded_ = false;
  Segment scratch_{};

  Ring<Message, kWindow> window_;
  size_t under_way_ = 0;  // samples that the window covers, from the oldest on
  size_t batch_ = kMaxBatch;
  uint32_t timeout_ms_ = kTimeoutMs;
  int timeouts_in_a_row_ = 0;
  bool linked_ = false;
  bool proven_ = false;   // an answer has come over this link, and none is overdue
  size_t relief_in_ = 0;  // samples until the flash is tried again

  int probes_ = 0;
  bool probing_ = false;
  uint64_t probed_ms_ = 0;
  uint32_t probe_seq_ = 0;

  OutboxCounts counts_{};
};

}  // namespace stresswire

#endif
