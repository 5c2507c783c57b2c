#include "ecs/definition_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "base/text.h"

namespace slipway::ecs {
namespace {

constexpr std::size_t kNameMax = 255;
constexpr long long kUnitsPerCpu = 1024;

std::unexpected<Error> refuse(std::string message) {
  return fail(Fault::invalid, "ClientException", std::move(message));
}

bool is_name(const std::string& text) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= kNameMax && std::ranges::all_of(text, good);
}

// "256", "1 vCPU", "0.5vCPU" in units; "512", "2 GB" in MiB.
std::optional<long long> size_of(const std::string& text, std::string_view unit, long long factor) {
  std::string number = to_lower(trim(text));
  const bool scaled = number.ends_with(unit);
  if (scaled) number = trim(number.substr(0, number.size() - unit.size()));
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || !(value > 0) || value > 1e9) return std::nullopt;
  if (!scaled && value != std::floor(value)) return std::nullopt;
  return std::llround(scaled ? value * static_cast<double>(factor) : value);
}
std::optional<long long> cpu_of(const std::string& text) {
  return size_of(text, "vcpu", kUnitsPerCpu);
}
std::optional<long long> memory_of(const std::string& text) {
  return size_of(text, "gb", kUnitsPerCpu);
}

bool needs(const json::object& definition, std::string_view compatibility) {
  const auto all = get_strings(definition, "requiresCompatibilities");
  return std::ranges::find(all, compatibility) != all.end();
}

Result<void> check_sizes(const json::object& definition) {
  const bool fargate = needs(definition, "FARGATE");
  for (const char* member : {"cpu", "memory"}) {
    if (fargate && get_string(definition, member).empty())
      return refuse(fmt::format("Fargate requires that '{}' be defined at the task level.", member));
    if (get_string(definition, member).empty()) continue;
    const std::string text = get_string(definition, member);
    if (std::string_view(member) == "cpu" ? !cpu_of(text) : !memory_of(text))
      return refuse(
          fmt::format("Invalid '{}' setting for task. For more information, see the Troubleshooting section of the "
                      "Amazon ECS Developer Guide.",
                      member));
  }
  if (!fargate) return {};
  const long long cpu = *cpu_of(get_string(definition, "cpu"));
  const long long memory = *memory_of(get_string(definition, "memory"));
  if (fargate_has(cpu, memory)) return {};
  return refuse(fmt::format(
      "No Fargate configuration exists for given values: {} CPU, {} memory. See the Amazon ECS documentation "
      "for the valid values.",
      cpu, memory));
}

Result<void> check_memory(const json::object& definition, const json::object& container) {
  const std::string name = get_string(container, "name");
  const bool has_memory = has(container, "memory");
  const bool has_reservation = has(container, "memoryReservation");
  const auto of_task = memory_of(get_string(definition, "memory"));
  if (!has_memory && !has_reservation && !of_task)
    return refuse(fmt::format(
        "Invalid setting for container '{}'. At least one of 'memory' or 'memoryReservation' must be specified.",
        name));
  if (has_memory && has_reservation && get_int(container, "memory") < get_int(container, "memoryReservation"))
    return refuse(fmt::format(
        "Invalid setting for container '{}'. The 'memory' must not be less than the 'memoryReservation'.", name));
  if (of_task && std::max(get_int(container, "memory"), get_int(container, "memoryReservation")) > *of_task)
    return refuse(fmt::format("The 'memory' setting for container '{}' is greater than for the task.", name));
  const auto cpu = cpu_of(get_string(definition, "cpu"));
  if (cpu && get_int(container, "cpu") > *cpu)
    return refuse(fmt::format("The 'cpu' setting for container '{}' is greater than for the task.", name));
  return {};
}

Result<void> check_container_ports(const json::object& definition, const json::object& container) {
  const std::string mode = get_string(definition, "networkMode");
  std::set<std::string> names;
  for (const json::value& value : get_array(container, "portMappings")) {
    const json::object& mapping = value.as_object();
    if (!has(mapping, "containerPort"))
      return refuse(
          fmt::format("A port mapping of container '{}' has no containerPort.", get_string(container, "name")));
    if (const std::string name = get_string(mapping, "name"); !name.empty() && !names.insert(name).second)
      return refuse(fmt::format("The port mapping name '{}' is used twice.", name));
    const long long host = get_int(mapping, "hostPort");
    if (host == 0 || host == get_int(mapping, "containerPort")) continue;
    if (mode == "awsvpc" || needs(definition, "FARGATE"))
      return refuse("When networkMode=awsvpc, the host ports and container ports in port mappings must match.");
    // Tasks have addresses of their own, as with awsvpc: a port of the machine is not published for them.
    return refuse(
        fmt::format("hostPort {} differs from containerPort: host ports are not published here, the load balancer "
                    "reaches a task at its own address.",
                    host));
  }
  return {};
}

