#include "receipt.h"

#include <string.h>

#include "clock.h"
#include "json_reader.h"

namespace stresswire {

namespace {

constexpr size_t kWord = 48;

bool read_status(const JsonMember& member, Receipt::Status* status) {
  char word[kWord];
  if (!member.text(word, sizeof word)) return false;
  if (strcmp(word, contract::kReceiptSuccess) == 0) {
    *status = Receipt::Status::kSuccess;
  } else if (strcmp(word, contract::kReceiptPartial) == 0) {
    *status = Receipt::Status::kPartial;
  } else if (strcmp(word, contract::kReceiptError) == 0) {
    *status = Receipt::Status::kError;
  } else {
    return false;
  }
  return true;
}

bool read_natural(const JsonMember& member, uint32_t* out) {
  uint64_t value = 0;
  if (!member.natural(&value) || value > UINT32_MAX) return false;
  *out = static_cast<uint32_t>(value);
  return true;
}

}  // namespace

bool parse_receipt(const char* text, size_t size, Receipt* receipt) {
  *receipt = Receipt{};
  JsonReader reader(text, size);
  JsonMember member;
  bool has_status = false;
  bool has_boot = false;
  bool has_seq = false;
  while (reader.next(&member)) {
    if (member.is(contract::kFieldStatus)) has_status = read_status(member, &receipt->status);
    if (member.is(contract::kFieldBoot)) has_boot = member.text(receipt->boot, sizeof receipt->boot);
    if (member.is(contract::kFieldSeq)) has_seq = read_natural(member, &receipt->seq);
    if (member.is(contract::kFieldCount)) receipt->is_batch = read_natural(member, &receipt->stored);
    if (member.is(contract::kFieldErrors) && member.type == JsonType::kArray) {
      receipt->errors = static_cast<uint32_t>(json_count(member.value, member.value_size));
    }
    if (member.is(contract::kFieldServerTime)) {
      char time[kWord];
      if (member.text(time, sizeof time)) receipt->server_ms = parse_utc(time);
    }
  }
  return reader.valid() && has_status && has_boot && has_seq;
}

}  // namespace stresswire
