#ifndef SHIM_PREFERENCES_H
#define SHIM_PREFERENCES_H

#include <stddef.h>
#include <stdint.h>

#include <string>

/// The NVS: a file for each key, replaced at once or not at all. Names have at most 15 characters, as there.
class Preferences {
 public:
  bool begin(const char* space, bool read_only);
  void end();
  bool isKey(const char* key);
  bool remove(const char* key);
  size_t getString(const char* key, char* value, size_t capacity);
  size_t putString(const char* key, const char* value);
  float getFloat(const char* key, float otherwise);
  size_t putFloat(const char* key, float value);
  uint32_t getUInt(const char* key, uint32_t otherwise);
  size_t putUInt(const char* key, uint32_t value);

 private:
  std::string path(const char* key) const;
  size_t put(const char* key, const void* bytes, size_t size);
  bool get(const char* key, void* bytes, size_t size);

  std::string folder_;
  bool read_only_ = true;
};

#endif
