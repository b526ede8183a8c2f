#include <doctest/doctest.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include <random>
#include <string>

#include "json_reader.h"
#include "json_writer.h"

using namespace stresswire;

namespace {

std::string decimal(double value, int digits) {
  char buffer[64];
  JsonWriter json(buffer, sizeof buffer);
  json.decimal(value, digits);
  return std::string(buffer, json.finish());
}

bool well_formed(const std::string& text) {
  // Without a NUL behind it, so that the sanitizer sees every byte too far.
  const std::string copy(text);
  char* bytes = new char[copy.size()];
  copy.copy(bytes, copy.size());
  JsonReader reader(bytes, copy.size());
  JsonMember member;
  while (reader.next(&member)) {
    char out[32];
    double number = 0;
    uint64_t natural = 0;
    (void)member.text(out, sizeof out);
    (void)member.number(&number);
    (void)member.natural(&natural);
  }
  const bool valid = reader.valid();
  delete[] bytes;
  return valid;
}

}  // namespace

TEST_CASE("decimals are rounded, plain and without trailing zeros") {
  CHECK(decimal(75.5, 1) == "75.5");
  CHECK(decimal(36.0, 2) == "36");
  CHECK(decimal(0.05, 4) == "0.05");
  CHECK(decimal(0.00004, 4) == "0");
  CHECK(decimal(-0.00004, 4) == "0");
  CHECK(decimal(-1.25, 1) == "-1.3");
  CHECK(decimal(9.9999, 2) == "10");
  CHECK(decimal(999999999999.0, 0) == "999999999999");
}

TEST_CASE("what is no number is null") {
  CHECK(decimal(NAN, 2) == "null");
  CHECK(decimal(INFINITY, 2) == "null");
  CHECK(decimal(-INFINITY, 2) == "null");
  CHECK(decimal(1e12, 2) == "null");
}

TEST_CASE("no locale puts a comma into a number") {
  // The first that there is; without any of them the writer is still one that calls no printf.
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"}) {
    if (setlocale(LC_ALL, name)) break;
  }
  CHECK(decimal(1234.5, 2) == "1234.5");
  setlocale(LC_ALL, "C");
}

TEST_CASE("text that does not fit is not written at all") {
  for (size_t capacity = 1; capacity < 40; ++capacity) {
    char buffer[64];
    memset(buffer, 'x', sizeof buffer);
    JsonWriter json(buffer, capacity);
    json.begin_object().key("a").text("b\"c\\d\n").key("n").integer(-12).key("z").null().end_object();
    const std::string whole = "{\"a\":\"b\\\"c\\\\d\\u000a\",\"n\":-12,\"z\":null}";
    const size_t size = json.finish();
    if (capacity > whole.size()) {
      CHECK(std::string(buffer) == whole);
      CHECK(size == whole.size());
    } else {
      CHECK(size == 0);
      CHECK(buffer[0] == '\0');
    }
    CHECK(buffer[capacity] == 'x');
  }
}

TEST_CASE("integers to the ends of their types") {
  char buffer[64];
  JsonWriter json(buffer, sizeof buffer);
  json.begin_array().integer(INT64_MIN).natural(UINT64_MAX).end_array().finish();
  CHECK(std::string(buffer) == "[-9223372036854775808,18446744073709551615]");
}

TEST_CASE("members are found with their types") {
  const std::string text =
      R"( {"s":"a\u00e9\ud83d\ude00\n","n":-1.5e2,"u":18446744073709551615,"t":true,"z":null,"o":{"a":[1,{"b":[]}]},"e":{}} )";
  JsonMember member;
  char out[32];
  REQUIRE(json_find(text.data(), text.size(), "s", &member));
  CHECK(member.text(out, sizeof out));
  CHECK(std::string(out) == "a\u00e9\U0001F600\n");
  CHECK_FALSE(member.text(out, 4));
  REQUIRE(json_find(text.data(), text.size(), "n", &member));
  double number = 0;
  CHECK(member.number(&number));
  CHECK(number == -150.0);
  uint64_t natural = 0;
  CHECK_FALSE(member.natural(&natural));
  REQUIRE(json_find(text.data(), text.size(), "u", &member));
  CHECK(member.natural(&natural));
  CHECK(natural == UINT64_MAX);
  REQUIRE(json_find(text.data(), text.size(), "o", &member));
  CHECK(member.type == JsonType::kObject);
  CHECK(std::string(member.value, member.value_size) == R"({"a":[1,{"b":[]}]})");
  CHECK_FALSE(json_find(text.data(), text.size(), "a", &member));
}

