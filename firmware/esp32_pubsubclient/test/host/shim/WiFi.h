#ifndef SHIM_WIFI_H
#define SHIM_WIFI_H

#include "Arduino.h"
#include "WiFiClient.h"

enum wl_status_t { WL_CONNECTED = 3, WL_DISCONNECTED = 6 };
enum wifi_mode_t { WIFI_STA = 1 };
enum wifi_power_t { WIFI_POWER_8_5dBm = 34 };

/// A network that is there unless the world says `wifi 0`; then every connection over it breaks.
class WiFiClass {
 public:
  void persistent(bool) {}
  void mode(wifi_mode_t) {}
  void setAutoReconnect(bool) {}
  void setTxPower(wifi_power_t power);
  void begin(const char* ssid, const char* password);
  void disconnect() { begun_ = false; }
  wl_status_t status();
  IPAddress localIP() { return {}; }

 private:
  bool begun_ = false;
};
extern WiFiClass WiFi;

#endif
