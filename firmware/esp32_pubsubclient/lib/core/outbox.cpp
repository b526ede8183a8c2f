#include "outbox.h"

namespace stresswire {

namespace {

constexpr size_t kFlashRetryAfter = 64;  // samples until the next attempt after a failed write to flash
constexpr size_t kGrowth = 4;
constexpr uint32_t kDropAtOnce = 16;

/// 0 if `then_ms` is in the future: the caller's `now_ms` may be slightly old.
uint64_t since(uint64_t then_ms, uint64_t now_ms) { return now_ms > then_ms ? now_ms - then_ms : 0; }

}  // namespace

void Outbox::add(const Sample& sample) {
  ++counts_.added;
  if (ring_.size() == ring_.capacity()) drop_oldest();
  ring_.push_back(sample);
  if (flash_retry_after_ > 0) --flash_retry_after_;
  if (ring_.size() >= kSpillAt && flash_retry_after_ == 0 && !spill_oldest()) flash_retry_after_ = kFlashRetryAfter;
}

void Outbox::link_up() {
  linked_ = true;
  link_proven_ = false;
  probes_ = 0;
  timeout_ms_ = kTimeoutMs;
  timeouts_in_a_row_ = 0;
}

void Outbox::link_down() {
  linked_ = false;
  // The batch may have caused it: larger than the limit of the server, a proxy or the client library.
  for (size_t i = 0; i < window_.size(); ++i) {
    if (window_[i].done || window_[i].count == 1) continue;
    halve_batch();
    break;
  }
  forget();
  timeouts_in_a_row_ = 0;
}

size_t Outbox::compose(uint64_t now_ms, char* buffer, size_t capacity) {
  if (!linked_) return 0;
  time_out(now_ms);
  if (!from_flash() && ring_.empty()) return 0;
  if (!clock_.is_set() && probes_ < kProbes) {
    const size_t size = probe(now_ms, buffer, capacity);
    if (size > 0 || probing_) return size;
  }
  if (window_.size() == (link_proven_ ? kWindow : 1)) return 0;
  size_t wanted = available() - in_flight_;
  if (wanted == 0) return 0;
  if (wanted > batch_) wanted = batch_;
  char boot[Boot::kText];
  (loaded_ ? segment_.boot : boot_).text(boot);
  JsonWriter json(buffer, capacity);
  const bool is_batch = wanted > 1;
  if (is_batch) json.begin_array();
  size_t count = 0;
  for (; count < wanted; ++count) {
    const auto mark = json.mark();
    const Sample& sample = at(in_flight_ + count);
    write_sample(json, sample, boot, unix_ms(sample), device_id_);
    if (!json.fits() || json.size() + 2 > capacity) {
      json.rewind(mark);
      break;
    }
  }
  if (count == 0) return 0;  // the buffer is too small for a sample: its size is checked where it is set
  if (is_batch) json.end_array();
  const size_t size = json.finish();
  window_.push_back({now_ms, at(in_flight_ + count - 1).seq, static_cast<uint16_t>(count), 0, false});
  in_flight_ += count;
  ++counts_.sent;
  return size;
}

bool Outbox::answered(const Receipt& receipt, uint64_t now_ms) {
  if (probing_ && receipt.seq == probe_seq_ && boot_.is(receipt.boot)) {
    // The sample itself is sent again in its turn; the pipeline recognises it as a duplicate.
    clock_.from_server(receipt.server_ms, probed_ms_, now_ms);
    probing_ = false;
    on_answer();
    return true;
  }
  const Boot& boot = loaded_ ? segment_.boot : boot_;
  if (boot.is(receipt.boot)) {
    for (size_t i = 0; i < window_.size(); ++i) {
      Message& message = window_[i];
      if (message.done || message.last_seq != receipt.seq) continue;
      // A late answer to a shorter message that ended with the same sample does not confirm the others of this one.
      if (message.count > 1 && (!receipt.is_batch || receipt.stored + receipt.errors != message.count)) continue;
      message.done = true;
      clock_.from_server(receipt.server_ms, message.sent_ms, now_ms);
      if (receipt.status == Receipt::Status::kError) message.refused = message.count;
      if (receipt.status == Receipt::Status::kPartial) message.refused = static_cast<uint16_t>(receipt.errors);
      batch_ = batch_ + kGrowth > kMaxBatch ? kMaxBatch : batch_ + kGrowth;
      on_answer();
      settle();
      return true;
    }
  }
  ++counts_.ignored;
  return false;
}

/// Note that an answer came: the link works.
void Outbox::on_answer() {
  link_proven_ = true;
  timeout_ms_ = kTimeoutMs;
  timeouts_in_a_row_ = 0;
}

bool Outbox::store() {
  while (!ring_.empty()) {
    if (spill_oldest()) continue;
    counts_.dropped += static_cast<uint32_t>(ring_.size());
    return false;
  }
  return true;
}

uint32_t Outbox::waiting() const {
  size_t flash = spill_.segments() * Segment::kSamples;
  if (loaded_) flash -= Segment::kSamples - (segment_.count - segment_sent_);
  return static_cast<uint32_t>(flash + ring_.size());
}

OutboxCounts Outbox::counts() const {
  OutboxCounts counts = counts_;
  counts.dropped += spill_.dropped_samples();
  return counts;
}

/// True if the next samples are in flash; then load the oldest segment.
bool Outbox::from_flash() {
  if (loaded_) return true;
  if (spill_.empty() || !spill_.front(&segment_)) return false;
  forget();  // if the flash could not be read for a while, samples of the ring may be in flight
  loaded_ = true;
  segment_sent_ = 0;
  return true;
}

const Sample& Outbox::at(size_t index) const { return loaded_ ? segment_.samples[segment_sent_ + index] : ring_[index]; }

size_t Outbox::available() const { return loaded_ ? segment_.count - segment_sent_ : ring_.size(); }

int64_t Outbox::unix_ms(const Sample& sample) const {
  if (loaded_ && !(segment_.boot == boot_)) {
    return segment_.unix_offset_ms == 0 ? 0 : segment_.unix_offset_ms + static_cast<int64_t>(sample.uptime_ms);
  }
  return clock_.unix_ms(sample.uptime_ms);
}

/// Write the newest sample alone, if others have waited and the time is unknown; return the size, or 0.
size_t Outbox::probe(uint64_t now_ms, char* buffer, size_t capacity) {
  if (probing_) return 0;
  const bool waited = loaded_ || (!ring_.empty() && since(ring_[0].uptime_ms, now_ms) > kFreshMs);
  if (!waited || ring_.empty()) return 0;
  const Sample& newest = ring_[ring_.size() - 1];
  if (since(newest.uptime_ms, now_ms) > kFreshMs) return 0;
  char boot[Boot::kText];
  boot_.text(boot);
  JsonWriter json(buffer, capacity);
  write_sample(json, newest, boot, 0, device_id_);
  const size_t size = json.finish();
  if (size == 0) return 0;
  probing_ = true;
  probed_ms_ = now_ms;
  probe_seq_ = newest.seq;
  ++probes_;
  ++counts_.sent;
  return size;
}

void Outbox::time_out(uint64_t now_ms) {
  bool late = probing_ && since(probed_ms_, now_ms) >= timeout_ms_;
  bool was_batch = false;
  for (size_t i = 0; i < window_.size(); ++i) {
    const Message& message = window_[i];
    if (message.done || since(message.sent_ms, now_ms) < timeout_ms_) continue;
    late = true;
    was_batch = was_batch || message.count > 1;
    ++counts_.timeouts;
  }
  if (!late) return;
  forget();
  link_proven_ = false;
  if (was_batch) halve_batch();
  timeout_ms_ = timeout_ms_ > kMaxTimeoutMs / 2 ? kMaxTimeoutMs : timeout_ms_ * 2;
  ++timeouts_in_a_row_;
}

void Outbox::halve_batch() { batch_ = batch_ > 1 ? batch_ / 2 : 1; }

/// Remove the acknowledged samples, from the oldest on.
void Outbox::settle() {
  while (!window_.empty() && window_[0].done) {
    const size_t count = window_[0].count;
    counts_.acknowledged += static_cast<uint32_t>(count);
    counts_.refused += window_[0].refused;
    window_.pop_front();
    in_flight_ -= count;
    if (!loaded_) {
      ring_.pop_front(count);
      continue;
    }
    segment_sent_ += count;
    if (segment_sent_ == segment_.count) {
      spill_.pop();
      loaded_ = false;
    }
  }
}

/// Forget the messages in flight: all samples that are not acknowledged are sent again, the oldest first.
void Outbox::forget() {
  // Later messages may be answered already: they are sent again too, and counted then.
  window_.clear();
  in_flight_ = 0;
  probing_ = false;
}

/// Drop the oldest samples if RAM and flash are full; several at once, since this forgets the ring's messages in flight,
/// and the next answer needs time to arrive.
void Outbox::drop_oldest() {
  if (!loaded_) forget();
  ring_.pop_front(kDropAtOnce);
  counts_.dropped += kDropAtOnce;
}

/// Move the oldest samples of the ring to flash; false if it cannot be written.
bool Outbox::spill_oldest() {
  if (spill_.full() && loaded_) {  // the oldest segment is dropped; some of its samples may be acknowledged
    counts_.dropped += static_cast<uint32_t>(segment_.count - segment_sent_);
    forget();
    spill_.pop();
    loaded_ = false;
  }
  scratch_.boot = boot_;
  scratch_.unix_offset_ms = clock_.offset_ms();
  scratch_.count = ring_.size() < Segment::kSamples ? ring_.size() : Segment::kSamples;
  for (size_t i = 0; i < scratch_.count; ++i) {
    // The file has 32 bits for the time since its first sample: 49 days.
    if (ring_[i].uptime_ms - ring_[0].uptime_ms > UINT32_MAX) {
      scratch_.count = i;
      break;
    }
    scratch_.samples[i] = ring_[i];
  }
  if (!spill_.push(scratch_)) return false;
  if (!loaded_) forget();
  ring_.pop_front(scratch_.count);
  return true;
}

}  // namespace stresswire
