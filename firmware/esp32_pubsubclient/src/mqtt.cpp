// The sketch `mqtt`: PubSubClient. It publishes at QoS 0, and publish() may say true for what was never sent, so that a
// sample is kept until its `data_received` has come.

#include <Arduino.h>
#include <PubSubClient.h>
#include <string.h>

#include "backoff.h"
#include "board.h"
#include "contract.gen.h"
#include "device.h"
#include "server.h"
#include "status.h"

namespace contract = stresswire::contract;

namespace {

constexpr size_t kTopicBytes = sizeof contract::kRoot + contract::kMaxDeviceId + 32;
constexpr int kPacketsAStep = 16;
constexpr uint16_t kKeepAliveS = 15;

/// What PubSubClient's state is for whoever reads the serial port.
const char* meaning(int state) {
  switch (state) {
    case -4: return "the server does not answer";
    case -3: return "the connection broke";
    case -2: return "no such server, or its certificate is not the ca's";
    case 2: return "the server refuses the device_id";
    case 4:
    case 5: return "wrong device_id or token";
    default: return "no connection";
  }
}

/// A topic of the device's own.
class Topic {
 public:
  void set(const char* device_id, const contract::Channel& channel) {
    snprintf(text_, sizeof text_, "%s/%s/%s", contract::kRoot, device_id, channel.name);
  }
  const char* text() const { return text_; }

 private:
  char text_[kTopicBytes];
};

class MqttLink final : public Link {
 public:
  void begin(const stresswire::Settings& settings, LinkListener* listener) override {
    settings_ = &settings;
    listener_ = listener;
    good_ = find_server(settings, stresswire::kMqtt, &server_);
    samples_.set(settings.device_id, contract::kSensorData);
    receipts_.set(settings.device_id, contract::kDataReceived);
    status_.set(settings.device_id, contract::kDeviceStatus);
    commands_.set(settings.device_id, contract::kDeviceCommand);
    results_.set(settings.device_id, contract::kCommandResult);
    stresswire::write_status({contract::kStatusOffline, settings.device_id, board::kFirmware, 0, false, 0, 0}, will_,
                             sizeof will_);
    net_.begin(server_, settings.ca);
    client_.setClient(net_.get());
    client_.setServer(server_.host, server_.port);
    client_.setSocketTimeout(board::kConnectTimeoutS);
    client_.setKeepAlive(kKeepAliveS);
    // Answers and batches: 256 bytes, as it comes, would drop both without a word.
    good_ = client_.setBufferSize(board::kMessageBytes + kTopicBytes) && good_;
    client_.setCallback([this](char* topic, uint8_t* payload, unsigned int size) { hear(topic, payload, size); });
  }

  bool step(uint64_t now_ms) override {
    if (!good_) return false;
    if (client_.connected()) {
      // One packet a call; what is answered waits until here, for the buffer of a callback is that of a publish, too.
      for (int i = 0; i < kPacketsAStep && client_.loop() && net_.get().available() > 0; ++i) {
      }
    }
    if (client_.connected()) return true;
    if (up_) {  // the device is to know of it, and the next attempt has its backoff
      up_ = false;
      next_try_ms_ = now_ms + backoff_.next_ms(esp_random());
    }
    if (now_ms < next_try_ms_) return false;
    up_ = connect();
    if (up_) return true;
    Serial.printf("mqtt: state %d, %s\n", client_.state(), meaning(client_.state()));
    client_.disconnect();
    next_try_ms_ = uptime_ms() + backoff_.next_ms(esp_random());
    return false;
  }

  bool send_samples(char* text, size_t size) override {
    return publish(samples_, text, size, contract::kSensorData.retained);
  }
  bool send_status(const char* text, size_t size) override {
    return publish(status_, text, size, contract::kDeviceStatus.retained);
  }
  bool send_result(const char* text, size_t size) override {
    return publish(results_, text, size, contract::kCommandResult.retained);
  }
  void drop() override {
    net_.get().stop();  // without DISCONNECT: the broker publishes the will
    up_ = false;
    next_try_ms_ = uptime_ms() + backoff_.next_ms(esp_random());
  }
  void end() override { client_.disconnect(); }
  bool needs_device_id() const override { return false; }

 private:
  /// Blocks up to twice the timeout; the sampling task does not notice. The session is kept, so that a command which came
  /// while the device was away is there when it is back.
  bool connect() {
    const char* user = settings_->token[0] ? settings_->device_id : nullptr;
    const char* password = settings_->token[0] ? settings_->token : nullptr;
    return client_.connect(settings_->device_id, user, password, status_.text(), contract::kDeviceStatus.qos,
                           contract::kDeviceStatus.retained, will_, false) &&
           client_.subscribe(receipts_.text(), contract::kDataReceived.qos) &&
           client_.subscribe(commands_.text(), contract::kDeviceCommand.qos);
  }

  void hear(const char* topic, const uint8_t* payload, size_t size) {
    const auto* text = reinterpret_cast<const char*>(payload);  // no NUL at its end
    if (strcmp(topic, receipts_.text()) == 0) {
      backoff_.reset();  // not before: a broker may let in whom it throws out
      listener_->on_receipt(text, size);
    }
    if (strcmp(topic, commands_.text()) == 0) listener_->on_command(text, size);
  }

  bool publish(const Topic& topic, const char* text, size_t size, bool retained) {
    return client_.publish(topic.text(), reinterpret_cast<const uint8_t*>(text), size, retained);
  }

  const stresswire::Settings* settings_ = nullptr;
  LinkListener* listener_ = nullptr;
  stresswire::Endpoint server_{};
  bool good_ = false;
  bool up_ = false;
  ServerClient net_;
  PubSubClient client_;
  Topic samples_;
  Topic receipts_;
  Topic status_;
  Topic commands_;
  Topic results_;
  char will_[128 + contract::kMaxDeviceId];
  stresswire::Backoff backoff_{board::kBackoffBaseMs, board::kBackoffCapMs};
  uint64_t next_try_ms_ = 0;
};

MqttLink link_to_broker;
Device device(&link_to_broker);

}  // namespace

void setup() { device.begin(); }

void loop() { device.step(); }
