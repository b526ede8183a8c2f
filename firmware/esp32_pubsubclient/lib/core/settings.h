#ifndef STRESSWIRE_SETTINGS_H
#define STRESSWIRE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "contract.gen.h"

namespace stresswire {

/// What a device is told once, and keeps in its NVS. All texts end with a NUL.
struct Settings {
  char wifi_ssid[33] = "";
  char wifi_password[64] = "";
  char server[128] = "";                            ///< `mqtts://host:8883`, `https://host:5000` and the like
  char device_id[contract::kMaxDeviceId + 1] = "";  ///< also its login
  char token[129] = "";
  char ca[3072] = "";  ///< PEM of the authority that signed the server's certificate
  float rate_hz = 1.0f;

  bool complete() const { return wifi_ssid[0] && server[0] && device_id[0]; }
};

/// Where the server is.
struct Endpoint {
  char host[96];
  char path[64];  ///< below which a reverse proxy serves it, such as `/stress`; empty: at the root
  uint16_t port;
  bool tls;
};

/// What a sketch speaks, without TLS and with it, where a server listens unless its address says another port, and whether
/// the address may have a path.
struct Scheme {
  const char* plain;
  uint16_t plain_port;
  const char* secure;
  uint16_t secure_port;
  bool paths;
};
inline constexpr Scheme kMqtt = {"mqtt", 1883, "mqtts", 8883, false};
inline constexpr Scheme kHttp = {"http", 5000, "https", 443, true};

/// Reads `scheme://host[:port][/path]`; false, and the endpoint as it was, where it is not of that scheme.
bool parse_server(const char* server, const Scheme& scheme, Endpoint* endpoint);

/// Sets one by its name, also `ca`, whose lines may have been run together by a form; null, or what is wrong with it. What
/// is refused changes nothing.
const char* set_setting(Settings* settings, const char* name, const char* value);

/// A serial console for the settings: characters in, an answer out. Secrets are never shown.
///
///     set NAME VALUE      wifi_ssid, wifi_password, server, device_id, token, rate_hz
///     ca                  then the certificate, up to its END line
///     show | save | restart | help
class Console {
 public:
  enum class Action : uint8_t { kNone, kSave, kRestart };
  static constexpr size_t kAnswer = 512;

  explicit Console(Settings* settings) : settings_(settings) {}

  /// The next character; with the end of a line `answer` (of `kAnswer` bytes) is what to print, else it is empty.
  Action feed(char byte, char* answer);

 private:
  Action line(char* answer);
  void certificate(char* answer);
  void show(char* answer) const;

  Settings* settings_;
  char line_[256] = "";
  size_t size_ = 0;
  bool too_long_ = false;
  bool in_certificate_ = false;
  bool certificate_fits_ = true;
  char certificate_[sizeof Settings::ca] = "";
  size_t certificate_size_ = 0;
};

}  // namespace stresswire

#endif
