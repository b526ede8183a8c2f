#ifndef STRESSWIRE_TEST_PIPELINE_H
#define STRESSWIRE_TEST_PIPELINE_H

#include <map>
#include <string>
#include <vector>

#include "json_reader.h"

/// What the pipeline does with a message, as far as a device can tell: each key once, and an answer that names the last.
struct Pipeline {
  using Key = std::pair<std::string, uint64_t>;
  std::map<Key, std::string> stored;  // with the text of the first that came
  std::map<Key, std::string> timed;   // its timestamp, empty where it had none
  std::vector<std::string> refuse;    // boots whose samples are refused

  /// The answer to a message.
  std::string take(const std::string& message) {
    Key last;
    size_t count = 0;
    for (const std::string& element : elements(message)) {
      last = key(element);
      timed.emplace(last, field(element, "timestamp"));
      stored.emplace(last, values(element));
      if (stored[last] != values(element)) conflicts.push_back(element);
      ++count;
    }
    return "{\"status\":\"success\",\"record_id\":1,\"boot\":\"" + last.first +
           "\",\"seq\":" + std::to_string(last.second) + (message[0] == '[' ? ",\"count\":" + std::to_string(count) : "") +
           ",\"server_time\":\"" + server_time + "\"}";
  }

  std::vector<std::string> conflicts;
  std::string server_time = "2026-01-01T12:00:00.000000Z";

  static std::vector<std::string> elements(const std::string& message) {
    if (message[0] == '{') return {message};
    std::vector<std::string> found;
    size_t start = 1;
    for (size_t i = 1; i < message.size(); ++i) {
      if (message[i] == '}') {
        found.push_back(message.substr(start, i + 1 - start));
        start = i + 2;
      }
    }
    return found;
  }
  static std::string field(const std::string& element, const char* name) {
    stresswire::JsonMember member;
    if (!stresswire::json_find(element.data(), element.size(), name, &member)) return "";
    return std::string(member.value, member.value_size);
  }
  static Key key(const std::string& element) { return {field(element, "boot"), std::stoull(field(element, "seq"))}; }
  static std::string values(const std::string& element) {
    return field(element, "hr") + " " + field(element, "temp") + " " + field(element, "eda");
  }
};

#endif
