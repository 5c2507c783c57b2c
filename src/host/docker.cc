#include "host/docker.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "http/client.h"

namespace slipway::host {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kVersion = "/v1.41";
constexpr Duration kCallMax = 60s;
constexpr Duration kPullSilenceMax = 120s;  // Between two lines of progress.
constexpr std::size_t kFrameHeadBytes = 8;
constexpr std::size_t kLogLineBytesMax = 256 * 1024;

Instant docker_time(const std::string& text) {
  const auto at = parse_iso(text);
  return at && at->ms() > 0 ? *at : Instant{};
}

Container read_container(const json::object& inspected) {
  const json::object state = get_object(inspected, "State");
  const json::object config = get_object(inspected, "Config");
  const json::object network = get_object(inspected, "NetworkSettings");
  Container out;
  out.id = get_string(inspected, "Id");
  out.name = get_string(inspected, "Name");
  if (out.name.starts_with('/')) out.name.erase(0, 1);
  out.image_id = get_string(inspected, "Image");
  const std::string status = get_string(state, "Status");
  out.state = status == "created"          ? Container::State::created
              : get_bool(state, "Running") ? Container::State::running
                                           : Container::State::exited;
  out.address = get_string(network, "IPAddress");
  for (const auto& entry : get_object(network, "Networks")) {
    if (out.address.empty() && entry.value().is_object())
      out.address = get_string(entry.value().get_object(), "IPAddress");
  }
  out.stop_signal = get_string(config, "StopSignal", "SIGTERM");
  out.exit_code = static_cast<int>(get_int(state, "ExitCode"));
  out.out_of_memory = get_bool(state, "OOMKilled");
  out.error = get_string(state, "Error");
  out.started_at = docker_time(get_string(state, "StartedAt"));
  out.finished_at = docker_time(get_string(state, "FinishedAt"));
  for (const auto& entry : get_object(config, "Labels")) {
    if (entry.value().is_string()) out.labels[std::string(entry.key())] = std::string(view(entry.value().get_string()));
  }
  return out;
}

json::object create_body(const ContainerSpec& spec) {
  json::array environment;
  for (const auto& [name, value] : spec.environment) environment.emplace_back(name + "=" + value);
  json::object labels;
  for (const auto& [name, value] : spec.labels) labels[name] = value;
  json::object ports;
  for (const int port : spec.ports) ports[std::to_string(port) + "/tcp"] = json::object{};
  json::object host = {{"CpuShares", spec.cpu_shares},
                       {"Memory", spec.memory_bytes},
                       {"MemoryReservation", spec.memory_reservation_bytes},
                       {"ReadonlyRootfs", spec.read_only_root},
                       {"Init", spec.init},
                       {"LogConfig", json::object{{"Type", "json-file"},
                                                  {"Config", json::object{{"max-size", "10m"}, {"max-file", "2"}}}}}};
  json::array ulimits;
  for (const Ulimit& limit : spec.ulimits)
    ulimits.push_back({{"Name", limit.name}, {"Soft", limit.soft}, {"Hard", limit.hard}});
  if (!ulimits.empty()) host["Ulimits"] = ulimits;
  json::object tmpfs;
  for (const Tmpfs& one : spec.tmpfs) tmpfs[one.path] = one.options;
  if (!tmpfs.empty()) host["Tmpfs"] = tmpfs;
  if (spec.shared_memory_bytes > 0) host["ShmSize"] = spec.shared_memory_bytes;
  if (!spec.capabilities_added.empty()) host["CapAdd"] = to_array(spec.capabilities_added);
  if (!spec.capabilities_dropped.empty()) host["CapDrop"] = to_array(spec.capabilities_dropped);
  // The engine's MemorySwap is the sum of both.
  if (spec.swap_bytes >= 0 && spec.memory_bytes > 0) host["MemorySwap"] = spec.memory_bytes + spec.swap_bytes;
  if (!spec.network_of.empty()) host["NetworkMode"] = "container:" + spec.network_of;
  json::object body = {{"Image", spec.image}, {"Env", environment}, {"Labels", labels}, {"HostConfig", host}};
  if (spec.network_of.empty()) body["ExposedPorts"] = ports;
  if (spec.entry_point) body["Entrypoint"] = to_array(*spec.entry_point);
  if (spec.command) body["Cmd"] = to_array(*spec.command);
  if (!spec.user.empty()) body["User"] = spec.user;
  if (!spec.working_directory.empty()) body["WorkingDir"] = spec.working_directory;
  if (spec.open_stdin) body["OpenStdin"] = true;
  if (!spec.stop_signal.empty()) body["StopSignal"] = spec.stop_signal;
  return body;
}

// "2026-11-23T17:24:23.123456789Z" -> "1795454663.123456789", as `since` wants it.
std::string since_parameter(const std::string& cursor) {
  const auto at = parse_iso(cursor);
  if (!at) return "0";
  const auto dot = cursor.find('.');
  std::string fraction = dot == std::string::npos ? "0" : cursor.substr(dot + 1);
  if (fraction.ends_with('Z')) fraction.pop_back();
  return fmt::format("{}.{}", at->ms() / 1000, fraction);
}

// Takes the engine's multiplexed stream apart: 8 bytes of head (stream, size), then time stamp, space, text.
class LogSplitter {
 public:
  LogSplitter(std::string since, std::function<bool(LogLine)> sink)
      : since_(std::move(since)), sink_(std::move(sink)) {}

