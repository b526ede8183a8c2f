#include <dirent.h>
#include <esp_sleep.h>
#include <esp_sntp.h>
#include <esp_system.h>
#include <esp_task_wdt.h>
#include <esp_timer.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>

#include "Arduino.h"
#include "LittleFS.h"
#include "Preferences.h"
#include "WiFi.h"
#include "Wire.h"

HardwareSerial Serial;
TwoWire Wire;
LittleFSFS LittleFS;
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

// --- I2C ---

namespace {

constexpr uint8_t kPpg = 0x57;
constexpr uint8_t kThermometer = 0x48;
constexpr unsigned kDepth = 32;
constexpr double kPeriodUs = 10'000;

/// A MAX30102: registers, and a FIFO that fills with 100 samples a second.
class Ppg {
 public:
  void write(uint8_t name, uint8_t value) {
    registers_[name] = value;
    if (name == 0x09 && (value & 0x40) != 0) {
      memset(registers_, 0, sizeof registers_);
      running_ = false;
    }
    if (name == 0x09 && (value & 0x07) == 0x07) {
      running_ = true;
      next_us_ = static_cast<double>(now_us());
    }
  }
  uint8_t read(uint8_t* name) {
    fill();
    if (*name == 0xFF) return 0x15;
    if (*name != 0x07) return registers_[(*name)++];
    // The FIFO's register does not move on: three bytes are a sample.
    const uint8_t byte = static_cast<uint8_t>(fifo_[registers_[0x06]] >> (8 * (2 - byte_)));
    byte_ = (byte_ + 1) % 3;
    if (byte_ == 0) {
      registers_[0x06] = static_cast<uint8_t>((registers_[0x06] + 1) % kDepth);
      registers_[0x05] = 0;
    }
    return byte;
  }

