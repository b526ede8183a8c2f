#include <doctest/doctest.h>
#include <math.h>

#include <memory>
#include <random>
#include <set>
#include <string>

#include "files.h"
#include "outbox.h"
#include "pipeline.h"

using namespace stresswire;

namespace {

constexpr Boot kBoot = {17, 0x00e1c7f92ab3a845};

/// A device of one boot: an outbox and what it stands on.
struct Device {
  explicit Device(MemoryFiles& files, const Boot& boot = kBoot, uint32_t segments = 100)
      : spill(files, segments), outbox(boot, spill, clock) {
    spill.open();
    outbox.link_up();
  }
  Spill spill;
  DeviceClock clock;
  Outbox outbox;
  uint64_t now = 10'000;
  uint32_t seq = 0;
  char buffer[6000];

  void sample(float hr = 75.0f) { outbox.add({now, seq++, hr, 36.25f, 0.45f}); }
  std::string compose(size_t capacity = sizeof buffer) {
    const size_t size = outbox.compose(now, buffer, capacity);
    return std::string(buffer, size);
  }
  /// An answer has come over this link.
  void prove() {
    Pipeline pipeline;
    sample();
    CHECK(answer(pipeline.take(compose())));
  }
  bool answer(const std::string& text) {
    Receipt receipt;
    return parse_receipt(text.data(), text.size(), &receipt) && outbox.answered(receipt, now);
  }
};

std::string boot_text(const Boot& boot) {
  char text[Boot::kText];
  boot.text(text);
  return text;
}

std::string success(uint32_t seq, const Boot& boot = kBoot) {
  return R"({"status":"success","boot":")" + boot_text(boot) + R"(","seq":)" + std::to_string(seq) + "}";
}

}  // namespace

TEST_CASE("a boot is written in hexadecimal") {
  CHECK(boot_text(kBoot) == "11-00e1c7f92ab3a845");
  CHECK(boot_text({0, 0}) == "0-0000000000000000");
  CHECK(boot_text({UINT32_MAX, UINT64_MAX}) == "ffffffff-ffffffffffffffff");
  CHECK(kBoot.is("11-00e1c7f92ab3a845"));
  CHECK_FALSE(kBoot.is("11-00e1c7f92ab3a84"));
}

TEST_CASE("a sample is the contract's, and what its sensor cannot say is null") {
  char buffer[200];
  JsonWriter json(buffer, sizeof buffer);
  write_sample(json, {1234, 5, 75.04f, NAN, 100.5f}, "11-a", 0, nullptr);
  json.finish();
  CHECK(std::string(buffer) == R"({"hr":75,"temp":null,"eda":null,"uptime_ms":1234,"boot":"11-a","seq":5})");
  JsonWriter timed(buffer, sizeof buffer);
  write_sample(timed, {1234, 5, NAN, 36.25f, 0.45f}, "11-a", 1733826600123, "ESP32_001");
  timed.finish();
  CHECK(std::string(buffer) ==
        R"({"hr":null,"temp":36.25,"eda":0.45,"timestamp":1733826600123,"boot":"11-a","seq":5,"device_id":"ESP32_001"})");
  CHECK_FALSE(Sample{0, 0, NAN, 9.9f, -0.1f}.has_value());
  CHECK(Sample{0, 0, 25.0f, NAN, NAN}.has_value());
}

TEST_CASE("what a sensor says without contact is null, and no uptime wraps") {
  // As DS18B20, MAX30102, MLX90614 and amplifiers say it, and beyond the contract's ranges.
  for (const float nothing : {NAN, INFINITY, -INFINITY, -1.0f, -127.0f, -999.0f, 65535.0f, -0.0003f, 1037.55f}) {
    CAPTURE(nothing);
    char buffer[200];
    JsonWriter json(buffer, sizeof buffer);
    write_sample(json, {UINT32_MAX + 1234ull, 5, nothing, nothing, nothing}, "11-a", 0, nullptr);
    json.finish();
    CHECK(std::string(buffer) == R"({"hr":null,"temp":null,"eda":null,"uptime_ms":4294968529,"boot":"11-a","seq":5})");
  }
  for (const float nothing : {0.0f, 85.0f}) CHECK_FALSE(Sample{0, 0, NAN, nothing, NAN}.has_value());
  CHECK_FALSE(Sample{0, 0, 0.0f, NAN, NAN}.has_value());
}

