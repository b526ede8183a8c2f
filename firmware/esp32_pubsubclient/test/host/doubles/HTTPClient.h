#ifndef DOUBLE_HTTPCLIENT_H
#define DOUBLE_HTTPCLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <string>

#include "Arduino.h"
#include "WiFiClient.h"

#define HTTPC_ERROR_CONNECTION_REFUSED (-1)
#define HTTPC_ERROR_SEND_PAYLOAD_FAILED (-3)
#define HTTPC_ERROR_READ_TIMEOUT (-11)

/// As HTTPClient of the ESP32's core: blocks for the answer, keeps the connection where it may, and negative codes are its
/// own.
class HTTPClient {
 public:
  bool begin(WiFiClient& client, String host, uint16_t port, String path, bool https);
  void end();
  void setReuse(bool reuse) { reuse_ = reuse; }
  void setConnectTimeout(int32_t ms) { connect_ms_ = ms; }
  void setTimeout(uint16_t ms) { timeout_ms_ = ms; }
  void addHeader(const char* name, const char* value);
  int POST(uint8_t* payload, size_t size);
  String getString() { return String(body_); }

 private:
  bool read_line(std::string* line);
  bool wait();

  WiFiClient* client_ = nullptr;
  std::string host_;
  std::string path_;
  std::string headers_;
  std::string body_;
  uint16_t port_ = 0;
  bool reuse_ = true;
  int32_t connect_ms_ = 5'000;
  uint16_t timeout_ms_ = 5'000;
};

#endif
