#include "ecs/container_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "ecs/definition_rules.h"

namespace slipway::ecs {
namespace {

constexpr long long kStopTimeoutSeconds = 30;  // ECS's default.
constexpr long long kMiB = 1024 * 1024;

void override_environment(std::map<std::string, std::string>& environment, const json::array& pairs) {
  for (const json::value& pair : pairs)
    environment[get_string(pair.as_object(), "name")] = get_string(pair.as_object(), "value");
}

std::string tmpfs_options(const json::object& tmpfs) {
  std::vector<std::string> options{fmt::format("size={}m", get_int(tmpfs, "size"))};
  for (std::string& option : get_strings(tmpfs, "mountOptions")) options.push_back(std::move(option));
  return join(options, ",");
}

void take_linux_parameters(host::ContainerSpec& spec, const json::object& parameters) {
  spec.init = get_bool(parameters, "initProcessEnabled");
  spec.shared_memory_bytes = get_int(parameters, "sharedMemorySize") * kMiB;
  if (has(parameters, "maxSwap")) spec.swap_bytes = get_int(parameters, "maxSwap") * kMiB;
  const json::object capabilities = get_object(parameters, "capabilities");
  spec.capabilities_added = get_strings(capabilities, "add");
  spec.capabilities_dropped = get_strings(capabilities, "drop");
  for (const json::value& value : get_array(parameters, "tmpfs"))
    spec.tmpfs.push_back({get_string(value.as_object(), "containerPath"), tmpfs_options(value.as_object())});
}

long long number_of(const json::object& definition, const char* member) {
  return std::strtoll(get_string(definition, member, "0").c_str(), nullptr, 10);
}

}  // namespace

std::string container_name(const TaskRecord& task, const std::string& container) {
  return "slipway-" + task.id + "-" + container;
}

json::object container_definition(const json::object& definition, const json::object& overrides,
                                  const std::string& name) {
  json::object found;
  for (const json::value& container : get_array(definition, "containerDefinitions")) {
    if (get_string(container.as_object(), "name") == name) found = container.as_object();
  }
  for (const json::value& value : get_array(overrides, "containerOverrides")) {
    const json::object& override_of = value.as_object();
    if (get_string(override_of, "name") != name) continue;
    for (const char* member : {"command", "cpu", "memory", "memoryReservation"}) {
      if (has(override_of, member)) found[member] = override_of.at(member);
    }
    json::array environment = get_array(found, "environment");
    for (const json::value& pair : get_array(override_of, "environment")) environment.push_back(pair);
    found["environment"] = environment;
  }
  return found;
}

host::ContainerSpec container_spec(const TaskRecord& task, const TaskContainer& container,
                                   const json::object& definition) {
  const json::object from = container_definition(definition, task.overrides, container.name);
  host::ContainerSpec spec;
  spec.name = container_name(task, container.name);
  spec.image = container.pinned;
  if (has(from, "entryPoint")) spec.entry_point = get_strings(from, "entryPoint");
  if (has(from, "command")) spec.command = get_strings(from, "command");
  override_environment(spec.environment, get_array(from, "environment"));
  spec.user = get_string(from, "user");
  spec.working_directory = get_string(from, "workingDirectory");
  // A container that names no share has the task's.
  spec.cpu_shares = get_int(from, "cpu");
  if (spec.cpu_shares == 0) spec.cpu_shares = number_of(definition, "cpu");
  spec.memory_bytes = get_int(from, "memory") * kMiB;
  // No container may take more than its task has.
  if (spec.memory_bytes == 0) spec.memory_bytes = number_of(definition, "memory") * kMiB;
  spec.memory_reservation_bytes = get_int(from, "memoryReservation") * kMiB;
  spec.read_only_root = get_bool(from, "readonlyRootFilesystem");
  spec.open_stdin = get_bool(from, "interactive");
  take_linux_parameters(spec, get_object(from, "linuxParameters"));
  for (const json::value& value : get_array(from, "ulimits")) {
    const json::object& limit = value.as_object();
    spec.ulimits.push_back({get_string(limit, "name"), get_int(limit, "softLimit"), get_int(limit, "hardLimit")});
  }
  for (const json::value& mapping : get_array(from, "portMappings"))
    spec.ports.push_back(static_cast<int>(get_int(mapping.as_object(), "containerPort")));
  const auto order = start_order(definition);
  const std::string owner = network_owner(definition);
  const auto place = [&](const std::string& name) { return std::ranges::find(order, name); };
  if (place(container.name) > place(owner)) spec.network_of = container_name(task, owner);
  for (const auto& entry : get_object(from, "dockerLabels"))
    spec.labels[std::string(entry.key())] = std::string(view(entry.value().as_string()));
  return spec;
}

Dependency dependency(const TaskContainer& on, const std::string& condition) {
  const bool ended = on.exit_code >= 0;
  if (condition == "COMPLETE") return ended ? Dependency::met : Dependency::waiting;
  if (condition == "SUCCESS")
    return !ended ? Dependency::waiting : on.exit_code == 0 ? Dependency::met : Dependency::impossible;
  if (condition == "HEALTHY") {
    if (on.health == "HEALTHY") return Dependency::met;
    return ended || on.health == "UNHEALTHY" ? Dependency::impossible : Dependency::waiting;
  }
  return on.runtime_id.empty() ? Dependency::waiting : Dependency::met;  // START
}

Duration stop_timeout(const json::object& from) {
  return std::chrono::seconds(get_int(from, "stopTimeout", kStopTimeoutSeconds));
}

}  // namespace slipway::ecs
