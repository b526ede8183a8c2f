#include "SocketIOclient.h"

#include <string.h>

#include "Arduino.h"

namespace {

constexpr uint8_t kText = 1;
constexpr uint8_t kClose = 8;
constexpr uint8_t kPing = 9;
constexpr uint8_t kPong = 10;
constexpr unsigned long kTcpTimeoutMs = 5'000;
constexpr size_t kMaxData = 15 * 1024;

}  // namespace

void WebSocketsClient::beginSocketIO(const char* host, uint16_t port, const char* url, const char* protocol) {
  beginSocketIOSSLWithCA(host, port, url, nullptr, protocol);
}

void WebSocketsClient::beginSocketIOSSLWithCA(const char* host, uint16_t port, const char* url, const char* ca,
                                              const char*) {
  host_ = host;
  port_ = port;
  url_ = url;
  ca_ = ca;
}

void WebSocketsClient::tell(WStype_t type, std::string text) {
  runCbEvent(type, reinterpret_cast<uint8_t*>(text.data()), text.size());
}

void WebSocketsClient::enableHeartbeat(uint32_t ping_ms, uint32_t pong_ms, uint8_t missed) {
  ping_ms_ = ping_ms;
  pong_ms_ = pong_ms;
  missed_limit_ = missed;
}

void WebSocketsClient::disconnect() {
  if (!open_) return;
  send_frame(kClose, "\x03\xe8", 2);
  lose();
}

/// The end of a connection or of an attempt, which is told at once.
void WebSocketsClient::lose() {
  client_->stop();
  open_ = false;
  failed_ = true;
  last_fail_ = millis();
  tell(WStype_DISCONNECTED, "");
}

/// A GET, and its whole answer.
std::string WebSocketsClient::get(const std::string& path, const std::string& headers) {
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + host_ + ":" + std::to_string(port_) + "\r\n" +
                              headers + "Origin: file://\r\nUser-Agent: arduino-WebSocket-Client\r\n\r\n";
  client_->write(reinterpret_cast<const uint8_t*>(request.data()), request.size());
  std::string found;
  size_t wanted = std::string::npos;
  for (const unsigned long begun = millis();
       millis() - begun < kTcpTimeoutMs && client_->connected() && found.size() < wanted;) {
    if (client_->available() == 0) {
      delay(1);
      continue;
    }
    found.push_back(static_cast<char>(client_->read()));
    const size_t end = found.find("\r\n\r\n");
    if (end == std::string::npos || wanted != std::string::npos) continue;
    const char* length = strcasestr(found.c_str(), "\r\ncontent-length:");
    wanted = end + 4 + (length == nullptr ? 0 : strtoul(length + 17, nullptr, 10));
  }
  return found;
}

bool WebSocketsClient::connect() {
  if (ca_ == nullptr) {
    client_ = std::make_unique<WiFiClient>();
  } else {
    auto secure = std::make_unique<WiFiClientSecure>();
    secure->setCACert(ca_);
    client_ = std::move(secure);
  }
  buffer_.clear();
  if (client_->connect(host_.c_str(), port_, static_cast<int32_t>(kTcpTimeoutMs)) != 1) return false;
  const std::string polled = get(url_ + "&transport=polling", "Connection: keep-alive\r\n");
  const size_t at = polled.find("\"sid\":\"");  // no space is allowed
  if (at == std::string::npos) return false;
  const std::string sid = polled.substr(at + 7, polled.find('"', at + 7) - at - 7);
  const std::string upgraded = get(url_ + "&transport=websocket&sid=" + sid,
                                   "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: arduino\r\n");
  if (upgraded.compare(0, 13, "HTTP/1.1 101 ") != 0) return false;
  open_ = true;
  last_ping_ = millis();
  pinged_ = false;
  missed_ = 0;
  send_frame(kText, "2probe", 6);
  send_frame(kText, "5", 1);
  tell(WStype_CONNECTED, url_);
  return true;
}

