#include <doctest/doctest.h>
#include <initializer_list>
#include <math.h>
#include <string.h>

#include <string>
#include <thread>
#include <vector>

#include "files.h"
#include "ring.h"
#include "segment.h"
#include "spill.h"

using namespace stresswire;

namespace {

Segment some(size_t count, uint32_t first_seq = 7) {
  Segment segment{};
  segment.boot = {3, 0x5d1e0c7f92ab3a84};
  segment.unix_offset_ms = 1'733'826'600'123;
  segment.count = count;
  for (size_t i = 0; i < count; ++i) {
    segment.samples[i] = {5'000'000'000'000ull + 100 * i, first_seq + static_cast<uint32_t>(i), 75.5f, NAN, 0.45f};
  }
  return segment;
}

}  // namespace

TEST_CASE("the CRC is the one of IEEE 802.3") {
  CHECK(crc32(reinterpret_cast<const uint8_t*>("123456789"), 9) == 0xCBF43926u);  // the check value of its catalogue
}

TEST_CASE("a segment comes back as it was") {
  uint8_t bytes[Segment::kMaxBytes];
  for (size_t count : {size_t{1}, size_t{2}, Segment::kSamples}) {
    const Segment segment = some(count);
    const size_t size = encode_segment(segment, bytes);
    CHECK(size == Segment::kHeaderBytes + count * Segment::kSampleBytes);
    Segment found{};
    REQUIRE(decode_segment(bytes, size, &found));
    CHECK(found.boot == segment.boot);
    CHECK(found.unix_offset_ms == segment.unix_offset_ms);
    REQUIRE(found.count == count);
    for (size_t i = 0; i < count; ++i) {
      CHECK(found.samples[i].seq == segment.samples[i].seq);
      CHECK(found.samples[i].uptime_ms == segment.samples[i].uptime_ms);
      CHECK(found.samples[i].hr == 75.5f);
      CHECK(isnan(found.samples[i].temp));
    }
  }
  CHECK(Segment::kMaxBytes <= 4096);
  Segment none{};
  CHECK_FALSE(decode_segment(bytes, encode_segment(some(0), bytes), &none));  // it would never be sent
}

TEST_CASE("any bit that is wrong, missing or too many is seen") {
  uint8_t bytes[Segment::kMaxBytes + 1];
  const size_t size = encode_segment(some(5), bytes);
  Segment found{};
  for (size_t bit = 0; bit < size * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    CAPTURE(bit);
    CHECK_FALSE(decode_segment(bytes, size, &found));
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
  }
  for (size_t cut = 0; cut < size; ++cut) CHECK_FALSE(decode_segment(bytes, cut, &found));
  CHECK_FALSE(decode_segment(bytes, size + 1, &found));
  CHECK(decode_segment(bytes, size, &found));
}

TEST_CASE("segments come back in order, also after a restart") {
  MemoryFiles files;
  {
    Spill spill(files, 10);
    spill.open();
    for (uint32_t i = 0; i < 3; ++i) CHECK(spill.push(some(2, 10 * i)));
  }
  Spill spill(files, 10);
  spill.open();
  CHECK(spill.segments() == 3);
  Segment found{};
  for (uint32_t i = 0; i < 3; ++i) {
    REQUIRE(spill.front(&found));
    CHECK(found.samples[0].seq == 10 * i);
    spill.pop();
  }
  CHECK(spill.empty());
  CHECK(files.contents.empty());
}

TEST_CASE("full, it loses the oldest and counts its samples") {
  MemoryFiles files;
  Spill spill(files, 2);
  spill.open();
  for (uint32_t i = 0; i < 4; ++i) CHECK(spill.push(some(3, 10 * i)));
  CHECK(spill.dropped_samples() == 6);
  Segment found{};
  REQUIRE(spill.front(&found));
  CHECK(found.samples[0].seq == 20);
}

TEST_CASE("a file that was cut off or spoilt is passed over") {
  MemoryFiles files;
  Spill spill(files, 9);
  spill.open();
  for (uint32_t i = 0; i < 4; ++i) CHECK(spill.push(some(3, 10 * i)));
  files.contents[0].resize(50);
  files.contents.erase(1);
  files.contents[2][60] ^= 1;
  Segment found{};
  REQUIRE(spill.front(&found));
  CHECK(found.samples[0].seq == 30);
  CHECK(spill.corrupt_segments() == 2);
  CHECK(spill.dropped_samples() == Segment::kSamples + 3);  // one was cut off: nobody knows how many were in it
}

TEST_CASE("a flash that refuses leaves nothing behind") {
  MemoryFiles files;
  Spill spill(files, 9);
  spill.open();
  files.room = 60;
  CHECK_FALSE(spill.push(some(3)));
  CHECK(spill.empty());
  CHECK(files.contents.empty());
  files.room = SIZE_MAX;
  CHECK(spill.push(some(3)));
}

TEST_CASE("a ring keeps its order and refuses when full") {
  Ring<int, 3> ring;
  for (int round = 0; round < 10; ++round) {
    CHECK(ring.push_back(round));
    CHECK(ring[0] == round);
    ring.pop_front();
  }
  for (int i = 0; i < 3; ++i) CHECK(ring.push_back(i));
  CHECK_FALSE(ring.push_back(3));
  CHECK(ring[2] == 2);
  ring.pop_front(9);
  CHECK(ring.empty());
}

TEST_CASE("what one thread hands off another gets, once and in order") {
  static Handoff<uint64_t, 64> handoff;
  constexpr uint64_t kCount = 200'000;
  std::thread producer([] {
    for (uint64_t i = 0; i < kCount;) {
      if (handoff.push(i)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  uint64_t wanted = 0;
  bool in_order = true;
  while (wanted < kCount) {
    uint64_t found = 0;
    if (!handoff.pop(&found)) {
      std::this_thread::yield();
      continue;
    }
    in_order = in_order && found == wanted;
    ++wanted;
  }
  producer.join();
  CHECK(in_order);
  CHECK(handoff.empty());
}
