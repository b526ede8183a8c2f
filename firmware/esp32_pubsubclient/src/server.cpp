#include "server.h"

#include <Arduino.h>

#include "board.h"

bool find_server(const stresswire::Settings& settings, const stresswire::Scheme& scheme, stresswire::Endpoint* server) {
  if (!stresswire::parse_server(settings.server, scheme, server)) {
    Serial.printf("this sketch speaks %s:// and %s://\n", scheme.plain, scheme.secure);
    return false;
  }
  if (!server->tls || settings.ca[0]) return true;
  Serial.printf("%s:// needs the ca of the server's certificate\n", scheme.secure);
  return false;
}

void ServerClient::begin(const stresswire::Endpoint& server, const char* ca) {
  tls_ = server.tls;
  secure_.setTimeout(board::kConnectTimeoutS);
  secure_.setHandshakeTimeout(board::kHandshakeTimeoutS);  // as it comes, 120 s
  secure_.setCACert(ca);
}
