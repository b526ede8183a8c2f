#ifndef SHIM_TASK_H
#define SHIM_TASK_H

#include "freertos/FreeRTOS.h"

BaseType_t xTaskCreatePinnedToCore(TaskFunction_t task, const char* name, uint32_t stack, void* argument,
                                   UBaseType_t priority, TaskHandle_t* handle, BaseType_t core);
TickType_t xTaskGetTickCount();
void vTaskDelayUntil(TickType_t* woken, TickType_t ticks);
/// Only a task of itself, as its last act.
void vTaskDelete(TaskHandle_t task);

#endif
