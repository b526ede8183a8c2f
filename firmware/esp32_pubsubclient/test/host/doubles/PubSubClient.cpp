#include "PubSubClient.h"

#include <string.h>

#include "Arduino.h"

namespace {

constexpr size_t kHeader = 5;  // the type, and up to four bytes of length
constexpr uint8_t kConnect = 0x10;
constexpr uint8_t kPublish = 0x30;
constexpr uint8_t kPuback = 0x40;
constexpr uint8_t kSubscribe = 0x82;
constexpr uint8_t kPing = 0xC0;
constexpr uint8_t kPong = 0xD0;
constexpr uint8_t kDisconnect = 0xE0;

}  // namespace

PubSubClient::PubSubClient() : buffer_(256) {}
PubSubClient& PubSubClient::setClient(Client& client) {
  client_ = &client;
  return *this;
}
PubSubClient& PubSubClient::setServer(const char* host, uint16_t port) {
  host_ = host;
  port_ = port;
  return *this;
}
PubSubClient& PubSubClient::setCallback(Callback callback) {
  callback_ = std::move(callback);
  return *this;
}
PubSubClient& PubSubClient::setKeepAlive(uint16_t seconds) {
  keep_alive_s_ = seconds;
  return *this;
}
PubSubClient& PubSubClient::setSocketTimeout(uint16_t seconds) {
  timeout_s_ = seconds;
  return *this;
}
bool PubSubClient::setBufferSize(uint16_t size) {
  if (size == 0) return false;
  buffer_.assign(size, 0);
  return true;
}

bool PubSubClient::fits(const char* text) const { return length_ + 2 + strlen(text) <= buffer_.size(); }

void PubSubClient::put(const char* text) {
  const size_t size = strlen(text);
  buffer_[length_++] = static_cast<uint8_t>(size >> 8);
  buffer_[length_++] = static_cast<uint8_t>(size);
  memcpy(&buffer_[length_], text, size);
  length_ += size;
}

/// The packet whose body stands behind the place of its header, in one write.
bool PubSubClient::send(uint8_t header) {
  uint8_t digits[4];
  size_t count = 0;
  size_t rest = length_ - kHeader;
  do {
    digits[count] = static_cast<uint8_t>(rest % 128);
    rest /= 128;
    if (rest > 0) digits[count] |= 0x80;
    ++count;
  } while (rest > 0);
  const size_t start = kHeader - 1 - count;
  buffer_[start] = header;
  memcpy(&buffer_[start + 1], digits, count);
  last_out_ = millis();
  return client_->write(&buffer_[start], length_ - start) == length_ - start;
}

void PubSubClient::fail(int state) {
  state_ = state;
  client_->stop();
}

bool PubSubClient::connect(const char* id, const char* user, const char* password, const char* will_topic, uint8_t will_qos,
                           bool will_retain, const char* will_message, bool clean_session) {
  if (connected()) return true;
  if (client_->connect(host_, port_) != 1) {
    state_ = MQTT_CONNECT_FAILED;
    return false;
  }
  next_id_ = 1;
  length_ = kHeader;
  const uint8_t name[] = {0, 4, 'M', 'Q', 'T', 'T', 4};
  memcpy(&buffer_[length_], name, sizeof name);
  length_ += sizeof name;
  auto flags = static_cast<uint8_t>(will_topic == nullptr ? 0 : 0x04 | (will_qos << 3) | (will_retain ? 0x20 : 0));
  if (clean_session) flags |= 0x02;
  if (user != nullptr) flags |= static_cast<uint8_t>(password == nullptr ? 0x80 : 0xC0);
  buffer_[length_++] = flags;
  buffer_[length_++] = static_cast<uint8_t>(keep_alive_s_ >> 8);
  buffer_[length_++] = static_cast<uint8_t>(keep_alive_s_);
  const char* texts[] = {id, will_topic, will_topic == nullptr ? nullptr : will_message, user,
                         user == nullptr ? nullptr : password};
  for (const char* text : texts) {
    if (text == nullptr) continue;
    if (!fits(text)) {
      client_->stop();
      return false;
    }
    put(text);
  }
  send(kConnect);
  last_in_ = last_out_ = millis();
  while (client_->available() == 0) {
    if (millis() - last_in_ >= timeout_s_ * 1000UL) {
      fail(MQTT_CONNECTION_TIMEOUT);
      return false;
    }
    delay(1);
  }
  size_t header = 0;
  if (read_packet(&header) == 4) {
    if (buffer_[3] == 0) {
      last_in_ = millis();
      ping_outstanding_ = false;
      state_ = MQTT_CONNECTED;
      return true;
    }
    state_ = buffer_[3];
  }
  client_->stop();
  return false;
}

