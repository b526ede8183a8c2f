#ifndef STRESSWIRE_SPILL_H
#define STRESSWIRE_SPILL_H

#include <stddef.h>
#include <stdint.h>

#include "segment.h"

namespace stresswire {

/// Where segments lie: files in a folder of the flash, by number. The device has LittleFS, a test what it likes.
class SegmentFiles {
 public:
  /// All of it, or false; a file that was cut off by a lost supply is found by its CRC.
  virtual bool write(uint32_t number, const uint8_t* bytes, size_t size) = 0;
  /// Reads a file, its size into `*size`: 0 where there is none, or it is larger than `capacity`. False where it cannot be
  /// read now, and may be later.
  virtual bool read(uint32_t number, uint8_t* bytes, size_t capacity, size_t* size) = 0;
  virtual bool remove(uint32_t number) = 0;
  /// The lowest and the highest number that there is; false where there is no file.
  virtual bool range(uint32_t* lowest, uint32_t* highest) = 0;

 protected:
  ~SegmentFiles() = default;
};

/// A queue of segments in flash, oldest first. Full, it loses the oldest, and counts what was in it.
class Spill {
 public:
  Spill(SegmentFiles& files, uint32_t max_segments) : files_(files), max_(max_segments) {}

  /// Find what an earlier boot left.
  void open();
  /// False where the flash does not take it: then it is not in the queue.
  bool push(const Segment& segment);
  /// The oldest that is whole; what is not is removed, and its samples count as dropped. False where there is none, or it
  /// cannot be read now; after `kPatience` times it counts as spoilt, or it would hold up all others.
  bool front(Segment* segment);
  /// Forget the oldest: it is acknowledged.
  void pop();

  bool empty() const { return first_ == next_; }
  uint32_t segments() const { return next_ - first_; }
  bool full() const { return segments() >= max_; }
  uint32_t dropped_samples() const { return dropped_samples_; }
  uint32_t corrupt_segments() const { return corrupt_segments_; }

 private:
  static constexpr int kPatience = 100;

  void drop_oldest();
  void spoilt(size_t size);

  SegmentFiles& files_;
  uint32_t max_;
  uint32_t first_ = 0;
  uint32_t next_ = 0;
  uint32_t dropped_samples_ = 0;
  uint32_t corrupt_segments_ = 0;
  int failures_ = 0;
  uint8_t bytes_[Segment::kMaxBytes] = {};
};

}  // namespace stresswire

#endif
