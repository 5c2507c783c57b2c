#include "ecs/container_spec.h"

#include "ecs/worker.h"

namespace slipway::ecs {
namespace {

constexpr long long kStopTimeoutSeconds = 30;  // ECS's default.
constexpr long long kMiB = 1024 * 1024;

void override_environment(std::map<std::string, std::string>& environment, const json::array& pairs) {
  for (const json::value& pair : pairs)
    environment[get_string(pair.as_object(), "name")] = get_string(pair.as_object(), "value");
}

}  // namespace

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
  spec.cpu_shares = get_int(from, "cpu");
  spec.memory_bytes = get_int(from, "memory") * kMiB;
  // The task's own limit holds for its only container when that names none.
  if (spec.memory_bytes == 0 && task.containers.size() == 1)
    spec.memory_bytes = std::strtoll(get_string(definition, "memory", "0").c_str(), nullptr, 10) * kMiB;
  spec.memory_reservation_bytes = get_int(from, "memoryReservation") * kMiB;
  spec.read_only_root = get_bool(from, "readonlyRootFilesystem");
  spec.init = get_bool(get_object(from, "linuxParameters"), "initProcessEnabled");
  for (const json::value& mapping : get_array(from, "portMappings"))
    spec.ports.push_back(static_cast<int>(get_int(mapping.as_object(), "containerPort")));
  const TaskContainer& first = task.containers.front();
  if (&first != &container && first.name != container.name) spec.network_of = container_name(task, first.name);
  for (const auto& entry : get_object(from, "dockerLabels"))
    spec.labels[std::string(entry.key())] = std::string(view(entry.value().as_string()));
  return spec;
}

Duration stop_timeout(const json::object& from) {
  return std::chrono::seconds(get_int(from, "stopTimeout", kStopTimeoutSeconds));
}

}  // namespace slipway::ecs
