// Untold: news of how deployments ended that a channel did not take, kept in a tag of the service and sent again by the
// sweep, a bounded number of times.  What is sent then is how the release stands by then.  Pure.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace slipway::deployer {

constexpr int kTellingsMax = 24;       // Of one piece of news to one channel: two hours of sweeps.
constexpr std::size_t kUntoldMax = 5;  // So many fit into one tag; the oldest give way.

struct Untold {
  std::string revision;     // "rest:42"
  std::size_t channel = 0;  // Its place in the list of the configuration.
  std::string name;         // "slack"
  int tellings = 0;         // That failed so far.
  bool operator==(const Untold&) const = default;
};

// The tag slipway:untold, oldest first: "rest:42/0/slack/3".  What cannot be read is left out.
std::vector<Untold> read_untold(const std::string& tag);
std::string untold_text(const std::vector<Untold>& all);

// Writes down that `channel` took the news of `revision`, or did not once more.  False: it is given up, as it failed
// kTellingsMax times.
bool note_telling(std::vector<Untold>& all, const std::string& revision, std::size_t channel, const std::string& name,
                  bool delivered);

}  // namespace slipway::deployer
