#include <doctest/doctest.h>
#include <initializer_list>

#include "backoff.h"
#include "clock.h"
#include "schedule.h"

using namespace stresswire;

namespace {
constexpr int64_t kNoon = 1'767'268'800'000;  // 2026-01-01T12:00:00Z
constexpr int64_t kDay = 86'400'000;
}  // namespace

TEST_CASE("times of the contract's form are read, and nothing else") {
  CHECK(parse_utc("2026-01-01T12:00:00.000000Z") == kNoon);
  CHECK(parse_utc("2026-01-01T12:00:00Z") == kNoon);
  CHECK(parse_utc("2026-01-01T12:00:00.125Z") == kNoon + 125);
  CHECK(parse_utc("2024-02-29T23:59:59.999999Z") == 1'709'251'199'999);
  CHECK(parse_utc("1970-01-01T00:00:01Z") == 1'000);
  for (const char* text : {"", "2026", "2026-13-01T12:00:00Z", "2026-01-32T12:00:00Z", "2026-01-01 12:00:00Z",
                           "2026-01-01T24:00:00Z", "2026-01-01T12:60:00Z", "2026-01-01T12:00:00", "2026-01-01T12:00:00.Z",
                           "2026-01-01T12:00:00Zx", "2026-01-01T12:00:00+00:00", "-026-01-01T12:00:00Z"}) {
    CAPTURE(text);
    CHECK(parse_utc(text) == 0);
  }
}

TEST_CASE("before it is set there is no time") {
  DeviceClock clock;
  CHECK_FALSE(clock.is_set());
  CHECK(clock.unix_ms(1'000) == 0);
  clock.from_sntp(1'000, 1'000);  // 1970: an SNTP that was never set
  clock.from_sntp(9'000'000'000'000, 1'000);
  CHECK_FALSE(clock.is_set());
  CHECK(clock.refused() == 2);
  clock.from_sntp(kNoon, 5'000);
  CHECK(clock.unix_ms(5'000) == kNoon);
  CHECK(clock.unix_ms(4'000) == kNoon - 1'000);
}

TEST_CASE("a jump is believed once it lasts") {
  DeviceClock clock;
  clock.from_sntp(kNoon, 0);
  clock.from_sntp(kNoon + kDay + 1'000, 1'000);
  CHECK(clock.unix_ms(1'000) == kNoon + 1'000);
  clock.from_sntp(kNoon + 2'500, 2'000);  // what drifts is followed at once, and ends the doubt
  CHECK(clock.unix_ms(2'000) == kNoon + 2'500);
  for (int i = 3; i <= 5; ++i) clock.from_sntp(kNoon + kDay + i * 1'000, static_cast<uint64_t>(i) * 1'000);
  CHECK(clock.unix_ms(5'000) == kNoon + kDay + 5'000);
  clock.from_sntp(kNoon, 6'000);  // different jumps confirm nothing
  clock.from_sntp(kNoon + 3 * kDay, 7'000);
  clock.from_sntp(kNoon, 8'000);
  CHECK(clock.unix_ms(8'000) == kNoon + kDay + 8'000);
}

TEST_CASE("the server's answers tell the time where SNTP does not, or says something else") {
  DeviceClock clock;
  clock.from_server(kNoon, 1'000, 1'400);
  CHECK(clock.unix_ms(1'200) == kNoon);
  clock.from_sntp(kNoon + 10'000, 1'200);  // SNTP is the better one
  CHECK(clock.unix_ms(1'200) == kNoon + 10'000);
  DeviceClock wrong;
  wrong.from_sntp(kNoon - kDay, 1'200);
  wrong.from_server(kNoon, 1'000, 1'400);
  CHECK(wrong.unix_ms(1'200) == kNoon);
  wrong.from_server(0, 1'000, 1'400);  // an answer without a time
  wrong.from_server(kNoon, 1'400, 1'000);
  CHECK(wrong.unix_ms(1'200) == kNoon);
}

TEST_CASE("of the server's answers the quickest tells the time") {
  DeviceClock clock;
  clock.from_server(kNoon, 0, 5'000);  // it may have been any time within these five seconds
  CHECK_FALSE(clock.is_set());
  clock.from_server(kNoon + 10'000, 10'000, 11'000);
  CHECK(clock.unix_ms(10'500) == kNoon + 10'000);
  clock.from_server(kNoon + 12'100, 12'000, 12'100);
  CHECK(clock.unix_ms(12'050) == kNoon + 12'100);
  clock.from_server(kNoon + 14'900, 14'000, 15'000);  // slower: no better
  CHECK(clock.unix_ms(12'050) == kNoon + 12'100);
  const uint64_t later = 12'100 + 10'000'000;  // after hours the quartz has drifted, and slower ones count again
  clock.from_server(kNoon + 10'012'000, later, later + 900);
  CHECK(clock.unix_ms(later + 450) == kNoon + 10'012'000);
  for (int i = 1; i <= 3; ++i)
    clock.from_server(kNoon + kDay + i * 1'000, later + 1'000ull * i, later + 1'000ull * i + 1'500);
  CHECK(clock.unix_ms(later + 3'750) == kNoon + kDay + 3'000);  // a jump that lasts is one, however slow
}

TEST_CASE("the backoff has full jitter below a ceiling that doubles") {
  Backoff backoff(1'000, 60'000);
  const uint32_t ceilings[] = {1'000, 2'000, 4'000, 8'000, 16'000, 32'000, 60'000, 60'000};
  for (const uint32_t ceiling : ceilings) {
    CHECK(backoff.ceiling_ms() == ceiling);
    Backoff low = backoff;
    CHECK(low.next_ms(0) == 0);
    CHECK(backoff.next_ms(UINT32_MAX) == ceiling);
  }
  backoff.reset();
  CHECK(backoff.next_ms(UINT32_MAX / 2) == 500);
}

TEST_CASE("a schedule does not drift, and counts what it missed") {
  Schedule schedule(0, 100);
  CHECK_FALSE(schedule.due(99));
  CHECK(schedule.due(103));
  CHECK(schedule.next_ms() == 200);
  CHECK(schedule.due(555));
  CHECK(schedule.missed() == 3);
  CHECK(schedule.next_ms() == 600);
  CHECK_FALSE(schedule.due(599));
  schedule.set_interval(600, 1'000);
  CHECK(schedule.next_ms() == 1'600);
}