TEST_CASE("one sample is one message, and leaves with its answer only") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  CHECK(device->compose().empty());
  device->sample();
  const std::string message = device->compose();
  CHECK(message[0] == '{');
  CHECK(device->compose().empty());
  CHECK(device->outbox.waiting() == 1);
  CHECK(device->answer(success(0)));
  CHECK(device->outbox.waiting() == 0);
  CHECK(device->outbox.counts().acknowledged == 1);
}

TEST_CASE("answers to nothing under way change nothing") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->sample();
  device->compose();
  CHECK_FALSE(device->answer(success(0, {18, kBoot.random})));
  CHECK_FALSE(device->answer(success(1)));
  CHECK_FALSE(device->answer(R"({"status":"error","error":{"code":"timeout","message":"no answer in 10 s"}})"));
  CHECK_FALSE(device->answer(R"({"status":"maybe","boot":"11-00e1c7f92ab3a845","seq":0})"));
  CHECK_FALSE(device->answer(R"({"status":"success","boot":"11-00e1c7f92ab3a845","seq":0)"));
  CHECK(device->outbox.waiting() == 1);
  CHECK(device->answer(success(0)));
  CHECK_FALSE(device->answer(success(0)));
  CHECK(device->outbox.counts().ignored == 3);
  CHECK(device->outbox.counts().acknowledged == 1);
}

TEST_CASE("refused samples are released too, and counted") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->sample();
  device->compose();
  CHECK(device->answer(
      R"({"status":"error","error":{"code":"conflict","message":""},"boot":"11-00e1c7f92ab3a845","seq":0})"));
  for (int i = 0; i < 5; ++i) device->sample();
  CHECK(device->compose()[0] == '[');
  CHECK(device->answer(
      R"({"status":"partial","count":3,"errors":[{"index":1},{"index":2}],"boot":"11-00e1c7f92ab3a845","seq":5})"));
  CHECK(device->outbox.counts().acknowledged == 6);
  CHECK(device->outbox.counts().refused == 3);
}

TEST_CASE("warnings do no harm, and an error leaves only with the key of what it is about") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->sample();
  device->compose();
  const std::string warned =
      R"({"status":"success","record_id":1,"stress_prediction":{"label":"normal","confidence":0.7},)"
      R"("boot":"11-00e1c7f92ab3a845","seq":0,"server_time":"2026-01-01T12:00:00.000000Z",)"
      R"("message":"eda -1 was stored as null: send null where there is no contact","warnings":[{"index":0,"error":)"
      R"({"code":"no_contact","message":"eda -1 was stored as null","field":"eda"},"boot":"0-0000000000000000","seq":9}]})";
  CHECK(device->answer(warned));
  CHECK(device->outbox.waiting() == 0);
  CHECK(device->outbox.counts().refused == 0);
  device->sample();
  device->compose();
  for (const char* key : {"", R"(,"boot":null,"seq":null)", R"(,"boot":"11-00e1c7f92ab3a845")", R"(,"seq":1)",
                          R"(,"boot":"11-00e1c7f92ab3a845","seq":"1")", R"(,"boot":"11-00e1c7f92ab3a845","seq":2)"}) {
    CAPTURE(key);
    CHECK_FALSE(device->answer(R"({"status":"error","error":{"code":"not_json","message":""})" + std::string(key) + "}"));
  }
  CHECK(device->outbox.waiting() == 1);
  CHECK(device->answer(
      R"({"status":"error","error":{"code":"not_found","message":"there is no topic"},"message":"there is no topic",)"
      R"("boot":"11-00e1c7f92ab3a845","seq":1,"server_time":"2026-01-01T12:00:00.000000Z"})"));
  CHECK(device->outbox.waiting() == 0);
  CHECK(device->outbox.counts().refused == 1);
}

