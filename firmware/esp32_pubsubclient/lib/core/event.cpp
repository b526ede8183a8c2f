#include "event.h"

#include <string.h>

#include "json_reader.h"

namespace stresswire {

namespace {

void skip_space(const char** at, const char* end) {
  while (*at < end && is_json_space(**at)) ++*at;
}

bool take(const char** at, const char* end, char wanted) {
  skip_space(at, end);
  if (*at == end || **at != wanted) return false;
  ++*at;
  return true;
}

}  // namespace

bool parse_event(const char* text, size_t size, char* name, size_t capacity, const char** argument, size_t* argument_size) {
  const char* at = text;
  const char* end = text + size;
  if (!take(&at, end, '[') || !take(&at, end, '"')) return false;
  const char* start = at;
  while (at < end && *at != '"' && *at != '\\') ++at;
  const auto length = static_cast<size_t>(at - start);
  if (at == end || *at != '"' || length >= capacity) return false;
  memcpy(name, start, length);
  name[length] = '\0';
  ++at;
  if (!take(&at, end, ',')) return false;
  skip_space(&at, end);
  while (end > at && is_json_space(end[-1])) --end;
  if (end == at || end[-1] != ']') return false;
  *argument = at;
  *argument_size = static_cast<size_t>(end - 1 - at);
  return true;
}

}  // namespace stresswire
