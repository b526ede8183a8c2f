#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "Arduino.h"
#include "PubSubClient.h"
#include "WiFi.h"

namespace {

/// A listener on a free port of the loopback.
class Listener {
 public:
  Listener() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    REQUIRE(listen(socket_, 4) == 0);
    port = ntohs(address.sin_port);
  }
  ~Listener() { close(socket_); }
  int take() const { return accept(socket_, nullptr, nullptr); }
  uint16_t port;

 private:
  int socket_;
};

std::string receive(int socket, int timeout_ms = 1'000) {
  pollfd one{socket, POLLIN, 0};
  char bytes[4096];
  const ssize_t count = poll(&one, 1, timeout_ms) > 0 ? recv(socket, bytes, sizeof bytes, 0) : 0;
  return std::string(bytes, count > 0 ? static_cast<size_t>(count) : 0);
}

void say(int socket, const std::string& bytes) {
  REQUIRE(send(socket, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
}

/// A PUBLISH of a broker.
std::string packet(const std::string& topic, const std::string& payload, bool at_least_once) {
  std::string body = std::string(1, '\0') + static_cast<char>(topic.size()) + topic;
  if (at_least_once) body += std::string("\0\x07", 2);
  body += payload;
  std::string head(1, static_cast<char>(at_least_once ? 0x32 : 0x30));
  size_t size = body.size();
  do {
    head.push_back(static_cast<char>(size % 128 | (size > 127 ? 128 : 0)));
    size /= 128;
  } while (size > 0);
  return head + body;
}

/// A client that is connected to a broker which is this test.
struct Connection {
  Listener listener;
  WiFiClient net;
  PubSubClient client;
  int broker = -1;
  std::string connect;

  explicit Connection(uint16_t buffer = 256, const char* user = nullptr) {
    client.setClient(net).setServer("127.0.0.1", listener.port);
    client.setBufferSize(buffer);
    std::thread peer([this] {
      broker = listener.take();
      connect = receive(broker);
      say(broker, std::string("\x20\x02\0\0", 4));
    });
    CHECK(client.connect("E1", user, user, "w", 1, true, "gone", false));
    peer.join();
  }
  ~Connection() { close(broker); }
  bool publish(const std::string& topic, const std::string& payload) {
    return client.publish(topic.c_str(), reinterpret_cast<const uint8_t*>(payload.data()),
                          static_cast<unsigned int>(payload.size()), false);
  }
};

}  // namespace

TEST_CASE("CONNECT carries the will, the login and the session") {
  Connection connection(256, "u");
  const std::string body(
      "\0\x04MQTT\x04\xec\0\x0f\0\x02"
      "E1"
      "\0\x01w\0\x04gone\0\x01u\0\x01u",
      29);
  CHECK(connection.connect == "\x10\x1d" + body);
}

TEST_CASE("a refused port is -2, at once") {
  uint16_t port = 0;
  {
    const Listener closed;
    port = closed.port;
  }
  WiFiClient net;
  PubSubClient client;
  client.setClient(net).setServer("127.0.0.1", port);
  CHECK_FALSE(client.connect("E1", nullptr, nullptr, nullptr, 0, false, nullptr, true));
  CHECK(client.state() == MQTT_CONNECT_FAILED);
}

TEST_CASE("a deaf broker is -4, after the socket's timeout") {
  const Listener deaf;
  WiFiClient net;
  PubSubClient client;
  client.setClient(net).setServer("127.0.0.1", deaf.port).setSocketTimeout(1);
  const unsigned long begun = millis();
  CHECK_FALSE(client.connect("E1", nullptr, nullptr, nullptr, 0, false, nullptr, true));
  CHECK(millis() - begun >= 1'000);
  CHECK(client.state() == MQTT_CONNECTION_TIMEOUT);
}

TEST_CASE("a CONNECT that does not fit is none") {
  const Listener listener;
  WiFiClient net;
  PubSubClient client;
  client.setClient(net).setServer("127.0.0.1", listener.port);
  client.setBufferSize(64);
  CHECK_FALSE(client.connect("E1", std::string(60, 'u').c_str(), "p", nullptr, 0, false, nullptr, true));
}

TEST_CASE("256 bytes take 229 of payload on a topic of 20, and not one more") {
  Connection connection;
  const std::string topic(20, 't');
  CHECK(connection.publish(topic, std::string(229, 'x')));
  CHECK_FALSE(connection.publish(topic, std::string(230, 'x')));
  const std::string sent = receive(connection.broker);
  CHECK(sent.size() == 1 + 2 + 2 + 20 + 229);
  CHECK(sent[0] == 0x30);  // QoS 0, always
}

TEST_CASE("no subscription beyond QoS 1") {
  Connection connection;
  CHECK(connection.client.subscribe("t", 1));
  CHECK_FALSE(connection.client.subscribe("t", 2));
}

TEST_CASE("what comes and does not fit is dropped without a word, nor acknowledged") {
  Connection connection(64);
  int heard = 0;
  connection.client.setCallback([&heard](char*, uint8_t*, unsigned int) { ++heard; });
  say(connection.broker, packet("t", std::string(200, 'x'), true));
  say(connection.broker, packet("t", "y", true));
  for (int i = 0; i < 50; ++i, delay(2)) connection.client.loop();
  CHECK(heard == 1);
  CHECK(receive(connection.broker) == std::string("\x40\x02\0\x07", 4));
}

TEST_CASE("one packet a loop, and the PUBACK after the callback") {
  Connection connection;
  std::string acknowledged = "not looked at";
  int heard = 0;
  connection.client.setCallback([&](char* topic, uint8_t* payload, unsigned int size) {
    if (++heard > 1) return;
    CHECK(std::string(topic) == "topic");
    CHECK(std::string(reinterpret_cast<char*>(payload), size) == "{}");
    acknowledged = receive(connection.broker, 50);
  });
  say(connection.broker, packet("topic", "{}", true) + packet("topic", "[]", true));
  while (connection.net.available() < 26) delay(1);
  connection.client.loop();
  CHECK(heard == 1);
  CHECK(acknowledged.empty());
  connection.client.loop();
  CHECK(heard == 2);
}

TEST_CASE("a publish within a callback spoils the payload") {
  Connection connection;
  std::string after;
  connection.client.setCallback([&](char*, uint8_t* payload, unsigned int size) {
    connection.publish("another", "something else altogether");
    after = std::string(reinterpret_cast<char*>(payload), size);
  });
  say(connection.broker, packet("topic", "what was said", false));
  while (connection.net.available() == 0) delay(1);
  connection.client.loop();
  CHECK(after.size() == 13);
  CHECK(after != "what was said");
}

TEST_CASE("true does not mean sent") {
  Connection connection;
  shutdown(connection.broker, SHUT_RD);  // nobody reads any more, and TCP takes it all the same
  for (int i = 0; i < 20; ++i) CHECK(connection.publish("t", "x"));
}

TEST_CASE("a black hole is noticed after two keepalives") {
  Connection connection;
  connection.client.setKeepAlive(1);
  const unsigned long begun = millis();
  while (connection.client.loop()) delay(5);
  CHECK(connection.client.state() == MQTT_CONNECTION_TIMEOUT);
  CHECK(millis() - begun >= 2'000);
  CHECK(millis() - begun < 5'000);
}