TEST_CASE("messages are answered in any order, and leave in theirs") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->prove();
  for (int i = 0; i < 3; ++i) {
    device->sample();
    CHECK_FALSE(device->compose().empty());
  }
  CHECK(device->answer(success(3)));
  CHECK(device->answer(success(2)));
  CHECK_FALSE(device->answer(success(3)));
  CHECK(device->outbox.waiting() == 3);
  CHECK(device->answer(success(1)));
  CHECK(device->outbox.waiting() == 0);
}

TEST_CASE("without an answer it is sent again, later and later") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->sample();
  const std::string first = device->compose();
  uint64_t waits[6];
  for (auto& wait : waits) {
    const uint64_t sent = device->now;
    std::string again;
    while (again.empty()) {
      device->now += 100;
      again = device->compose();
    }
    CHECK(Pipeline::key(again) == Pipeline::key(first));
    CHECK(Pipeline::values(again) == Pipeline::values(first));
    wait = device->now - sent;
  }
  CHECK(waits[0] == 5'000);
  CHECK(waits[1] == 10'000);
  CHECK(waits[3] == 40'000);
  CHECK(waits[5] == 60'000);
  CHECK(device->outbox.silent());
  CHECK(device->answer(success(0)));
  CHECK_FALSE(device->outbox.silent());
}

TEST_CASE("a late answer to a shorter message is none to a longer one that ends alike") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->prove();
  std::string last;
  for (int i = 0; i < 5; ++i) {
    device->sample();
    last = device->compose();
  }
  Pipeline pipeline;
  const std::string late = pipeline.take(last);
  device->outbox.link_down();
  device->outbox.link_up();
  const std::string batch = device->compose();
  REQUIRE(Pipeline::elements(batch).size() == 5);
  CHECK_FALSE(device->answer(late));
  CHECK_FALSE(
      device->answer(R"({"status":"partial","count":1,"errors":[{"index":0}],"boot":"11-00e1c7f92ab3a845","seq":5})"));
  CHECK(device->outbox.waiting() == 5);
  CHECK(device->answer(pipeline.take(batch)));
  CHECK(device->outbox.waiting() == 0);
}

TEST_CASE("a batch that ends the link becomes smaller") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->prove();
  for (int i = 0; i < 100; ++i) device->sample();
  for (const size_t size : {40, 20, 10, 5, 2, 1, 1}) {
    CHECK(Pipeline::elements(device->compose()).size() == size);
    device->outbox.link_down();
    device->outbox.link_up();
  }
}

TEST_CASE("with every memory full it still gets through, however long an answer takes") {
  MemoryFiles files;
  files.room = 0;
  auto device = std::make_unique<Device>(files);
  device->clock.from_sntp(1'767'268'800'000, device->now);
  device->outbox.link_down();
  for (int i = 0; i < 600; ++i) device->sample();
  device->outbox.link_up();
  Pipeline pipeline;
  std::vector<std::pair<uint64_t, std::string>> answers;
  for (int i = 0; i < 3'000 && device->outbox.waiting() > 8; ++i) {  // ten a second, and 300 ms to the server and back
    device->now += 100;
    device->sample();
    while (!answers.empty() && device->now >= answers[0].first) {
      device->answer(answers[0].second);
      answers.erase(answers.begin());
    }
    const std::string message = device->compose();
    if (!message.empty()) answers.emplace_back(device->now + 300, pipeline.take(message));
  }
  CHECK(device->outbox.waiting() <= 8);
}

TEST_CASE("a flash that cannot be read for a while loses nothing") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->clock.from_sntp(1'767'268'800'000, device->now);
  for (int i = 0; i < 500; ++i) device->sample();
  files.readable = false;
  Pipeline pipeline;
  for (int i = 0; i < 20; ++i) {
    const std::string message = device->compose();
    if (!message.empty()) device->answer(pipeline.take(message));
  }
  files.readable = true;
  for (std::string message = device->compose(); !message.empty(); message = device->compose())
    device->answer(pipeline.take(message));
  CHECK(pipeline.stored.size() == 500);
  CHECK(device->outbox.counts().dropped == 0);
  files.readable = false;  // and one that never can be holds nobody up for ever
  for (int i = 0; i < 500; ++i) device->sample();
  for (int i = 0; i < 1'000 && device->outbox.waiting() > 0; ++i) {
    const std::string message = device->compose();
    if (!message.empty()) device->answer(pipeline.take(message));
  }
  CHECK(device->outbox.waiting() == 0);
  CHECK(pipeline.stored.size() + device->outbox.counts().dropped == 1'000);
}

TEST_CASE("samples that lie months apart keep their times") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->sample();
  device->now += 50ull * 86'400'000;
  device->sample();
  CHECK(device->outbox.store());
  CHECK(device->spill.segments() == 2);
}

