#include "nvs_store.h"

#include <Arduino.h>
#include <Preferences.h>

namespace {

constexpr char kSpace[] = "stresswire";
constexpr char kBoots[] = "boots";
constexpr char kRate[] = "rate_hz";
constexpr char kScale[] = "eda_scale";
constexpr char kOffset[] = "eda_offset";
constexpr char kOpenRatio[] = "eda_open";
constexpr char kPortal[] = "portal";
constexpr char kLastCommand[] = "last_command";

/// The texts of the settings, under names of at most 15 characters.
template <class S, class Visit>
void each_text(S& settings, Visit visit) {
  visit("wifi_ssid", settings.wifi_ssid, sizeof settings.wifi_ssid);
  visit("wifi_pass", settings.wifi_password, sizeof settings.wifi_password);
  visit("server", settings.server, sizeof settings.server);
  visit("device_id", settings.device_id, sizeof settings.device_id);
  visit("token", settings.token, sizeof settings.token);
  visit("ca", settings.ca, sizeof settings.ca);
}

/// Our part of the NVS, open for as long as it is in scope; false where it cannot be opened, or was never written.
class Space {
 public:
  enum Access { kRead, kWrite };

  explicit Space(Access access) : open_(preferences_.begin(kSpace, access == kRead)) {}
  Space(const Space&) = delete;
  Space& operator=(const Space&) = delete;
  ~Space() {
    if (open_) preferences_.end();
  }
  explicit operator bool() const { return open_; }
  Preferences* operator->() { return &preferences_; }

  /// As it was, where there is none of that name.
  void read_text(const char* name, char* value, size_t capacity) {
    if (open_ && preferences_.isKey(name)) preferences_.getString(name, value, capacity);
  }

 private:
  Preferences preferences_;
  bool open_;
};

}  // namespace

void nvs_store::load(stresswire::Settings* settings) {
  Space space(Space::kRead);
  if (!space) return;
  each_text(*settings,
            [&space](const char* name, char* value, size_t capacity) { space.read_text(name, value, capacity); });
  settings->rate_hz = space->getFloat(kRate, settings->rate_hz);
}

bool nvs_store::save(const stresswire::Settings& settings) {
  Space space(Space::kWrite);
  if (!space) return false;
  bool saved = space->putFloat(kRate, settings.rate_hz) > 0;
  each_text(settings, [&space, &saved](const char* name, const char* value, size_t) {
    saved = (value[0] == '\0' ? !space->isKey(name) || space->remove(name) : space->putString(name, value) > 0) && saved;
  });
  return saved;
}

void nvs_store::save_rate(float rate_hz) {
  Space space(Space::kWrite);
  if (space) space->putFloat(kRate, rate_hz);
}

stresswire::Boot nvs_store::next_boot() {
  stresswire::Boot boot{};
  boot.random = (static_cast<uint64_t>(esp_random()) << 32) | esp_random();
  Space space(Space::kWrite);
  if (!space) return boot;
  boot.count = space->getUInt(kBoots, 0) + 1;
  space->putUInt(kBoots, boot.count);
  return boot;
}

stresswire::EdaCalibration nvs_store::load_calibration() {
  stresswire::EdaCalibration calibration;
  Space space(Space::kRead);
  if (!space) return calibration;
  calibration.scale = space->getFloat(kScale, calibration.scale);
  calibration.offset_us = space->getFloat(kOffset, calibration.offset_us);
  return calibration;
}

void nvs_store::save_calibration(const stresswire::EdaCalibration& calibration) {
  Space space(Space::kWrite);
  if (!space) return;
  space->putFloat(kScale, calibration.scale);
  space->putFloat(kOffset, calibration.offset_us);
}

float nvs_store::load_open_ratio(float otherwise) {
  Space space(Space::kRead);
  return space ? space->getFloat(kOpenRatio, otherwise) : otherwise;
}

void nvs_store::save_open_ratio(float ratio) {
  Space space(Space::kWrite);
  if (space) space->putFloat(kOpenRatio, ratio);
}

void nvs_store::ask_for_portal() {
  Space space(Space::kWrite);
  if (space) space->putUInt(kPortal, 1);
}

bool nvs_store::portal_asked() {
  Space space(Space::kWrite);
  return space && space->isKey(kPortal) && space->remove(kPortal);
}

void nvs_store::load_last_command(char* id) {
  id[0] = '\0';
  Space(Space::kRead).read_text(kLastCommand, id, stresswire::Command::kIdBytes);
}

void nvs_store::save_last_command(const char* id) {
  Space space(Space::kWrite);
  if (space) space->putString(kLastCommand, id);
}
