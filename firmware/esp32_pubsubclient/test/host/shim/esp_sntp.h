#ifndef SHIM_ESP_SNTP_H
#define SHIM_ESP_SNTP_H

#include <sys/time.h>

using sntp_sync_time_cb_t = void (*)(struct timeval* now);
void sntp_set_time_sync_notification_cb(sntp_sync_time_cb_t callback);

#endif