  bool feed(std::string_view piece) {
    pending_ += piece;
    while (pending_.size() >= kFrameHeadBytes) {
      const auto byte = [&](std::size_t i) {
        return static_cast<std::size_t>(static_cast<unsigned char>(pending_[i]));
      };
      const std::size_t size = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
      if (pending_.size() < kFrameHeadBytes + size) break;
      const bool is_stderr = byte(0) == 2;
      const std::string frame = pending_.substr(kFrameHeadBytes, size);
      pending_.erase(0, kFrameHeadBytes + size);
      if (!line(frame, is_stderr)) return false;
    }
    return true;
  }

 private:
  bool line(std::string_view frame, bool is_stderr) {
    const auto space = frame.find(' ');
    if (space == std::string_view::npos) return true;
    const std::string stamp(frame.substr(0, space));
    if (!since_.empty() && stamp <= since_) return true;
    std::string_view text = frame.substr(space + 1);
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    LogLine out{.at = docker_time(stamp),
                .nanoseconds = stamp,
                .is_stderr = is_stderr,
                .text = std::string(text.substr(0, kLogLineBytesMax))};
    return sink_(std::move(out));
  }
  std::string since_;
  std::function<bool(LogLine)> sink_;
  std::string pending_;
};

class Docker final : public Containers {
 public:
  Docker(asio::any_io_executor executor, std::string endpoint)
      : executor_(std::move(executor)), endpoint_(std::move(endpoint)) {}

  task<Result<EngineInfo>> info() override {
    // Not /version: it runs other programs to ask for theirs, and takes 30 ms.  "Server: Docker/20.10.24 (linux)".
    auto answer = co_await call("GET", "/_ping", "");
    if (!answer) co_return fail(answer);
    const auto words = split(answer->headers.get("Server"), '/');
    if (words.size() < 2) co_return EngineInfo{.name = "Docker Engine", .version = ""};
    co_return EngineInfo{.name = words[0] + " Engine", .version = words[1].substr(0, words[1].find(' '))};
  }

  task<Result<std::string>> ensure_image(std::string image, std::optional<RegistryLogin> login) override {
    auto there = co_await image_id(image);
    if (there || there.error().fault != Fault::not_found) co_return there;
    auto pulled = co_await pull(image, login);
    if (!pulled) co_return fail(pulled);
    co_return co_await image_id(image);
  }

  task<Result<Container>> create(ContainerSpec spec) override {
    const std::string body = json::serialize(create_body(spec));
    auto answer = co_await call("POST", "/containers/create?name=" + percent_encode(spec.name), body);
    // The name is the key: one that exists is the one that an earlier attempt made.
    if (!answer && answer.error().fault != Fault::conflict) co_return fail(answer);
    co_return co_await inspect(spec.name);
  }

