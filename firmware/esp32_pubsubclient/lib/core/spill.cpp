#include "spill.h"

namespace stresswire {

namespace {

/// How many samples a file of that size has room for.
uint32_t samples_in(size_t size) {
  if (size < Segment::kHeaderBytes) return 0;
  return static_cast<uint32_t>((size - Segment::kHeaderBytes) / Segment::kSampleBytes);
}

}  // namespace

void Spill::open() {
  uint32_t lowest = 0;
  uint32_t highest = 0;
  if (!files_.range(&lowest, &highest)) return;
  first_ = lowest;
  next_ = highest + 1;
}

bool Spill::push(const Segment& segment) {
  while (full()) drop_oldest();
  const size_t size = encode_segment(segment, bytes_);
  if (!files_.write(next_, bytes_, size)) {
    files_.remove(next_);  // half of it may be there
    return false;
  }
  ++next_;
  return true;
}

bool Spill::front(Segment* segment) {
  while (!empty()) {
    size_t size = 0;
    if (!files_.read(first_, bytes_, sizeof bytes_, &size)) {
      if (++failures_ < kPatience) return false;
      size = Segment::kMaxBytes;
    } else if (size == 0) {  // a number that was left out
      pop();
      continue;
    } else if (decode_segment(bytes_, size, segment)) {
      failures_ = 0;
      return true;
    }
    spoilt(size);
  }
  return false;
}

void Spill::pop() {
  if (empty()) return;
  files_.remove(first_);
  ++first_;
}

void Spill::drop_oldest() {
  // How many there are follows from the size; to decode it would take a second segment's memory.
  size_t size = 0;
  if (!files_.read(first_, bytes_, sizeof bytes_, &size)) size = Segment::kMaxBytes;
  dropped_samples_ += samples_in(size);
  pop();
}

/// The oldest is lost, with as many samples as its size says; with all that it may have had, where it was cut off.
void Spill::spoilt(size_t size) {
  const uint32_t count = samples_in(size);
  const bool whole = count > 0 && size == Segment::kHeaderBytes + count * Segment::kSampleBytes;
  dropped_samples_ += whole ? count : static_cast<uint32_t>(Segment::kSamples);
  ++corrupt_segments_;
  failures_ = 0;
  pop();
}

}  // namespace stresswire