TEST_CASE("a lost link means that nothing is under way") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->sample();
  const std::string first = device->compose();
  device->outbox.link_down();
  CHECK(device->compose().empty());
  device->outbox.link_up();
  CHECK(device->compose() == first);
}

TEST_CASE("over a link that has brought no answer one message is under way") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->clock.from_sntp(1'767'268'800'000, device->now);
  const auto under_way = [&device] {
    int count = 0;
    for (int i = 0; i < 3; ++i) {
      device->sample();
      count += device->compose().empty() ? 0 : 1;
    }
    return count;
  };
  CHECK(under_way() == 1);
  CHECK(device->answer(success(0)));
  CHECK(under_way() == 3);
  device->now += Outbox::kTimeoutMs;
  CHECK(under_way() == 1);
  device->outbox.link_down();
  device->outbox.link_up();
  CHECK(under_way() == 1);
}

TEST_CASE("the window and the batch are bounded") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->prove();
  for (int i = 0; i < 230; ++i) device->sample();  // with those that follow less than is spilled
  std::vector<size_t> sizes;
  for (std::string message = device->compose(); !message.empty(); message = device->compose()) {
    CHECK(message.size() < sizeof device->buffer);
    sizes.push_back(Pipeline::elements(message).size());
  }
  CHECK(sizes.size() == 6);
  CHECK(sizes[0] == Outbox::kMaxBatch);
  CHECK(sizes[5] == 30);
  for (int i = 0; i < 20; ++i) {
    device->sample();
    device->compose();
  }
  CHECK(device->outbox.counts().sent == 1 + Outbox::kWindow);
}

TEST_CASE("a batch is never longer than its buffer") {
  for (size_t capacity = 120; capacity < 700; capacity += 7) {
    MemoryFiles files;
    auto device = std::make_unique<Device>(files);
    for (int i = 0; i < 9; ++i) device->sample();
    CAPTURE(capacity);
    const std::string message = device->compose(capacity);
    REQUIRE_FALSE(message.empty());
    CHECK(message.size() < capacity);
    CHECK(message.back() == (message[0] == '[' ? ']' : '}'));
    CHECK(Pipeline::key(Pipeline::elements(message)[0]).second == 0);
  }
}

TEST_CASE("a batch that gets no answer becomes smaller, down to one sample") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  for (int i = 0; i < 100; ++i) device->sample();
  std::set<size_t> sizes;
  for (int i = 0; i < 7; ++i) {
    const std::string message = device->compose();
    sizes.insert(Pipeline::elements(message).size());
    device->now += 60'000;
  }
  CHECK(sizes == std::set<size_t>{40, 20, 10, 5, 2, 1});
  CHECK(device->answer(success(0)));
}

