#ifndef SHIM_ESP_TASK_WDT_H
#define SHIM_ESP_TASK_WDT_H

#include <stdint.h>

#include "freertos/FreeRTOS.h"

/// A watchdog that bites: the process ends with status 77 when a task that was added did not reset it in time. The task is
/// always the caller's own.
int esp_task_wdt_init(uint32_t timeout_s, bool panic);
int esp_task_wdt_add(TaskHandle_t task);
int esp_task_wdt_reset();
int esp_task_wdt_delete(TaskHandle_t task);

#endif
