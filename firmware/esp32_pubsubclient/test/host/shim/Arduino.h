#ifndef SHIM_ARDUINO_H
#define SHIM_ARDUINO_H

// What the sketches use of the Arduino core for the ESP32 (2.0.17), on a POSIX host. A folder, named by SHIM_FOLDER, stands
// for the board: `nvs/` and `flash/` are its memories, the file `world` (lines of `name value`) what happens around it.

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <functional>
#include <string>

#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#define HIGH 1
#define LOW 0
#define OUTPUT 3
#define INPUT_PULLUP 5
#define ADC_11db 3

#include "esp_system.h"

void setup();
void loop();

unsigned long millis();
void delay(unsigned long ms);
void pinMode(int pin, int mode);
int digitalRead(int pin);
void digitalWrite(int pin, int level);
uint32_t analogReadMilliVolts(int pin);
void analogReadResolution(int bits);
void analogSetPinAttenuation(int pin, int attenuation);
extern "C" uint32_t esp_random();
void configTime(long offset_s, int daylight_s, const char* server);

class String {
 public:
  String() = default;
  String(const char* text) : text_(text == nullptr ? "" : text) {}
  explicit String(std::string text) : text_(std::move(text)) {}
  const char* c_str() const { return text_.c_str(); }
  unsigned int length() const { return static_cast<unsigned int>(text_.size()); }

 private:
  std::string text_;
};

class IPAddress {
 public:
  String toString() const { return String("127.0.0.1"); }
};

/// Standard input and output.
class HardwareSerial {
 public:
  size_t setRxBufferSize(size_t size) { return size; }
  void begin(unsigned long baud);
  int available();
  int read();
  size_t write(const uint8_t* bytes, size_t size);
  size_t print(const char* text);
  size_t println(const char* text);
  size_t printf(const char* format, ...) __attribute__((format(printf, 2, 3)));
  void flush();
};
extern HardwareSerial Serial;

namespace shim {
/// A value of the world, as text and as a number; `otherwise` where the file does not say it.
std::string world(const char* name, const char* otherwise);
double world(const char* name, double otherwise);
std::string folder();
}  // namespace shim

#endif
