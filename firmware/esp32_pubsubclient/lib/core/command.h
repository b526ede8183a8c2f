#ifndef STRESSWIRE_COMMAND_H
#define STRESSWIRE_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "contract.gen.h"
#include "json_writer.h"
#include "ring.h"

namespace stresswire {

inline constexpr float kMinRateHz = 0.1f;
inline constexpr float kMaxRateHz = 10.0f;

/// What a device can be told by `device_command`, with the limits of each value.
///
/// | command | value |
/// | --- | --- |
/// | `sampling_rate` | samples a second, 0.1 to 10 |
/// | `identify` | seconds for which the LED blinks, 1 to 60; 5 without a value |
/// | `calibrate` | a known resistance between the electrodes, 10 to 10,000 kOhm; or "open": nothing between them; or
/// "reset" | | `reboot` | | | `sleep` | seconds, 1 to 86,400 |
struct Command {
  enum class Kind : uint8_t { kSamplingRate, kIdentify, kCalibrate, kCalibrateOpen, kCalibrateReset, kReboot, kSleep };
  static constexpr size_t kIdBytes = 4 * contract::kMaxCommandId + 1;  // UTF-8

  Kind kind;
  float value;
  char id[kIdBytes];
};

enum class CommandError : uint8_t {
  kNone,
  kNoCommand,  ///< nothing that could be answered: not JSON, or without `command_id`
  kUnknown,
  kBadValue,
};

/// Reads a `device_command`, whatever the bytes are. `command->id` is filled unless the result is `kNoCommand`; `reason`
/// is for people.
CommandError parse_command(const char* text, size_t size, Command* command, const char** reason);

/// What `command_result` says.
namespace result {
inline constexpr char kDone[] = "done";
inline constexpr char kAccepted[] = "accepted";  // it happens after this answer
inline constexpr char kRefused[] = "refused";
inline constexpr char kUnknown[] = "unknown_command";
}  // namespace result

/// Writes a `command_result`; `message` may be null, and `device_id` where the topic says it.
size_t write_result(const char* id, const char* status, const char* message, const char* device_id, char* buffer,
                    size_t capacity);

/// The last commands, so that one that is delivered again (QoS 1) is answered again and not done again.
class CommandLog {
 public:
  static constexpr size_t kKept = 8;

  /// The status that was answered, or null for a command that is new.
  const char* find(const char* id) const;
  void add(const char* id, const char* status);

 private:
  struct Entry {
    char id[Command::kIdBytes];
    const char* status;
  };
  Ring<Entry, kKept> entries_;
};

}  // namespace stresswire

#endif