bool PubSubClient::read_byte(uint8_t* byte) {
  const unsigned long begun = millis();
  while (client_->available() == 0) {
    if (millis() - begun >= timeout_s_ * 1000UL) return false;
    delay(1);
  }
  const int found = client_->read();
  *byte = static_cast<uint8_t>(found);
  return found >= 0;
}

/// The next packet from the start of the buffer on; its size, or 0 where it did not come whole or does not fit.
size_t PubSubClient::read_packet(size_t* header) {
  size_t size = 0;
  if (!read_byte(&buffer_[size++])) return 0;
  size_t length = 0;
  size_t scale = 1;
  uint8_t digit = 0;
  do {
    if (size == kHeader) {
      fail(MQTT_DISCONNECTED);
      return 0;
    }
    if (!read_byte(&digit)) return 0;
    buffer_[size++] = digit;
    length += (digit & 127) * scale;
    scale *= 128;
  } while ((digit & 128) != 0);
  *header = size;
  for (size_t i = 0; i < length; ++i, ++size) {
    if (!read_byte(&digit)) return 0;
    if (size < buffer_.size()) buffer_[size] = digit;
  }
  return size <= buffer_.size() ? size : 0;
}

bool PubSubClient::loop() {
  if (!connected()) return false;
  const unsigned long now = millis();
  const unsigned long patience = keep_alive_s_ * 1000UL;
  if (now - last_in_ > patience || now - last_out_ > patience) {
    if (ping_outstanding_) {
      fail(MQTT_CONNECTION_TIMEOUT);
      return false;
    }
    const uint8_t ping[] = {kPing, 0};
    client_->write(ping, sizeof ping);
    last_out_ = last_in_ = now;
    ping_outstanding_ = true;
  }
  if (client_->available() == 0) return true;
  size_t header = 0;
  const size_t size = read_packet(&header);
  if (size == 0) return connected();
  last_in_ = now;
  switch (buffer_[0] & 0xF0) {
    case kPublish: handle_publish(size, header); break;
    case kPong: ping_outstanding_ = false; break;
    default: break;
  }
  return true;
}

void PubSubClient::handle_publish(size_t size, size_t header) {
  if (!callback_) return;
  const size_t topic_size = static_cast<size_t>(buffer_[header] << 8 | buffer_[header + 1]);
  memmove(&buffer_[header + 1], &buffer_[header + 2], topic_size);  // to make room for the NUL
  buffer_[header + 1 + topic_size] = 0;
  auto* topic = reinterpret_cast<char*>(&buffer_[header + 1]);
  size_t payload = header + 2 + topic_size;
  const bool at_least_once = (buffer_[0] & 0x06) == 0x02;
  const uint8_t id[] = {buffer_[payload], buffer_[payload + 1]};
  if (at_least_once) payload += 2;
  callback_(topic, &buffer_[payload], static_cast<unsigned int>(size - payload));
  if (!at_least_once) return;
  const uint8_t acknowledged[] = {kPuback, 2, id[0], id[1]};
  client_->write(acknowledged, sizeof acknowledged);
  last_out_ = millis();
}

bool PubSubClient::publish(const char* topic, const uint8_t* payload, unsigned int size, bool retained) {
  if (!connected() || buffer_.size() < kHeader + 2 + strlen(topic) + size) return false;
  length_ = kHeader;
  put(topic);
  memcpy(&buffer_[length_], payload, size);
  length_ += size;
  return send(static_cast<uint8_t>(kPublish | (retained ? 1 : 0)));
}

bool PubSubClient::subscribe(const char* topic, uint8_t qos) {
  if (qos > 1 || buffer_.size() < 9 + strlen(topic) || !connected()) return false;
  length_ = kHeader;
  if (++next_id_ == 0) next_id_ = 1;
  buffer_[length_++] = static_cast<uint8_t>(next_id_ >> 8);
  buffer_[length_++] = static_cast<uint8_t>(next_id_);
  put(topic);
  buffer_[length_++] = qos;
  return send(kSubscribe);
}

void PubSubClient::disconnect() {
  const uint8_t packet[] = {kDisconnect, 0};
  client_->write(packet, sizeof packet);
  fail(MQTT_DISCONNECTED);
  last_in_ = last_out_ = millis();
}

bool PubSubClient::connected() {
  if (client_ == nullptr) return false;
  if (client_->connected() == 0) {
    if (state_ == MQTT_CONNECTED) fail(MQTT_CONNECTION_LOST);
    return false;
  }
  return state_ == MQTT_CONNECTED;
}
