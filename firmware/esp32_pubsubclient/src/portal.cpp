#include "portal.h"

#include <Arduino.h>

namespace {

/// A field that is left empty keeps what was there.
void take(stresswire::Settings* settings, const char* name, const char* value) {
  if (value[0] == '\0') return;
  const char* wrong = stresswire::set_setting(settings, name, value);
  if (wrong != nullptr) Serial.println(wrong);
}

}  // namespace

void Portal::begin() {
  manager_.addParameter(&server_);
  manager_.addParameter(&device_id_);
  manager_.addParameter(&ca_);
  manager_.addParameter(&token_);
  manager_.setConfigPortalBlocking(false);
  char name[24];
  char password[12];
  snprintf(name, sizeof name, "stresswire-%04x", static_cast<unsigned>(esp_random() & 0xFFFF));
  snprintf(password, sizeof password, "%08lu", static_cast<unsigned long>(esp_random() % 100'000'000));
  Serial.printf("join the network %s, password %s, and open http://192.168.4.1\n", name, password);
  manager_.startConfigPortal(name, password);
}

bool Portal::step() {
  if (!manager_.process()) return false;
  take(settings_, "wifi_ssid", manager_.getWiFiSSID().c_str());
  stresswire::set_setting(settings_, "wifi_password", manager_.getWiFiPass().c_str());  // an open network has none
  take(settings_, "server", server_.getValue());
  take(settings_, "device_id", device_id_.getValue());
  take(settings_, "ca", ca_.getValue());
  take(settings_, "token", token_.getValue());
  return true;
}
