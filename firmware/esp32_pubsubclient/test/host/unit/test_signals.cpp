#include <doctest/doctest.h>
#include <initializer_list>
#include <math.h>

#include <algorithm>
#include <random>
#include <vector>

#include "beat.h"
#include "eda.h"

using namespace stresswire;

namespace {

constexpr EdaCircuit kDivider = {EdaCircuit::Kind::kDivider, 3300, 100'000, 0.9995f};
constexpr EdaCircuit kGrove = {EdaCircuit::Kind::kGrove, 3300, 0, 0.5f};

/// What the divider gives for a resistance.
float divided(float ohm) { return 3300 * ohm / (100'000 + ohm); }
/// What the Grove gives: its formula, solved for u.
float grove(float ohm) {
  const float q = ohm / 10'000;
  return 3300 * (0.5f * q - 1) / (q + 2);
}

float read(Eda& eda, float millivolts) {
  std::vector<float> values(16, millivolts);
  return eda.read(values.data(), values.size());
}

/// A finger: a level, a pulse with a dicrotic wave, noise, and a wandering baseline.
class Finger {
 public:
  Finger(double bpm, double noise, unsigned seed = 1) : bpm_(bpm), noise_(noise), random_(seed) {}

  double bpm_;
  double noise_;
  double variability_ = 0.03;
  double amplitude_ = 900;
  double level_ = 110'000;
  double wander_ = 2'000;

  uint32_t next() {
    phase_ += 0.01 / interval_;
    if (phase_ >= 1) {
      phase_ -= 1;
      interval_ = 60 / bpm_ * (1 + variability_ * normal_(random_));
    }
    t_ += 0.01;
    const double pulse = bump(phase_, 0.2, 0.08) + 0.35 * bump(phase_, 0.5, 0.1);
    const double wander = wander_ * sin(2 * M_PI * 0.2 * t_);
    return static_cast<uint32_t>(
        std::clamp(level_ + wander - amplitude_ * pulse + noise_ * normal_(random_), 0.0, 262'143.0));
  }

 private:
  static double bump(double phase, double at, double width) {
    return exp(-(phase - at) * (phase - at) / (2 * width * width));
  }
  std::mt19937 random_;
  std::normal_distribution<double> normal_;
  double phase_ = 0;
  double interval_ = 0.8;
  double t_ = 0;
};

float after(BeatDetector& detector, Finger& finger, int seconds) {
  for (int i = 0; i < seconds * 100; ++i) detector.add(finger.next());
  return detector.rate_bpm();
}

}  // namespace

TEST_CASE("resistance becomes conductance, by each circuit's formula") {
  for (const float ohm : {50'000.0f, 100'000.0f, 470'000.0f, 1'000'000.0f, 10'000'000.0f}) {
    CAPTURE(ohm);
    CHECK(conductance_us(kDivider, divided(ohm)) == doctest::Approx(1e6 / ohm).epsilon(1e-3));
    CHECK(conductance_us(kGrove, grove(ohm)) == doctest::Approx(1e6 / ohm).epsilon(1e-3));
  }
  CHECK(isnan(conductance_us(kDivider, 3300)));
  constexpr EdaCircuit saturated = {EdaCircuit::Kind::kDivider, 3300, 1'000'000, 0.92f};
  CHECK(isnan(conductance_us(saturated, 3100)));
  CHECK(conductance_us(saturated, 3000) == doctest::Approx(0.1).epsilon(1e-3));
  CHECK(isnan(conductance_us(kDivider, 0)));
  CHECK(isnan(conductance_us(kDivider, NAN)));
  CHECK(isnan(conductance_us(kGrove, 1650)));
  CHECK(isnan(conductance_us(kGrove, 1651)));
}

TEST_CASE("open electrodes are no reading, at once; contact takes some") {
  Eda eda(kDivider, {});
  CHECK(isnan(read(eda, divided(1e6f))));
  CHECK(isnan(read(eda, divided(1e6f))));
  CHECK(read(eda, divided(1e6f)) == doctest::Approx(1.0).epsilon(1e-3));
  CHECK(eda.contact());
  CHECK(read(eda, divided(40e6f)) == doctest::Approx(0.025).epsilon(1e-2));  // dry, and still there
  CHECK(isnan(read(eda, divided(80e6f))));
  CHECK_FALSE(eda.contact());
  CHECK(isnan(read(eda, divided(30e6f))));  // between the two limits nothing begins
  CHECK(isnan(read(eda, divided(30e6f))));
  CHECK(isnan(read(eda, divided(30e6f))));
  CHECK(isnan(read(eda, 0)));  // shorted
}

TEST_CASE("outliers of the converter do not reach the reading") {
  std::vector<float> values(64, divided(500'000));
  for (int i = 0; i < 12; ++i) values[static_cast<size_t>(i) * 5] = i % 2 ? 3299.0f : 1.0f;
  Eda eda(kDivider, {});
  CHECK(eda.raw_us(values.data(), values.size()) == doctest::Approx(2.0).epsilon(1e-3));
}

TEST_CASE("known resistors correct scale and offset") {
  EdaCalibrator calibrator;
  EdaCalibration found;
  CHECK_FALSE(calibrator.fit(&found));
  for (const float kohm : {100.0f, 220.0f, 470.0f, 1000.0f}) CHECK(calibrator.add(kohm, (1000 / kohm - 0.05f) / 1.1f));
  REQUIRE(calibrator.fit(&found));
  CHECK(found.scale == doctest::Approx(1.1).epsilon(1e-3));
  CHECK(found.offset_us == doctest::Approx(0.05).epsilon(1e-2));
  EdaCalibrator uneven;  // a converter that bends: what is small must not be bent for what is large
  for (const float kohm : {47.0f, 100.0f, 470.0f, 1000.0f})
    CHECK(uneven.add(kohm, 1000 / kohm * (kohm < 50 ? 0.85f : 1.0f)));
  REQUIRE(uneven.fit(&found));
  CHECK(found.scale + found.offset_us == doctest::Approx(1).epsilon(0.03));
  EdaCalibrator one;
  CHECK(one.add(100, 8));
  CHECK(one.add(100, 8));
  REQUIRE(one.fit(&found));
  CHECK(found.scale == doctest::Approx(1.25));
  CHECK(found.offset_us == 0);
  CHECK_FALSE(one.add(0, 1));
  CHECK_FALSE(one.add(100, NAN));
  EdaCalibrator wrong;  // 100 kOhm were said, 10 were there
  wrong.add(100, 100);
  found = {};
  CHECK_FALSE(wrong.fit(&found));
  CHECK(found.scale == 1.0f);
}

TEST_CASE("the Grove's constant is set with nothing between the electrodes") {
  Eda eda(kGrove, {});
  std::vector<float> values(16, 3300 * 0.48f);
  CHECK(eda.set_open(values.data(), values.size()));
  CHECK(eda.circuit().open_ratio == doctest::Approx(0.48));
  std::vector<float> far(16, 1000);
  CHECK_FALSE(eda.set_open(far.data(), far.size()));
  Eda divider(kDivider, {});
  CHECK_FALSE(divider.set_open(values.data(), values.size()));
}

TEST_CASE("the rate of a finger is found, with noise") {
  for (const double bpm : {42.0, 60.0, 75.0, 100.0, 140.0, 180.0}) {
    for (const double noise : {0.0, 60.0, 120.0}) {
      CAPTURE(bpm);
      CAPTURE(noise);
      Finger finger(bpm, noise);
      BeatDetector detector;
      CHECK(after(detector, finger, 20) == doctest::Approx(bpm).epsilon(noise < 100 ? 0.04 : 0.07));
    }
  }
}

TEST_CASE("the rate follows the finger") {
  Finger finger(60, 50);
  BeatDetector detector;
  after(detector, finger, 20);
  finger.bpm_ = 110;
  CHECK(after(detector, finger, 10) == doctest::Approx(110).epsilon(0.04));
}

TEST_CASE("no finger, no rate, at once") {
  Finger finger(75, 50);
  BeatDetector detector;
  CHECK(after(detector, finger, 15) > 70);
  finger.level_ = 3'000;
  finger.amplitude_ = 0;
  detector.add(finger.next());
  CHECK(isnan(detector.rate_bpm()));
  CHECK_FALSE(detector.finger());
  CHECK(isnan(after(detector, finger, 20)));
  finger.level_ = 262'143;  // a bright lamp
  CHECK(isnan(after(detector, finger, 20)));
}

TEST_CASE("a pulse that stops has no rate three seconds later, and one too weak to tell has none") {
  Finger finger(75, 0);
  BeatDetector detector;
  CHECK(after(detector, finger, 15) > 70);
  finger.amplitude_ = 0;
  for (uint32_t since = 0; since <= BeatDetector::kPatience;) since = detector.add(finger.next()) ? 0 : since + 1;
  CHECK(isnan(detector.rate_bpm()));
  Finger weak(75, 0);
  weak.wander_ = 0;
  weak.amplitude_ = 12;
  BeatDetector other;
  CHECK(isnan(after(other, weak, 30)));
}

TEST_CASE("something without a pulse has no rate") {
  for (unsigned seed = 0; seed < 10; ++seed) {
    for (const double noise : {0.0, 5.0, 200.0, 3'000.0}) {
      CAPTURE(noise);
      CAPTURE(seed);
      Finger thing(75, noise, seed);
      thing.amplitude_ = 0;
      BeatDetector detector;
      int rated = 0;
      for (int second = 0; second < 60; ++second) rated += isnan(after(detector, thing, 1)) ? 0 : 1;
      CHECK(rated <= 3);  // 5 % of the time
    }
  }
}

TEST_CASE("motion gives no wrong rate for long") {
  Finger finger(72, 50);
  BeatDetector detector;
  after(detector, finger, 15);
  std::mt19937 random(3);
  std::uniform_real_distribution<double> jump(-30'000, 30'000);
  int wrong = 0;
  for (int second = 0; second < 30; ++second) {
    for (int i = 0; i < 100; ++i) {
      if (random() % 40 == 0) finger.level_ = 110'000 + jump(random);
      detector.add(finger.next());
    }
    const float bpm = detector.rate_bpm();
    wrong += !isnan(bpm) && fabsf(bpm - 72) > 10 ? 1 : 0;
  }
  CHECK(wrong <= 3);
  finger.level_ = 110'000;
  CHECK(after(detector, finger, 15) == doctest::Approx(72).epsilon(0.04));
}

TEST_CASE("intervals that cannot be are refused") {
  BeatIntervals intervals;
  CHECK(isnan(intervals.rate_bpm()));
  for (const float ms : {800.0f, 820.0f, 250.0f, 2100.0f, 790.0f, 1600.0f, 810.0f, 805.0f}) intervals.add(ms);
  CHECK(intervals.rate_bpm() == doctest::Approx(60'000 / 805.0).epsilon(0.001));
  for (const float ms : {400.0f, 1100.0f, 500.0f, 1900.0f}) intervals.add(ms);
  CHECK(isnan(intervals.rate_bpm()));
  intervals.clear();
  for (int i = 0; i < 3; ++i) intervals.add(800);
  CHECK(isnan(intervals.rate_bpm()));
}

TEST_CASE("a day of samples wears nothing out") {
  Finger finger(75, 20);
  BeatDetector detector;
  CHECK(after(detector, finger, 3 * 3600) == doctest::Approx(75).epsilon(0.05));
}
