#include <esp_sleep.h>
#include <esp_sntp.h>
#include <esp_system.h>
#include <esp_task_wdt.h>
#include <esp_timer.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>

#include "Arduino.h"
#include "WiFi.h"

HardwareSerial Serial;
WiFiClass WiFi;

namespace {

std::mutex lock;

int64_t now_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
}

const int64_t started_us = now_us();

/// The file `world`, read again when it has changed, at most every 20 ms.
const std::map<std::string, std::string>& read_world() {
  static std::map<std::string, std::string> known;
  static int64_t read_us = 0;
  if (now_us() - read_us < 20'000) return known;
  read_us = now_us();
  std::ifstream file(shim::folder() + "/world");
  known.clear();
  std::string line;
  while (std::getline(file, line)) {
    const auto space = line.find(' ');
    if (space != std::string::npos) known[line.substr(0, space)] = line.substr(space + 1);
  }
  return known;
}

std::map<std::thread::id, int64_t> fed_us;  // when each task that is watched last reset the watchdog

}  // namespace

std::string shim::folder() {
  const char* folder = getenv("SHIM_FOLDER");
  return folder == nullptr ? "." : folder;
}

std::string shim::world(const char* name, const char* otherwise) {
  const std::lock_guard<std::mutex> guard(lock);
  const auto& known = read_world();
  const auto found = known.find(name);
  return found == known.end() ? otherwise : found->second;
}

double shim::world(const char* name, double otherwise) {
  const std::string text = world(name, "");
  return text.empty() ? otherwise : std::stod(text);
}

extern "C" int64_t esp_timer_get_time() { return now_us() - started_us; }
unsigned long millis() { return static_cast<uint32_t>(esp_timer_get_time() / 1000); }
void delay(unsigned long ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

void pinMode(int, int) {}
int digitalRead(int) { return shim::world("button", 0.0) > 0 ? LOW : HIGH; }
void digitalWrite(int, int level) {
  static int last = LOW;
  if (level == HIGH && last == LOW) Serial.println("led on");
  last = level;
}

/// What the divider of board.h gives: 1 MOhm to 3,300 mV, the skin to ground. `eda` in microsiemens; 0: open. The converter
/// saturates at 3.1 V.
uint32_t analogReadMilliVolts(int) {
  const double eda_us = shim::world("eda", 2.0);
  static thread_local std::mt19937 random(1);
  const double noise = std::normal_distribution<double>(0, 2)(random);
  const double millivolts = eda_us <= 0 ? 3300 : 3300 / (1 + eda_us);
  return static_cast<uint32_t>(std::clamp(millivolts + noise + 0.5, 0.0, 3100.0));
}
void analogReadResolution(int) {}
void analogSetPinAttenuation(int, int) {}

extern "C" uint32_t esp_random() {
  static std::random_device device;
  const std::lock_guard<std::mutex> guard(lock);
  return device();
}

void HardwareSerial::begin(unsigned long) { setvbuf(stdout, nullptr, _IOLBF, 0); }
int HardwareSerial::available() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return poll(&input, 1, 0) > 0 && (input.revents & POLLIN) != 0 && !feof(stdin) ? 1 : 0;
}
int HardwareSerial::read() {
  unsigned char byte = 0;
  const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
  if (count == 0) getc(stdin);  // closed: there is nothing more to come
  return count == 1 ? byte : -1;
}
size_t HardwareSerial::write(const uint8_t* bytes, size_t size) { return fwrite(bytes, 1, size, stdout); }
size_t HardwareSerial::print(const char* text) { return fputs(text, stdout) < 0 ? 0 : strlen(text); }
size_t HardwareSerial::println(const char* text) { return static_cast<size_t>(::printf("%s\n", text)); }
size_t HardwareSerial::printf(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int count = vprintf(format, arguments);
  va_end(arguments);
  return count < 0 ? 0 : static_cast<size_t>(count);
}
void HardwareSerial::flush() { fflush(stdout); }

BaseType_t xTaskCreatePinnedToCore(TaskFunction_t task, const char*, uint32_t, void* argument, UBaseType_t, TaskHandle_t*,
                                   BaseType_t) {
  std::thread(task, argument).detach();
  return 1;
}
TickType_t xTaskGetTickCount() { return static_cast<TickType_t>(millis()); }
void vTaskDelayUntil(TickType_t* woken, TickType_t ticks) {
  *woken += ticks;
  const auto left = static_cast<int32_t>(*woken - xTaskGetTickCount());
  if (left > 0) delay(static_cast<unsigned long>(left));
}
void vTaskDelete(TaskHandle_t) {}

namespace {

/// The world's `sntp` is how far its time is off, in milliseconds; without it there is no SNTP. Asked four times a second.
std::atomic<sntp_sync_time_cb_t> on_time{nullptr};

void ask_sntp() {
  while (true) {
    const std::string off = shim::world("sntp", "");
    const auto callback = on_time.load();
    if (!off.empty() && callback != nullptr) {
      timespec now{};
      clock_gettime(CLOCK_REALTIME, &now);
      const int64_t ms = static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000 + std::stoll(off);
      timeval told{static_cast<time_t>(ms / 1000), static_cast<suseconds_t>(ms % 1000 * 1000)};
      callback(&told);
    }
    delay(250);
  }
}

}  // namespace

void sntp_set_time_sync_notification_cb(sntp_sync_time_cb_t callback) { on_time = callback; }
void configTime(long, int, const char*) { std::thread(ask_sntp).detach(); }

esp_reset_reason_t esp_reset_reason() { return shim::world("brownout", 0.0) > 0 ? ESP_RST_BROWNOUT : ESP_RST_POWERON; }

namespace {
[[noreturn]] void leave(int status) {
  fflush(stdout);
  _exit(status);
}
uint64_t wake_us = 0;
}  // namespace

void esp_restart() { leave(75); }
void esp_sleep_enable_timer_wakeup(uint64_t us) { wake_us = us; }
void esp_deep_sleep_start() {
  ::printf("asleep for %llu s\n", static_cast<unsigned long long>(wake_us / 1'000'000));
  leave(76);
}

int esp_task_wdt_init(uint32_t timeout_s, bool) {
  std::thread([timeout_s] {
    while (true) {
      delay(100);
      const std::lock_guard<std::mutex> guard(lock);
      for (const auto& [task, fed] : fed_us) {
        if (now_us() - fed <= static_cast<int64_t>(timeout_s) * 1'000'000) continue;
        ::printf("watchdog\n");
        leave(77);
      }
    }
  }).detach();
  return 0;
}
int esp_task_wdt_add(TaskHandle_t) { return esp_task_wdt_reset(); }
int esp_task_wdt_reset() {
  const std::lock_guard<std::mutex> guard(lock);
  fed_us[std::this_thread::get_id()] = now_us();
  return 0;
}
int esp_task_wdt_delete(TaskHandle_t) {
  const std::lock_guard<std::mutex> guard(lock);
  fed_us.erase(std::this_thread::get_id());
  return 0;
}

void WiFiClass::setTxPower(wifi_power_t power) { Serial.printf("wifi: power %d\n", static_cast<int>(power)); }
void WiFiClass::begin(const char*, const char*) { begun_ = true; }
wl_status_t WiFiClass::status() { return begun_ && shim::world("wifi", 1.0) > 0 ? WL_CONNECTED : WL_DISCONNECTED; }
