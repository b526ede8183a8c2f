#include "flash_files.h"

#include <LittleFS.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace {

constexpr char kFolder[] = "/queue";
constexpr char kHalf[] = "/queue/half";
constexpr size_t kPath = 24;

void path_of(uint32_t number, char* out) { snprintf(out, kPath, "%s/%lu", kFolder, static_cast<unsigned long>(number)); }

}  // namespace

bool FlashFiles::begin() {
  mounted_ = LittleFS.begin(true) && (LittleFS.exists(kFolder) || LittleFS.mkdir(kFolder));
  if (mounted_ && LittleFS.exists(kHalf)) LittleFS.remove(kHalf);
  return mounted_;
}

bool FlashFiles::write(uint32_t number, const uint8_t* bytes, size_t size) {
  if (!mounted_) return false;
  File file = LittleFS.open(kHalf, "w");
  if (!file) return false;
  bool whole = file.write(bytes, size) == size;
  file.close();  // says nothing of what it could not write
  file = LittleFS.open(kHalf, "r");
  whole = whole && file && file.size() == size;
  file.close();
  char path[kPath];
  path_of(number, path);
  return whole && LittleFS.rename(kHalf, path);
}

bool FlashFiles::read(uint32_t number, uint8_t* bytes, size_t capacity, size_t* size) {
  char path[kPath];
  path_of(number, path);
  *size = 0;
  if (!mounted_ || !LittleFS.exists(path)) return true;
  File file = LittleFS.open(path, "r");
  if (!file) return false;  // there is no heap for it now
  const size_t wanted = file.size();
  const size_t found = wanted <= capacity ? file.read(bytes, wanted) : 0;
  file.close();
  *size = found;
  return wanted > capacity || found == wanted;
}

bool FlashFiles::remove(uint32_t number) {
  char path[kPath];
  path_of(number, path);
  return mounted_ && LittleFS.exists(path) && LittleFS.remove(path);
}

bool FlashFiles::range(uint32_t* lowest, uint32_t* highest) {
  if (!mounted_) return false;
  bool any = false;
  File folder = LittleFS.open(kFolder, "r");
  for (File file = folder.openNextFile(); file; file = folder.openNextFile()) {
    const char* slash = strrchr(file.name(), '/');
    char* end = nullptr;
    const char* name = slash == nullptr ? file.name() : slash + 1;
    const auto number = static_cast<uint32_t>(strtoul(name, &end, 10));
    if (end == name || *end != '\0') continue;
    if (!any || number < *lowest) *lowest = number;
    if (!any || number > *highest) *highest = number;
    any = true;
  }
  return any;
}
