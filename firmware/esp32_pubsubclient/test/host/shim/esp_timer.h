#ifndef SHIM_ESP_TIMER_H
#define SHIM_ESP_TIMER_H

#include <stdint.h>

extern "C" int64_t esp_timer_get_time();

#endif