bool WebSocketsClient::send_frame(uint8_t kind, const char* bytes, size_t size) {
  if (!open_) return false;
  std::string frame(1, static_cast<char>(0x80 | kind));
  if (size < 126) {
    frame.push_back(static_cast<char>(0x80 | size));
  } else {
    frame.push_back(static_cast<char>(0x80 | 126));
    frame.push_back(static_cast<char>(size >> 8));
    frame.push_back(static_cast<char>(size));
  }
  const uint32_t mask = esp_random();
  char key[4];
  memcpy(key, &mask, sizeof key);
  frame.append(key, sizeof key);
  for (size_t i = 0; i < size; ++i) frame.push_back(static_cast<char>(bytes[i] ^ key[i % 4]));
  return client_->write(reinterpret_cast<const uint8_t*>(frame.data()), frame.size()) == frame.size();
}

void WebSocketsClient::run() {
  if (port_ == 0) return;
  if (!open_) {
    if (failed_ && millis() - last_fail_ < reconnect_ms_) return;
    if (!connect()) lose();
    return;
  }
  if (client_->connected() != 0) read_frames();
  if (open_ && client_->connected() != 0) {
    if (millis() - last_ping_ >= ping_ms_) {
      send_frame(kPing, "", 0);
      last_ping_ = millis();
      pinged_ = true;
    }
    if (pinged_ && millis() - last_ping_ >= pong_ms_) {
      pinged_ = false;
      if (++missed_ >= missed_limit_) disconnect();
    }
  }
  if (open_ && client_->connected() == 0) lose();
}

void WebSocketsClient::read_frames() {
  uint8_t bytes[512];
  for (int count = client_->available() > 0 ? client_->read(bytes, sizeof bytes) : 0; count > 0;
       count = client_->available() > 0 ? client_->read(bytes, sizeof bytes) : 0) {
    buffer_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
  }
  while (open_ && buffer_.size() >= 2) {
    const auto kind = static_cast<uint8_t>(buffer_[0] & 15);
    size_t size = static_cast<uint8_t>(buffer_[1]) & 127;
    size_t head = 2;
    if (size == 126) {
      if (buffer_.size() < 4) return;
      size = static_cast<size_t>(static_cast<uint8_t>(buffer_[2]) << 8 | static_cast<uint8_t>(buffer_[3]));
      head = 4;
    }
    if (size > kMaxData) {  // too large for the library: it hangs up
      disconnect();
      return;
    }
    if (buffer_.size() < head + size) return;
    const std::string body = buffer_.substr(head, size);
    buffer_.erase(0, head + size);
    if (kind == kText) tell(WStype_TEXT, body);
    if (kind == kPing) send_frame(kPong, body.data(), body.size());
    if (kind == kPong) {
      pinged_ = false;
      missed_ = 0;
    }
    if (kind == kClose) disconnect();
  }
}

void SocketIOclient::begin(const char* host, uint16_t port, const char* url, const char* protocol) {
  beginSocketIO(host, port, url, protocol);
  enableHeartbeat(60'000, 90'000, 5);
  initClient();
}

bool SocketIOclient::send(socketIOmessageType_t type, const char* payload, size_t size) {
  if (size == 0) size = strlen(payload);
  const std::string packet = std::string("4") + static_cast<char>(type) + std::string(payload, size);
  return send_frame(kText, packet.data(), packet.size());
}

void SocketIOclient::runCbEvent(WStype_t type, uint8_t* payload, size_t length) {
  if (type == WStype_CONNECTED) tell(sIOtype_CONNECT, payload, length);
  if (type == WStype_DISCONNECTED) tell(sIOtype_DISCONNECT, nullptr, 0);
  if (type != WStype_TEXT || length == 0) return;
  if (payload[0] == '2') {
    payload[0] = '3';
    send_frame(kText, reinterpret_cast<const char*>(payload), length);
  }
  if (payload[0] != '4' || length < 2 || payload[1] == sIOtype_CONNECT) return;
  tell(static_cast<socketIOmessageType_t>(payload[1]), payload + 2, length - 2);
}

void SocketIOclient::tell(socketIOmessageType_t type, uint8_t* payload, size_t length) {
  if (callback_) callback_(type, payload, length);
}
