#include "device.h"

#include <Arduino.h>
#include <esp_sleep.h>
#include <esp_system.h>
#include <esp_task_wdt.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "board.h"
#include "contract.gen.h"
#include "nvs_store.h"
#include "portal.h"
#include "receipt.h"
#include "status.h"

using stresswire::Command;
namespace contract = stresswire::contract;

namespace {

constexpr uint32_t kTickMs = 10;
constexpr uint32_t kTicksAPoll = 4;      // four samples of the pulse; its FIFO holds 32
constexpr uint64_t kPortalMs = 300'000;  // if the device has valid settings already
constexpr int kMessagesAStep = 4;
constexpr uint32_t kStatusMs = 10'000;
constexpr uint32_t kBlinkMs = 125;
constexpr uint32_t kSamplerStack = 6'144;
constexpr int kSamplerPriority = 10;  // above the network's 1
constexpr int kSamplerCore = 1;
constexpr uint64_t kHeldMs = 3'000;
constexpr uint64_t kStopMs = 2'000;     // for the sampling task's last sample
constexpr uint32_t kFlushMs = 200;      // so that the radio has sent the last words
constexpr size_t kSerialBytes = 4'096;  // a certificate that is pasted while a connection is tried

}  // namespace

void Device::begin() {
  Serial.setRxBufferSize(kSerialBytes);
  Serial.begin(115200);
  pinMode(board::kLed, OUTPUT);
  pinMode(board::kButton, INPUT_PULLUP);
  nvs_store::load(&settings_);
  draft_ = settings_;
  if (!settings_.complete()) {
    Serial.println("not set up: type `help`");
    provision(UINT64_MAX);
  } else if (nvs_store::portal_asked()) {
    provision(kPortalMs);
  }

  const stresswire::Boot boot = nvs_store::next_boot();
  char text[stresswire::Boot::kText];
  boot.text(text);
  Serial.printf("stresswire %s, device %s, boot %s\n", board::kFirmware, settings_.device_id, text);
  if (!files_.begin()) Serial.println("no flash for samples: they wait in RAM alone");
  // Built here, once, for as long as it runs: they need what was just read.
  static stresswire::Spill spill(files_, board::kFlashSegments);
  static stresswire::Outbox outbox(boot, spill, clock_, link_->needs_device_id() ? settings_.device_id : nullptr);
  static Sensors sensors(board::kEdaCircuit, nvs_store::load_calibration());
  sensors.set_open_ratio(nvs_store::load_open_ratio(board::kEdaCircuit.open_ratio));
  spill.open();
  spill_ = &spill;
  outbox_ = &outbox;
  sensors_ = &sensors;
  char last[Command::kIdBytes];
  nvs_store::load_last_command(last);
  if (last[0] != '\0') log_.add(last, stresswire::result::kDone);

  sensors_->begin();
  network_.begin(settings_, esp_reset_reason() == ESP_RST_BROWNOUT);
  link_->begin(settings_, this);
  esp_task_wdt_init(link_->watchdog_s(), true);
  esp_task_wdt_add(nullptr);
  if (xTaskCreatePinnedToCore(&Device::sample, "sample", kSamplerStack, this, kSamplerPriority, nullptr, kSamplerCore) !=
      pdPASS) {
    Serial.println("no memory for the sampling task");
    esp_restart();
  }
}

/// Ask for the settings, on a page and on the serial port, until they are saved or the time is over.
void Device::provision(uint64_t timeout_ms) {
  static Portal portal(&draft_);
  portal.begin();
  saved_ = false;
  for (const uint64_t begun_ms = uptime_ms(); uptime_ms() - begun_ms < timeout_ms; delay(10)) {
    read_console();
    if (portal.step()) saved_ = nvs_store::save(draft_);
    if (!saved_) continue;
    if (draft_.complete()) esp_restart();  // the portal's network and pages are gone with it
    saved_ = false;
  }
}

void Device::read_console() {
  while (Serial.available() > 0) {
    char answer[stresswire::Console::kAnswer];
    const auto action = console_.feed(static_cast<char>(Serial.read()), answer);
    if (action == stresswire::Console::Action::kSave) {
      saved_ = nvs_store::save(draft_);
      if (!saved_) {
        Serial.println("the NVS did not take it");
        continue;
      }
    }
    Serial.print(answer);
    if (action != stresswire::Console::Action::kRestart) continue;
    if (outbox_ == nullptr) esp_restart();
    end_ = End::kRestart;
    end_at_ms_ = uptime_ms();
  }
}

void Device::sample(void* self) { static_cast<Device*>(self)->sample(); }

