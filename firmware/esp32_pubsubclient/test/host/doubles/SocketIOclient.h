#ifndef DOUBLE_SOCKETIOCLIENT_H
#define DOUBLE_SOCKETIOCLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <functional>
#include <memory>
#include <string>

#include "WiFiClientSecure.h"

enum socketIOmessageType_t {
  sIOtype_CONNECT = '0',
  sIOtype_DISCONNECT = '1',
  sIOtype_EVENT = '2',
  sIOtype_ACK = '3',
  sIOtype_ERROR = '4',
  sIOtype_BINARY_EVENT = '5',
  sIOtype_BINARY_ACK = '6',
};

enum WStype_t { WStype_ERROR, WStype_DISCONNECTED, WStype_CONNECTED, WStype_TEXT };

/// What the class below inherits and hides.
class WebSocketsClient {
 public:
  void disconnect();
  void enableHeartbeat(uint32_t ping_ms, uint32_t pong_ms, uint8_t missed);
  void setReconnectInterval(unsigned long ms) { reconnect_ms_ = ms; }

 protected:
  virtual ~WebSocketsClient() = default;
  virtual void runCbEvent(WStype_t type, uint8_t* payload, size_t length) = 0;
  void beginSocketIO(const char* host, uint16_t port, const char* url, const char* protocol);
  void beginSocketIOSSLWithCA(const char* host, uint16_t port, const char* url, const char* ca, const char* protocol);
  void run();
  bool send_frame(uint8_t kind, const char* bytes, size_t size);
  bool open() const { return open_; }

 private:
  void tell(WStype_t type, std::string text);
  bool connect();
  void lose();
  std::string get(const std::string& path, const std::string& headers);
  void read_frames();

  std::unique_ptr<WiFiClient> client_;
  std::string host_;
  std::string url_;
  const char* ca_ = nullptr;
  uint16_t port_ = 0;
  bool open_ = false;
  std::string buffer_;
  unsigned long reconnect_ms_ = 500;
  unsigned long last_fail_ = 0;
  bool failed_ = false;
  uint32_t ping_ms_ = 0;
  uint32_t pong_ms_ = 0;
  uint8_t missed_limit_ = 0;
  uint8_t missed_ = 0;
  unsigned long last_ping_ = 0;
  bool pinged_ = false;
};

/// Behaves as SocketIOclient of arduinoWebSockets 2.7.3 on an ESP32: a polling GET for the session, the upgrade on the same
/// connection, then `2probe` and `5` without waiting; `sIOtype_CONNECT` with the URL when the WebSocket is open, and
/// nothing when the namespace is joined; `sIOtype_DISCONNECT` for every attempt that failed, and from within disconnect();
/// `sendEVENT(payload)` with the event's name in the payload; connected while the WebSocket is, joined or not. There is no
/// beginSSLWithCA: that is for another chip.
class SocketIOclient : protected WebSocketsClient {
 public:
  using Callback = std::function<void(socketIOmessageType_t type, uint8_t* payload, size_t size)>;

  void begin(const char* host, uint16_t port, const char* url = "/socket.io/?EIO=3", const char* protocol = "arduino");
  void onEvent(Callback callback) { callback_ = std::move(callback); }
  bool isConnected() const { return open(); }
  bool send(socketIOmessageType_t type, const char* payload, size_t size = 0);
  bool sendEVENT(const char* payload, size_t size = 0) { return send(sIOtype_EVENT, payload, size); }
  void loop() { run(); }

 protected:
  void initClient() {}  // there: no ping of its own where the URL says EIO=4
  void runCbEvent(WStype_t type, uint8_t* payload, size_t length) override;

 private:
  void tell(socketIOmessageType_t type, uint8_t* payload, size_t length);

  Callback callback_;
};

#endif
