#ifndef STRESSWIRE_SEGMENT_H
#define STRESSWIRE_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "boot.h"
#include "sample.h"

namespace stresswire {

/// CRC-32 as in IEEE 802.3 (reflected, polynomial 0xEDB88320).
uint32_t crc32(const uint8_t* bytes, size_t size);

/// Samples of one boot, oldest first, as they wait in flash.
struct Segment {
  static constexpr size_t kSamples = 200;
  static constexpr size_t kHeaderBytes = 40;
  static constexpr size_t kSampleBytes = 20;
  /// A full one fits a block of flash (4,096 bytes).
  static constexpr size_t kMaxBytes = kHeaderBytes + kSamples * kSampleBytes;

  Boot boot;
  int64_t unix_offset_ms;  ///< unix time less uptime, where the boot's clock was set; else 0
  size_t count;
  Sample samples[kSamples];
};

/// Little-endian, with a CRC over everything else. `out` has `Segment::kMaxBytes`; returns how many are used.
size_t encode_segment(const Segment& segment, uint8_t* out);

/// False where a byte is missing, added or other than it was written.
bool decode_segment(const uint8_t* bytes, size_t size, Segment* segment);

}  // namespace stresswire

#endif
