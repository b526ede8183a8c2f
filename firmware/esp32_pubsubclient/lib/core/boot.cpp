#include "boot.h"

#include <string.h>

#include "contract.gen.h"

namespace stresswire {

static_assert(Boot::kText - 1 <= contract::kMaxBoot, "the contract's limit");

namespace {

char* hex(uint64_t value, int at_least, char* out) {
  for (int shift = 60; shift >= 0; shift -= 4) {
    const auto digit = static_cast<int>((value >> shift) & 15);
    if (digit == 0 && shift >= at_least * 4 && (value >> shift) == 0) continue;
    *out++ = static_cast<char>(digit < 10 ? '0' + digit : 'a' + digit - 10);
  }
  return out;
}

}  // namespace

void Boot::text(char* out) const {
  out = hex(count, 1, out);
  *out++ = '-';
  out = hex(random, 16, out);
  *out = '\0';
}

bool Boot::is(const char* other) const {
  char own[kText];
  text(own);
  return strcmp(own, other) == 0;
}

}  // namespace stresswire
