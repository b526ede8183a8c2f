#include <doctest/doctest.h>
#include <initializer_list>

#include <random>
#include <string>

#include "command.h"
#include "event.h"
#include "settings.h"
#include "status.h"

using namespace stresswire;

namespace {

CommandError parse(const std::string& text, Command* command) {
  const char* reason = nullptr;
  const CommandError error = parse_command(text.data(), text.size(), command, &reason);
  CHECK(reason != nullptr);
  return error;
}

std::string order(const std::string& rest) { return R"({"command_id":"c1")" + rest + "}"; }

std::string type(Console& console, const std::string& text, Console::Action* action = nullptr) {
  std::string all;
  for (const char byte : text + "\n") {
    char answer[Console::kAnswer];
    const auto found = console.feed(byte, answer);
    if (action != nullptr && found != Console::Action::kNone) *action = found;
    all += answer;
  }
  return all;
}

}  // namespace

TEST_CASE("the commands and their limits") {
  const struct {
    const char* rest;
    CommandError error;
    Command::Kind kind;
    float value;
  } table[] = {
      {R"(,"command":"sampling_rate","value":0.1)", CommandError::kNone, Command::Kind::kSamplingRate, 0.1f},
      {R"(,"command":"sampling_rate","value":10)", CommandError::kNone, Command::Kind::kSamplingRate, 10.0f},
      {R"(,"command":"sampling_rate","value":10.1)", CommandError::kBadValue, Command::Kind::kSamplingRate, 0},
      {R"(,"command":"sampling_rate","value":"10")", CommandError::kBadValue, Command::Kind::kSamplingRate, 0},
      {R"(,"command":"sampling_rate","value":1e999)", CommandError::kBadValue, Command::Kind::kSamplingRate, 0},
      {R"(,"command":"sampling_rate")", CommandError::kBadValue, Command::Kind::kSamplingRate, 0},
      {R"(,"command":"identify")", CommandError::kNone, Command::Kind::kIdentify, 5.0f},
      {R"(,"command":"identify","value":null)", CommandError::kNone, Command::Kind::kIdentify, 5.0f},
      {R"(,"command":"identify","value":0)", CommandError::kBadValue, Command::Kind::kIdentify, 0},
      {R"(,"command":"identify","value":"open")", CommandError::kBadValue, Command::Kind::kIdentify, 0},
      {R"(,"command":"calibrate","value":100)", CommandError::kNone, Command::Kind::kCalibrate, 100.0f},
      {R"(,"command":"calibrate","value":"open")", CommandError::kNone, Command::Kind::kCalibrateOpen, 0},
      {R"(,"command":"calibrate","value":"reset")", CommandError::kNone, Command::Kind::kCalibrateReset, 0},
      {R"(,"command":"calibrate","value":"closed")", CommandError::kBadValue, Command::Kind::kCalibrate, 0},
      {R"(,"command":"calibrate","value":true)", CommandError::kBadValue, Command::Kind::kCalibrate, 0},
      {R"(,"command":"reboot","value":3)", CommandError::kNone, Command::Kind::kReboot, 0},
      {R"(,"command":"sleep","value":86401)", CommandError::kBadValue, Command::Kind::kSleep, 0},
      {R"(,"command":"sleep","value":60)", CommandError::kNone, Command::Kind::kSleep, 60.0f},
  };
  for (const auto& row : table) {
    CAPTURE(row.rest);
    Command command;
    CHECK(parse(order(row.rest), &command) == row.error);
    CHECK(std::string(command.id) == "c1");
    if (row.error != CommandError::kNone) continue;
    CHECK(command.kind == row.kind);
    CHECK(command.value == row.value);
  }
}

