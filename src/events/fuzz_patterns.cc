// A libFuzzer target: the input is a pattern, a NUL, and an event.  Neither may do more than be refused; what is
// accepted must match as the pattern's predicates say one by one, and every kernel must agree on the event.
//
//     cmake --preset fuzz && cmake --build --preset fuzz && build/fuzz/src/events/fuzz_patterns -max_len=4096
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "events/matcher.h"

using namespace slipway::events;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto nul = input.find('\0');
  const auto pattern_text = input.substr(0, nul);
  const auto event = nul == std::string_view::npos ? input : input.substr(nul + 1);

  std::size_t at = 0;
  const bool valid = json_fault(event, at).empty();
  for (const auto kernel : {Kernel::portable, Kernel::avx2, Kernel::avx512}) {
    if (kernel <= best_kernel() && Scan(kernel).read(event) != valid) std::abort();
  }

  const auto pattern = compile(pattern_text);
  if (!pattern) return 0;
  static Matcher kept;  // Across inputs, so that what one leaves behind is seen by the next.
  Matcher fresh;
  fresh.add(*pattern);
  const auto rule = kept.add(*pattern);
  const auto alone = fresh.match(event);
  const auto found = kept.match(event);
  if (alone.has_value() != found.has_value() || (alone && alone->size() != found->size())) std::abort();
  if (!valid && alone) std::abort();
  kept.remove(rule);
  return 0;
}
