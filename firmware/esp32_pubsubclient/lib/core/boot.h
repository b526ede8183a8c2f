#ifndef STRESSWIRE_BOOT_H
#define STRESSWIRE_BOOT_H

#include <stddef.h>
#include <stdint.h>

namespace stresswire {

/// Which start of the device a sample belongs to: a counter from the NVS, and 64 random bits for when the NVS was erased.
struct Boot {
  static constexpr size_t kText = 8 + 1 + 16 + 1;

  uint32_t count;
  uint64_t random;

  /// As the contract writes it: both in hexadecimal, such as `11-5d1e0c7f92ab3a84`; at most `kText` bytes with the NUL.
  void text(char* out) const;
  bool is(const char* text) const;
  bool operator==(const Boot& other) const { return count == other.count && random == other.random; }
};

}  // namespace stresswire

#endif