  task<Result<Container>> start(std::string id) override {
    auto answer = co_await call("POST", "/containers/" + id + "/start", "");
    if (!answer) co_return fail(answer);
    co_return co_await inspect(id);
  }

  task<Result<void>> signal(std::string id, std::string signal_name) override {
    auto answer = co_await call("POST", "/containers/" + id + "/kill?signal=" + signal_name, "");
    // 409: it does not run any more, which is what was wanted.
    if (!answer && answer.error().fault != Fault::conflict && answer.error().fault != Fault::not_found)
      co_return fail(answer);
    co_return Result<void>{};
  }

  task<Result<Container>> inspect(std::string id) override {
    auto answer = co_await call("GET", "/containers/" + id + "/json", "");
    if (!answer) co_return fail(answer);
    auto parsed = parse_json(answer->body);
    if (!parsed || !parsed->is_object())
      co_return fail(Fault::unavailable, "EngineUnavailable", "the engine's answer is not JSON");
    co_return read_container(parsed->get_object());
  }

  task<Result<std::vector<Container>>> list(std::string label, std::string value) override {
    const json::object filters = {{"label", json::array{json::string(label + "=" + value)}}};
    auto answer =
        co_await call("GET", "/containers/json?all=1&filters=" + percent_encode(json::serialize(filters)), "");
    if (!answer) co_return fail(answer);
    auto parsed = parse_json(answer->body);
    if (!parsed || !parsed->is_array())
      co_return fail(Fault::unavailable, "EngineUnavailable", "the engine's answer is not JSON");
    std::vector<Container> out;
    for (const json::value& entry : parsed->get_array()) {
      auto one = co_await inspect(get_string(entry.as_object(), "Id"));
      if (one) out.push_back(std::move(*one));
      if (!one && one.error().fault != Fault::not_found) co_return fail(one);
    }
    co_return out;
  }

  task<Result<Container>> wait_for_exit(std::string id) override {
    auto answer = co_await call("POST", "/containers/" + id + "/wait?condition=not-running", "", Duration::zero());
    if (!answer) co_return fail(answer);
    co_return co_await inspect(id);
  }

  task<Result<void>> follow_logs(std::string id, std::string since, std::function<bool(LogLine)> sink) override {
    LogSplitter splitter(since, std::move(sink));
    const std::string target = fmt::format("{}/containers/{}/logs?follow=1&stdout=1&stderr=1&timestamps=1&since={}",
                                           kVersion, id, since_parameter(since));
    http::Client client(executor_, options(Duration::zero()));
    auto feed = [&splitter](std::string_view piece) { return splitter.feed(piece); };
    const http::ClientRequest request{.method = "GET", .target = target};
    auto answer = co_await client.stream(request, feed);
    if (!answer) co_return fail(answer);
    if (answer->status / 100 != 2) co_return std::unexpected(error_of(*answer));
    co_return Result<void>{};
  }

  task<Result<void>> remove(std::string id) override {
    auto answer = co_await call("DELETE", "/containers/" + id + "?force=1&v=1", "");
    const bool gone = !answer && (answer.error().fault == Fault::not_found || answer.error().fault == Fault::conflict);
    if (!answer && !gone) co_return fail(answer);
    co_return Result<void>{};
  }

  task<Result<int>> exec(std::string id, std::vector<std::string> command, Duration limit) override {
    const json::object body = {{"AttachStdout", true}, {"AttachStderr", true}, {"Cmd", to_array(command)}};
    auto made = co_await call("POST", "/containers/" + id + "/exec", json::serialize(body));
    if (!made) co_return fail(made);
    const auto parsed = parse_json(made->body);
    const std::string exec_id = parsed && parsed->is_object() ? get_string(parsed->get_object(), "Id") : "";
    auto ran = co_await call("POST", "/exec/" + exec_id + "/start", R"({"Detach":false,"Tty":false})", limit);
    if (!ran) co_return fail(ran);
    auto ended = co_await call("GET", "/exec/" + exec_id + "/json", "");
    if (!ended) co_return fail(ended);
    const auto outcome = parse_json(ended->body);
    co_return static_cast<int>(outcome && outcome->is_object() ? get_int(outcome->get_object(), "ExitCode", 1) : 1);
  }

