#ifndef STRESSWIRE_LINK_H
#define STRESSWIRE_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "settings.h"

/// What a link hands to the device, from within `step`: it may keep, and must not send.
class LinkListener {
 public:
  virtual void on_receipt(const char* text, size_t size) = 0;
  virtual void on_command(const char* text, size_t size) = 0;

 protected:
  ~LinkListener() = default;
};

/// A way to the pipeline. All of it belongs to the network task.
class Link {
 public:
  virtual void begin(const stresswire::Settings& settings, LinkListener* listener) = 0;
  /// Connect where there is no connection (after a backoff), and hear what came. True while samples can be sent.
  virtual bool step(uint64_t now_ms) = 0;
  /// Send a sample or a batch; false where the connection does not take it. True is no proof that it arrives.
  virtual bool send_samples(char* text, size_t size) = 0;
  /// Bytes that `send_samples` writes before the text, so that there is room.
  virtual size_t headroom() const { return 0; }
  /// The device's state, where the link can say it.
  virtual bool send_status(const char* text, size_t size) = 0;
  virtual bool send_result(const char* text, size_t size) = 0;
  /// The connection is dead, whatever it says of itself.
  virtual void drop() = 0;
  /// End it in order, before sleep or a restart.
  virtual void end() = 0;
  /// How long the network's task may be away in one call, at the worst: a name that is looked up in vain takes 15 s of it.
  virtual uint32_t watchdog_s() const { return 60; }
  /// Who the samples are from, where nothing else says it.
  virtual bool needs_device_id() const = 0;

 protected:
  ~Link() = default;
};

#endif
