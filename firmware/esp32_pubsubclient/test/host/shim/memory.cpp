#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "Arduino.h"
#include "LittleFS.h"
#include "Preferences.h"

LittleFSFS LittleFS;

// The NVS.

namespace {

bool replace(const std::string& path, const void* bytes, size_t size) {
  const std::string half = path + ".half";
  const int file = open(half.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file < 0) return false;
  const bool whole = ::write(file, bytes, size) == static_cast<ssize_t>(size);
  close(file);
  return whole && rename(half.c_str(), path.c_str()) == 0;
}

}  // namespace

bool Preferences::begin(const char* space, bool read_only) {
  const std::string root = shim::folder() + "/nvs";
  folder_ = root + "/" + space;
  read_only_ = read_only;
  if (!read_only) {
    mkdir(root.c_str(), 0700);
    mkdir(folder_.c_str(), 0700);
  }
  struct stat found{};
  return stat(folder_.c_str(), &found) == 0;
}
void Preferences::end() { folder_.clear(); }
std::string Preferences::path(const char* key) const {
  if (strlen(key) > 15 || folder_.empty()) abort();
  return folder_ + "/" + key;
}
bool Preferences::isKey(const char* key) { return access(path(key).c_str(), F_OK) == 0; }
bool Preferences::remove(const char* key) { return !read_only_ && unlink(path(key).c_str()) == 0; }
size_t Preferences::put(const char* key, const void* bytes, size_t size) {
  return !read_only_ && replace(path(key), bytes, size) ? size : 0;
}
bool Preferences::get(const char* key, void* bytes, size_t size) {
  const int file = open(path(key).c_str(), O_RDONLY);
  if (file < 0) return false;
  const bool whole = ::read(file, bytes, size) == static_cast<ssize_t>(size);
  close(file);
  return whole;
}
size_t Preferences::getString(const char* key, char* value, size_t capacity) {
  std::ifstream file(path(key), std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  const std::string found = text.str();
  if (!file || found.size() >= capacity) return 0;
  memcpy(value, found.c_str(), found.size() + 1);
  return found.size() + 1;
}
size_t Preferences::putString(const char* key, const char* value) {
  if (strlen(value) >= 4'000) return 0;  // as the NVS
  return put(key, value, strlen(value));
}
float Preferences::getFloat(const char* key, float otherwise) {
  float value = 0;
  return get(key, &value, sizeof value) ? value : otherwise;
}
size_t Preferences::putFloat(const char* key, float value) { return put(key, &value, sizeof value); }
uint32_t Preferences::getUInt(const char* key, uint32_t otherwise) {
  uint32_t value = 0;
  return get(key, &value, sizeof value) ? value : otherwise;
}
size_t Preferences::putUInt(const char* key, uint32_t value) { return put(key, &value, sizeof value); }

// LittleFS.

struct File::State {
  std::string path;
  FILE* file = nullptr;
  std::vector<std::string> names;
  size_t next = 0;
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (file != nullptr) fclose(file);
  }
};

size_t File::write(const uint8_t* bytes, size_t size) {
  if (shim::world("flash_full", 0.0) > 0) size /= 2;  // what fits
  return state_ && state_->file != nullptr ? fwrite(bytes, 1, size, state_->file) : 0;
}
size_t File::read(uint8_t* bytes, size_t size) {
  return state_ && state_->file != nullptr ? fread(bytes, 1, size, state_->file) : 0;
}
size_t File::size() const {
  struct stat found{};
  return state_ && stat(state_->path.c_str(), &found) == 0 ? static_cast<size_t>(found.st_size) : 0;
}
const char* File::name() const {
  const auto slash = state_->path.rfind('/');
  return state_->path.c_str() + slash + 1;
}
File File::openNextFile() {
  File next;
  if (!state_ || state_->next == state_->names.size()) return next;
  next.state_ = std::make_shared<State>();
  next.state_->path = state_->path + "/" + state_->names[state_->next++];
  return next;
}

namespace {
std::string flash(const char* path) { return shim::folder() + "/flash" + path; }
}  // namespace

bool LittleFSFS::begin(bool) {
  ::mkdir(flash("").c_str(), 0700);
  return shim::world("no_flash", 0.0) <= 0;
}
File LittleFSFS::open(const char* path, const char* mode) {
  File file;
  auto state = std::make_shared<File::State>();
  state->path = flash(path);
  DIR* folder = opendir(state->path.c_str());
  if (folder != nullptr) {
    while (const dirent* entry = readdir(folder)) {
      if (entry->d_name[0] != '.') state->names.emplace_back(entry->d_name);
    }
    closedir(folder);
  } else {
    state->file = fopen(state->path.c_str(), mode);
    if (state->file == nullptr) return file;
  }
  file.state_ = state;
  return file;
}
bool LittleFSFS::exists(const char* path) { return access(flash(path).c_str(), F_OK) == 0; }
bool LittleFSFS::remove(const char* path) { return ::unlink(flash(path).c_str()) == 0; }
bool LittleFSFS::rename(const char* from, const char* to) { return ::rename(flash(from).c_str(), flash(to).c_str()) == 0; }
bool LittleFSFS::mkdir(const char* path) { return ::mkdir(flash(path).c_str(), 0700) == 0; }