 private:
  http::ClientOptions options(Duration read_timeout) const {
    return {.endpoint = endpoint_, .read_timeout = read_timeout};
  }

  static Error error_of(const http::ClientResponse& response) {
    const auto parsed = parse_json(response.body);
    std::string message =
        parsed && parsed->is_object() ? get_string(parsed->get_object(), "message") : std::string(trim(response.body));
    if (message.empty()) message = fmt::format("the engine answered {}", response.status);
    switch (response.status) {
      case 404:
        return {Fault::not_found, "EngineNotFound", message};
      case 409:
        return {Fault::conflict, "EngineConflict", message};
      case 400:
        return {Fault::invalid, "EngineRefused", message};
      default:
        return {response.status >= 500 ? Fault::invalid : Fault::unavailable, "EngineError", message};
    }
  }

  task<Result<http::ClientResponse>> call(std::string method, std::string target, std::string body,
                                          Duration limit = kCallMax) {
    http::ClientRequest request{
        .method = method, .target = std::string(kVersion) + target, .headers = {}, .body = std::move(body)};
    if (!request.body.empty()) request.headers.set("Content-Type", "application/json");
    auto answer = co_await http::fetch(options(limit), request);
    if (!answer) {
      const bool late = answer.error().fault == Fault::timed_out;
      co_return fail(late ? Fault::timed_out : Fault::unavailable, late ? "Timeout" : "EngineUnavailable",
                     "the container engine does not answer: " + answer.error().message);
    }
    // 304: it is as it was asked to be.
    if (answer->status / 100 != 2 && answer->status != 304) co_return std::unexpected(error_of(*answer));
    co_return std::move(*answer);
  }

  task<Result<std::string>> image_id(std::string image) {
    auto answer = co_await call("GET", "/images/" + image + "/json", "");
    if (!answer) co_return fail(answer);
    const auto parsed = parse_json(answer->body);
    co_return parsed && parsed->is_object() ? get_string(parsed->get_object(), "Id") : std::string();
  }

  task<Result<void>> pull(std::string image, std::optional<RegistryLogin> login) {
    std::string name = image;
    std::string tag = "latest";
    const auto at = image.find('@');
    const auto slash = image.rfind('/', at);
    const auto colon = image.find(':', slash == std::string::npos ? 0 : slash);
    if (at != std::string::npos) {
      name = image.substr(0, at);
      tag = image.substr(at + 1);
    } else if (colon != std::string::npos) {
      name = image.substr(0, colon);
      tag = image.substr(colon + 1);
    }
    http::ClientRequest request{.method = "POST",
                                .target = fmt::format("{}/images/create?fromImage={}&tag={}", kVersion,
                                                      percent_encode(name), percent_encode(tag))};
    if (login) {
      const json::object auth = {{"username", login->username},
                                 {"password", login->password},
                                 {"serveraddress", name.substr(0, name.find('/'))}};
      request.headers.set("X-Registry-Auth", base64_encode(json::serialize(auth)));
    }
    auto answer = co_await http::fetch(options(kPullSilenceMax), request);
    if (!answer)
      co_return fail(Fault::unavailable, "EngineUnavailable",
                     "the container engine does not answer: " + answer.error().message);
    if (answer->status / 100 != 2) co_return std::unexpected(error_of(*answer));
    // Progress is a line of JSON each; a failure comes as one of them.
    for (const std::string& line : split(answer->body, '\n')) {
      const auto parsed = parse_json(trim(line));
      if (parsed && parsed->is_object() && has(parsed->get_object(), "error"))
        co_return fail(Fault::invalid, "PullFailed", get_string(parsed->get_object(), "error"));
    }
    co_return Result<void>{};
  }

  asio::any_io_executor executor_;
  std::string endpoint_;
};

}  // namespace

std::unique_ptr<Containers> make_docker(asio::any_io_executor executor, std::string endpoint) {
  return std::make_unique<Docker>(std::move(executor), std::move(endpoint));
}

}  // namespace slipway::host
