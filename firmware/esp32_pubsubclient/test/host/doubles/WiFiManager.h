#ifndef DOUBLE_WIFIMANAGER_H
#define DOUBLE_WIFIMANAGER_H

#include <string>
#include <vector>

#include "Arduino.h"

class WiFiManagerParameter {
 public:
  WiFiManagerParameter(const char* id, const char*, const char* value, int capacity)
      : id_(id), value_(value), capacity_(static_cast<size_t>(capacity)) {}
  const char* getValue() const { return value_.c_str(); }

 private:
  friend class WiFiManager;
  std::string id_;
  std::string value_;
  size_t capacity_;
};

/// The person at the page is the world: `portal_done 1` sends it back, with `portal_<field>` in its fields.
class WiFiManager {
 public:
  bool addParameter(WiFiManagerParameter* parameter) {
    parameters_.push_back(parameter);
    return true;
  }
  void setConfigPortalBlocking(bool) {}
  bool startConfigPortal(const char*, const char*) { return false; }  // not blocking: nobody has answered yet
  bool process() {
    if (shim::world("portal_done", 0.0) <= 0) return false;
    for (WiFiManagerParameter* one : parameters_) {
      one->value_ = shim::world(("portal_" + one->id_).c_str(), one->value_.c_str()).substr(0, one->capacity_);
    }
    return true;
  }
  String getWiFiSSID() { return String(shim::world("portal_ssid", "")); }
  String getWiFiPass() { return String(shim::world("portal_password", "")); }

 private:
  std::vector<WiFiManagerParameter*> parameters_;
};

#endif