TEST_CASE("what is no command is not answered, what is unknown is") {
  Command command;
  for (const char* text : {"", "x", "{}", "[]", R"({"command":"reboot"})", R"({"command_id":7,"command":"reboot"})",
                           R"({"command_id":"","command":"reboot"})", R"({"command_id":"c1","command":"reboot")"}) {
    CAPTURE(text);
    CHECK(parse(text, &command) == CommandError::kNoCommand);
  }
  CHECK(parse(R"({"command_id":")" + std::string(200, 'x') + R"(","command":"reboot"})", &command) ==
        CommandError::kNoCommand);
  CHECK(parse(order(R"(,"command":"explode")"), &command) == CommandError::kUnknown);
  CHECK(parse(order(R"(,"command":7)"), &command) == CommandError::kUnknown);
  CHECK(parse(order(R"(,"command":")" + std::string(500, 'x') + '"'), &command) == CommandError::kUnknown);
  CHECK(parse(order(""), &command) == CommandError::kUnknown);
}

TEST_CASE("an identifier of any characters comes back as it was") {
  Command command;
  REQUIRE(parse(R"({"command_id":"\u00e9\"\\\n\ud83d\ude00","command":"reboot"})", &command) == CommandError::kNone);
  char buffer[200];
  REQUIRE(write_result(command.id, result::kAccepted, nullptr, nullptr, buffer, sizeof buffer) > 0);
  CHECK(std::string(buffer) == "{\"command_id\":\"\u00e9\\\"\\\\\\u000a\U0001F600\",\"status\":\"accepted\"}");
  CHECK(write_result(command.id, result::kAccepted, "why", "E1", buffer, 30) == 0);
}

TEST_CASE("any bytes are survived") {
  std::mt19937 random(2);
  const std::string good = order(R"(,"command":"sampling_rate","value":5)");
  for (int run = 0; run < 100'000; ++run) {
    std::string text = good;
    for (int edits = static_cast<int>(random() % 5); edits >= 0; --edits)
      text[random() % text.size()] = static_cast<char>(random());
    Command command;
    const char* reason = nullptr;
    const auto error = parse_command(text.data(), text.size(), &command, &reason);
    if (error == CommandError::kNone && command.kind == Command::Kind::kSamplingRate) {
      CHECK(command.value >= kMinRateHz);
      CHECK(command.value <= kMaxRateHz);
    }
  }
}

TEST_CASE("a command that is delivered again is known") {
  CommandLog log;
  CHECK(log.find("a") == nullptr);
  log.add("a", result::kDone);
  CHECK(std::string(log.find("a")) == "done");
  for (size_t i = 0; i < CommandLog::kKept; ++i) log.add(std::to_string(i).c_str(), result::kRefused);
  CHECK(log.find("a") == nullptr);
  CHECK(log.find("0") != nullptr);
}

TEST_CASE("a status says what is known") {
  char buffer[200];
  CHECK(write_status({"offline", "E1", "1.0.0", 0, false, 0, 0}, buffer, sizeof buffer) > 0);
  CHECK(std::string(buffer) == R"({"status":"offline","device_id":"E1","firmware":"1.0.0"})");
  write_status({"online", "E1", "1.0.0", 1733826600123, true, 3, 1}, buffer, sizeof buffer);
  CHECK(std::string(buffer) ==
        R"({"status":"online","device_id":"E1","timestamp":1733826600123,"firmware":"1.0.0","waiting":3,"dropped":1})");
}

TEST_CASE("a server's address") {
  Endpoint endpoint;
  const auto mqtt = [&endpoint](const char* text) { return parse_server(text, kMqtt, &endpoint); };
  CHECK(mqtt("mqtt://192.168.1.20"));
  CHECK(std::string(endpoint.host) == "192.168.1.20");
  CHECK(endpoint.port == 1883);
  CHECK_FALSE(endpoint.tls);
  CHECK(mqtt("mqtts://stress.example/"));
  CHECK(endpoint.port == 8883);
  CHECK(endpoint.tls);
  CHECK(mqtt("mqtt://h:65535"));
  for (const char* text : {"", "mqtt", "mqtt://", "mqtt://:1", "http://h", "mqtt://h:0", "mqtt://h:65536", "mqtt://h:1x",
                           "mqtt://h:", "mqtt://h/path", "mqtt://u:p@h", "mqtt://h:99999999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(mqtt(text));
  }
  CHECK(endpoint.port == 65535);  // what is refused changes nothing
}

TEST_CASE("a server below a path, as a reverse proxy has it") {
  Endpoint endpoint;
  const auto http = [&endpoint](const char* text) { return parse_server(text, kHttp, &endpoint); };
  CHECK(http("https://lab.example/stress"));
  CHECK(std::string(endpoint.path) == "/stress");
  CHECK(endpoint.port == 443);
  CHECK(http("http://h:8080/a/b.c_d~e-1/"));
  CHECK(std::string(endpoint.path) == "/a/b.c_d~e-1");
  CHECK(endpoint.port == 8080);
  const std::string longest = "/" + std::string(62, 'p');
  CHECK(http(("http://h" + longest).c_str()));
  CHECK(endpoint.path == longest);
  for (const std::string& text :
       {std::string("http://h//"), std::string("http://h//a"), std::string("http://h/a//"), std::string("http://h/a?b=1"),
        std::string("http://h/a b"), std::string("http://h/%61"), "http://h/" + std::string(63, 'p')}) {
    CAPTURE(text);
    CHECK_FALSE(http(text.c_str()));
  }
  CHECK(endpoint.path == longest);
  for (const char* text : {"http://h", "http://h/", "http://h:80/"}) {
    CHECK(http(text));
    CHECK(std::string(endpoint.path).empty());
  }
}

TEST_CASE("settings are typed, checked and never shown where they are secret") {
  Settings settings;
  Console console(&settings);
  CHECK(type(console, "set wifi_ssid my network") == "ok\n");
  CHECK(type(console, "set wifi_password p4ss") == "ok\n");
  CHECK(type(console, "set server mqtt://192.168.1.20:1883\r") == "ok\n");
  CHECK_FALSE(settings.complete());
  CHECK(type(console, "set device_id ESP32_001") == "ok\n");
  CHECK(type(console, "set token s3cret") == "ok\n");
  CHECK(type(console, "set rate_hz 2.5") == "ok\n");
  CHECK(settings.complete());
  CHECK(std::string(settings.wifi_ssid) == "my network");
  CHECK(settings.rate_hz == 2.5f);
  const std::string shown = type(console, "show");
  CHECK(shown.find("ESP32_001") != std::string::npos);
  CHECK(shown.find("p4ss") == std::string::npos);
  CHECK(shown.find("s3cret") == std::string::npos);
  CHECK(shown.find("in clear") != std::string::npos);
  CHECK(type(console, "set server mqtts://192.168.1.20") == "ok\n");
  CHECK(type(console, "show").find("in clear") == std::string::npos);
  auto action = Console::Action::kNone;
  CHECK(type(console, "save", &action) == "saved\n");
  CHECK(action == Console::Action::kSave);
  type(console, "restart", &action);
  CHECK(action == Console::Action::kRestart);
}

TEST_CASE("what cannot be a setting is refused with its limit, and changes nothing") {
  Settings settings;
  Console console(&settings);
  const char* table[][2] = {{"set device_id a.b", "device_id has 1-64"},
                            {"set device_id ", "device_id has 1-64"},
                            {"set rate_hz 11", "rate_hz is 0.1-10"},
                            {"set rate_hz 1e1", "rate_hz is 0.1-10"},
                            {"set rate_hz .", "rate_hz is 0.1-10"},
                            {"set server h:1", "server is mqtt[s]://"},
                            {"set server mqtt://u:p@h", "no login"},
                            {"set wifi_ssid ", "1-32"},
                            {"set x y", "no such setting"},
                            {"ste", "set NAME VALUE"}};
  for (const auto& row : table) {
    CAPTURE(row[0]);
    CHECK(type(console, row[0]).find(row[1]) != std::string::npos);
  }
  CHECK(type(console, "set token " + std::string(129, 'x')).find("up to 128") != std::string::npos);
  CHECK(type(console, "set token " + std::string(900, 'x')).find("cannot be read") != std::string::npos);
  CHECK(std::string(settings.device_id).empty());
  CHECK(settings.rate_hz == 1.0f);
  CHECK(type(console, "").empty());
}

TEST_CASE("a certificate is pasted line by line") {
  Settings settings;
  Console console(&settings);
  const std::string pem = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----";
  CHECK(type(console, "ca\n" + pem) == "paste the certificate\nok\n");
  CHECK(std::string(settings.ca) == pem + "\n");
  CHECK(type(console, "ca\nset token x").find("no certificate") != std::string::npos);
  CHECK(type(console, "ca\n-----BEGIN CERTIFICATE-----\nMIIB\nsave").find("no certificate") !=
        std::string::npos);  // its end was lost
  CHECK(type(console, "save").find("saved") != std::string::npos);
  std::string lines = "-----BEGIN CERTIFICATE-----\n";
  for (int i = 0; i < 60; ++i) lines += std::string(64, 'A') + "\n";
  CHECK(type(console, "ca\n" + lines + "-----END CERTIFICATE-----").find("too long") != std::string::npos);
  CHECK(std::string(settings.ca) == pem + "\n");
  CHECK(type(console, "show").find("MIIB") == std::string::npos);
}

TEST_CASE("a certificate that a form has run together is in lines again") {
  Settings settings;
  std::string body;
  for (int i = 0; i < 25; ++i) body += "ABCDEFG+/0123456";  // 400 characters
  const std::string text =
      "-----BEGIN CERTIFICATE----- " + body.substr(0, 100) + " " + body.substr(100) + " -----END CERTIFICATE-----";
  CHECK(set_setting(&settings, "ca", text.c_str()) == nullptr);
  std::string wanted = "-----BEGIN CERTIFICATE-----\n";
  for (size_t i = 0; i < body.size(); i += 64) wanted += body.substr(i, 64) + "\n";
  wanted += "-----END CERTIFICATE-----\n";
  CHECK(std::string(settings.ca) == wanted);
  const std::string good = settings.ca;
  const std::string too_long = "-----BEGIN CERTIFICATE-----" + std::string(3'050, 'A') + "-----END CERTIFICATE-----";
  for (const char* bad : {"", "MIIB", "-----BEGIN CERTIFICATE-----MIIB",
                          "-----BEGIN CERTIFICATE----------END CERTIFICATE-----", too_long.c_str()}) {
    CHECK(set_setting(&settings, "ca", bad) != nullptr);
  }
  CHECK(std::string(settings.ca) == good);
}

TEST_CASE("a Socket.IO event is a name and an argument") {
  char name[24];
  const char* argument = nullptr;
  size_t size = 0;
  std::string text;
  const auto parse = [&](const char* given) {
    text = given;  // the argument points into it
    return parse_event(text.data(), text.size(), name, sizeof name, &argument, &size);
  };
  REQUIRE(parse("[\"data_received\",{\"status\":\"success\"}]"));
  CHECK(std::string(name) == "data_received");
  CHECK(std::string(argument, size) == "{\"status\":\"success\"}");
  REQUIRE(parse(" [ \"pong\" , {} ] \n"));
  CHECK(std::string(argument, size) == "{} ");
  for (const char* text : {"", "[", "[\"", "[\"a", "[\"a\"", "[\"a\"]", "[\"a\",", "[\"a\", ", "{\"a\":1}",
                           "[\"a\\u0062\",1]", "[\"a name that is none of the contract's\",{}]", "[1,{}]"}) {
    CAPTURE(text);
    CHECK_FALSE(parse(text));
  }
}
