#ifndef SHIM_WIFICLIENTSECURE_H
#define SHIM_WIFICLIENTSECURE_H

#include "WiFiClient.h"

struct ssl_st;
struct ssl_ctx_st;

/// TLS by OpenSSL, where the core has mbedTLS. A server whose certificate the CA did not sign, or that is for another name, is
/// no server. There is no setInsecure(): a sketch that calls it does not compile here.
class WiFiClientSecure : public WiFiClient {
 public:
  ~WiFiClientSecure() override { WiFiClientSecure::stop(); }
  /// Kept by its address, as there.
  void setCACert(const char* pem) { ca_ = pem; }
  using WiFiClient::connect;
  int connect(const char* host, uint16_t port, int32_t timeout_ms) override;
  size_t write(const uint8_t* bytes, size_t size) override;
  int available() override;
  int read() override;
  int read(uint8_t* bytes, size_t size) override;
  void stop() override;
  uint8_t connected() override;

 private:
  const char* ca_ = nullptr;
  ssl_ctx_st* context_ = nullptr;
  ssl_st* ssl_ = nullptr;
};

#endif
