#ifndef STRESSWIRE_JSON_WRITER_H
#define STRESSWIRE_JSON_WRITER_H

#include <stddef.h>
#include <stdint.h>

namespace stresswire {

/// JSON into a buffer of the caller's: all of it, or nothing.
///
/// Numbers are written digit by digit, so no locale can put a comma into them, and what is not finite becomes null.
class JsonWriter {
 public:
  JsonWriter(char* buffer, size_t capacity) : buffer_(buffer), capacity_(capacity) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  /// A member's name: plain characters only, as all of the contract's are.
  JsonWriter& key(const char* name);
  /// UTF-8; quotes, backslashes and control characters are escaped.
  JsonWriter& text(const char* value);
  JsonWriter& integer(int64_t value);
  JsonWriter& natural(uint64_t value);
  /// Rounded to `digits` (0-6) decimals, without trailing zeros; null where it is not finite or beyond 1e12.
  JsonWriter& decimal(double value, int digits);
  JsonWriter& null();

  /// Bytes written, with a NUL behind them that does not count; 0 where they did not all fit.
  size_t finish();
  bool fits() const { return fits_; }
  size_t size() const { return size_; }

  /// A place to come back to.
  struct Mark {
    size_t size;
    bool comma;
    bool fits;
  };
  Mark mark() const { return {size_, comma_, fits_}; }
  /// Forget what was written since.
  void rewind(const Mark& mark);

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();
  void put(char byte);
  void put(const char* text);
  void digits(uint64_t value, int at_least);

  char* buffer_;
  size_t capacity_;
  size_t size_ = 0;
  bool comma_ = false;
  bool fits_ = true;
};

}  // namespace stresswire

#endif
