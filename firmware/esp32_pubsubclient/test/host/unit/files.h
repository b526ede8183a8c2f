#ifndef STRESSWIRE_TEST_FILES_H
#define STRESSWIRE_TEST_FILES_H

#include <string.h>

#include <map>
#include <vector>

#include "spill.h"

/// A flash in memory; `room` is what is left of it.
class MemoryFiles final : public stresswire::SegmentFiles {
 public:
  std::map<uint32_t, std::vector<uint8_t>> contents;
  size_t room = SIZE_MAX;
  bool readable = true;

  bool write(uint32_t number, const uint8_t* bytes, size_t size) override {
    const size_t fits = size < room ? size : room;  // as a disk that is full: what fits is there
    contents[number] = std::vector<uint8_t>(bytes, bytes + fits);
    if (fits < size) return false;
    if (room != SIZE_MAX) room -= size;
    return true;
  }
  bool read(uint32_t number, uint8_t* bytes, size_t capacity, size_t* size) override {
    if (!readable) return false;
    const auto found = contents.find(number);
    *size = found == contents.end() || found->second.size() > capacity ? 0 : found->second.size();
    if (*size > 0) memcpy(bytes, found->second.data(), *size);
    return true;
  }
  bool remove(uint32_t number) override { return contents.erase(number) > 0; }
  bool range(uint32_t* lowest, uint32_t* highest) override {
    if (contents.empty()) return false;
    *lowest = contents.begin()->first;
    *highest = contents.rbegin()->first;
    return true;
  }
};

#endif
