// The core at work, without a C++ library: what this prints on an rv32imc must be what it prints on a host.

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "beat.h"
#include "clock.h"
#include "command.h"
#include "eda.h"
#include "event.h"
#include "outbox.h"
#include "median.h"
#include "receipt.h"
#include "settings.h"
#include "status.h"

using namespace stresswire;

namespace {

/// A flash of a few segments in memory.
class Memory final : public SegmentFiles {
 public:
  bool write(uint32_t number, const uint8_t* bytes, size_t size) override {
    Slot& slot = slots_[number % kSlots];
    memcpy(slot.bytes, bytes, size);
    slot.number = number;
    slot.size = size;
    return true;
  }
  bool read(uint32_t number, uint8_t* bytes, size_t capacity, size_t* size) override {
    const Slot& slot = slots_[number % kSlots];
    *size = slot.number != number || slot.size > capacity ? 0 : slot.size;
    memcpy(bytes, slot.bytes, *size);
    return true;
  }
  bool remove(uint32_t number) override {
    slots_[number % kSlots].size = 0;
    return true;
  }
  bool range(uint32_t*, uint32_t*) override { return false; }

 private:
  static constexpr uint32_t kSlots = 4;
  struct Slot {
    uint32_t number = 0;
    size_t size = 0;
    uint8_t bytes[Segment::kMaxBytes];
  };
  Slot slots_[kSlots];
};

Memory memory;
Spill spill(memory, 4);
DeviceClock device_clock;
Outbox outbox({17, 0x00e1c7f92ab3a845}, spill, device_clock);
BeatDetector beats;
char buffer[6144];

uint32_t checksum(const char* text, size_t size) { return crc32(reinterpret_cast<const uint8_t*>(text), size); }

/// Bits that are the same everywhere.
uint32_t next_random() {
  static uint32_t state = 1;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

void deliver() {
  device_clock.from_sntp(1'767'268'800'000, 0);
  for (uint32_t seq = 0; seq < 1'000; ++seq) {
    const float eda = seq % 7 == 0 ? NAN : 0.4f + static_cast<float>(seq) * 0.001f;
    outbox.add({seq * 1000ull, seq, 60.0f + static_cast<float>(seq % 90), 33.25f, eda});
  }
  outbox.link_up();
  uint32_t digest = 0;
  for (uint64_t now_ms = 1'000'000; outbox.waiting() > 0; now_ms += 500) {
    const size_t size = outbox.compose(now_ms, buffer, sizeof buffer);
    if (size == 0) continue;
    digest = digest * 31 + checksum(buffer, size);
    if (next_random() % 4 == 0) continue;  // the answer is lost
    Receipt receipt{};
    const char* last = strrchr(buffer, 's');  // of the last "seq"
    uint32_t seq = 0;
    size_t count = 0;
    for (const char* at = buffer; *at != '\0'; ++at) count += *at == '{' ? 1u : 0u;
    for (const char* at = last + 5; *at >= '0' && *at <= '9'; ++at) seq = seq * 10 + static_cast<uint32_t>(*at - '0');
    char answer[160];
    snprintf(answer, sizeof answer, "{\"status\":\"success\",\"boot\":\"11-00e1c7f92ab3a845\",\"seq\":%lu,\"count\":%lu}",
             static_cast<unsigned long>(seq), static_cast<unsigned long>(count));
    if (parse_receipt(answer, strlen(answer), &receipt)) outbox.answered(receipt, now_ms + 50);
  }
  const OutboxCounts counts = outbox.counts();
  printf("outbox %lu added, %lu acknowledged, %lu dropped, digest %08lx\n", static_cast<unsigned long>(counts.added),
         static_cast<unsigned long>(counts.acknowledged), static_cast<unsigned long>(counts.dropped),
         static_cast<unsigned long>(digest));
}

void beat() {
  uint32_t count = 0;
  for (int i = 0; i < 2'000; ++i) {
    const int phase = i % 80;  // 75 beats a minute
    const uint32_t pulse = phase < 20 ? static_cast<uint32_t>(phase * (20 - phase) * 9) : 0;
    count += beats.add(110'000 - pulse + next_random() % 40) ? 1u : 0u;
  }
  const long bpm = lroundf(beats.rate_bpm());
  beats.add(0);
  printf("beats %lu, %ld bpm, %s without a finger\n", static_cast<unsigned long>(count), bpm,
         isnan(beats.rate_bpm()) ? "none" : "one");
}

void read() {
  const char order[] = "{\"command_id\":\"\\u00e9\",\"command\":\"sampling_rate\",\"value\":2.5e0}";
  Command command;
  const char* reason = nullptr;
  const CommandError error = parse_command(order, sizeof order - 1, &command, &reason);
  write_result(command.id, result::kDone, nullptr, nullptr, buffer, sizeof buffer);
  printf("command %d %ld %s\n", static_cast<int>(error), lroundf(command.value * 10), buffer);
  write_status({"online", "E1", "1.0.0", device_clock.unix_ms(5), true, 1, 2}, buffer, sizeof buffer);
  printf("status %s\n", buffer);
  const EdaCircuit circuit = {EdaCircuit::Kind::kDivider, 3300, 1'000'000, 0.92f};
  float millivolts[4] = {2'000, 2'010, 1'990, 100};
  printf("eda %ld nS\n", lroundf(conductance_us(circuit, median(millivolts, 4)) * 1000));
  printf("time %s\n", parse_utc("2026-01-01T12:00:00.000000Z") == 1'767'268'800'000 ? "good" : "wrong");
}

}  // namespace

#ifdef __riscv
extern "C" [[noreturn]] void __cxa_pure_virtual() {
  while (true) {
  }
}
#endif

int main() {
  deliver();
  beat();
  read();
  return 0;
}
