#ifndef SHIM_LITTLEFS_H
#define SHIM_LITTLEFS_H

#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

/// A file or a folder.
class File {
 public:
  File() = default;
  explicit operator bool() const { return state_ != nullptr; }
  size_t write(const uint8_t* bytes, size_t size);
  size_t read(uint8_t* bytes, size_t size);
  size_t size() const;
  void close() { state_.reset(); }
  const char* name() const;
  File openNextFile();

 private:
  friend class LittleFSFS;
  struct State;
  std::shared_ptr<State> state_;
};

/// The folder `flash/`. With `flash_full 1` in the world nothing can be written.
class LittleFSFS {
 public:
  bool begin(bool format_on_fail);
  File open(const char* path, const char* mode);
  bool exists(const char* path);
  bool remove(const char* path);
  bool rename(const char* from, const char* to);
  bool mkdir(const char* path);
};
extern LittleFSFS LittleFS;

#endif
