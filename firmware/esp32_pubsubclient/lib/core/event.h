#ifndef STRESSWIRE_EVENT_H
#define STRESSWIRE_EVENT_H

#include <stddef.h>

namespace stresswire {

/// A Socket.IO event as a client library hands it over: `["name",{...}]`. False for anything else; the argument is not
/// checked further.
bool parse_event(const char* text, size_t size, char* name, size_t capacity, const char** argument, size_t* argument_size);

}  // namespace stresswire

#endif