TEST_CASE("what the RAM cannot hold waits in flash and leaves first") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->clock.from_sntp(1'767'268'800'000, device->now);
  device->outbox.link_down();
  for (int i = 0; i < 1'000; ++i) device->sample();
  CHECK(device->spill.segments() == 4);
  device->outbox.link_up();
  Pipeline pipeline;
  uint64_t wanted = 0;
  for (std::string message = device->compose(); !message.empty(); message = device->compose()) {
    for (const auto& element : Pipeline::elements(message)) CHECK(Pipeline::key(element).second == wanted++);
    CHECK(device->answer(pipeline.take(message)));
  }
  CHECK(wanted == 1'000);
  CHECK(files.contents.empty());
  CHECK(device->outbox.waiting() == 0);
  CHECK(device->outbox.counts().dropped == 0);
}

TEST_CASE("an answer to what has gone to flash meanwhile, or was dropped, releases nothing else") {
  for (const bool flash : {true, false}) {
    CAPTURE(flash);
    MemoryFiles files;
    files.room = flash ? SIZE_MAX : 0;
    auto device = std::make_unique<Device>(files);
    device->clock.from_sntp(1'767'268'800'000, device->now);
    Pipeline pipeline;
    for (int i = 0; i < 10; ++i) device->sample();
    const std::string answer = pipeline.take(device->compose());
    for (int i = 0; i < 550; ++i) device->sample();
    device->answer(answer);
    for (std::string message = device->compose(); !message.empty(); message = device->compose()) {
      CHECK(device->answer(pipeline.take(message)));
    }
    CHECK(device->outbox.waiting() == 0);
    const size_t kept = pipeline.stored.size();
    CHECK(kept + device->outbox.counts().dropped >= 560);
    CHECK(kept >= (flash ? 560 : Outbox::kRing));
  }
}

TEST_CASE("samples of an earlier boot keep their key and their time") {
  MemoryFiles files;
  Pipeline pipeline;
  {
    auto device = std::make_unique<Device>(files);
    device->clock.from_sntp(1'767'268'800'000, device->now);  // 2026-01-01T12:00Z
    for (int i = 0; i < 5; ++i) device->sample();
    CHECK(device->outbox.store());
    CHECK(device->outbox.waiting() >= 5);
  }
  const Boot next = {18, 1};
  auto device = std::make_unique<Device>(files, next);
  device->now = 500;
  device->sample();
  device->answer(pipeline.take(device->compose()));  // the newest tells the time
  const std::string message = device->compose();
  REQUIRE(Pipeline::elements(message).size() == 5);
  CHECK(Pipeline::key(Pipeline::elements(message)[0]).first == boot_text(kBoot));
  CHECK(Pipeline::field(Pipeline::elements(message)[0], "timestamp") == "1767268800000");
  CHECK_FALSE(device->answer(success(4, next)));  // another boot's key
  CHECK(device->answer(pipeline.take(message)));
  CHECK(Pipeline::key(device->compose()).first == boot_text(next));
}

TEST_CASE("full everywhere, the oldest are dropped and counted") {
  MemoryFiles files;
  files.room = 0;
  auto device = std::make_unique<Device>(files);
  for (int i = 0; i < 600; ++i) device->sample();
  const uint32_t dropped = device->outbox.counts().dropped;
  CHECK(dropped >= 600 - Outbox::kRing);
  CHECK(dropped < 600 - Outbox::kRing + 16);
  CHECK(device->outbox.waiting() == 600 - dropped);
  CHECK(Pipeline::key(Pipeline::elements(device->compose())[0]).second == dropped);
  files.room = SIZE_MAX;  // the flash is there again, and tried again
  for (int i = 0; i < 100; ++i) device->sample();
  CHECK(device->spill.segments() >= 1);
}

TEST_CASE("where samples have waited and nothing tells the time, the newest asks for it") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->outbox.link_down();
  for (int i = 0; i < 10; ++i) {
    device->sample();
    device->now += 1'000;
  }
  device->now -= 1'000;
  device->outbox.link_up();
  Pipeline pipeline;
  const std::string probe = device->compose();
  CHECK(Pipeline::key(probe).second == 9);
  CHECK(Pipeline::field(probe, "timestamp").empty());
  CHECK(device->compose().empty());
  device->answer(pipeline.take(probe));
  CHECK(device->clock.is_set());
  const auto rest = Pipeline::elements(device->compose());
  REQUIRE(rest.size() == 10);
  CHECK(Pipeline::field(rest[0], "timestamp") == "1767268791000");  // nine seconds before the server's time
}

