#include "segment.h"

#include <string.h>

namespace stresswire {

namespace {

constexpr uint32_t kMagic = 0x31535753;  // "SWS1"
constexpr size_t kCrcAt = 36;

void put(uint8_t*& at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) *at++ = static_cast<uint8_t>(value >> (8 * i));
}

uint64_t take(const uint8_t*& at, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(*at++) << (8 * i);
  return value;
}

void put_float(uint8_t*& at, float value) {
  uint32_t bits = 0;
  memcpy(&bits, &value, sizeof bits);
  put(at, bits, 4);
}

float take_float(const uint8_t*& at) {
  const auto bits = static_cast<uint32_t>(take(at, 4));
  float value = 0;
  memcpy(&value, &bits, sizeof value);
  return value;
}

uint32_t crc_step(uint32_t crc, const uint8_t* bytes, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
  }
  return crc;
}

/// Over everything but itself.
uint32_t crc_of(const uint8_t* bytes, size_t size) {
  const uint32_t head = crc_step(0xFFFFFFFFu, bytes, kCrcAt);
  return ~crc_step(head, bytes + Segment::kHeaderBytes, size - Segment::kHeaderBytes);
}

}  // namespace

uint32_t crc32(const uint8_t* bytes, size_t size) { return ~crc_step(0xFFFFFFFFu, bytes, size); }

size_t encode_segment(const Segment& segment, uint8_t* out) {
  const uint64_t base_ms = segment.count > 0 ? segment.samples[0].uptime_ms : 0;
  uint8_t* at = out;
  put(at, kMagic, 4);
  put(at, segment.count, 2);
  put(at, Segment::kSampleBytes, 2);
  put(at, segment.boot.count, 4);
  put(at, segment.boot.random, 8);
  put(at, base_ms, 8);
  put(at, static_cast<uint64_t>(segment.unix_offset_ms), 8);
  at += 4;  // the CRC, once the rest is there
  for (size_t i = 0; i < segment.count; ++i) {
    const Sample& sample = segment.samples[i];
    put(at, sample.seq, 4);
    put(at, sample.uptime_ms - base_ms, 4);
    put_float(at, sample.hr);
    put_float(at, sample.temp);
    put_float(at, sample.eda);
  }
  const auto size = static_cast<size_t>(at - out);
  uint8_t* crc = out + kCrcAt;
  put(crc, crc_of(out, size), 4);
  return size;
}

bool decode_segment(const uint8_t* bytes, size_t size, Segment* segment) {
  if (size < Segment::kHeaderBytes) return false;
  const uint8_t* at = bytes;
  if (take(at, 4) != kMagic) return false;
  const auto count = static_cast<size_t>(take(at, 2));
  if (take(at, 2) != Segment::kSampleBytes || count == 0 || count > Segment::kSamples) return false;
  if (size != Segment::kHeaderBytes + count * Segment::kSampleBytes) return false;
  const uint8_t* crc = bytes + kCrcAt;
  if (take(crc, 4) != crc_of(bytes, size)) return false;
  segment->count = count;
  segment->boot.count = static_cast<uint32_t>(take(at, 4));
  segment->boot.random = take(at, 8);
  const uint64_t base_ms = take(at, 8);
  segment->unix_offset_ms = static_cast<int64_t>(take(at, 8));
  at += 4;
  for (size_t i = 0; i < count; ++i) {
    Sample& sample = segment->samples[i];
    sample.seq = static_cast<uint32_t>(take(at, 4));
    sample.uptime_ms = base_ms + take(at, 4);
    sample.hr = take_float(at);
    sample.temp = take_float(at);
    sample.eda = take_float(at);
  }
  return true;
}

}  // namespace stresswire
