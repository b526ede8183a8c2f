#ifndef DOUBLE_PUBSUBCLIENT_H
#define DOUBLE_PUBSUBCLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <functional>
#include <vector>

#include "Client.h"

#define MQTT_CONNECTION_TIMEOUT -4
#define MQTT_CONNECTION_LOST -3
#define MQTT_CONNECT_FAILED -2
#define MQTT_DISCONNECTED -1
#define MQTT_CONNECTED 0

/// Behaves as PubSubClient 2.8 does, for better or worse: publishes at QoS 0 only; one buffer of 256 bytes, for what goes
/// and what comes, so that a publish within a callback spoils the payload; what does not fit is refused going, and dropped
/// without a word coming; `connect` blocks for the CONNACK; one packet a `loop`; a PUBACK after the callback; nothing is
/// subscribed again. What it cannot notice is not noticed here either: a publish is true when the socket took it.
class PubSubClient {
 public:
  using Callback = std::function<void(char* topic, uint8_t* payload, unsigned int size)>;

  PubSubClient();
  explicit PubSubClient(Client& client) : PubSubClient() { setClient(client); }
  PubSubClient& setClient(Client& client);
  PubSubClient& setServer(const char* host, uint16_t port);
  PubSubClient& setCallback(Callback callback);
  PubSubClient& setKeepAlive(uint16_t seconds);
  PubSubClient& setSocketTimeout(uint16_t seconds);
  bool setBufferSize(uint16_t size);
  bool connect(const char* id, const char* user, const char* password, const char* will_topic, uint8_t will_qos,
               bool will_retain, const char* will_message, bool clean_session);
  bool connect(const char* id) { return connect(id, nullptr, nullptr, nullptr, 0, false, nullptr, true); }
  void disconnect();
  bool publish(const char* topic, const char* payload) {
    return publish(topic, reinterpret_cast<const uint8_t*>(payload), static_cast<unsigned int>(strlen(payload)), false);
  }
  bool publish(const char* topic, const uint8_t* payload, unsigned int size, bool retained);
  bool subscribe(const char* topic, uint8_t qos = 0);
  bool loop();
  bool connected();
  int state() const { return state_; }

 private:
  bool fits(const char* text) const;
  void put(const char* text);
  bool send(uint8_t header);
  bool read_byte(uint8_t* byte);
  size_t read_packet(size_t* header);
  void handle_publish(size_t size, size_t header);
  void fail(int state);

  Client* client_ = nullptr;
  const char* host_ = nullptr;
  uint16_t port_ = 0;
  Callback callback_;
  std::vector<uint8_t> buffer_;
  size_t length_ = 0;
  uint16_t keep_alive_s_ = 15;
  uint16_t timeout_s_ = 15;
  uint16_t next_id_ = 1;
  bool ping_outstanding_ = false;
  unsigned long last_in_ = 0;
  unsigned long last_out_ = 0;
  int state_ = MQTT_DISCONNECTED;
};

#endif
