#ifndef STRESSWIRE_STATUS_H
#define STRESSWIRE_STATUS_H

#include <stddef.h>
#include <stdint.h>

namespace stresswire {

/// What `device_status` says. `counts`: `waiting` and `dropped` are known; a will cannot know them.
struct Status {
  const char* state;
  const char* device_id;
  const char* firmware;
  int64_t unix_ms;  ///< 0: not known
  bool counts;
  uint32_t waiting;
  uint32_t dropped;
};

/// Its size, 0 where it does not fit.
size_t write_status(const Status& status, char* buffer, size_t capacity);

}  // namespace stresswire

#endif
