#include "ecs/definition_rules.h"

#include <gtest/gtest.h>

namespace slipway::ecs {
namespace {

json::object container(std::string name, json::object more = {}) {
  json::object out = {{"name", name}, {"image", "app:latest"}, {"memory", 64}};
  for (const auto& member : more) out[member.key()] = member.value();
  return out;
}

json::object definition(json::array containers, json::object more = {}) {
  json::object out = {{"family", "f"}, {"containerDefinitions", containers}};
  for (const auto& member : more) out[member.key()] = member.value();
  return out;
}

std::string refusal(const json::object& text) {
  const auto checked = check_definition(text);
  return checked ? "" : checked.error().message;
}

json::object fargate(const char* cpu, const char* memory, const char* mode = "awsvpc") {
  return definition(
      {container("app")},
      {{"requiresCompatibilities", json::array{"FARGATE"}}, {"cpu", cpu}, {"memory", memory}, {"networkMode", mode}});
}

json::array waits(const char* name, const char* condition) {
  return {json::object{{"containerName", name}, {"condition", condition}}};
}

TEST(DefinitionRules, NamesAndImagesAreChecked) {
  EXPECT_EQ(refusal(definition({container("app")})), "");
  EXPECT_EQ(refusal(definition({container("app")}, {{"family", "a b"}})), "Family contains invalid characters.");
  EXPECT_EQ(refusal(definition({})), "Container list cannot be empty.");
  EXPECT_EQ(refusal(definition({container("")})), "Container.name should not be null or empty.");
  EXPECT_EQ(refusal(definition({container("a/b")})), "Container.name contains invalid characters.");
  EXPECT_EQ(refusal(definition({container("a", {{"image", ""}})})), "Container.image should not be null or empty.");
  EXPECT_EQ(refusal(definition({container("a"), container("a")})), "Duplicate container name: a");
  EXPECT_EQ(refusal(definition({container("a", {{"essential", false}})})),
            "At least one essential container must be specified.");
}

TEST(DefinitionRules, FargateHasItsOwnSizesAndNetwork) {
  EXPECT_EQ(refusal(fargate("256", "512")), "");
  EXPECT_EQ(refusal(fargate("1 vCPU", "2 GB")), "");
  EXPECT_EQ(
      refusal(fargate("512", "512")),
      "No Fargate configuration exists for given values: 512 CPU, 512 memory. See the Amazon ECS documentation for "
      "the valid values.");
  EXPECT_EQ(refusal(fargate("256", "1536")).substr(0, 35), "No Fargate configuration exists for");
  EXPECT_EQ(refusal(fargate("", "512")), "Fargate requires that 'cpu' be defined at the task level.");
  EXPECT_EQ(refusal(fargate("256", "")), "Fargate requires that 'memory' be defined at the task level.");
  EXPECT_EQ(refusal(fargate("256", "512", "bridge")), "Fargate only supports network mode ‘awsvpc’.");
  EXPECT_NE(refusal(fargate("lots", "512")).find("Invalid 'cpu' setting for task."), std::string::npos);
}

TEST(DefinitionRules, MemoryIsGivenSomewhereAndFitsTheTask) {
  json::object bare = {{"name", "app"}, {"image", "i"}};
  EXPECT_EQ(refusal(definition({bare})),
            "Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified.");
  EXPECT_EQ(refusal(definition({bare}, {{"memory", "512"}})), "");
  EXPECT_EQ(refusal(definition({container("app", {{"memory", 1024}})}, {{"memory", "512"}})),
            "The 'memory' setting for container 'app' is greater than for the task.");
  EXPECT_NE(refusal(definition({container("app", {{"memoryReservation", 128}})})), "");
}

TEST(DefinitionRules, HostPortsAreThoseOfTheContainer) {
  const json::array ports = {json::object{{"containerPort", 80}, {"hostPort", 8080}}};
  EXPECT_EQ(refusal(definition({container("app", {{"portMappings", ports}})}, {{"networkMode", "awsvpc"}})),
            "When networkMode=awsvpc, the host ports and container ports in port mappings must match.");
}

TEST(DefinitionRules, DependenciesNameOthersAndDoNotCircle) {
  const json::object check = {{"command", json::array{"CMD-SHELL", "true"}}};
  EXPECT_EQ(refusal(definition({container("app", {{"dependsOn", waits("db", "HEALTHY")}}),
                                container("db", {{"healthCheck", check}})})),
            "");
  EXPECT_NE(refusal(definition({container("app", {{"dependsOn", waits("db", "HEALTHY")}}), container("db")})), "");
  EXPECT_NE(refusal(definition({container("app", {{"dependsOn", waits("no", "START")}})})), "");
  EXPECT_NE(refusal(definition({container("app", {{"dependsOn", waits("init", "SUCCESS")}}), container("init")})), "");
  EXPECT_EQ(refusal(definition({container("a", {{"dependsOn", waits("b", "START")}}),
                                container("b", {{"dependsOn", waits("a", "START")}})})),
            "The containers depend on each other in a circle.");
}

TEST(DefinitionRules, ContainersStartAfterThoseTheyWaitFor) {
  const json::object text = definition({container("app", {{"dependsOn", waits("init", "SUCCESS")}}),
                                        container("init", {{"essential", false}}), container("log")});
  EXPECT_EQ(start_order(text), (std::vector<std::string>{"init", "log", "app"}));
  EXPECT_EQ(network_owner(text), "log");
}

TEST(DefinitionRules, SizesAreShownAsNumbersAndCompatibilitiesAreTrue) {
  const json::object shown = complete_definition(fargate("1 vCPU", "2 GB"));
  EXPECT_EQ(get_string(shown, "cpu"), "1024");
  EXPECT_EQ(get_string(shown, "memory"), "2048");
  EXPECT_EQ(get_strings(shown, "compatibilities"), (std::vector<std::string>{"EC2", "FARGATE"}));
  EXPECT_EQ(get_strings(complete_definition(definition({container("a")})), "compatibilities"),
            (std::vector<std::string>{"EC2"}));
}

}  // namespace
}  // namespace slipway::ecs
