// FakeContainers: a container engine in memory, for tests.  Images and what their containers do are set by the test;
// nothing happens by itself.
#pragma once
#include <map>
#include <set>
#include <string>

#include "host/containers.h"

namespace slipway::host {

class FakeContainers final : public Containers {
 public:
  std::set<std::string> images;                // That can be pulled.
  std::set<std::string> exits_at_once;         // Images whose containers end with status 1 when started.
  bool away = false;                           // No engine answers.
  std::map<std::string, Container> all;        // By name.
  std::map<std::string, ContainerSpec> specs;  // What they were made of; kept when they are gone.
  std::map<std::string, int> check_answers;    // Exit codes of commands run inside, by the container's image; else 0.
  std::vector<std::string> signals;            // "SIGTERM slipway-…"

  // Ends a container as if its process had.
  void end(const std::string& name, int code) {
    all.at(name).state = Container::State::exited;
    all.at(name).exit_code = code;
  }

  task<Result<EngineInfo>> info() override { co_return EngineInfo{.name = "fake", .version = "1"}; }
  task<Result<std::string>> ensure_image(std::string image, std::optional<RegistryLogin>) override {
    if (away) co_return gone();
    if (!images.contains(image)) co_return fail(Fault::invalid, "PullFailed", "manifest unknown");
    co_return "id-of-" + image;
  }
  task<Result<Container>> create(ContainerSpec spec) override {
    if (away) co_return gone();
    auto [at, fresh] = all.try_emplace(spec.name);
    specs[spec.name] = spec;
    if (fresh)
      at->second = {
          .id = spec.name, .name = spec.name, .image_id = spec.image, .stop_signal = "SIGTERM", .labels = spec.labels};
    co_return at->second;
  }
  task<Result<Container>> start(std::string id) override {
    if (away) co_return gone();
    Container& container = all.at(id);
    if (container.state == Container::State::created) {
      container.state = Container::State::running;
      container.address = "10.0.0." + std::to_string(all.size());
      if (exits_at_once.contains(container.image_id)) end(id, 1);
    }
    co_return container;
  }
  task<Result<void>> signal(std::string id, std::string signal_name) override {
    signals.push_back(signal_name + " " + id);
    if (all.contains(id)) end(id, signal_name == "SIGKILL" ? 137 : 0);
    co_return Result<void>{};
  }
  task<Result<Container>> inspect(std::string id) override {
    if (away) co_return gone();
    if (!all.contains(id)) co_return fail(Fault::not_found, "EngineNotFound", "no such container");
    co_return all.at(id);
  }
  task<Result<std::vector<Container>>> list(std::string label, std::string value) override {
    std::vector<Container> found;
    for (const auto& [name, container] : all) {
      const auto own = container.labels.find(label);
      if (own != container.labels.end() && own->second == value) found.push_back(container);
    }
    co_return found;
  }
  task<Result<Container>> wait_for_exit(std::string id) override {
    while (!away && all.contains(id) && all.at(id).state != Container::State::exited) co_await pause(Duration{1});
    co_return co_await inspect(id);
  }
  task<Result<void>> follow_logs(std::string, std::string, std::function<bool(LogLine)>) override {
    co_return Result<void>{};
  }
  task<Result<void>> remove(std::string id) override {
    all.erase(id);
    co_return Result<void>{};
  }
  task<Result<int>> exec(std::string id, std::vector<std::string>, Duration) override {
    if (away) co_return gone();
    if (!all.contains(id)) co_return fail(Fault::not_found, "EngineNotFound", "no such container");
    const auto answer = check_answers.find(all.at(id).image_id);
    co_return answer == check_answers.end() ? 0 : answer->second;
  }

 private:
  static std::unexpected<Error> gone() { return fail(Fault::unavailable, "EngineUnavailable", "no engine answers"); }
};

}  // namespace slipway::host
