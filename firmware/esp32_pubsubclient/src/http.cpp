// The sketch `http`: a POST for each message, for networks that let nothing else through. The response is the answer. There
// are no commands and no status here: nothing tells a device that only asks.

#include <Arduino.h>
#include <HTTPClient.h>

#include "backoff.h"
#include "board.h"
#include "contract.gen.h"
#include "device.h"
#include "server.h"

namespace contract = stresswire::contract;

namespace {

constexpr uint16_t kAnswerMs = static_cast<uint16_t>(contract::kAnswerTimeoutS * 1000) + 2'000;

class HttpLink final : public Link {
 public:
  void begin(const stresswire::Settings& settings, LinkListener* listener) override {
    settings_ = &settings;
    listener_ = listener;
    good_ = find_server(settings, stresswire::kHttp, &server_);
    client_.begin(server_, settings.ca);
    snprintf(path_, sizeof path_, "%s%s", server_.path, contract::kPostDataPath);
    snprintf(authorization_, sizeof authorization_, "Bearer %s", settings.token);
    http_.setReuse(true);
    http_.setConnectTimeout(board::kConnectTimeoutS * 1000);
    http_.setTimeout(kAnswerMs);
  }

  bool step(uint64_t now_ms) override { return good_ && now_ms >= next_try_ms_; }

  /// Waits for the answer: the sampling task does not notice.
  bool send_samples(char* text, size_t size) override {
    if (!http_.begin(client_.get(), server_.host, server_.port, path_, server_.tls)) return false;
    http_.addHeader("Content-Type", "application/json");
    if (settings_->token[0]) http_.addHeader("Authorization", authorization_);
    const int code = http_.POST(reinterpret_cast<uint8_t*>(text), size);
    const String body = code > 0 ? http_.getString() : String();
    http_.end();
    // Stored, stored before, in part, or refused for what it is: each is a `data_received`. All else is no answer to a
    // sample.
    const bool answered = code == 200 || code == 201 || code == 207 || code == 400 || code == 409;
    if (answered) {
      backoff_.reset();
      listener_->on_receipt(body.c_str(), body.length());
    } else {
      Serial.printf("http: %d\n", code);
    }
    return answered;
  }

  bool send_status(const char*, size_t) override { return true; }
  bool send_result(const char*, size_t) override { return true; }
  void drop() override {
    http_.end();
    next_try_ms_ = uptime_ms() + backoff_.next_ms(esp_random());
  }
  void end() override { http_.end(); }
  bool needs_device_id() const override { return true; }

 private:
  const stresswire::Settings* settings_ = nullptr;
  LinkListener* listener_ = nullptr;
  stresswire::Endpoint server_{};
  bool good_ = false;
  ServerClient client_;
  HTTPClient http_;
  char authorization_[sizeof settings_->token + 8];
  char path_[sizeof server_.path + sizeof contract::kPostDataPath];
  stresswire::Backoff backoff_{board::kBackoffBaseMs, board::kBackoffCapMs};
  uint64_t next_try_ms_ = 0;
};

HttpLink link_to_gateway;
Device device(&link_to_gateway);

}  // namespace

void setup() { device.begin(); }

void loop() { device.step(); }