TEST_CASE("over every link it is asked for again, twice at most") {
  MemoryFiles files;
  auto device = std::make_unique<Device>(files);
  device->outbox.link_down();
  for (int i = 0; i < 10; ++i, device->now += 1'000) device->sample();
  for (int link = 0; link < 5; ++link) {
    device->outbox.link_up();
    device->sample();
    CHECK(Pipeline::key(device->compose()).second == 10 + link);
    device->outbox.link_down();
  }
  device->outbox.link_up();
  for (int i = 0; i < 3; ++i, device->now += 60'000) {
    device->sample();
    const std::string message = device->compose();
    CHECK(message[0] == (i < 2 ? '{' : '['));  // then they go without their times
  }
}

TEST_CASE("whatever goes wrong, every sample is stored once or counted as dropped") {
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto chance = [&random](unsigned percent) { return random() % 100 < percent; };
    MemoryFiles files;
    const auto segments = static_cast<uint32_t>(2 + random() % 8);
    Pipeline pipeline;
    std::set<Pipeline::Key> added;
    uint32_t dropped = 0;
    uint32_t boots = 0;
    const unsigned loss = random() % 60;
    auto device = std::make_unique<Device>(files, Boot{boots, seed}, segments);
    std::vector<std::string> answers;
    for (int step = 0; step < 4'000; ++step) {
      device->now += 100 + random() % 400;
      if (chance(90)) {
        added.insert({boot_text({boots, seed}), device->seq});
        device->sample(60.0f + static_cast<float>(random() % 600) / 10);
      }
      if (chance(1)) device->outbox.link_down();
      if (chance(5)) device->outbox.link_up();
      if (chance(1)) files.room = chance(50) ? 0 : SIZE_MAX;
      for (int i = 0; i < 3; ++i) {
        const std::string message = device->compose(chance(5) ? 200 : sizeof device->buffer);
        if (message.empty() || chance(loss)) continue;  // lost on the way there
        const std::string answer = pipeline.take(message);
        if (chance(loss)) continue;  // or back
        answers.push_back(answer);
        if (chance(10)) answers.push_back(answer);
        if (chance(5)) answers.push_back(success(static_cast<uint32_t>(random() % 100), {99, 99}));
      }
      while (!answers.empty() && chance(80)) {
        const size_t at = random() % answers.size();
        device->answer(answers[at]);
        answers.erase(answers.begin() + static_cast<long>(at));
      }
      if (random() % 1'000 == 0) {  // an orderly restart
        files.room = SIZE_MAX;
        REQUIRE(device->outbox.store());
        dropped += device->outbox.counts().dropped;
        CHECK(device->spill.corrupt_segments() == 0);
        ++boots;
        device = std::make_unique<Device>(files, Boot{boots, seed}, segments);
        device->clock.from_sntp(1'767'268'800'000, device->now);
      }
    }
    device->outbox.link_up();
    for (int step = 0; step < 20'000 && device->outbox.waiting() > 0; ++step) {
      device->now += 1'000;
      const std::string message = device->compose();
      if (!message.empty()) device->answer(pipeline.take(message));
    }
    dropped += device->outbox.counts().dropped;
    CHECK(device->outbox.waiting() == 0);
    CHECK(pipeline.conflicts.empty());
    size_t missing = 0;
    for (const auto& key : added) missing += pipeline.stored.count(key) == 0 ? 1 : 0;
    CHECK(missing <= dropped);  // what was dropped may have been stored before its answer was lost
    CHECK(pipeline.stored.size() + missing == added.size());
  }
}
