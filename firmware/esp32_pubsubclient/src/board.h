#ifndef STRESSWIRE_BOARD_H
#define STRESSWIRE_BOARD_H

#include <stdint.h>

#include "eda.h"

/// What is soldered where (see docs/wiring.md), and the sizes that follow from the memory there is.
namespace board {

inline constexpr char kFirmware[] = "1.0.0";

inline constexpr int kSda = 21;
inline constexpr int kScl = 22;
inline constexpr uint32_t kI2cHz = 400'000;
inline constexpr int kEda = 34;  // ADC1: ADC2 belongs to Wi-Fi
inline constexpr int kOneWire = 4;
inline constexpr int kLed = 2;
inline constexpr int kButton = 0;  // BOOT, held for three seconds while it runs: the page for the settings

/// `-D STRESSWIRE_GROVE_GSR` for Seeed's Grove GSR, else the divider.
#ifdef STRESSWIRE_GROVE_GSR
inline constexpr stresswire::EdaCircuit kEdaCircuit = {stresswire::EdaCircuit::Kind::kGrove, 3300, 0, 0.5f};
#else
inline constexpr stresswire::EdaCircuit kEdaCircuit = {stresswire::EdaCircuit::Kind::kDivider, 3300, 1'000'000, 0.92f};
#endif
inline constexpr int kEdaReadings = 32;

inline constexpr uint16_t kMessageBytes = 6'144;  // a batch of 40 samples; PubSubClient's buffer adds the topic
inline constexpr uint16_t kResultBytes = 640;     // a command_result, with an identifier of any characters
inline constexpr uint32_t kFlashSegments = 200;   // 40,000 samples, 11 hours at 1 Hz: 800 KiB of the partition of 960
inline constexpr uint32_t kConnectTimeoutS = 3;
inline constexpr uint32_t kHandshakeTimeoutS = 8;
inline constexpr uint32_t kBackoffBaseMs = 1'000;
inline constexpr uint32_t kBackoffCapMs = 60'000;
inline constexpr char kSntpServer[] = "pool.ntp.org";

}  // namespace board

#endif
