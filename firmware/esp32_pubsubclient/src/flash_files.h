#ifndef STRESSWIRE_FLASH_FILES_H
#define STRESSWIRE_FLASH_FILES_H

#include "spill.h"

/// Segments as files of LittleFS, `/queue/<number>`. A file is written beside its place and then renamed, which LittleFS
/// does at once or not at all: a supply that breaks down leaves the whole file or none.
class FlashFiles final : public stresswire::SegmentFiles {
 public:
  /// Mounts, and formats what cannot be mounted; false where there is no such partition.
  bool begin();
  bool write(uint32_t number, const uint8_t* bytes, size_t size) override;
  bool read(uint32_t number, uint8_t* bytes, size_t capacity, size_t* size) override;
  bool remove(uint32_t number) override;
  bool range(uint32_t* lowest, uint32_t* highest) override;

 private:
  bool mounted_ = false;
};

#endif
