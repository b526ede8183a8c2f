#ifndef SHIM_WIFICLIENT_H
#define SHIM_WIFICLIENT_H

#include "Client.h"

/// TCP. `connect` blocks up to three seconds, `write` up to ten where the peer takes nothing, and what it took may never
/// arrive: it says so of a dead link until the kernel knows better, as lwIP does.
class WiFiClient : public Client {
 public:
  WiFiClient() = default;
  WiFiClient(const WiFiClient&) = delete;
  WiFiClient& operator=(const WiFiClient&) = delete;
  ~WiFiClient() override { WiFiClient::stop(); }
  int connect(const char* host, uint16_t port) override { return connect(host, port, 3'000); }
  virtual int connect(const char* host, uint16_t port, int32_t timeout_ms);
  size_t write(const uint8_t* bytes, size_t size) override;
  int available() override;
  int read() override;
  int read(uint8_t* bytes, size_t size) override;
  void stop() override;
  uint8_t connected() override;

 protected:
  int socket_ = -1;
};

#endif