 private:
  void fill() {
    if (!running_) return;
    for (const auto now = static_cast<double>(now_us()); next_us_ <= now; next_us_ += kPeriodUs) {
      auto& write = registers_[0x04];
      fifo_[write] = sample();
      write = static_cast<uint8_t>((write + 1) % kDepth);
      if (write == registers_[0x06]) {  // the oldest is gone
        registers_[0x06] = static_cast<uint8_t>((registers_[0x06] + 1) % kDepth);
        if (registers_[0x05] < 31) ++registers_[0x05];
      }
    }
  }
  uint32_t sample() {
    const double hr = shim::world("hr", 72.0);
    if (shim::world("finger", 1.0) <= 0) return static_cast<uint32_t>(2'000 + 20 * normal_(random_));
    phase_ += hr / 60 * kPeriodUs / 1e6;
    phase_ -= floor(phase_);
    const double pulse = exp(-pow((phase_ - 0.2) / 0.08, 2) / 2) + 0.35 * exp(-pow((phase_ - 0.5) / 0.1, 2) / 2);
    return static_cast<uint32_t>(110'000 - (hr > 0 ? 900 * pulse : 0) + 30 * normal_(random_));
  }

  uint8_t registers_[256] = {};
  uint32_t fifo_[kDepth] = {};
  unsigned byte_ = 0;
  bool running_ = false;
  double next_us_ = 0;
  double phase_ = 0;
  std::mt19937 random_{1};
  std::normal_distribution<double> normal_;
};

Ppg ppg;
uint8_t pointer = 0;

bool answers(uint8_t device) {
  return (device == kPpg && shim::world("ppg", 1.0) > 0) || (device == kThermometer && shim::world("thermometer", 1.0) > 0);
}

}  // namespace

bool TwoWire::begin(int, int, uint32_t) { return true; }
void TwoWire::beginTransmission(uint8_t device) {
  device_ = device;
  sent_count_ = 0;
}
size_t TwoWire::write(uint8_t byte) {
  if (sent_count_ == sizeof sent_) return 0;
  sent_[sent_count_++] = byte;
  return 1;
}
uint8_t TwoWire::endTransmission(bool) {
  if (!answers(device_)) return 2;
  if (sent_count_ > 0) pointer = sent_[0];
  if (sent_count_ > 1 && device_ == kPpg) ppg.write(sent_[0], sent_[1]);
  return 0;
}
uint8_t TwoWire::requestFrom(uint8_t device, uint8_t count) {
  heard_count_ = 0;
  heard_at_ = 0;
  if (!answers(device)) return 0;
  const auto raw = static_cast<int16_t>(lround(shim::world("temp", 33.5) * 256));
  for (uint8_t i = 0; i < count; ++i) {
    heard_[heard_count_++] = device == kPpg ? ppg.read(&pointer) : static_cast<uint8_t>(i == 0 ? raw >> 8 : raw);
  }
  return count;
}
int TwoWire::read() { return heard_at_ < heard_count_ ? heard_[heard_at_++] : -1; }

// --- NVS ---

namespace {

bool replace(const std::string& path, const void* bytes, size_t size) {
  const std::string half = path + ".half";
  const int file = open(half.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file < 0) return false;
  const bool whole = ::write(file, bytes, size) == static_cast<ssize_t>(size);
  close(file);
  return whole && rename(half.c_str(), path.c_str()) == 0;
}

}  // namespace

bool Preferences::begin(const char* space, bool read_only) {
  const std::string root = shim::folder() + "/nvs";
  folder_ = root + "/" + space;
  read_only_ = read_only;
  if (!read_only) {
    mkdir(root.c_str(), 0700);
    mkdir(folder_.c_str(), 0700);
  }
  struct stat found{};
  return stat(folder_.c_str(), &found) == 0;
}
void Preferences::end() { folder_.clear(); }
std::string Preferences::path(const char* key) const {
  if (strlen(key) > 15 || folder_.empty()) abort();
  return folder_ + "/" + key;
}
bool Preferences::isKey(const char* key) { return access(path(key).c_str(), F_OK) == 0; }
bool Preferences::remove(const char* key) { return !read_only_ && unlink(path(key).c_str()) == 0; }
size_t Preferences::put(const char* key, const void* bytes, size_t size) {
  return !read_only_ && replace(path(key), bytes, size) ? size : 0;
}
bool Preferences::get(const char* key, void* bytes, size_t size) {
  const int file = open(path(key).c_str(), O_RDONLY);
  if (file < 0) return false;
  const bool whole = ::read(file, bytes, size) == static_cast<ssize_t>(size);
  close(file);
  return whole;
}
size_t Preferences::getString(const char* key, char* value, size_t capacity) {
  std::ifstream file(path(key), std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  const std::string found = text.str();
  if (!file || found.size() >= capacity) return 0;
  memcpy(value, found.c_str(), found.size() + 1);
  return found.size() + 1;
}
size_t Preferences::putString(const char* key, const char* value) {
  if (strlen(value) >= 4'000) return 0;  // as the NVS
  return put(key, value, strlen(value));
}
float Preferences::getFloat(const char* key, float otherwise) {
  float value = 0;
  return get(key, &value, sizeof value) ? value : otherwise;
}
size_t Preferences::putFloat(const char* key, float value) { return put(key, &value, sizeof value); }
uint32_t Preferences::getUInt(const char* key, uint32_t otherwise) {
  uint32_t value = 0;
  return get(key, &value, sizeof value) ? value : otherwise;
}
size_t Preferences::putUInt(const char* key, uint32_t value) { return put(key, &value, sizeof value); }

// --- LittleFS ---

struct File::State {
  std::string path;
  FILE* file = nullptr;
  std::vector<std::string> names;
  size_t next = 0;
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (file != nullptr) fclose(file);
  }
};

size_t File::write(const uint8_t* bytes, size_t size) {
  if (shim::world("flash_full", 0.0) > 0) size /= 2;  // what fits
  return state_ && state_->file != nullptr ? fwrite(bytes, 1, size, state_->file) : 0;
}
size_t File::read(uint8_t* bytes, size_t size) {
  return state_ && state_->file != nullptr ? fread(bytes, 1, size, state_->file) : 0;
}
size_t File::size() const {
  struct stat found{};
  return state_ && stat(state_->path.c_str(), &found) == 0 ? static_cast<size_t>(found.st_size) : 0;
}
const char* File::name() const {
  const auto slash = state_->path.rfind('/');
  return state_->path.c_str() + slash + 1;
}
File File::openNextFile() {
  File next;
  if (!state_ || state_->next == state_->names.size()) return next;
  next.state_ = std::make_shared<State>();
  next.state_->path = state_->path + "/" + state_->names[state_->next++];
  return next;
}

namespace {
std::string flash(const char* path) { return shim::folder() + "/flash" + path; }
}  // namespace

bool LittleFSFS::begin(bool) {
  ::mkdir(flash("").c_str(), 0700);
  return shim::world("no_flash", 0.0) <= 0;
}
File LittleFSFS::open(const char* path, const char* mode) {
  File file;
  auto state = std::make_shared<File::State>();
  state->path = flash(path);
  DIR* folder = opendir(state->path.c_str());
  if (folder != nullptr) {
    while (const dirent* entry = readdir(folder)) {
      if (entry->d_name[0] != '.') state->names.emplace_back(entry->d_name);
    }
    closedir(folder);
  } else {
    state->file = fopen(state->path.c_str(), mode);
    if (state->file == nullptr) return file;
  }
  file.state_ = state;
  return file;
}
bool LittleFSFS::exists(const char* path) { return access(flash(path).c_str(), F_OK) == 0; }
bool LittleFSFS::remove(const char* path) { return ::unlink(flash(path).c_str()) == 0; }
bool LittleFSFS::rename(const char* from, const char* to) { return ::rename(flash(from).c_str(), flash(to).c_str()) == 0; }
bool LittleFSFS::mkdir(const char* path) { return ::mkdir(flash(path).c_str(), 0700) == 0; }

// --- Wi-Fi ---

void WiFiClass::setTxPower(wifi_power_t power) { Serial.printf("wifi: power %d\n", static_cast<int>(power)); }
void WiFiClass::begin(const char*, const char*) { begun_ = true; }
wl_status_t WiFiClass::status() { return begun_ && shim::world("wifi", 1.0) > 0 ? WL_CONNECTED : WL_DISCONNECTED; }
