#include "ecs/shapes.h"

namespace slipway::ecs {
namespace {

using namespace wire;

constexpr long long kPercentMax = 10000;

Shape strings() {
  return list(text());
}
Shape key_value() {
  return structure({optional("name", text()), optional("value", text())});
}

Shape port_mapping() {
  return structure({optional("containerPort", integer(1, 65535)), optional("protocol", one_of({"tcp"})),
                    optional("name", text()), optional("hostPort", integer(0, 65535)),
                    ignored("appProtocol", one_of({"http", "http2", "grpc"})),
                    refused("containerPortRange", text(), "port ranges are not supported yet")});
}

Shape log_configuration() {
  return structure({required("logDriver", one_of({"awslogs"})), optional("options", map(text())),
                    refused("secretOptions", list(document()), "secrets are not supported yet")});
}

Shape health_check() {
  return structure({required("command", strings()), optional("interval", integer(5, 300)),
                    optional("timeout", integer(2, 60)), optional("retries", integer(1, 10)),
                    optional("startPeriod", integer(0, 300))});
}

Shape container_shape() {
  return structure(
      {required("name", text(1, 255, "[a-zA-Z0-9_-]+")),
       required("image", text(1)),
       optional("cpu", integer(0)),
       optional("memory", integer(4)),
       optional("memoryReservation", integer(4)),
       optional("portMappings", list(port_mapping())),
       optional("essential", boolean()),
       optional("entryPoint", strings()),
       optional("command", strings()),
       optional("environment", list(key_value())),
       optional("user", text()),
       optional("workingDirectory", text()),
       optional("readonlyRootFilesystem", boolean()),
       optional("dockerLabels", map(text())),
       optional("healthCheck", health_check()),
       optional("stopTimeout", integer(0, 120)),
       optional("logConfiguration", log_configuration()),
       optional("linuxParameters", structure({optional("initProcessEnabled", boolean()),
                                              refused("capabilities", document(), "capabilities cannot be changed yet"),
                                              refused("devices", document(), "devices are not supported"),
                                              refused("sharedMemorySize", integer(), "not supported yet"),
                                              refused("tmpfs", document(), "not supported yet")})),
       refused("secrets", list(document()), "secrets are not supported yet; use environment"),
       refused("environmentFiles", list(document()), "not supported"),
       refused("mountPoints", list(document()), "volumes are not supported yet"),
       refused("volumesFrom", list(document()), "volumes are not supported yet"),
       refused("dependsOn", list(document()), "the order of containers cannot be chosen yet"),
       refused("links", strings(), "links are not supported"),
       refused("privileged", boolean(), "privileged containers are not allowed"),
       refused("ulimits", list(document()), "not supported yet"),
       refused("hostname", text(), "not supported yet"),
       refused("extraHosts", list(document()), "not supported yet"),
       refused("firelensConfiguration", document(), "not supported"),
       refused("systemControls", list(document()), "not supported"),
       refused("resourceRequirements", list(document()), "not supported"),
       ignored("versionConsistency", one_of({"enabled"})),
       ignored("startTimeout", integer()),
       ignored("interactive", boolean()),
       ignored("pseudoTerminal", boolean()),
       ignored("disableNetworking", boolean())});
}

Shape breaker_shape() {
  return structure({required("enable", boolean()), required("rollback", boolean())});
}

Shape deployment_configuration() {
  return structure(
      {optional("deploymentCircuitBreaker", breaker_shape()),
       optional("minimumHealthyPercent", integer(0, kPercentMax)), optional("maximumPercent", integer(1, kPercentMax)),
       refused("strategy", text(), "only ROLLING is supported yet", "ROLLING"),
       ignored("bakeTimeInMinutes", integer(0, 0)), refused("lifecycleHooks", list(document()), "not supported yet"),
       refused("alarms",
               structure(
                   {optional("enable", boolean()), optional("rollback", boolean()), optional("alarmNames", strings())}),
               "deployment alarms are not supported yet", R"({"alarmNames":[],"enable":false,"rollback":false})")});
}

Shape load_balancers() {
  return list(structure({required("targetGroupArn", text()), required("containerName", text()),
                         required("containerPort", integer(1, 65535)),
                         refused("loadBalancerName", text(), "classic load balancers are not supported"),
                         refused("advancedConfiguration", document(), "not supported yet")}),
              0, 5);
}

// Members that creating and updating a service share.
std::vector<Member> service_members() {
  return {optional("cluster", text()),
          optional("taskDefinition", text()),
          optional("desiredCount", integer(0)),
          optional("loadBalancers", load_balancers()),
          optional("deploymentConfiguration", deployment_configuration()),
          optional("healthCheckGracePeriodSeconds", integer(0, 2147483647)),
          warned("networkConfiguration", document(),
                 "tasks join the engine's bridge network; subnets and security groups are not acted on"),
          ignored("platformVersion", text()),
          ignored("enableECSManagedTags", boolean()),
          refused("enableExecuteCommand", boolean(), "ExecuteCommand is not supported yet"),
          ignored("propagateTags", one_of({"NONE", "SERVICE", "TASK_DEFINITION"})),
          ignored("capacityProviderStrategy", list(document(), 0, 0)),
          ignored("availabilityZoneRebalancing", one_of({"ENABLED", "DISABLED"})),
          refused("serviceRegistries", list(document()), "service discovery is not supported yet"),
          refused("serviceConnectConfiguration", structure({optional("enabled", boolean())}),
                  "Service Connect is not supported", R"({"enabled":false})"),
          refused("volumeConfigurations", list(document()), "volumes are not supported yet"),
          ignored("vpcLatticeConfigurations", list(document(), 0, 0)),
          refused("placementConstraints", list(document()), "there is one machine to place on"),
          ignored("placementStrategy", list(document()))};
}

}  // namespace

Shape tags_shape() {
  return list(structure({optional("key", text(1, 128)), optional("value", text(0, 256))}), 0, 50);
}

Shape task_definition_shape() {
  return structure(
      {required("family", text(1, 255, "[a-zA-Z0-9_-]+")),
       required("containerDefinitions", list(container_shape(), 1, 10)),
       optional("networkMode", one_of({"awsvpc", "bridge", "host", "none"})), optional("cpu", text()),
       optional("memory", text()), optional("requiresCompatibilities", list(one_of({"FARGATE", "EC2", "EXTERNAL"}))),
       warned("taskRoleArn", text(), "containers get no credentials of the task role yet"),
       ignored("executionRoleArn", text()), optional("tags", tags_shape()),
       refused("volumes", list(document()), "volumes are not supported yet"),
       refused("placementConstraints", list(document()), "there is one machine to place on"),
       ignored("runtimePlatform",
               structure({optional("cpuArchitecture", text()), optional("operatingSystemFamily", text())})),
       refused("pidMode", text(), "not supported"), refused("ipcMode", text(), "not supported"),
       refused("proxyConfiguration", document(), "not supported"),
       refused("ephemeralStorage", document(), "not supported yet"),
       refused("inferenceAccelerators", list(document()), "not supported"),
       refused("enableFaultInjection", boolean(), "not supported")});
}

Shape create_service_shape() {
  auto members = service_members();
  members.push_back(required("serviceName", text(1, 255, "[a-zA-Z0-9_-]+")));
  members.push_back(ignored("launchType", one_of({"FARGATE", "EC2"})));
  members.push_back(ignored("clientToken", text(0, 36)));
  members.push_back(optional("tags", tags_shape()));
  members.push_back(
      refused("schedulingStrategy", one_of({"REPLICA", "DAEMON"}), "only REPLICA is supported", "REPLICA"));
  members.push_back(refused("deploymentController",
                            structure({required("type", one_of({"ECS", "CODE_DEPLOY", "EXTERNAL"}))}),
                            "only the ECS controller is supported", R"({"type":"ECS"})"));
  members.push_back(ignored("role", text()));
  return structure(std::move(members));
}

Shape update_service_shape() {
  auto members = service_members();
  members.push_back(required("service", text(1)));
  members.push_back(optional("forceNewDeployment", boolean()));
  return structure(std::move(members));
}

Shape list_service_deployments_shape() {
  return paging_shape(
      {optional("cluster", text()), required("service", text(1)),
       optional("status",
                list(one_of({"PENDING", "SUCCESSFUL", "STOPPED", "STOP_REQUESTED", "IN_PROGRESS", "ROLLBACK_REQUESTED",
                             "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}))),
       optional("createdAt", structure({optional("before", timestamp()), optional("after", timestamp())}))});
}

Shape run_task_shape() {
  return structure({optional("cluster", text()), required("taskDefinition", text()), optional("count", integer(1, 10)),
                    optional("startedBy", text(0, 128)),
                    optional("overrides", structure({optional("containerOverrides", list(document())),
                                                     refused("cpu", text(), "not supported yet"),
                                                     refused("memory", text(), "not supported yet")})),
                    optional("tags", tags_shape()), ignored("launchType", one_of({"FARGATE", "EC2"})),
                    ignored("clientToken", text()), ignored("group", text()),
                    warned("networkConfiguration", document(), "tasks join the engine's bridge network"),
                    ignored("platformVersion", text()), ignored("enableECSManagedTags", boolean()),
                    ignored("propagateTags", text()), ignored("capacityProviderStrategy", list(document(), 0, 0)),
                    refused("enableExecuteCommand", boolean(), "not supported yet")});
}

Shape paging_shape(std::vector<Member> members) {
  members.push_back(optional("maxResults", integer(1, 100)));
  members.push_back(optional("nextToken", text()));
  return structure(std::move(members));
}

}  // namespace slipway::ecs
