#ifndef SHIM_ESP_SLEEP_H
#define SHIM_ESP_SLEEP_H

#include <stdint.h>

void esp_sleep_enable_timer_wakeup(uint64_t us);
/// Ends the process with status 76; its parent is the timer.
[[noreturn]] void esp_deep_sleep_start();

#endif
