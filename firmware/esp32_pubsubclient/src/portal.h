#ifndef STRESSWIRE_PORTAL_H
#define STRESSWIRE_PORTAL_H

#include <WiFiManager.h>

#include "settings.h"

/// A page on a network of the device's own that asks for the settings. The network's password is made anew each time, and
/// said on the serial port: who can read that may also set the device up there.
class Portal {
 public:
  explicit Portal(stresswire::Settings* settings) : settings_(settings) {}

  void begin();
  /// True once the page was sent back with a Wi-Fi that works; its fields are then in the settings, as far as they are
  /// good.
  bool step();

 private:
  stresswire::Settings* settings_;
  WiFiManager manager_;
  WiFiManagerParameter server_{"server", "Server, such as mqtts://stress.example:8883", settings_->server,
                               sizeof settings_->server - 1};
  WiFiManagerParameter device_id_{"device_id", "Device", settings_->device_id, sizeof settings_->device_id - 1};
  WiFiManagerParameter ca_{"ca", "CA certificate (PEM), for mqtts:// and https://", "", sizeof settings_->ca - 1};
  WiFiManagerParameter token_{"token", "Token", "", sizeof settings_->token - 1};  // what is there is sent to no page
};

#endif
