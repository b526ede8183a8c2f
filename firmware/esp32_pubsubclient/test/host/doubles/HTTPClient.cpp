#include "HTTPClient.h"

#include <strings.h>

bool HTTPClient::begin(WiFiClient& client, String host, uint16_t port, String path, bool) {
  client_ = &client;
  host_ = host.c_str();
  port_ = port;
  path_ = path.c_str();
  headers_.clear();
  body_.clear();
  return true;
}

void HTTPClient::end() {
  if (client_ != nullptr && !reuse_) client_->stop();
}

void HTTPClient::addHeader(const char* name, const char* value) { headers_ += std::string(name) + ": " + value + "\r\n"; }

bool HTTPClient::wait() {
  for (const unsigned long begun = millis(); client_->available() == 0; delay(1)) {
    if (client_->connected() == 0 || millis() - begun > timeout_ms_) return false;
  }
  return true;
}

bool HTTPClient::read_line(std::string* line) {
  line->clear();
  while (wait()) {
    const int byte = client_->read();
    if (byte < 0) return false;
    if (byte == '\n') return true;
    if (byte != '\r') line->push_back(static_cast<char>(byte));
  }
  return false;
}

int HTTPClient::POST(uint8_t* payload, size_t size) {
  if (client_->connected() == 0 && client_->connect(host_.c_str(), port_, connect_ms_) != 1)
    return HTTPC_ERROR_CONNECTION_REFUSED;
  const std::string request =
      "POST " + path_ + " HTTP/1.1\r\nHost: " + host_ + ":" + std::to_string(port_) +
      "\r\nUser-Agent: ESP32HTTPClient\r\nConnection: keep-alive\r\nContent-Length: " + std::to_string(size) + "\r\n" +
      headers_ + "\r\n" + std::string(reinterpret_cast<char*>(payload), size);
  if (client_->write(reinterpret_cast<const uint8_t*>(request.data()), request.size()) != request.size()) {
    return HTTPC_ERROR_SEND_PAYLOAD_FAILED;
  }
  std::string line;
  if (!read_line(&line) || line.size() < 12) {
    client_->stop();
    return HTTPC_ERROR_READ_TIMEOUT;
  }
  const int code = atoi(line.c_str() + 9);
  size_t length = 0;
  while (read_line(&line) && !line.empty()) {
    if (strncasecmp(line.c_str(), "content-length:", 15) == 0) length = strtoul(line.c_str() + 15, nullptr, 10);
  }
  while (body_.size() < length && wait()) body_.push_back(static_cast<char>(client_->read()));
  if (body_.size() < length) {
    client_->stop();
    return HTTPC_ERROR_READ_TIMEOUT;
  }
  return code;
}
