#ifndef STRESSWIRE_JSON_READER_H
#define STRESSWIRE_JSON_READER_H

#include <stddef.h>
#include <stdint.h>

namespace stresswire {

enum class JsonType : uint8_t { kNull, kBoolean, kNumber, kString, kObject, kArray };

/// A member of an object, as it stands in the text: valid as long as the text is.
struct JsonMember {
  const char* name;
  size_t name_size;
  JsonType type;
  const char* value;
  size_t value_size;

  /// Whether that is its name; a name with escapes is none of the contract's.
  bool is(const char* wanted) const;
  /// The string without its escapes; false where it is none, does not fit, or holds a NUL.
  bool text(char* out, size_t capacity) const;
  /// A whole number from 0 to 2^64 - 1 without sign, fraction and exponent.
  bool natural(uint64_t* out) const;
  /// Any finite number.
  bool number(double* out) const;
};

/// Walks over the members of one JSON object (RFC 8259), whatever the bytes are: no NUL is needed at their end.
///
/// Values inside are checked and stepped over, at most `kDepth` deep; there is no recursion.
///
///     JsonReader reader(payload, size);
///     JsonMember member;
///     while (reader.next(&member)) { ... }
///     if (!reader.valid()) ...            // only now is all of it known to be well-formed
class JsonReader {
 public:
  static constexpr int kDepth = 16;

  JsonReader(const char* text, size_t size);

  bool next(JsonMember* member);
  /// Whether the whole text was one well-formed object.
  bool valid() const { return state_ == State::kDone; }

 private:
  enum class State : uint8_t { kFirst, kMore, kDone, kBroken };

  bool broken();
  void skip_space();
  bool take(char wanted);
  bool string(const char** start, size_t* size);
  bool escape();
  bool hex4(uint32_t* unit);
  bool utf8();
  bool number();
  bool digits();
  bool word(const char* wanted);
  bool scalar(JsonType* type);
  bool value(JsonType* type);
  bool inside();

  const char* at_;
  const char* end_;
  State state_ = State::kFirst;
};

/// What may stand between the tokens (RFC 8259, 2).
inline bool is_json_space(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

/// How many elements an array has, whose text was found well-formed.
size_t json_count(const char* array, size_t size);

/// The object's member of that name, the last where there are several; false where there is none or it is no object.
bool json_find(const char* text, size_t size, const char* name, JsonMember* member);

}  // namespace stresswire

#endif