Result<void> check_container_health(const json::object& container) {
  if (!has(container, "healthCheck")) return {};
  const auto command = get_strings(get_object(container, "healthCheck"), "command");
  const bool known = !command.empty() && (command[0] == "CMD" || command[0] == "CMD-SHELL" || command[0] == "NONE");
  if (known && (command[0] == "NONE" || command.size() > 1)) return {};
  return refuse(
      fmt::format("The health check command of container '{}' must start with CMD, CMD-SHELL or NONE and name what to "
                  "run.",
                  get_string(container, "name")));
}

Result<void> check_container_logs(const json::object& container) {
  if (!has(container, "logConfiguration")) return {};
  const json::object options = get_object(get_object(container, "logConfiguration"), "options");
  if (!get_string(options, "awslogs-group").empty()) return {};
  return refuse(fmt::format("Container '{}': log driver awslogs requires the option awslogs-group.",
                            get_string(container, "name")));
}

const json::object* find_container(const json::object& definition, const std::string& name) {
  const json::value* all = find(definition, "containerDefinitions");
  if (all == nullptr || !all->is_array()) return nullptr;
  for (const json::value& value : all->get_array()) {
    if (get_string(value.as_object(), "name") == name) return &value.as_object();
  }
  return nullptr;
}

Result<void> check_dependencies(const json::object& definition, const json::object& container) {
  const std::string name = get_string(container, "name");
  for (const json::value& value : get_array(container, "dependsOn")) {
    const std::string other = get_string(value.as_object(), "containerName");
    const std::string condition = get_string(value.as_object(), "condition");
    const json::object* on = find_container(definition, other);
    if (on == nullptr || other == name)
      return refuse(
          fmt::format("Container '{}' depends on '{}', which is not another container of the task.", name, other));
    const bool completes = condition == "COMPLETE" || condition == "SUCCESS";
    if (completes && get_bool(*on, "essential", true))
      return refuse(
          fmt::format("Container '{}' waits for the end of '{}', which is essential: its end is that of the "
                      "task. Set essential to false.",
                      name, other));
    if (condition == "HEALTHY" && !has(*on, "healthCheck"))
      return refuse(
          fmt::format("Container '{}' waits for '{}' to be HEALTHY, but '{}' has no healthCheck.", name, other, other));
  }
  return {};
}

Result<void> check_container(const json::object& definition, const json::object& container) {
  const std::string name = get_string(container, "name");
  if (name.empty()) return refuse("Container.name should not be null or empty.");
  if (!is_name(name)) return refuse("Container.name contains invalid characters.");
  const std::string image = get_string(container, "image");
  if (image.empty()) return refuse("Container.image should not be null or empty.");
  if (image.find_first_of(" \t\n\"'") != std::string::npos)
    return refuse("Container.image contains invalid characters.");
  for (const json::value& pair : get_array(container, "environment")) {
    if (get_string(pair.as_object(), "name").empty())
      return refuse(fmt::format("An environment variable of container '{}' has no name.", name));
  }
  if (auto good = check_memory(definition, container); !good) return good;
  if (auto good = check_container_ports(definition, container); !good) return good;
  if (auto good = check_container_health(container); !good) return good;
  if (auto good = check_container_logs(container); !good) return good;
  return check_dependencies(definition, container);
}

void complete_container(json::object& container) {
  for (const char* member : {"portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"}) {
    if (!has(container, member)) container[member] = json::array{};
  }
  if (!has(container, "essential")) container["essential"] = true;
  if (!has(container, "cpu")) container["cpu"] = 0;
  for (json::value& mapping : container["portMappings"].as_array()) {
    json::object& port = mapping.as_object();
    if (!has(port, "protocol")) port["protocol"] = "tcp";
    if (!has(port, "hostPort")) port["hostPort"] = port["containerPort"];
  }
}

}  // namespace