/// The sampling task: it never waits for the network, the flash or another task.
void Device::sample() {
  stresswire::Schedule schedule(uptime_ms(), stresswire::interval_ms(settings_.rate_hz));
  uint32_t seq = 0;
  esp_task_wdt_add(nullptr);
  TickType_t woken = xTaskGetTickCount();
  for (uint32_t tick = 0; !__atomic_load_n(&stop_, __ATOMIC_ACQUIRE); ++tick) {
    vTaskDelayUntil(&woken, pdMS_TO_TICKS(kTickMs));
    esp_task_wdt_reset();
    uint64_t now_ms = uptime_ms();
    if (tick % kTicksAPoll == 0) sensors_->poll(now_ms);
    SamplerCommand command{};
    while (sampler_commands_.pop(&command)) {
      if (command.kind == SamplerCommand::Kind::kRate) schedule.set_interval(now_ms, command.interval_ms);
      if (command.kind == SamplerCommand::Kind::kCalibration) sensors_->set(command.calibration);
      if (command.kind == SamplerCommand::Kind::kReset) {
        sensors_->set({});
        sensors_->set_open_ratio(board::kEdaCircuit.open_ratio);
      }
      if (command.kind == SamplerCommand::Kind::kOpen) open_ratios_.push(sensors_->set_open());
    }
    now_ms = uptime_ms();
    if (!schedule.due(now_ms)) continue;
    const Reading values = sensors_->read(now_ms);
    SensorReading reading{{now_ms, seq, values.hr, values.temp, values.eda}, values.eda_raw_us};
    if (reading.sample.has_value()) ++seq;  // a gap in the stored numbers is a lost sample
    if (!readings_.push(reading) && reading.sample.has_value()) {
      __atomic_store_n(&overrun_, __atomic_load_n(&overrun_, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    }
  }
  sensors_->sleep();
  esp_task_wdt_delete(nullptr);
  __atomic_store_n(&stopped_, true, __ATOMIC_RELEASE);
  vTaskDelete(nullptr);
}

void Device::step() {
  esp_task_wdt_reset();
  read_console();
  collect();
  const uint64_t now_ms = uptime_ms();
  const bool ready = network_.step(now_ms, &clock_) && link_->step(now_ms);
  if (ready != linked_) {
    linked_ = ready;
    Serial.println(ready ? "linked" : "no link");
    if (ready) {
      outbox_->link_up();
      status_due_ = true;
    } else {
      outbox_->link_down();
    }
  }
  if (linked_) send(uptime_ms());
  blink(now_ms);
  watch_button(now_ms);
  finish(uptime_ms());
  delay(2);
}

/// Move the samples from the sampling task into the outbox.
void Device::collect() {
  SensorReading reading{};
  while (readings_.pop(&reading)) {
    if (raw_us_.size() == raw_us_.capacity()) raw_us_.pop_front();
    raw_us_.push_back(reading.eda_raw_us);
    if (reading.sample.has_value()) outbox_->add(reading.sample);
  }
  float ratio = NAN;
  while (open_ratios_.pop(&ratio)) {
    if (!isnan(ratio)) nvs_store::save_open_ratio(ratio);
  }
}

void Device::send(uint64_t now_ms) {
  if (status_due_ || (dropped() != reported_dropped_ && now_ms >= next_status_ms_)) {
    status_due_ = false;
    next_status_ms_ = now_ms + kStatusMs;
    send_status(contract::kStatusOnline, now_ms);
  }
  answer_commands(now_ms);
  const size_t headroom = link_->headroom();
  for (int i = 0; i < kMessagesAStep; ++i) {
    esp_task_wdt_reset();  // over HTTP each of them waits for its answer
    const size_t size = outbox_->compose(uptime_ms(), buffer_ + headroom, sizeof buffer_ - 2 * headroom);
    if (size == 0) break;
    if (!link_->send_samples(buffer_ + headroom, size)) return unlink();
  }
  if (outbox_->silent()) {
    Serial.println("no answers: connecting anew");
    unlink();
  }
}

void Device::unlink() {
  link_->drop();
  outbox_->link_down();
  linked_ = false;
  Serial.println("no link");
}

uint32_t Device::dropped() const { return outbox_->counts().dropped + __atomic_load_n(&overrun_, __ATOMIC_RELAXED); }

void Device::send_status(const char* state, uint64_t now_ms) {
  reported_dropped_ = dropped();
  char text[256 + contract::kMaxDeviceId];
  const size_t size = stresswire::write_status(
      {state, settings_.device_id, board::kFirmware, clock_.unix_ms(now_ms), true, outbox_->waiting(), reported_dropped_},
      text, sizeof text);
  if (size > 0) link_->send_status(text, size);
}

void Device::on_receipt(const char* text, size_t size) {
  stresswire::Receipt receipt;
  if (stresswire::parse_receipt(text, size, &receipt)) outbox_->answered(receipt, uptime_ms());
}

void Device::blink(uint64_t now_ms) {
  const bool on = now_ms < blink_until_ms_ && now_ms / kBlinkMs % 2 == 0;
  digitalWrite(board::kLed, on ? HIGH : LOW);
}

/// Restart with the page for the settings once the button was held for three seconds. (An ESP32 whose button is held while
/// it starts waits for a new sketch instead.)
void Device::watch_button(uint64_t now_ms) {
  if (digitalRead(board::kButton) != LOW) {
    pressed_ms_ = 0;
  } else if (pressed_ms_ == 0) {
    pressed_ms_ = now_ms;
  } else if (now_ms - pressed_ms_ >= kHeldMs && end_ == End::kNone) {
    nvs_store::ask_for_portal();
    end_ = End::kRestart;
    end_at_ms_ = now_ms;
  }
}

/// Restart or sleep, as commanded, once the command's answer is sent: store the samples in RAM to flash first.
void Device::finish(uint64_t now_ms) {
  if (end_ == End::kNone || now_ms < end_at_ms_) return;
  __atomic_store_n(&stop_, true, __ATOMIC_RELEASE);
  const bool stopped = __atomic_load_n(&stopped_, __ATOMIC_ACQUIRE);
  if (!stopped && now_ms < end_at_ms_ + kStopMs) return;  // the sampling task is taking its last sample
  collect();
  if (!outbox_->store()) Serial.println("the flash did not take all samples");
  if (linked_) send_status(end_ == End::kSleep ? contract::kStatusSleeping : contract::kStatusOffline, now_ms);
  link_->end();
  Serial.flush();
  delay(kFlushMs);
  if (end_ == End::kRestart) esp_restart();
  esp_sleep_enable_timer_wakeup(static_cast<uint64_t>(sleep_s_) * 1'000'000);
  esp_deep_sleep_start();
}
