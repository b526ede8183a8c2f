#ifndef SHIM_ESP_SYSTEM_H
#define SHIM_ESP_SYSTEM_H

enum esp_reset_reason_t { ESP_RST_POWERON = 1, ESP_RST_BROWNOUT = 9 };
esp_reset_reason_t esp_reset_reason();
/// Ends the process with status 75; its parent starts it anew.
[[noreturn]] void esp_restart();

#endif
