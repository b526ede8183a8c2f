#include "json_reader.h"

#include <string.h>

namespace stresswire {

namespace {

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

int hex_of(char byte) {
  if (is_digit(byte)) return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

uint32_t unit_of(const char* four) {
  uint32_t unit = 0;
  for (int i = 0; i < 4; ++i) unit = unit * 16 + static_cast<uint32_t>(hex_of(four[i]));
  return unit;
}

bool is_high(uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low(uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

/// Bytes of one code point.
size_t encode_utf8(uint32_t point, char* out) {
  if (point < 0x80) {
    out[0] = static_cast<char>(point);
    return 1;
  }
  if (point < 0x800) {
    out[0] = static_cast<char>(0xC0 | (point >> 6));
    out[1] = static_cast<char>(0x80 | (point & 63));
    return 2;
  }
  if (point < 0x10000) {
    out[0] = static_cast<char>(0xE0 | (point >> 12));
    out[1] = static_cast<char>(0x80 | ((point >> 6) & 63));
    out[2] = static_cast<char>(0x80 | (point & 63));
    return 3;
  }
  out[0] = static_cast<char>(0xF0 | (point >> 18));
  out[1] = static_cast<char>(0x80 | ((point >> 12) & 63));
  out[2] = static_cast<char>(0x80 | ((point >> 6) & 63));
  out[3] = static_cast<char>(0x80 | (point & 63));
  return 4;
}

/// The code point of the escape behind a backslash, which was checked; `*at` ends behind it.
uint32_t unescape(const char** at) {
  const char kind = *(*at)++;
  switch (kind) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'u': break;
    default: return static_cast<unsigned char>(kind);
  }
  uint32_t point = unit_of(*at);
  *at += 4;
  if (is_high(point)) {
    point = 0x10000 + ((point - 0xD800) << 10) + (unit_of(*at + 2) - 0xDC00);
    *at += 6;
  }
  return point;
}

}  // namespace

bool JsonMember::is(const char* wanted) const {
  return strlen(wanted) == name_size && memcmp(name, wanted, name_size) == 0;
}

bool JsonMember::text(char* out, size_t capacity) const {
  if (type != JsonType::kString || capacity == 0) return false;
  const char* at = value;
  const char* end = value + value_size;
  size_t size = 0;
  while (at < end) {
    char bytes[4];
    size_t count = 1;
    bytes[0] = *at++;
    if (bytes[0] == '\\') count = encode_utf8(unescape(&at), bytes);
    if (bytes[0] == '\0' || size + count >= capacity) return false;
    memcpy(out + size, bytes, count);
    size += count;
  }
  out[size] = '\0';
  return true;
}

bool JsonMember::natural(uint64_t* out) const {
  if (type != JsonType::kNumber) return false;
  uint64_t found = 0;
  for (size_t i = 0; i < value_size; ++i) {
    if (!is_digit(value[i])) return false;
    const auto digit = static_cast<uint64_t>(value[i] - '0');
    if (found > (UINT64_MAX - digit) / 10) return false;
    found = found * 10 + digit;
  }
  *out = found;
  return true;
}

bool JsonMember::number(double* out) const {
  if (type != JsonType::kNumber) return false;
  const char* at = value;
  const char* end = value + value_size;
  const bool negative = *at == '-';
  if (negative) ++at;
  double found = 0;
  int exponent = 0;
  bool fraction = false;
  for (; at < end && (is_digit(*at) || *at == '.'); ++at) {
    if (*at == '.') {
      fraction = true;
      continue;
    }
    if (found < 1e17) {
      found = found * 10 + (*at - '0');
      exponent -= fraction ? 1 : 0;
    } else if (!fraction && exponent < 1000) {
      ++exponent;
    }
  }
  if (at < end) {
    ++at;
    const bool down = *at == '-';
    if (*at == '-' || *at == '+') ++at;
    int written = 0;
    for (; at < end; ++at) {
      if (written < 10000) written = written * 10 + (*at - '0');
    }
    exponent += down ? -written : written;
  }
  if (found != 0) {
    for (; exponent > 0 && found < 1e300; --exponent) found *= 10;
    for (; exponent < 0 && found > 1e-300; ++exponent) found /= 10;
    if (exponent > 0) return false;
    if (exponent < 0) found = 0;
  }
  *out = negative ? -found : found;
  return true;
}

JsonReader::JsonReader(const char* text, size_t size) : at_(text), end_(text + size) {
  skip_space();
  if (!take('{')) state_ = State::kBroken;
}

bool JsonReader::broken() {
  state_ = State::kBroken;
  return false;
}

bool JsonReader::next(JsonMember* member) {
  if (state_ == State::kBroken || state_ == State::kDone) return false;
  skip_space();
  if (take('}')) {
    skip_space();
    state_ = at_ == end_ ? State::kDone : State::kBroken;
    return false;
  }
  if (state_ == State::kMore) {
    if (!take(',')) return broken();
    skip_space();
  }
  if (!string(&member->name, &member->name_size)) return broken();
  skip_space();
  if (!take(':')) return broken();
  skip_space();
  const char* start = at_;
  if (!value(&member->type)) return broken();
  const bool quoted = member->type == JsonType::kString;
  member->value = quoted ? start + 1 : start;
  member->value_size = static_cast<size_t>(at_ - start) - (quoted ? 2 : 0);
  state_ = State::kMore;
  return true;
}

void JsonReader::skip_space() {
  while (at_ < end_ && is_json_space(*at_)) ++at_;
}

bool JsonReader::take(char wanted) {
  if (at_ >= end_ || *at_ != wanted) return false;
  ++at_;
  return true;
}

bool JsonReader::string(const char** start, size_t* size) {
  if (!take('"')) return false;
  *start = at_;
  while (at_ < end_) {
    const auto byte = static_cast<unsigned char>(*at_);
    if (byte == '"') {
      *size = static_cast<size_t>(at_ - *start);
      ++at_;
      return true;
    }
    if (byte < 0x20) return false;
    if (byte == '\\') {
      if (!escape()) return false;
    } else if (!utf8()) {
      return false;
    }
  }
  return false;
}

bool JsonReader::escape() {
  ++at_;
  if (at_ >= end_) return false;
  const char kind = *at_++;
  if (kind != 'u') return kind != '\0' && strchr("\"\\/bfnrt", kind) != nullptr;
  uint32_t unit = 0;
  if (!hex4(&unit) || is_low(unit)) return false;
  if (!is_high(unit)) return true;
  return take('\\') && take('u') && hex4(&unit) && is_low(unit);
}

bool JsonReader::hex4(uint32_t* unit) {
  if (end_ - at_ < 4) return false;
  for (int i = 0; i < 4; ++i) {
    if (hex_of(at_[i]) < 0) return false;
  }
  *unit = unit_of(at_);
  at_ += 4;
  return true;
}

/// One character, by the table of RFC 3629: nothing overlong, no surrogates, nothing beyond U+10FFFF.
bool JsonReader::utf8() {
  const auto first = static_cast<unsigned char>(*at_++);
  if (first < 0x80) return true;
  if (first < 0xC2 || first > 0xF4) return false;
  int more = 1;
  if (first >= 0xE0) more = 2;
  if (first >= 0xF0) more = 3;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  for (; more > 0; --more) {
    if (at_ >= end_) return false;
    const auto byte = static_cast<unsigned char>(*at_++);
    if (byte < low || byte > high) return false;
    low = 0x80;
    high = 0xBF;
  }
  return true;
}

bool JsonReader::digits() {
  const char* start = at_;
  while (at_ < end_ && is_digit(*at_)) ++at_;
  return at_ > start;
}

bool JsonReader::number() {
  take('-');
  const char* start = at_;
  if (!digits() || (*start == '0' && at_ - start > 1)) return false;
  if (take('.') && !digits()) return false;
  if (take('e') || take('E')) {
    if (!take('+')) take('-');
    return digits();
  }
  return true;
}

bool JsonReader::word(const char* wanted) {
  const size_t size = strlen(wanted);
  if (static_cast<size_t>(end_ - at_) < size || memcmp(at_, wanted, size) != 0) return false;
  at_ += size;
  return true;
}

bool JsonReader::scalar(JsonType* type) {
  if (at_ >= end_) return false;
  const char* start = nullptr;
  size_t size = 0;
  switch (*at_) {
    case '"': *type = JsonType::kString; return string(&start, &size);
    case 't': *type = JsonType::kBoolean; return word("true");
    case 'f': *type = JsonType::kBoolean; return word("false");
    case 'n': *type = JsonType::kNull; return word("null");
    default: *type = JsonType::kNumber; return number();
  }
}

bool JsonReader::value(JsonType* type) {
  if (at_ < end_ && (*at_ == '{' || *at_ == '[')) {
    *type = *at_ == '{' ? JsonType::kObject : JsonType::kArray;
    return inside();
  }
  return scalar(type);
}

/// Over an object or an array with all that is in it.
bool JsonReader::inside() {
  bool is_object[kDepth] = {};
  int depth = 0;
  bool may_close = false;  // right behind an opening bracket
  while (true) {
    skip_space();
    if (at_ >= end_) return false;
    if (depth > 0 && *at_ == (is_object[depth - 1] ? '}' : ']') && may_close) {
      ++at_;
      --depth;
    } else {
      if (depth > 0 && is_object[depth - 1]) {
        const char* start = nullptr;
        size_t size = 0;
        if (!string(&start, &size)) return false;
        skip_space();
        if (!take(':')) return false;
        skip_space();
        if (at_ >= end_) return false;
      }
      if (*at_ == '{' || *at_ == '[') {
        if (depth == kDepth) return false;
        is_object[depth++] = *at_++ == '{';
        may_close = true;
        continue;
      }
      JsonType type = JsonType::kNull;
      if (!scalar(&type)) return false;
    }
    // A value has ended: what follows is a comma, or the ends of what it is in.
    while (depth > 0) {
      skip_space();
      if (take(',')) break;
      if (!take(is_object[depth - 1] ? '}' : ']')) return false;
      --depth;
    }
    if (depth == 0) return true;
    may_close = false;
  }
}

size_t json_count(const char* array, size_t size) {
  size_t commas = 0;
  bool any = false;
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < size; ++i) {
    const char byte = array[i];
    if (quoted) {
      if (byte == '\\') ++i;
      quoted = byte != '"';
      continue;
    }
    if (is_json_space(byte)) continue;
    if (depth == 1 && byte != ']') any = true;
    quoted = byte == '"';
    if (byte == '[' || byte == '{') ++depth;
    if (byte == ']' || byte == '}') --depth;
    if (byte == ',' && depth == 1) ++commas;
  }
  return any ? commas + 1 : 0;
}

bool json_find(const char* text, size_t size, const char* name, JsonMember* member) {
  JsonReader reader(text, size);
  JsonMember found;
  bool has = false;
  while (reader.next(&found)) {
    if (found.is(name)) {
      *member = found;
      has = true;
    }
  }
  return has && reader.valid();
}

}  // namespace stresswire
