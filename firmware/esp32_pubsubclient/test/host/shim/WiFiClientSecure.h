#ifndef SHIM_WIFICLIENTSECURE_H
#define SHIM_WIFICLIENTSECURE_H

#include "WiFiClient.h"

struct ssl_st;
struct ssl_ctx_st;

/// TLS by OpenSSL, where the core has mbedTLS. A server whose certificate the CA did not sign, or that is for another name,
/// is no server. There is no setInsecure(): a sketch that calls it does not compile here.
class WiFiClientSecure : public WiFiClient {
 public:
  ~WiFiClientSecure() override { WiFiClientSecure::stop(); }
  /// Both in seconds. Its own are 30 and 120, longer than most watchdogs.
  void setTimeout(uint32_t seconds) { timeout_ms_ = static_cast<int32_t>(seconds * 1000); }
  void setHandshakeTimeout(unsigned long seconds) { handshake_ms_ = static_cast<int32_t>(seconds * 1000); }
  /// Kept by its address, as there.
  void setCACert(const char* pem) { ca_ = pem; }
  int connect(const char* host, uint16_t port) override { return connect(host, port, timeout_ms_); }
  int connect(const char* host, uint16_t port, int32_t timeout_ms) override;
  size_t write(const uint8_t* bytes, size_t size) override;
  int available() override;
  int read() override;
  int read(uint8_t* bytes, size_t size) override;
  void stop() override;
  uint8_t connected() override;

 private:
  int32_t timeout_ms_ = 30'000;
  int32_t handshake_ms_ = 120'000;
  const char* ca_ = nullptr;
  ssl_ctx_st* context_ = nullptr;
  ssl_st* ssl_ = nullptr;
};

#endif
