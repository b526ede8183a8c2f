#ifndef STRESSWIRE_RECEIPT_H
#define STRESSWIRE_RECEIPT_H

#include <stddef.h>
#include <stdint.h>

#include "contract.gen.h"

namespace stresswire {

/// A `data_received` that names what it is about: the `boot` and `seq` of the last sample of a message.
///
/// One without them is no word on any sample: the gateway's own "no answer in 10 s", "too many", "not logged in". There the
/// device goes on to wait, and sends again.
struct Receipt {
  enum class Status : uint8_t { kSuccess, kPartial, kError };

  Status status;
  uint32_t seq;
  bool is_batch;      ///< about an array: then it says how many were stored, and each that was not
  uint32_t stored;    ///< of a batch
  uint32_t errors;    ///< of a batch
  int64_t server_ms;  ///< the server's Unix time; 0 where it is not said
  char boot[contract::kMaxBoot + 1];
};

/// False where the bytes are no such answer.
bool parse_receipt(const char* text, size_t size, Receipt* receipt);

}  // namespace stresswire

#endif
