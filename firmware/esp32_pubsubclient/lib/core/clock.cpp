#include "clock.h"

#include "contract.gen.h"

namespace stresswire {

namespace {

constexpr int64_t kFloorMs = contract::kClockFloorUnixS * 1000;
constexpr int64_t kCeilingMs = 4'102'444'800'000;  // 2100: no clock of these years says so

bool is_time(int64_t unix_ms) { return unix_ms >= kFloorMs && unix_ms < kCeilingMs; }

int64_t distance(int64_t a, int64_t b) { return a > b ? a - b : b - a; }

/// `count` digits at `*at`, or -1.
int digits(const char** at, int count) {
  int value = 0;
  for (; count > 0; --count, ++*at) {
    if (**at < '0' || **at > '9') return -1;
    value = value * 10 + (**at - '0');
  }
  return value;
}

bool is(const char** at, char wanted) { return **at == wanted && *(*at)++ != '\0'; }

/// Days since 1970 in the proleptic Gregorian calendar. Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
int64_t days_from_civil(int year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const int era = year / 400;
  const int year_of_era = year - era * 400;
  const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return static_cast<int64_t>(era) * 146097 + day_of_era - 719468;
}

}  // namespace

void DeviceClock::Source::hear(int64_t offset) {
  if (offset_ms == 0 || distance(offset, offset_ms) <= kJumpMs) {
    offset_ms = offset;
    seen = 0;
    return;
  }
  seen = seen > 0 && distance(offset, candidate_ms) <= kJumpMs ? seen + 1 : 1;
  candidate_ms = offset;
  if (seen >= kConfirmations) {
    offset_ms = offset;
    seen = 0;
  } else {
    ++refused;
  }
}

void DeviceClock::from_sntp(int64_t unix_ms, uint64_t uptime_ms) {
  if (!is_time(unix_ms)) {
    ++sntp_.refused;
    return;
  }
  sntp_.hear(unix_ms - static_cast<int64_t>(uptime_ms));
}

void DeviceClock::from_server(int64_t unix_ms, uint64_t sent_ms, uint64_t heard_ms) {
  if (!is_time(unix_ms) || heard_ms < sent_ms || heard_ms - sent_ms > kMaxRoundTripMs) {
    ++server_.refused;
    return;
  }
  const uint64_t round_trip_ms = heard_ms - sent_ms;
  const int64_t offset = unix_ms - static_cast<int64_t>(sent_ms + round_trip_ms / 2);
  const uint64_t drift_ms = (heard_ms - heard_ms_) * kDriftPerMillion / 1'000'000;
  const bool worse = server_.offset_ms != 0 && round_trip_ms > round_trip_ms_ + drift_ms;
  if (worse && distance(offset, server_.offset_ms) <= kJumpMs) return;
  server_.hear(offset);
  if (server_.offset_ms != offset) return;
  round_trip_ms_ = round_trip_ms;
  heard_ms_ = heard_ms;
}

int64_t DeviceClock::offset_ms() const {
  // Also where SNTP has said nothing: 0 is far from everything.
  if (server_.offset_ms != 0 && distance(sntp_.offset_ms, server_.offset_ms) > kDisagreementMs) return server_.offset_ms;
  return sntp_.offset_ms;
}

int64_t DeviceClock::unix_ms(uint64_t uptime_ms) const {
  return is_set() ? offset_ms() + static_cast<int64_t>(uptime_ms) : 0;
}

int64_t parse_utc(const char* text) {
  const char* at = text;
  const int year = digits(&at, 4);
  if (year < 1970 || !is(&at, '-')) return 0;
  const int month = digits(&at, 2);
  if (month < 1 || month > 12 || !is(&at, '-')) return 0;
  const int day = digits(&at, 2);
  if (day < 1 || day > 31 || !is(&at, 'T')) return 0;
  const int hour = digits(&at, 2);
  if (hour < 0 || hour > 23 || !is(&at, ':')) return 0;
  const int minute = digits(&at, 2);
  if (minute < 0 || minute > 59 || !is(&at, ':')) return 0;
  const int second = digits(&at, 2);
  if (second < 0 || second > 60) return 0;
  int millisecond = 0;
  if (is(&at, '.')) {
    int scale = 100;
    if (*at < '0' || *at > '9') return 0;
    for (; *at >= '0' && *at <= '9'; ++at, scale /= 10) millisecond += (*at - '0') * scale;
  }
  if (!is(&at, 'Z') || *at != '\0') return 0;
  const int64_t seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
  return seconds * 1000 + millisecond;
}

}  // namespace stresswire
