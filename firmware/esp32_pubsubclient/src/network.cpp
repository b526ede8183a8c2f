#include "network.h"

#include <Arduino.h>
#include <WiFi.h>
#include <esp_sntp.h>
#include <esp_timer.h>
#include <sys/time.h>

#include "board.h"
#include "ring.h"

namespace {

constexpr uint32_t kAttemptMs = 15'000;

struct SntpTime {
  int64_t unix_ms;
  uint64_t uptime_ms;
};

/// From SNTP's task to the network task.
stresswire::Handoff<SntpTime, 4> sntp_times;

void on_time(timeval* now) {
  sntp_times.push({static_cast<int64_t>(now->tv_sec) * 1000 + now->tv_usec / 1000, uptime_ms()});
}

}  // namespace

uint64_t uptime_ms() { return static_cast<uint64_t>(esp_timer_get_time()) / 1000; }

void Network::begin(const stresswire::Settings& settings, bool weak_supply) {
  settings_ = &settings;
  WiFi.persistent(false);  // the credentials are in our own NVS
  WiFi.mode(WIFI_STA);
  WiFi.setAutoReconnect(false);  // ours has a backoff
  weak_supply_ = weak_supply;
}

bool Network::step(uint64_t now_ms, stresswire::DeviceClock* clock) {
  SntpTime time{};
  while (sntp_times.pop(&time)) clock->from_sntp(time.unix_ms, time.uptime_ms);
  if (WiFi.status() == WL_CONNECTED) {
    if (tried_) Serial.printf("wifi: %s\n", WiFi.localIP().toString().c_str());
    tried_ = false;
    backoff_.reset();
    next_try_ms_ = 0;
    if (!sntp_) {
      sntp_set_time_sync_notification_cb(on_time);
      configTime(0, 0, board::kSntpServer);
      sntp_ = true;
    }
    return true;
  }
  if (now_ms >= next_try_ms_) {
    WiFi.disconnect();
    WiFi.begin(settings_->wifi_ssid, settings_->wifi_password[0] ? settings_->wifi_password : nullptr);
    if (weak_supply_) WiFi.setTxPower(WIFI_POWER_8_5dBm);  // only possible once the radio has started
    tried_ = true;
    next_try_ms_ = now_ms + kAttemptMs + backoff_.next_ms(esp_random());
  }
  return false;
}