bool fargate_has(long long cpu, long long memory) {
  struct Size {
    long long cpu, low, high, step;
  };
  constexpr long long kGb = 1024;
  for (const Size& size :
       {Size{256, 512, 2 * kGb, 512}, Size{512, kGb, 4 * kGb, kGb}, Size{1024, 2 * kGb, 8 * kGb, kGb},
        Size{2048, 4 * kGb, 16 * kGb, kGb}, Size{4096, 8 * kGb, 30 * kGb, kGb}, Size{8192, 16 * kGb, 60 * kGb, 4 * kGb},
        Size{16384, 32 * kGb, 120 * kGb, 8 * kGb}}) {
    if (size.cpu != cpu || memory < size.low || memory > size.high || memory % size.step != 0) continue;
    return cpu != 256 || memory != 1536;  // The smallest has 0.5, 1 and 2 GB.
  }
  return false;
}

std::vector<std::string> start_order(const json::object& definition) {
  std::vector<std::string> order;
  const json::array all = get_array(definition, "containerDefinitions");
  const auto placed = [&](const std::string& name) { return std::ranges::find(order, name) != order.end(); };
  while (order.size() < all.size()) {
    const std::size_t before = order.size();
    for (const json::value& value : all) {
      const json::object& container = value.as_object();
      const json::array waits = get_array(container, "dependsOn");
      const bool ready = std::ranges::all_of(
          waits, [&](const json::value& on) { return placed(get_string(on.as_object(), "containerName")); });
      if (ready && !placed(get_string(container, "name"))) order.push_back(get_string(container, "name"));
    }
    if (order.size() == before) return {};
  }
  return order;
}

std::string network_owner(const json::object& definition) {
  std::set<std::string> completing;
  for (const json::value& value : get_array(definition, "containerDefinitions")) {
    for (const json::value& on : get_array(value.as_object(), "dependsOn")) {
      const std::string condition = get_string(on.as_object(), "condition");
      if (condition == "COMPLETE" || condition == "SUCCESS")
        completing.insert(get_string(on.as_object(), "containerName"));
    }
  }
  for (const std::string& name : start_order(definition)) {
    if (!completing.contains(name)) return name;
  }
  return {};
}

Result<void> check_definition(const json::object& definition) {
  const std::string family = get_string(definition, "family");
  if (family.empty()) return refuse("Family should not be null or empty.");
  if (!is_name(family)) return refuse("Family contains invalid characters.");
  const json::array containers = get_array(definition, "containerDefinitions");
  if (containers.empty()) return refuse("Container list cannot be empty.");
  const std::string mode = get_string(definition, "networkMode");
  if (needs(definition, "FARGATE") && mode != "awsvpc") return refuse("Fargate only supports network mode ‘awsvpc’.");
  if (mode == "host" || mode == "none")
    return refuse("networkMode " + mode + " is not supported here: use awsvpc or bridge.");
  if (auto good = check_sizes(definition); !good) return good;
  std::set<std::string> names;
  bool any_essential = false;
  for (const json::value& value : containers) {
    const json::object& container = value.as_object();
    if (auto good = check_container(definition, container); !good) return good;
    if (!names.insert(get_string(container, "name")).second)
      return refuse(fmt::format("Duplicate container name: {}", get_string(container, "name")));
    any_essential |= get_bool(container, "essential", true);
  }
  if (!any_essential) return refuse("At least one essential container must be specified.");
  if (start_order(definition).empty()) return refuse("The containers depend on each other in a circle.");
  return {};
}

json::object complete_definition(json::object definition) {
  for (json::value& value : definition["containerDefinitions"].as_array()) complete_container(value.as_object());
  const auto cpu = cpu_of(get_string(definition, "cpu"));
  const auto memory = memory_of(get_string(definition, "memory"));
  if (cpu) definition["cpu"] = std::to_string(*cpu);
  if (memory) definition["memory"] = std::to_string(*memory);
  const bool fits = cpu && memory && fargate_has(*cpu, *memory) && get_string(definition, "networkMode") == "awsvpc";
  json::array compatibilities{"EC2"};
  if (fits) compatibilities.emplace_back("FARGATE");
  definition["compatibilities"] = compatibilities;
  definition["volumes"] = json::array{};
  definition["placementConstraints"] = json::array{};
  definition["status"] = "ACTIVE";
  return definition;
}

}  // namespace slipway::ecs
