// Thousands of generated push storms through the pure decision: whatever the order, the duplicates and the
// companions of an image, a service gets one deployment for each digest, and ends on the newest.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "deployer/decide.h"

namespace slipway::deployer {
namespace {

constexpr int kStorms = 3000;

std::string digest_of(int number) {
  std::string hex = "00000000" + std::to_string(number);
  hex = hex.substr(hex.size() - 8);
  return "sha256:" + hex + std::string(56, 'a');
}

// ECR as the storm leaves it, and the events that it sends.
struct Registry {
  std::map<std::string, std::string> tags;   // tag -> digest
  std::map<std::string, Instant> pushed_at;  // digest -> when
  std::vector<json::object> events;

  void put(const std::string& digest, const std::string& tag, Instant at, const char* manifest, const char* artifact) {
    pushed_at.emplace(digest, at);
    if (!tag.empty()) tags[tag] = digest;
    json::object detail = {{"result", "SUCCESS"},    {"repository-name", "backend"},
                           {"image-digest", digest}, {"action-type", "PUSH"},
                           {"image-tag", tag},       {"manifest-media-type", manifest}};
    if (*artifact != '\0') detail["artifact-media-type"] = artifact;
    events.push_back({{"id", "e-" + std::to_string(events.size())},
                      {"source", "aws.ecr"},
                      {"detail-type", "ECR Image Action"},
                      {"detail", detail}});
  }
  std::optional<Image> image(const std::string& tag) const {
    const auto found = tags.find(tag);
    if (found == tags.end()) return std::nullopt;
    return Image{.digest = found->second, .repository_uri = "host/backend", .pushed_at = pushed_at.at(found->second)};
  }
};

// ECS with one service, as far as the deployer sees it.
struct Service {
  Route route;
  ServiceState state;
  ServiceLedger ledger;
  std::vector<std::string> deployed;  // Digests, in the order of their deployments.
  std::set<std::string> bad;          // ECS takes these back.
  std::string good_image = "host/backend:first";

  explicit Service(Route from) : route(std::move(from)) {
    state.active = true;
    state.rollout = "COMPLETED";
    run("host/backend:first", {});
  }
  void run(const std::string& image, const json::array& tags) {
    state.task_definition = {{"family", "f"},
                             {"taskDefinitionArn", "arn:x/f:1"},
                             {"containerDefinitions", json::array{json::object{{"name", "app"}, {"image", image}}}}};
    state.task_tags = tags;
    state.running_pushed_at = read_release(tags).pushed;
    state.service_tags = difference({}, ledger).set;
  }
  void apply(const Push& push, const Image& pushed, const Decision& decision) {
    const json::array tags = get_array(decision.task_definition, "tags");
    const Release release = read_release(tags);
    deployed.push_back(release.digest);
    remember_deployed(ledger, push, pushed);
    const json::array before = state.task_tags;
    const std::string image =
        get_string(get_array(decision.task_definition, "containerDefinitions").at(0).as_object(), "image");
    if (bad.contains(release.digest)) {
      // The circuit breaker puts back what was there; the hold may come later, or be lost with its event.
      run(good_image, before);
    } else {
      good_image = image;
      run(image, tags);
    }
  }
  std::string running() const { return pinned_digest(route, state.task_definition); }
};

enum class Shape { one_tag, several_tags, wildcard, versions, count };

struct Storm {
  Registry registry;
  Service service;
  std::mt19937 random;
  Shape shape;
  int next_digest = 1;
  long long clock = 1'000'000;

  static Route route_of(Shape shape) {
    Route route{.name = "rest", .cluster = "cars", .repository = "backend", .container = "app"};
    if (shape == Shape::one_tag) route.tags = {config::tag_rule("latest")};
    if (shape == Shape::several_tags) route.tags = {config::tag_rule("latest"), config::tag_rule("stable")};
    if (shape == Shape::wildcard) route.tags = {config::tag_rule("release-*"), config::tag_rule("latest")};
    if (shape == Shape::versions) route.tags = {{config::TagRule::Kind::semver, ">=1"}};
    return route;
  }
  explicit Storm(unsigned seed)
      : service(route_of(static_cast<Shape>(seed % static_cast<unsigned>(Shape::count)))),
        random(seed),
        shape(static_cast<Shape>(seed % static_cast<unsigned>(Shape::count))) {}

  int upto(int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); }
  bool one_in(int n) { return upto(n) == 0; }

  std::vector<std::string> tags_of(int release) {
    const std::string n = std::to_string(release);
    switch (shape) {
      case Shape::one_tag:
        return one_in(2) ? std::vector<std::string>{"latest"} : std::vector<std::string>{"sha-" + n, "latest"};
      case Shape::several_tags:
        return {"stable", "latest", "git-" + n};
      case Shape::wildcard:
        return {"release-" + n, "latest"};
      default:
        return {"v1." + n + ".0", "1." + n + ".0", "latest"};
    }
  }

