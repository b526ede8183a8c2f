#include "settings.h"

#include <string.h>

#include "command.h"

namespace stresswire {

namespace {

constexpr char kBegin[] = "-----BEGIN CERTIFICATE-----";
constexpr char kEnd[] = "-----END CERTIFICATE-----";
constexpr char kNoCertificate[] =
    "ca is a certificate from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, up to 3071 bytes";
constexpr char kHelp[] =
    "set NAME VALUE (wifi_ssid, wifi_password, server, device_id, token, rate_hz), ca, show, save, restart\n";

bool is_alphanumeric(char one) {
  return (one >= 'A' && one <= 'Z') || (one >= 'a' && one <= 'z') || (one >= '0' && one <= '9');
}

bool is_name(const char* text) {
  for (const char* at = text; *at; ++at) {
    if (!is_alphanumeric(*at) && strchr("_:-", *at) == nullptr) return false;
  }
  return *text != '\0';
}

/// Whether it is of names, each with a slash before it.
bool is_path(const char* text, size_t size) {
  for (size_t at = 0; at < size; ++at) {
    const bool slash = text[at] == '/';
    if (at == 0 ? !slash : (slash ? text[at - 1] == '/' : !is_alphanumeric(text[at]) && !strchr("._~-", text[at])))
      return false;
  }
  return text[size - 1] != '/';
}

bool copy(char* out, size_t capacity, const char* text) {
  const size_t size = strlen(text);
  if (size >= capacity) return false;
  memcpy(out, text, size + 1);
  return true;
}

/// A positive decimal such as 0.5, or -1.
float parse_rate(const char* text) {
  float value = 0;
  float scale = 1;
  bool digit = false;
  bool fraction = false;
  for (const char* at = text; *at; ++at) {
    if (*at == '.' && !fraction) {
      fraction = true;
    } else if (*at >= '0' && *at <= '9' && value < 1e6f) {
      value = value * 10 + static_cast<float>(*at - '0');
      if (fraction) scale *= 10;
      digit = true;
    } else {
      return -1;
    }
  }
  return digit ? value / scale : -1;
}

bool starts(const char* text, const char* with) { return strncmp(text, with, strlen(with)) == 0; }

/// Whether somebody has given the certificate up, or its end was lost.
bool is_command(const char* line) {
  constexpr const char* kWords[] = {"ca", "show", "save", "restart", "help"};
  for (const char* word : kWords) {
    if (strcmp(line, word) == 0) return true;
  }
  return starts(line, "set ");
}

/// Appends as far as there is room.
void append(char* answer, const char* text) {
  const size_t size = strlen(answer);
  strncpy(answer + size, text, Console::kAnswer - size - 1);
  answer[Console::kAnswer - 1] = '\0';
}

/// A certificate from wherever its lines may have been lost or have got blanks: in lines of 64 again. False where it is
/// none, or too long.
bool copy_certificate(char* out, size_t capacity, const char* text) {
  const char* begin = strstr(text, kBegin);
  const char* end = begin == nullptr ? nullptr : strstr(begin, kEnd);
  if (end == nullptr) return false;
  constexpr size_t kLine = 64;
  size_t size = 0;
  size_t column = 0;
  const auto put = [out, capacity, &size](const char* piece, size_t length) {
    if (size + length < capacity) memcpy(out + size, piece, length);
    size += length;
  };
  put(kBegin, strlen(kBegin));
  for (const char* at = begin + strlen(kBegin); at < end; ++at) {
    if (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') continue;
    if (column % kLine == 0) put("\n", 1);
    put(at, 1);
    ++column;
  }
  put("\n", 1);
  put(kEnd, strlen(kEnd));
  put("\n", 1);
  if (size >= capacity || column == 0) return false;
  out[size] = '\0';
  return true;
}

}  // namespace

bool parse_server(const char* server, const Scheme& scheme, Endpoint* endpoint) {
  const char* rest = strstr(server, "://");
  if (rest == nullptr) return false;
  const auto size_of_scheme = static_cast<size_t>(rest - server);
  const auto is = [server, size_of_scheme](const char* name) {
    return strlen(name) == size_of_scheme && strncmp(server, name, size_of_scheme) == 0;
  };
  Endpoint found{};
  found.tls = is(scheme.secure);
  if (!found.tls && !is(scheme.plain)) return false;
  found.port = found.tls ? scheme.secure_port : scheme.plain_port;
  rest += 3;
  const size_t size = strcspn(rest, ":/@");
  if (size == 0 || size >= sizeof found.host) return false;
  memcpy(found.host, rest, size);
  rest += size;
  if (*rest == ':') {
    uint32_t port = 0;
    for (++rest; *rest >= '0' && *rest <= '9' && port < 65'536; ++rest)
      port = port * 10 + static_cast<uint32_t>(*rest - '0');
    if (port == 0 || port > 65'535) return false;
    found.port = static_cast<uint16_t>(port);
  }
  size_t path = strlen(rest);
  if (path > 0 && rest[path - 1] == '/') --path;
  if (path > 0 && !(scheme.paths && is_path(rest, path) && path < sizeof found.path)) return false;
  memcpy(found.path, rest, path);
  *endpoint = found;
  return true;
}

const char* set_setting(Settings* settings, const char* name, const char* value) {
  if (strcmp(name, "wifi_ssid") == 0) {
    return value[0] && copy(settings->wifi_ssid, sizeof settings->wifi_ssid, value) ? nullptr : "wifi_ssid has 1-32 bytes";
  }
  if (strcmp(name, "wifi_password") == 0) {
    return copy(settings->wifi_password, sizeof settings->wifi_password, value) ? nullptr
                                                                                : "wifi_password has up to 63 bytes";
  }
  if (strcmp(name, "server") == 0) {
    if (strchr(value, '@') != nullptr) return "server holds no login: set device_id and token";
    Endpoint endpoint;
    const bool known = parse_server(value, kMqtt, &endpoint) || parse_server(value, kHttp, &endpoint);
    return known && copy(settings->server, sizeof settings->server, value)
               ? nullptr
               : "server is mqtt[s]://host[:port] or http[s]://host[:port][/path]";
  }
  if (strcmp(name, "device_id") == 0) {
    const bool good = is_name(value) && copy(settings->device_id, sizeof settings->device_id, value);
    return good ? nullptr : "device_id has 1-64 letters, digits, _, : and -";
  }
  if (strcmp(name, "token") == 0) {
    return copy(settings->token, sizeof settings->token, value) ? nullptr : "token has up to 128 bytes";
  }
  if (strcmp(name, "ca") == 0) {
    char found[sizeof settings->ca];
    if (!copy_certificate(found, sizeof found, value)) return kNoCertificate;
    return copy(settings->ca, sizeof settings->ca, found) ? nullptr : kNoCertificate;
  }
  if (strcmp(name, "rate_hz") == 0) {
    const float rate_hz = parse_rate(value);
    if (!(rate_hz >= kMinRateHz && rate_hz <= kMaxRateHz)) return "rate_hz is 0.1-10";
    settings->rate_hz = rate_hz;
    return nullptr;
  }
  return "no such setting: wifi_ssid, wifi_password, server, device_id, token, rate_hz";
}

Console::Action Console::feed(char byte, char* answer) {
  answer[0] = '\0';
  if (byte == '\r') return Action::kNone;
  if (byte != '\n') {
    if (size_ + 1 < sizeof line_) {
      line_[size_++] = byte;
    } else {
      too_long_ = true;
    }
    return Action::kNone;
  }
  line_[size_] = '\0';
  const bool whole = !too_long_ && strlen(line_) == size_;
  size_ = 0;
  too_long_ = false;
  if (in_certificate_) {
    certificate_fits_ = certificate_fits_ && whole;
    certificate(answer);
    return Action::kNone;
  }
  if (!whole) {
    append(answer, "that line cannot be read: too long, or with a NUL\n");
    return Action::kNone;
  }
  return line(answer);
}

Console::Action Console::line(char* answer) {
  if (line_[0] == '\0') return Action::kNone;
  if (strcmp(line_, "show") == 0) {
    show(answer);
  } else if (strcmp(line_, "save") == 0) {
    append(answer, settings_->complete() ? "saved\n" : "saved; still missing: wifi_ssid, server or device_id\n");
    return Action::kSave;
  } else if (strcmp(line_, "restart") == 0) {
    append(answer, "restarting\n");
    return Action::kRestart;
  } else if (strcmp(line_, "ca") == 0) {
    in_certificate_ = true;
    certificate_fits_ = true;
    certificate_size_ = 0;
    append(answer, "paste the certificate\n");
  } else if (starts(line_, "set ")) {
    char* name = line_ + 4;
    char* space = strchr(name, ' ');
    if (space != nullptr) *space = '\0';
    const char* wrong = set_setting(settings_, name, space == nullptr ? "" : space + 1);
    append(answer, wrong == nullptr ? "ok" : wrong);
    append(answer, "\n");
  } else {
    append(answer, kHelp);
  }
  return Action::kNone;
}

void Console::certificate(char* answer) {
  const bool first = certificate_size_ == 0;
  const size_t size = strlen(line_);
  if (first ? strcmp(line_, kBegin) != 0 : is_command(line_)) {
    in_certificate_ = false;
    append(answer, "no certificate: from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----\n");
    return;
  }
  if (certificate_size_ + size + 2 > sizeof certificate_) {
    certificate_fits_ = false;
  } else {
    memcpy(certificate_ + certificate_size_, line_, size);
    certificate_size_ += size;
    certificate_[certificate_size_++] = '\n';
    certificate_[certificate_size_] = '\0';
  }
  if (strcmp(line_, kEnd) != 0) return;
  in_certificate_ = false;
  if (!certificate_fits_) {
    append(answer, "that certificate is too long: up to 3071 bytes\n");
    return;
  }
  memcpy(settings_->ca, certificate_, certificate_size_ + 1);
  append(answer, "ok\n");
}

void Console::show(char* answer) const {
  const struct {
    const char* name;
    const char* value;
  } shown[] = {
      {"wifi_ssid", settings_->wifi_ssid},
      {"wifi_password", settings_->wifi_password[0] ? "(set)" : ""},
      {"server", settings_->server},
      {"device_id", settings_->device_id},
      {"token", settings_->token[0] ? "(set)" : ""},
      {"ca", settings_->ca[0] ? "(set)" : ""},
  };
  for (const auto& one : shown) {
    append(answer, one.name);
    append(answer, " ");
    append(answer, one.value);
    append(answer, "\n");
  }
  Endpoint endpoint{};
  const bool known = parse_server(settings_->server, kMqtt, &endpoint) || parse_server(settings_->server, kHttp, &endpoint);
  if (settings_->token[0] && known && !endpoint.tls) {
    append(answer, "warning: the token goes over the network in clear; use mqtts:// or https:// with a ca\n");
  }
}

}  // namespace stresswire
