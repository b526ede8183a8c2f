#ifndef STRESSWIRE_DEVICE_H
#define STRESSWIRE_DEVICE_H

#include "board.h"
#include "boot.h"
#include "clock.h"
#include "command.h"
#include "flash_files.h"
#include "link.h"
#include "network.h"
#include "outbox.h"
#include "ring.h"
#include "schedule.h"
#include "sensors.h"
#include "settings.h"
#include "spill.h"

/// The device: a sampling task, and the network task, which does everything else. They exchange data through queues that
/// never block.
class Device final : public LinkListener {
 public:
  explicit Device(Link* link) : link_(link) {}

  /// Called from the sketch's setup().
  void begin();
  /// Called from the sketch's loop(): the network task.
  void step();

  void on_receipt(const char* text, size_t size) override;
  void on_command(const char* text, size_t size) override;

 private:
  /// Passed from the sampling task to the network task.
  struct SensorReading {
    stresswire::Sample sample;
    float eda_raw_us;
  };
  /// Passed from the network task to the sampling task.
  struct SamplerCommand {
    enum class Kind : uint8_t { kRate, kCalibration, kReset, kOpen } kind;
    uint32_t interval_ms;
    stresswire::EdaCalibration calibration;
  };
  struct Parsed {
    stresswire::Command command;
    stresswire::CommandError error;
    const char* reason;
  };

  static void sample(void* self);
  void sample();
  void provision(uint64_t timeout_ms);
  void read_console();
  void collect();
  void send(uint64_t now_ms);
  void unlink();
  uint32_t dropped() const;
  void send_status(const char* state, uint64_t now_ms);
  void answer_commands(uint64_t now_ms);
  const char* execute(const stresswire::Command& command, uint64_t now_ms, const char** message);
  const char* calibrate(float known_kohm, const char** message);
  void blink(uint64_t now_ms);
  void watch_button(uint64_t now_ms);
  void finish(uint64_t now_ms);

  Link* link_;
  stresswire::Settings settings_;
  stresswire::Settings draft_;  // edited settings: in use after they are saved and the device has restarted
  stresswire::Console console_{&draft_};
  stresswire::DeviceClock clock_;
  Network network_;
  bool saved_ = false;  // the settings were saved, on the serial port or the page
  FlashFiles files_;
  Sensors* sensors_ = nullptr;
  stresswire::Spill* spill_ = nullptr;
  stresswire::Outbox* outbox_ = nullptr;

  stresswire::Handoff<SensorReading, 256> readings_;
  stresswire::Handoff<SamplerCommand, 8> sampler_commands_;
  stresswire::Handoff<float, 2> open_ratios_;  // from the sampling task: the ratio of open electrodes
  uint32_t overrun_ = 0;                       // samples lost because `readings_` was full; written by the sampling task
  bool stop_ = false;                          // the sampling task shall end
  bool stopped_ = false;                       // the sampling task has ended

  bool linked_ = false;
  bool status_due_ = false;
  uint64_t next_status_ms_ = 0;
  uint32_t reported_dropped_ = 0;

  stresswire::Ring<Parsed, 16> commands_;
  stresswire::CommandLog log_;
  stresswire::EdaCalibrator calibrator_{};
  stresswire::Ring<float, 5> raw_us_{};
  char message_[96] = "";
  uint64_t blink_until_ms_ = 0;
  enum class End : uint8_t { kNone, kRestart, kSleep } end_ = End::kNone;
  uint64_t end_at_ms_ = 0;
  uint64_t pressed_ms_ = 0;  // start of the button's press; 0: not pressed
  uint32_t sleep_s_ = 0;

  char buffer_[board::kMessageBytes] = "";
};

#endif
