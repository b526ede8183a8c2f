#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "Arduino.h"
#include "WiFi.h"
#include "WiFiClientSecure.h"

namespace {

bool wait_for(int socket, short what, int timeout_ms) {
  pollfd one{socket, what, 0};
  return poll(&one, 1, timeout_ms) > 0;
}

bool has_network() { return shim::world("wifi", 1.0) > 0; }

}  // namespace

int WiFiClient::connect(const char* host, uint16_t port, int32_t timeout_ms) {
  stop();
  if (!has_network()) return 0;
  addrinfo wanted{};
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host, std::to_string(port).c_str(), &wanted, &found) != 0) return 0;
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const bool begun = ::connect(socket_, found->ai_addr, found->ai_addrlen) == 0 || errno == EINPROGRESS;
  freeaddrinfo(found);
  int error = 0;
  socklen_t size = sizeof error;
  if (begun && wait_for(socket_, POLLOUT, timeout_ms) && getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
      error == 0) {
    return 1;
  }
  WiFiClient::stop();
  return 0;
}

size_t WiFiClient::write(const uint8_t* bytes, size_t size) {
  if (socket_ < 0) return 0;
  if (!has_network()) return size;  // lwIP takes it, and nothing sends it
  size_t sent = 0;
  for (int attempt = 0; attempt < 10 && sent < size;) {
    const ssize_t count = send(socket_, bytes + sent, size - sent, MSG_NOSIGNAL);
    if (count > 0) {
      sent += static_cast<size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      attempt += wait_for(socket_, POLLOUT, 1'000) ? 0 : 1;
    } else {
      break;
    }
  }
  if (sent < size) WiFiClient::stop();
  return sent;
}

int WiFiClient::available() {
  int count = 0;
  return socket_ >= 0 && has_network() && ioctl(socket_, FIONREAD, &count) == 0 ? count : 0;
}

int WiFiClient::read() {
  uint8_t byte = 0;
  return WiFiClient::read(&byte, 1) == 1 ? byte : -1;
}

int WiFiClient::read(uint8_t* bytes, size_t size) {
  return socket_ < 0 ? -1 : static_cast<int>(recv(socket_, bytes, size, MSG_DONTWAIT));
}

void WiFiClient::stop() {
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
}

uint8_t WiFiClient::connected() {
  if (socket_ < 0) return 0;
  uint8_t byte = 0;
  const ssize_t count = recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count > 0 || (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))) return 1;
  WiFiClient::stop();
  return 0;
}

int WiFiClientSecure::connect(const char* host, uint16_t port, int32_t timeout_ms) {
  stop();
  if (ca_ == nullptr || ca_[0] == '\0' || WiFiClient::connect(host, port, timeout_ms) == 0) return 0;
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes with write()
  context_ = SSL_CTX_new(TLS_client_method());
  BIO* text = BIO_new_mem_buf(ca_, -1);
  X509* authority = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
  BIO_free(text);
  if (authority != nullptr) X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), authority);
  X509_free(authority);
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  ssl_ = SSL_new(context_);
  X509_VERIFY_PARAM* names = SSL_get0_param(ssl_);
  if (X509_VERIFY_PARAM_set1_ip_asc(names, host) == 0) X509_VERIFY_PARAM_set1_host(names, host, 0);
  SSL_set_fd(ssl_, socket_);
  for (const unsigned long begun = millis(); true;) {
    const int done = SSL_connect(ssl_);
    if (done == 1) return 1;
    const int why = SSL_get_error(ssl_, done);
    const short what = why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
    if ((why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) && wait_for(socket_, what, 100)) continue;
    if (why == SSL_ERROR_WANT_READ && millis() - begun < static_cast<unsigned long>(handshake_ms_) &&
        WiFiClient::connected())
      continue;
    Serial.printf("tls: %s\n", X509_verify_cert_error_string(SSL_get_verify_result(ssl_)));
    stop();
    return 0;
  }
}

size_t WiFiClientSecure::write(const uint8_t* bytes, size_t size) {
  if (ssl_ == nullptr) return 0;
  if (!has_network()) return size;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const int count = SSL_write(ssl_, bytes, static_cast<int>(size));
    if (count == static_cast<int>(size)) return size;
    if (SSL_get_error(ssl_, count) != SSL_ERROR_WANT_WRITE) break;
    wait_for(socket_, POLLOUT, 1'000);
  }
  stop();
  return 0;
}

int WiFiClientSecure::available() {
  if (ssl_ == nullptr || !has_network()) return 0;
  uint8_t byte = 0;
  SSL_peek(ssl_, &byte, 1);  // only what was decrypted is pending
  return SSL_pending(ssl_);
}

int WiFiClientSecure::read() {
  uint8_t byte = 0;
  return WiFiClientSecure::read(&byte, 1) == 1 ? byte : -1;
}

int WiFiClientSecure::read(uint8_t* bytes, size_t size) {
  return ssl_ == nullptr ? -1 : SSL_read(ssl_, bytes, static_cast<int>(size));
}

void WiFiClientSecure::stop() {
  if (ssl_ != nullptr) SSL_free(ssl_);
  if (context_ != nullptr) SSL_CTX_free(context_);
  ssl_ = nullptr;
  context_ = nullptr;
  ERR_clear_error();
  WiFiClient::stop();
}

uint8_t WiFiClientSecure::connected() {
  if (ssl_ == nullptr) return 0;
  uint8_t byte = 0;
  const int count = SSL_peek(ssl_, &byte, 1);
  if (count > 0 || SSL_get_error(ssl_, count) == SSL_ERROR_WANT_READ) return 1;
  stop();
  return 0;
}
