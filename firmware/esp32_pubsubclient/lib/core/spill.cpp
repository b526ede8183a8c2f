#include "spill.h"

namespace stresswire {

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
    const size_t size = files_.read(first_, bytes_, sizeof bytes_);
    if (size > 0 && decode_segment(bytes_, size, segment)) return true;
    ++corrupt_segments_;
    pop();
  }
  return false;
}

void Spill::pop() {
  if (empty()) return;
  files_.remove(first_);
  ++first_;
}

void Spill::drop_oldest() {
  // The count stands at a known place; reading all of it would take a second segment's memory.
  const size_t size = files_.read(first_, bytes_, sizeof bytes_);
  if (size >= Segment::kHeaderBytes) {
    dropped_samples_ += static_cast<uint32_t>((size - Segment::kHeaderBytes) / Segment::kSampleBytes);
  }
  pop();
}

}  // namespace stresswire
