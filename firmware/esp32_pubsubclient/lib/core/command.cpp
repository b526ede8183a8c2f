#include "command.h"

#include <string.h>

#include "json_reader.h"

namespace stresswire {

namespace {

struct Known {
  const char* name;
  Command::Kind kind;
  bool has_value;
  float low;
  float high;
  float without;  ///< the value where there is none; below `low`: there must be one
  const char* reason;
};

constexpr Known kKnown[] = {
    {"sampling_rate", Command::Kind::kSamplingRate, true, kMinRateHz, kMaxRateHz, 0.0f, "sampling_rate must be 0.1-10 Hz"},
    {"identify", Command::Kind::kIdentify, true, 1.0f, 60.0f, 5.0f, "identify must be 1-60 s"},
    {"calibrate", Command::Kind::kCalibrate, true, 10.0f, 10000.0f, 0.0f,
     "calibrate must be 10-10000 kOhm, \"open\" or \"reset\""},
    {"reboot", Command::Kind::kReboot, false, 0.0f, 0.0f, 0.0f, ""},
    {"sleep", Command::Kind::kSleep, true, 1.0f, 86400.0f, 0.0f, "sleep must be 1-86400 s"},
};

struct Word {
  const char* text;
  Command::Kind kind;
};

constexpr Word kCalibrateWords[] = {{"open", Command::Kind::kCalibrateOpen}, {"reset", Command::Kind::kCalibrateReset}};

/// A value that is a word, where the command knows it.
bool read_word(const JsonMember& value, Command* command) {
  char word[16];
  if (command->kind != Command::Kind::kCalibrate || !value.text(word, sizeof word)) return false;
  for (const Word& known : kCalibrateWords) {
    if (strcmp(word, known.text) != 0) continue;
    command->kind = known.kind;
    return true;
  }
  return false;
}

bool read_value(const JsonMember& value, bool present, const Known& known, Command* command) {
  if (!known.has_value) return true;
  if (!present) {
    command->value = known.without;
    return known.without >= known.low;
  }
  double number = 0;
  if (!value.number(&number)) return read_word(value, command);
  command->value = static_cast<float>(number);
  return command->value >= known.low && command->value <= known.high;
}

}  // namespace

CommandError parse_command(const char* text, size_t size, Command* command, const char** reason) {
  *command = Command{};
  *reason = "not a device_command";
  JsonReader reader(text, size);
  JsonMember member;
  JsonMember value{};
  char name[contract::kMaxCommand + 1] = "";
  bool has_id = false;
  bool has_value = false;
  while (reader.next(&member)) {
    if (member.is(contract::kFieldCommandId)) has_id = member.text(command->id, sizeof command->id) && command->id[0];
    if (member.is(contract::kFieldCommand) && !member.text(name, sizeof name)) name[0] = '\0';
    if (member.is(contract::kFieldValue)) {
      value = member;
      has_value = member.type != JsonType::kNull;
    }
  }
  if (!reader.valid() || !has_id) return CommandError::kNoCommand;
  for (const Known& known : kKnown) {
    if (strcmp(name, known.name) != 0) continue;
    command->kind = known.kind;
    *reason = known.reason;
    return read_value(value, has_value, known, command) ? CommandError::kNone : CommandError::kBadValue;
  }
  *reason = "known commands: sampling_rate, identify, calibrate, reboot, sleep";
  return CommandError::kUnknown;
}

size_t write_result(const char* id, const char* status, const char* message, const char* device_id, char* buffer,
                    size_t capacity) {
  JsonWriter json(buffer, capacity);
  json.begin_object().key(contract::kFieldCommandId).text(id).key(contract::kFieldStatus).text(status);
  if (message != nullptr && message[0] != '\0') json.key(contract::kFieldMessage).text(message);
  if (device_id != nullptr) json.key(contract::kFieldDeviceId).text(device_id);
  json.end_object();
  return json.finish();
}

const char* CommandLog::find(const char* id) const {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (strcmp(entries_[i].id, id) == 0) return entries_[i].status;
  }
  return nullptr;
}

void CommandLog::add(const char* id, const char* status) {
  if (entries_.size() == entries_.capacity()) entries_.pop_front();
  Entry entry{};
  strncpy(entry.id, id, sizeof entry.id - 1);
  entry.status = status;
  entries_.push_back(entry);
}

}  // namespace stresswire
