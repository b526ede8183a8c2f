#ifndef STRESSWIRE_SERVER_H
#define STRESSWIRE_SERVER_H

#include <WiFiClientSecure.h>

#include "settings.h"

/// Where the settings say that the server is. False, with a line on the serial port that says why, where a sketch of this
/// scheme cannot go there: another scheme, or TLS without the authority's certificate.
bool find_server(const stresswire::Settings& settings, const stresswire::Scheme& scheme, stresswire::Endpoint* server);

/// A connection to it, with TLS or without. With TLS nobody is trusted whom the `ca` does not vouch for.
class ServerClient {
 public:
  /// `ca` is kept by its address.
  void begin(const stresswire::Endpoint& server, const char* ca);
  WiFiClient& get() { return tls_ ? static_cast<WiFiClient&>(secure_) : plain_; }

 private:
  bool tls_ = false;
  WiFiClient plain_;
  WiFiClientSecure secure_;
};

#endif