  // What one `docker buildx build --push` does: manifests and attestations without a tag, then an index for each tag.
  void push(int release) {
    const int platforms = upto(3);
    for (int i = 0; i < platforms; ++i) {
      registry.put(digest_of(next_digest++), "", instant_ms(clock), "application/vnd.oci.image.manifest.v1+json",
                   "application/vnd.oci.image.config.v1+json");
      if (one_in(2))
        registry.put(digest_of(next_digest++), "", instant_ms(clock), "application/vnd.oci.image.manifest.v1+json",
                     "application/vnd.in-toto+json");
    }
    if (one_in(4))
      registry.put(digest_of(next_digest++), "sha256-abc.sig", instant_ms(clock),
                   "application/vnd.oci.image.manifest.v1+json", "application/vnd.dev.cosign.simplesigning.v1+json");
    // Provenance carries the time, so each tag may get an index of its own; or all tags share one.
    const bool own_index = one_in(3);
    int index = next_digest++;
    if (one_in(5)) index = 9'000 - index;  // The greater digest is not always the later.
    for (const std::string& tag : tags_of(release)) {
      if (one_in(4))  // `imagetools create` puts the tag twice.
        registry.put(digest_of(next_digest++), tag, instant_ms(clock), "application/vnd.oci.image.index.v1+json", "");
      registry.put(digest_of(index), tag, instant_ms(clock), "application/vnd.oci.image.index.v1+json", "");
      if (own_index) index = next_digest++;
      if (one_in(2)) clock += 1'000;  // ECR tells whole seconds, so that neighbours are often equal.
    }
    clock += one_in(3) ? 0 : 1'000;
  }

  // Hands one event to the deployer and carries out what it decides.
  void deliver(const json::object& event) {
    const Reading reading = read_event(event);
    if (!reading.push) {
      EXPECT_FALSE(reading.reason.empty());
      return;
    }
    if (deploys(service.route, reading.push->repository, reading.push->tag) == nullptr) return;
    const auto image = registry.image(reading.push->tag);
    const Decision decision = decide(service.route, *reading.push, image, service.state);
    EXPECT_FALSE(decision.why.empty());
    EXPECT_NE(decision.action, Decision::Action::force_new_deployment);
    if (decision.deploys()) service.apply(*reading.push, *image, decision);
  }

  void deliver_some(bool all) {
    std::vector<json::object> waiting;
    for (const json::object& event : registry.events) {
      if (!all && one_in(3)) continue;
      for (int copies = 1 + (one_in(2) ? upto(5) : 0); copies > 0; --copies) waiting.push_back(event);
    }
    if (one_in(3)) {
      std::ranges::reverse(waiting);
    } else if (one_in(2)) {
      std::ranges::shuffle(waiting, random);
    }
    for (const json::object& event : waiting) deliver(event);
  }

  bool as_new(const std::string& digest, const std::string& other) const {
    if (digest == other) return true;
    return shape != Shape::one_tag && registry.pushed_at.contains(digest) &&
           registry.pushed_at.at(digest) == registry.pushed_at.at(other);
  }

  // What the service must end on: by the order of its route, over all tags as they stand.
  std::string expected() const {
    std::vector<TaggedImage> images;
    for (const auto& [tag, digest] : registry.tags) images.push_back({.tag = tag, .image = *registry.image(tag)});
    const auto best = newest(service.route, images);
    return best ? best->image.digest : "";
  }
};

TEST(Storm, EndsOnTheNewestWithOneDeploymentForEachDigest) {
  for (unsigned seed = 0; seed < kStorms; ++seed) {
    SCOPED_TRACE(seed);
    Storm storm(seed);
    const int releases = 1 + storm.upto(4);
    for (int release = 1; release <= releases; ++release) {
      storm.push(release);
      if (storm.one_in(3)) storm.deliver_some(false);
    }
    storm.deliver_some(true);
    // Two pushes of one second have no order: either may stay.
    EXPECT_TRUE(storm.as_new(storm.service.running(), storm.expected()))
        << storm.service.running() << " " << storm.expected();
    const std::set<std::string> once(storm.service.deployed.begin(), storm.service.deployed.end());
    EXPECT_EQ(once.size(), storm.service.deployed.size());
    // A late repetition of the whole storm changes nothing.
    const std::size_t before = storm.service.deployed.size();
    storm.deliver_some(true);
    EXPECT_EQ(storm.service.deployed.size(), before);
    if (testing::Test::HasFailure()) return;
  }
}

// The circuit breaker takes the last release back, and its state-change event is late or lost: no duplicate, no late
// event puts the bad digest in again.
TEST(Storm, NeverDeploysAgainWhatEcsTookBack) {
  for (unsigned seed = 0; seed < kStorms; ++seed) {
    SCOPED_TRACE(seed);
    Storm storm(seed);
    storm.push(1);
    storm.deliver_some(true);
    const std::string good = storm.service.running();
    const std::string known = storm.expected();
    storm.push(2);
    for (const auto& [digest, at] : storm.registry.pushed_at) {
      if (storm.expected() == digest && digest != known) storm.service.bad.insert(digest);
    }
    if (storm.service.bad.empty()) continue;
    const std::string bad = *storm.service.bad.begin();
    storm.deliver_some(true);
    storm.deliver_some(true);
    EXPECT_LE(std::ranges::count(storm.service.deployed, bad), 1);
    EXPECT_NE(storm.service.running(), bad);
    EXPECT_NE(storm.service.running(), "");
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace slipway::deployer
