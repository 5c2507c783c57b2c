// Figures of the matcher: the rule sets on events of city lots, and the cost against the number of rules.
//
//     slipway-bench-events [RUNS]        5 unless told; figures are medians, times are CPU time of this process
//
// One thread, validation on, the events lie in memory, the list of matching rules is asked for each of them.  It fails
// when a rule set does not match exactly the number of events that it must.
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "events/matcher.h"
#include "lots.h"
#include "sets.h"

namespace {

using slipway::events::Matcher;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The seconds that `work` takes, the median of so many runs.
double measured(int runs, const std::function<void()>& work) {
  std::vector<double> out;
  for (int i = 0; i < runs; ++i) {
    const double before = cpu_seconds();
    work();
    out.push_back(cpu_seconds() - before);
  }
  return median(out);
}

// How fast the processor is just now: additions that wait for each other, in thousand millions a second of CPU time. On
// a machine that others use as well this says what figures of different runs are worth beside each other.
double additions() {
  constexpr int kAdditions = 200'000'000;
  const double before = cpu_seconds();
  std::uint64_t sum = 0;
  for (int i = 0; i < kAdditions; ++i) {
    ++sum;
    asm volatile("" : "+r"(sum));  // Each one has to be done.
  }
  return kAdditions / (cpu_seconds() - before) * 1e-9;
}

slipway::events::Pattern compiled(const std::string& text) {
  auto pattern = slipway::events::compile(text);
  if (pattern) return *std::move(pattern);
  fmt::print(stderr, "{}: {}\n", text, pattern.error().message);
  std::exit(1);
}

std::string ratio(double own, double rival) {
  return rival == 0 ? "-" : fmt::format("{:.1f}x", own / rival);
}

// True when each rule of the set matches as many lots as it must.
bool bench_set(const slipway::bench::RuleSet& set, const std::vector<std::string>& lots, int runs) {
  Matcher matcher;
  for (const auto& pattern : set.patterns) matcher.add(compiled(pattern));
  std::vector<long> counts;
  const double seconds = measured(runs, [&] {
    counts.assign(set.patterns.size(), 0);
    for (const auto& lot : lots) {
      for (const auto rule : *matcher.match(lot)) ++counts[rule];
    }
  });
  const double speed = static_cast<double>(lots.size()) / seconds;
  fmt::print("{:<34} {:>5} {:>12.0f} {:>8.0f} {:>12} {:>12}  {}\n", set.name, set.patterns.size(), speed,
             seconds / static_cast<double>(lots.size()) * 1e9, ratio(speed, set.event_ruler), ratio(speed, set.quamina),
             counts == set.counts ? "exact" : "WRONG");
  std::fflush(stdout);
  return counts == set.counts;
}

bool bench_sets(int runs) {
  const auto lots = slipway::bench::make_lots();
  std::size_t bytes = 0;
  for (const auto& lot : lots) bytes += lot.size();
  fmt::print(
      "{} synthetic citylots2-shaped events, {:.0f} bytes each.  Rivals: recorded figures, another machine "
      "(bench/sets.h).\n\n",
      lots.size(), static_cast<double>(bytes) / static_cast<double>(lots.size()));
  fmt::print("{:<34} {:>5} {:>12} {:>8} {:>12} {:>12}  {}\n", "rule set", "rules", "events/s", "ns", "event-ruler",
             "quamina", "counts");
  bool right = true;
  for (const auto& set : slipway::bench::rule_sets()) right = bench_set(set, lots, runs) && right;
  return right;
}

// A kind of rules of which there may be many: the n-th of them, and events that match one or none of so many.
struct Shape {
  const char* name;
  std::function<std::string(std::size_t)> pattern;
  std::function<std::string(std::size_t)> event;  // One that the rule of this number matches.
};

std::string random_text(std::size_t seed) {
  std::string out;
  std::uint64_t state = seed * 0x9E3779B97F4A7C15 + 1;
  for (int i = 0; i < 20; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    out += static_cast<char>('a' + (state >> 40) % 26);
  }
  return out;
}

std::vector<Shape> shapes() {
  using fmt::format;
  return {
      {"two shared fields, one of its own",
       [](std::size_t i) { return format(R"({{"account":["1"],"detail-type":["t"],"detail":{{"id":["{}"]}}}})", i); },
       [](std::size_t i) { return format(R"({{"account":"1","detail-type":"t","detail":{{"id":"{}"}}}})", i); }},
      {"anything-but, and a field of its own",
       [](std::size_t i) { return format(R"({{"a":[{{"anything-but":"v{}"}}],"b":["k{}"]}})", i, i); },
       [](std::size_t i) { return format(R"({{"a":"v0x","b":"k{}"}})", i); }},
      {"a key of its own absent, and a value",
       [](std::size_t i) { return format(R"({{"k{}":[{{"exists":false}}],"z":["v{}"]}})", i, i); },
       [](std::size_t i) { return format(R"({{"y":1,"z":"v{}"}})", i); }},
      {"prefixes of one field", [](std::size_t i) { return format(R"({{"a":[{{"prefix":"p{}-"}}]}})", i); },
       [](std::size_t i) { return format(R"({{"a":"p{}-and what follows"}})", i); }},
      {"wildcards of one field", [](std::size_t i) { return format(R"({{"a":[{{"wildcard":"*w{}x*"}}]}})", i); },
       [](std::size_t i) { return format(R"({{"a":"some value of forty-three characters w{:06}x w{}x"}})", i, i); }},
      {"numeric ranges of one field",
       [](std::size_t i) { return format(R"({{"a":[{{"numeric":[">",{},"<",{}]}}]}})", i, i + 2); },
       [](std::size_t i) { return format(R"({{"a":{}}})", i + 1); }},
      {"two exact fields (20 random letters)",
       [](std::size_t i) {
         return format(R"({{"first":["{}"],"second":["{}"]}})", random_text(2 * i), random_text(2 * i + 1));
       },
       [](std::size_t i) {
         return format(R"({{"first":"{}","second":"{}"}})", random_text(2 * i), random_text(2 * i + 1));
       }},
  };
}

std::size_t allocated() {
  return mallinfo2().uordblks;
}

struct Cost {
  double event, add, remove, bytes;  // Microseconds, bytes of a rule.
};

Cost bench_shape(const Shape& shape, std::size_t rules, int runs) {
  std::vector<slipway::events::Pattern> patterns;
  for (std::size_t i = 0; i < rules; ++i) patterns.push_back(compiled(shape.pattern(i)));
  constexpr std::size_t kEvents = 2'000;
  std::vector<std::string> events;
  for (std::size_t i = 0; i < kEvents; ++i) events.push_back(shape.event(i * 7919 % rules));
  std::vector<double> event_times;
  std::vector<double> add_times;
  std::vector<double> remove_times;
  double bytes = 0;
  for (int run = 0; run < runs; ++run) {
    Matcher matcher;
    std::vector<Matcher::Rule> added;
    added.reserve(rules);
    const auto before = allocated();
    add_times.push_back(measured(1, [&] {
      for (const auto& pattern : patterns) added.push_back(matcher.add(pattern));
    }));
    bytes = static_cast<double>(allocated() - before) / static_cast<double>(rules);
    const auto match_all = [&] {
      std::size_t found = 0;
      for (const auto& event : events) found += matcher.match(event)->size();
      if (found < kEvents) std::exit(1);
    };
    match_all();  // Warm.
    event_times.push_back(measured(3, match_all));
    remove_times.push_back(measured(1, [&] {
      for (const auto rule : added) matcher.remove(rule);
    }));
  }
  const auto each = [&](const std::vector<double>& times) { return median(times) / static_cast<double>(rules) * 1e6; };
  return {median(event_times) / kEvents * 1e6, each(add_times), each(remove_times), bytes};
}

void bench_shapes(int runs) {
  fmt::print(
      "\nMicroseconds for an event against the number of rules; to add and remove one, and its bytes, with "
      "100,000.\n\n");
  fmt::print("{:<38} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n", "rules", "10", "100", "1,000", "10,000",
             "100,000", "add", "remove", "bytes");
  for (const auto& shape : shapes()) {
    fmt::print("{:<38}", shape.name);
    Cost last{};
    for (const std::size_t rules : {10UL, 100UL, 1'000UL, 10'000UL, 100'000UL}) {
      last = bench_shape(shape, rules, std::min(runs, 3));
      fmt::print(" {:>8.2f}", last.event);
      std::fflush(stdout);
    }
    fmt::print(" {:>8.2f} {:>8.2f} {:>8.0f}\n", last.add, last.remove, last.bytes);
  }
  fmt::print(
      "\nRecorded of event-ruler 2.0.1 with 10,000 rules: 729, 24,218, 15,494, 1.3, (1,000 wildcards) 68.6, 1.8; 2,900 "
      "bytes for\n"
      "two exact fields.\n");
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  fmt::print("{:.2f} thousand million dependent additions a second at the start.\n", additions());
  const bool right = bench_sets(runs);
  bench_shapes(runs);
  fmt::print("\n{:.2f} thousand million dependent additions a second at the end.\n", additions());
  return right ? 0 : 1;
}