TEST_CASE("numbers at the edges") {
  const struct {
    const char* text;
    bool good;
    double value;
  } table[] = {{"0", true, 0},           {"-0", true, 0},
               {"1e400", false, 0},      {"1e-400", true, 0},
               {"0e999999999", true, 0}, {"123456789012345678901234567890", true, 1.2345678901234568e29},
               {"0.1", true, 0.1},       {"1E+2", true, 100}};
  for (const auto& row : table) {
    CAPTURE(row.text);
    const std::string text = std::string("{\"n\":") + row.text + "}";
    JsonMember member;
    REQUIRE(json_find(text.data(), text.size(), "n", &member));
    double number = -1;
    CHECK(member.number(&number) == row.good);
    if (row.good) CHECK(number == doctest::Approx(row.value));
  }
}

TEST_CASE("what is no JSON object is refused") {
  const char* table[] = {"",
                         " ",
                         "{",
                         "}",
                         "[]",
                         "1",
                         "\"a\"",
                         "{,}",
                         "{\"a\"}",
                         "{\"a\":}",
                         "{\"a\":1,}",
                         "{\"a\":1}x",
                         "{\"a\":01}",
                         "{\"a\":1.}",
                         "{\"a\":.5}",
                         "{\"a\":+1}",
                         "{\"a\":1e}",
                         "{\"a\":NaN}",
                         "{\"a\":tru}",
                         "{'a':1}",
                         "{\"a\":\"\\x\"}",
                         "{\"a\":\"\\u12g4\"}",
                         "{\"a\":\"\\ud800\"}",
                         "{\"a\":\"\\udc00\"}",
                         "{\"a\":\"\\ud800\\u0041\"}",
                         "{\"a\":\"\t\"}",
                         "{\"a\":[1,]}",
                         "{\"a\":[1 2]}",
                         "{\"a\":{\"b\"}}",
                         "{\"a\":{\"b\":}}",
                         "{\"a\":[}",
                         "{\"a\":\"\xff\"}",
                         "{\"a\":\"\xc0\xaf\"}",
                         "{\"a\":\"\xe0\x80\x80\"}",
                         "{\"a\":\"\xf0\x80\x80\x80\"}",
                         "{\"a\":\"\xed\xa0\x80\"}",
                         "{\"a\":\"\xf4\x90\x80\x80\"}",
                         "{\"a\":\"\xe2\x82\"}",
                         "{\"a\":1 \"b\":2}",
                         "{\"a\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}"};
  for (const char* text : table) {
    CAPTURE(text);
    CHECK_FALSE(well_formed(text));
  }
  CHECK(well_formed("{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"));  // as deep as is allowed
  CHECK(well_formed("{}"));
}

TEST_CASE("a string with a NUL is not a text") {
  const std::string text = R"({"a":"x\u0000y"})";
  JsonMember member;
  REQUIRE(json_find(text.data(), text.size(), "a", &member));
  char out[16];
  CHECK_FALSE(member.text(out, sizeof out));
}

TEST_CASE("any bytes are survived") {
  std::mt19937 random(1);
  const std::string good = R"({"command_id":"5d1e","command":"calibrate","value":[1.5e3,{"a":"\u00e9\\"}],"x":null})";
  for (int run = 0; run < 200'000; ++run) {
    std::string text = good;
    for (int edits = static_cast<int>(random() % 4) + 1; edits > 0; --edits) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = static_cast<char>(random()); break;
        case 1: text.erase(at, random() % 8); break;
        default: text.insert(at, 1, "{}[]\",:\\u0e-"[random() % 12]); break;
      }
      if (text.empty()) text = "x";
    }
    well_formed(text);
  }
}
