#include "json_writer.h"

namespace stresswire {

namespace {

constexpr double kLargest = 1e12;
constexpr int kMostDigits = 6;
constexpr char kHex[] = "0123456789abcdef";

}  // namespace

JsonWriter& JsonWriter::key(const char* name) {
  separate();
  put('"');
  put(name);
  put("\":");
  return *this;
}

JsonWriter& JsonWriter::text(const char* value) {
  separate();
  put('"');
  for (; *value; ++value) {
    const auto byte = static_cast<unsigned char>(*value);
    if (byte < 0x20) {
      put("\\u00");
      put(kHex[byte >> 4]);
      put(kHex[byte & 15]);
    } else {
      if (byte == '"' || byte == '\\') put('\\');
      put(*value);
    }
  }
  put('"');
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::integer(int64_t value) {
  separate();
  if (value < 0) put('-');
  digits(value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value), 1);
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::natural(uint64_t value) {
  separate();
  digits(value, 1);
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::decimal(double value, int decimals) {
  if (!(value > -kLargest && value < kLargest)) return null();
  if (decimals < 0) decimals = 0;
  if (decimals > kMostDigits) decimals = kMostDigits;
  uint64_t scale = 1;
  for (int i = 0; i < decimals; ++i) scale *= 10;
  const double positive = value < 0 ? -value : value;
  const auto scaled = static_cast<uint64_t>(positive * static_cast<double>(scale) + 0.5);
  uint64_t fraction = scaled % scale;
  while (decimals > 0 && fraction % 10 == 0) {
    fraction /= 10;
    --decimals;
  }
  separate();
  if (value < 0 && scaled != 0) put('-');
  digits(scaled / scale, 1);
  if (decimals > 0) {
    put('.');
    digits(fraction, decimals);
  }
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::null() {
  separate();
  put("null");
  comma_ = true;
  return *this;
}

size_t JsonWriter::finish() {
  if (!fits_ || size_ >= capacity_) {
    if (capacity_ > 0) buffer_[0] = '\0';
    fits_ = false;
    return 0;
  }
  buffer_[size_] = '\0';
  return size_;
}

void JsonWriter::rewind(const Mark& mark) {
  size_ = mark.size;
  comma_ = mark.comma;
  fits_ = mark.fits;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  put(bracket);
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  put(bracket);
  comma_ = true;
  return *this;
}

void JsonWriter::separate() {
  if (comma_) put(',');
  comma_ = false;
}

void JsonWriter::put(char byte) {
  if (size_ < capacity_) {
    buffer_[size_++] = byte;
  } else {
    fits_ = false;
  }
}

void JsonWriter::put(const char* text) {
  while (*text) put(*text++);
}

void JsonWriter::digits(uint64_t value, int at_least) {
  char reversed[20];
  int count = 0;
  do {
    reversed[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  for (int i = count; i < at_least; ++i) put('0');
  while (count > 0) put(reversed[--count]);
}

}  // namespace stresswire
