#ifndef SHIM_FREERTOS_H
#define SHIM_FREERTOS_H

#include <stdint.h>

using TickType_t = uint32_t;
using BaseType_t = int;
using UBaseType_t = unsigned int;
using TaskHandle_t = void*;
using TaskFunction_t = void (*)(void*);
#define pdPASS 1
#define pdMS_TO_TICKS(ms) (static_cast<TickType_t>(ms))

#endif
