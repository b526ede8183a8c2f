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

}  // namespace

void nvs_store::load(stresswire::Settings* settings) {
  Preferences preferences;
  if (!preferences.begin(kSpace, true)) return;  // nothing was ever saved
  each_text(*settings, [&preferences](const char* name, char* value, size_t capacity) {
    if (preferences.isKey(name)) preferences.getString(name, value, capacity);
  });
  settings->rate_hz = preferences.getFloat(kRate, settings->rate_hz);
  preferences.end();
}

bool nvs_store::save(const stresswire::Settings& settings) {
  Preferences preferences;
  if (!preferences.begin(kSpace, false)) return false;
  bool saved = preferences.putFloat(kRate, settings.rate_hz) > 0;
  each_text(settings, [&preferences, &saved](const char* name, const char* value, size_t) {
    saved = (value[0] == '\0' ? !preferences.isKey(name) || preferences.remove(name)
                              : preferences.putString(name, value) > 0) &&
            saved;
  });
  preferences.end();
  return saved;
}

void nvs_store::save_rate(float rate_hz) {
  Preferences preferences;
  if (!preferences.begin(kSpace, false)) return;
  preferences.putFloat(kRate, rate_hz);
  preferences.end();
}

stresswire::Boot nvs_store::next_boot() {
  stresswire::Boot boot{};
  boot.random = (static_cast<uint64_t>(esp_random()) << 32) | esp_random();
  Preferences preferences;
  if (!preferences.begin(kSpace, false)) return boot;
  boot.count = preferences.getUInt(kBoots, 0) + 1;
  preferences.putUInt(kBoots, boot.count);
  preferences.end();
  return boot;
}

stresswire::EdaCalibration nvs_store::load_calibration() {
  stresswire::EdaCalibration calibration;
  Preferences preferences;
  if (!preferences.begin(kSpace, true)) return calibration;
  calibration.scale = preferences.getFloat(kScale, calibration.scale);
  calibration.offset_us = preferences.getFloat(kOffset, calibration.offset_us);
  preferences.end();
  return calibration;
}

void nvs_store::save_calibration(const stresswire::EdaCalibration& calibration) {
  Preferences preferences;
  if (!preferences.begin(kSpace, false)) return;
  preferences.putFloat(kScale, calibration.scale);
  preferences.putFloat(kOffset, calibration.offset_us);
  preferences.end();
}

float nvs_store::load_open_ratio(float otherwise) {
  Preferences preferences;
  if (!preferences.begin(kSpace, true)) return otherwise;
  const float ratio = preferences.getFloat(kOpenRatio, otherwise);
  preferences.end();
  return ratio;
}

void nvs_store::save_open_ratio(float ratio) {
  Preferences preferences;
  if (!preferences.begin(kSpace, false)) return;
  preferences.putFloat(kOpenRatio, ratio);
  preferences.end();
}

void nvs_store::ask_for_portal() {
  Preferences preferences;
  if (!preferences.begin(kSpace, false)) return;
  preferences.putUInt(kPortal, 1);
  preferences.end();
}

bool nvs_store::portal_asked() {
  Preferences preferences;
  if (!preferences.begin(kSpace, false)) return false;
  const bool asked = preferences.isKey(kPortal) && preferences.remove(kPortal);
  preferences.end();
  return asked;
}

void nvs_store::load_last_command(char* id) {
  id[0] = '\0';
  Preferences preferences;
  if (!preferences.begin(kSpace, true)) return;
  if (preferences.isKey(kLastCommand)) preferences.getString(kLastCommand, id, stresswire::Command::kIdBytes);
  preferences.end();
}

void nvs_store::save_last_command(const char* id) {
  Preferences preferences;
  if (!preferences.begin(kSpace, false)) return;
  preferences.putString(kLastCommand, id);
  preferences.end();
}
