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

/// Counts since the boot. Each sample is acknowledged, waiting or dropped: every loss is counted.
struct OutboxCounts {
  uint32_t added;
  uint32_t acknowledged;
  uint32_t refused;   ///< rejected by the pipeline; included in `acknowledged`
  uint32_t dropped;   ///< lost because the memory was full
  uint32_t sent;      ///< messages
  uint32_t timeouts;  ///< messages without an answer in time
  uint32_t ignored;   ///< answers to no message in flight: duplicates, and those of other devices
};

/// Keeps samples until the pipeline has confirmed that they are stored: at-least-once delivery over unreliable transports.
///
/// New samples go into a ring in RAM; when more than `kSpillAt` wait there, the oldest go into flash, a segment at a time.
/// They are sent in the order in which they were taken, those in flash first: one sample per message in normal operation,
/// batches after an outage. At most `kWindow` messages are in flight, and only one over a link that has not brought an
/// answer yet, so that a pipeline that is down does not get the same samples again and again. A message without an answer
/// in time (5 s, doubled up to 60 s) is sent again, with all that follow it, in batches half as large: a batch may exceed
/// the client's buffer or the broker's limit, or its answer the device's buffer. A sample that is sent again has the same
/// key, so the pipeline stores it once.
///
/// While the clock is not set and samples have waited, the newest is sent first, alone: its answer contains the time, with
/// which the others get their timestamps.
///
/// Not thread-safe: a `Handoff` passes samples between tasks.
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

  /// `device_id`: written into every sample; null if the topic or the login identifies the device.
  Outbox(const Boot& boot, Spill& spill, DeviceClock& clock, const char* device_id = nullptr)
      : boot_(boot), spill_(spill), clock_(clock), device_id_(device_id) {}

  /// Keep a sample. May write to flash.
  void add(const Sample& sample);
  void link_up();
  /// Forget the messages in flight; they are sent again once there is a link.
  void link_down();
  /// Write the next message that is due into `buffer`; return its size, or 0 if none is. It counts as sent: if sending
  /// fails, call `link_down`.
  size_t compose(uint64_t now_ms, char* buffer, size_t capacity);
  /// Process an answer. False if it belongs to no message in flight.
  bool answered(const Receipt& receipt, uint64_t now_ms);
  /// Write all samples to flash, before a restart or sleep. False if some could not be written: they count as dropped.
  bool store();

  /// True after `kSilent` timeouts in a row: the link is dead, even if the client library reports a connection.
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
  void on_answer();
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
  size_t segment_sent_ = 0;  // number of its samples that are acknowledged
  bool loaded_ = false;
  Segment scratch_{};

  Ring<Message, kWindow> window_;
  size_t in_flight_ = 0;  // samples that the window covers, from the oldest on
  size_t batch_ = kMaxBatch;
  uint32_t timeout_ms_ = kTimeoutMs;
  int timeouts_in_a_row_ = 0;
  bool linked_ = false;
  bool link_proven_ = false;      // an answer has come over this link, and none is overdue
  size_t flash_retry_after_ = 0;  // samples until the flash is tried again

  int probes_ = 0;
  bool probing_ = false;
  uint64_t probed_ms_ = 0;
  uint32_t probe_seq_ = 0;

  OutboxCounts counts_{};
};

}  // namespace stresswire

#endif
