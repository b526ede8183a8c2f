// The sketch `socketio`: SocketIOclient of arduinoWebSockets. What it calls connected is the WebSocket; the namespace is
// joined once the server has said so, and only then are events heard.

#include <Arduino.h>
#include <SocketIOclient.h>
#include <string.h>

#include <functional>
#include <utility>

#include "backoff.h"
#include "board.h"
#include "contract.gen.h"
#include "device.h"
#include "event.h"
#include "server.h"

namespace contract = stresswire::contract;

namespace {

constexpr size_t kHeadroom = 32;  // for `["esp32_sensor_data",` and the bracket behind
constexpr uint32_t kJoinMs = 10'000;
constexpr uint32_t kPingMs = 15'000;
constexpr uint32_t kPongMs = 5'000;
constexpr uint8_t kPongsMissed = 2;

/// Opens what SocketIOclient inherits and hides, and hears that the namespace is joined, which it keeps to itself.
class SocketClient final : public SocketIOclient {
 public:
  using WebSocketsClient::disconnect;
  using WebSocketsClient::enableHeartbeat;
  using WebSocketsClient::setReconnectInterval;

  /// SocketIOclient's own beginSSLWithCA is not there on an ESP32, and its beginSSL trusts anybody.
  void begin_tls(const char* host, uint16_t port, const char* url, const char* ca) {
    beginSocketIOSSLWithCA(host, port, url, ca, "arduino");
    initClient();
  }
  void on_joined(std::function<void()> joined) { joined_ = std::move(joined); }

 protected:
  void runCbEvent(WStype_t type, uint8_t* payload, size_t length) override {
    const bool joined = type == WStype_TEXT && length >= 2 && payload[0] == '4' && payload[1] == '0';
    SocketIOclient::runCbEvent(type, payload, length);
    if (joined && joined_) joined_();
  }

 private:
  std::function<void()> joined_;
};

class SocketLink final : public Link {
 public:
  void begin(const stresswire::Settings& settings, LinkListener* listener) override {
    settings_ = &settings;
    listener_ = listener;
    good_ = find_server(settings, stresswire::kHttp, &server_);
    client_.on_joined([this] {
      joined_ = true;
      backoff_.reset();
    });
    client_.onEvent([this](socketIOmessageType_t type, uint8_t* payload, size_t size) {
      hear(type, reinterpret_cast<const char*>(payload), size);
    });
  }

  bool step(uint64_t) override {
    if (!good_) return false;
    if (!begun_) open();
    client_.loop();
    // A token that is refused leaves the WebSocket open, and silent.
    if (open_ && !joined_ && uptime_ms() - opened_ms_ > kJoinMs) drop();
    return joined_;
  }

  size_t headroom() const override { return kHeadroom; }
  bool send_samples(char* text, size_t size) override {
    char head[kHeadroom + 1];
    const int length = snprintf(head, sizeof head, "[\"%s\",", contract::kSensorData.name);
    char* start = text - length;
    memcpy(start, head, static_cast<size_t>(length));
    text[size] = ']';
    text[size + 1] = '\0';
    return client_.sendEVENT(start, static_cast<size_t>(length) + size + 1);
  }
  /// A device's status is the broker's alone; the gateway knows of a Socket.IO device by its connection.
  bool send_status(const char*, size_t) override { return true; }
  bool send_result(const char* text, size_t size) override {
    char event[board::kResultBytes];
    const int length =
        snprintf(event, sizeof event, "[\"%s\",%.*s]", contract::kCommandResult.name, static_cast<int>(size), text);
    return length > 0 && static_cast<size_t>(length) < sizeof event &&
           client_.sendEVENT(event, static_cast<size_t>(length));
  }
  void drop() override {
    client_.disconnect();
    if (open_) closed();  // it says so itself where it knew of a connection
  }
  void end() override { client_.disconnect(); }
  bool needs_device_id() const override { return true; }
  uint32_t watchdog_s() const override { return 180; }  // its TLS client is its own, with a handshake of up to 120 s

 private:
  void open() {
    begun_ = true;
    char url[sizeof server_.path + sizeof contract::kSocketPath];  // the library keeps a copy
    snprintf(url, sizeof url, "%s%s", server_.path, contract::kSocketPath);
    if (server_.tls) {
      client_.begin_tls(server_.host, server_.port, url, settings_->ca);
    } else {
      client_.begin(server_.host, server_.port, url);
    }
    client_.enableHeartbeat(kPingMs, kPongMs, kPongsMissed);  // as it comes, it takes eight minutes to notice
    client_.setReconnectInterval(backoff_.next_ms(esp_random()));
  }

  void hear(socketIOmessageType_t type, const char* payload, size_t size) {
    switch (type) {
      case sIOtype_CONNECT:
        if (!joined_) join();  // the WebSocket is open
        break;
      case sIOtype_DISCONNECT: closed(); break;
      case sIOtype_ERROR: Serial.printf("refused: %.*s\n", static_cast<int>(size), payload); break;
      case sIOtype_EVENT: hear_event(payload, size); break;
      default: break;
    }
  }

  void join() {
    open_ = true;
    joined_ = false;
    opened_ms_ = uptime_ms();
    char text[sizeof settings_->token + 16] = "";
    if (settings_->token[0]) {
      stresswire::JsonWriter json(text, sizeof text);
      json.begin_object().key("token").text(settings_->token).end_object().finish();
    }
    client_.send(sIOtype_CONNECT, text[0] ? text : "/");
  }

  void hear_event(const char* payload, size_t size) {
    char name[32];
    const char* argument = nullptr;
    size_t length = 0;
    if (!stresswire::parse_event(payload, size, name, sizeof name, &argument, &length)) return;
    if (strcmp(name, contract::kDataReceived.name) == 0) listener_->on_receipt(argument, length);
    if (strcmp(name, contract::kDeviceCommand.name) == 0) listener_->on_command(argument, length);
  }

  void closed() {
    client_.setReconnectInterval(backoff_.next_ms(esp_random()));
    open_ = false;
    joined_ = false;
  }

  const stresswire::Settings* settings_ = nullptr;
  LinkListener* listener_ = nullptr;
  stresswire::Endpoint server_{};
  SocketClient client_;
  bool good_ = false;
  bool begun_ = false;
  bool open_ = false;
  bool joined_ = false;
  uint64_t opened_ms_ = 0;
  stresswire::Backoff backoff_{board::kBackoffBaseMs, board::kBackoffCapMs};
};

SocketLink link_to_gateway;
Device device(&link_to_gateway);

}  // namespace

void setup() { device.begin(); }

void loop() { device.step(); }
