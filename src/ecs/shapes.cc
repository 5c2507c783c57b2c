#include "ecs/shapes.h"

namespace slipway::ecs {
namespace {

using namespace wire;

constexpr long long kPercentMax = 10000;
constexpr long long kThresholdValueMax = 1000;
constexpr long long kBakeMax = 1440;     // Minutes.
constexpr long long kDesiredMax = 5000;  // Tasks of a service: ECS's quota.

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

Shape tmpfs_shape() {
  return list(structure({required("containerPath", text(1)), required("size", integer(1)),
                         optional("mountOptions", list(one_of({"defaults", "ro", "rw", "suid", "nosuid", "dev", "nodev",
                                                               "exec", "noexec", "sync", "async", "noatime"})))}),
              0, 10);
}

Shape linux_parameters() {
  // What Fargate allows: every capability can be dropped, SYS_PTRACE added.
  const Shape capabilities =
      structure({optional("add", list(one_of({"SYS_PTRACE"}))), optional("drop", list(text(1, 32, "[A-Z_]+")))});
  return structure({optional("initProcessEnabled", boolean()), optional("capabilities", capabilities),
                    optional("sharedMemorySize", integer(1)), optional("tmpfs", tmpfs_shape()),
                    optional("maxSwap", integer(0)), refused("swappiness", integer(), "not supported"),
                    refused("devices", list(document()), "devices are not supported")});
}

Shape ulimits_shape() {
  return list(
      structure({required("name", one_of({"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice",
                                          "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"})),
                 required("softLimit", integer(-1)), required("hardLimit", integer(-1))}));
}

Shape depends_on() {
  return list(structure({required("containerName", text(1)),
                         required("condition", one_of({"START", "COMPLETE", "SUCCESS", "HEALTHY"}))}));
}

Shape container_shape() {
  return structure(
      {optional("name", text()),
       optional("image", text()),
       optional("cpu", integer(0)),
       optional("memory", integer(4)),
       optional("memoryReservation", integer(4)),
       optional("portMappings", list(port_mapping(), 0, 100)),
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
       optional("startTimeout", integer(2, 120)),
       optional("dependsOn", depends_on()),
       optional("ulimits", ulimits_shape()),
       optional("interactive", boolean()),
       optional("logConfiguration", log_configuration()),
       optional("linuxParameters", linux_parameters()),
       refused("secrets", list(document()),
               "there are no SSM parameters and no Secrets Manager in this region; use environment"),
       refused("environmentFiles", list(document()), "there is no S3 in this region; use environment"),
       refused("repositoryCredentials", document(), "private registries other than ECR are not supported"),
       refused("mountPoints", list(document()), "volumes are not supported yet"),
       refused("volumesFrom", list(document()), "volumes are not supported yet"),
       refused("links", strings(), "links are not supported; the containers of a task reach each other at localhost"),
       refused("privileged", boolean(), "privileged containers are not allowed"),
       refused("hostname", text(), "not supported; with awsvpc AWS refuses it too"),
       refused("extraHosts", list(document()), "not supported; with awsvpc AWS refuses it too"),
       refused("dnsServers", strings(), "not supported; with awsvpc AWS refuses it too"),
       refused("dnsSearchDomains", strings(), "not supported; with awsvpc AWS refuses it too"),
       refused("dockerSecurityOptions", strings(), "not supported; Fargate refuses it too"),
       refused("firelensConfiguration", document(), "not supported"),
       refused("systemControls", list(document()), "not supported"),
       refused("resourceRequirements", list(document()), "there are no GPUs to give"),
       refused("restartPolicy", structure({optional("enabled", boolean())}),
               "a container that ends is not started again by itself; its task is replaced", R"({"enabled":false})"),
       refused("credentialSpecs", strings(), "not supported"),
       refused("pseudoTerminal", boolean(), "not supported"),
       refused("disableNetworking", boolean(), "not supported; with awsvpc AWS refuses it too"),
       refused("versionConsistency", one_of({"enabled", "disabled"}),
               "a deployment's tags are always resolved once; leave it enabled", "enabled")});
}

Shape breaker_shape() {
  return structure({required("enable", boolean()), required("rollback", boolean()),
                    optional("resetOnHealthyTask", boolean()),
                    optional("thresholdConfiguration",
                             structure({required("type", one_of({"COUNT", "BOUNDED_PERCENT", "UNBOUNDED_PERCENT"})),
                                        required("value", integer(1, kThresholdValueMax))}))});
}

Shape lifecycle_hook() {
  const Shape stages =
      list(one_of({"RECONCILE_SERVICE", "PRE_SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT",
                   "POST_TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"}),
           1);
  return structure(
      {optional("targetType", one_of({"AWS_LAMBDA", "PAUSE"})), optional("hookTargetArn", text()),
       optional("roleArn", text()), required("lifecycleStages", stages), optional("hookDetails", document()),
       optional("timeoutConfiguration", structure({optional("timeoutInMinutes", integer(1, 20160)),
                                                   optional("action", one_of({"ROLLBACK", "CONTINUE"}))}))});
}

Shape deployment_configuration() {
  return structure(
      {optional("deploymentCircuitBreaker", breaker_shape()),
       optional("minimumHealthyPercent", integer(0, kPercentMax)), optional("maximumPercent", integer(1, kPercentMax)),
       optional("strategy", one_of({"ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"})),
       optional("bakeTimeInMinutes", integer(0, kBakeMax)), optional("lifecycleHooks", list(lifecycle_hook())),
       optional("linearConfiguration", structure({optional("stepPercent", number()),
                                                  optional("stepBakeTimeInMinutes", integer(0, kBakeMax))})),
       optional("canaryConfiguration", structure({optional("canaryPercent", number()),
                                                  optional("canaryBakeTimeInMinutes", integer(0, kBakeMax))})),
       refused("earlySuccessCriteria", structure({optional("enable", boolean())}), "not supported yet",
               R"({"enable":false})"),
       refused("alarms",
               structure(
                   {optional("enable", boolean()), optional("rollback", boolean()), optional("alarmNames", strings())}),
               "deployment alarms are not supported yet", R"({"alarmNames":[],"enable":false,"rollback":false})")});
}

Shape advanced_configuration() {
  return structure({required("alternateTargetGroupArn", text(1)), required("productionListenerRule", text(1)),
                    optional("testListenerRule", text(1)),
                    ignored("roleArn", text())});  // The load balancer is the region's own.
}

Shape load_balancers() {
  return list(structure({required("targetGroupArn", text()), required("containerName", text()),
                         required("containerPort", integer(1, 65535)),
                         refused("loadBalancerName", text(), "classic load balancers are not supported"),
                         optional("advancedConfiguration", advanced_configuration())}),
              0, 5);
}

Shape capacity_provider_part() {
  return structure({required("capacityProvider", text(1)), optional("weight", integer(0, 1000)),
                    optional("base", integer(0, 100000))});
}

// Members that creating and updating a service share.
std::vector<Member> service_members() {
  return {optional("cluster", text()),
          optional("taskDefinition", text()),
          optional("desiredCount", integer(0, kDesiredMax)),
          optional("loadBalancers", load_balancers()),
          optional("deploymentConfiguration", deployment_configuration()),
          optional("healthCheckGracePeriodSeconds", integer(0, 2147483647)),
          warned("networkConfiguration", document(),
                 "tasks join the engine's bridge network; subnets and security groups are not acted on"),
          ignored("platformVersion", text()),  // One machine, one platform.
          optional("enableECSManagedTags", boolean()),
          refused("enableExecuteCommand", boolean(), "ExecuteCommand is not supported yet"),
          optional("propagateTags", one_of({"NONE", "SERVICE", "TASK_DEFINITION"})),
          optional("capacityProviderStrategy", list(capacity_provider_part(), 0, 20)),  // One machine has the capacity.
          ignored("availabilityZoneRebalancing", one_of({"ENABLED", "DISABLED"})),
          refused("serviceRegistries", list(document()), "service discovery is not supported yet"),
          refused("serviceConnectConfiguration", structure({optional("enabled", boolean())}),
                  "Service Connect is not supported", R"({"enabled":false})"),
          refused("volumeConfigurations", list(document()), "volumes are not supported yet"),
          refused("vpcLatticeConfigurations", list(document()), "VPC Lattice is not supported"),
          refused("placementConstraints", list(document()), "there is one machine to place on"),
          warned("placementStrategy", list(document()), "there is one machine to place on")};
}

}  // namespace

Shape tags_shape() {
  return list(structure({optional("key", text(1, 128)), optional("value", text(0, 256))}), 0, 50);
}

Shape task_definition_shape() {
  return structure(
      {required("family", text()), required("containerDefinitions", list(container_shape(), 0, 10)),
       optional("networkMode", one_of({"awsvpc", "bridge", "host", "none"})), optional("cpu", text()),
       optional("memory", text()), optional("requiresCompatibilities", list(one_of({"FARGATE", "EC2", "EXTERNAL"}))),
       warned("taskRoleArn", text(), "containers get no credentials of the task role yet"),
       ignored("executionRoleArn", text()),  // Images and logs need no role here.
       optional("tags", tags_shape()), refused("volumes", list(document()), "volumes are not supported yet"),
       refused("placementConstraints", list(document()), "there is one machine to place on"),
       optional("runtimePlatform",
                structure({optional("cpuArchitecture", one_of({"X86_64", "ARM64"})),
                           refused("operatingSystemFamily", text(), "only LINUX runs here", "LINUX")})),
       refused("pidMode", one_of({"host", "task"}), "namespaces of the host or of a task are not shared"),
       refused("ipcMode", one_of({"host", "task", "none"}), "namespaces of the host or of a task are not shared"),
       refused("proxyConfiguration", document(), "not supported"),
       refused("ephemeralStorage", document(), "not supported yet"),
       refused("inferenceAccelerators", list(document()), "not supported"),
       refused("enableFaultInjection", boolean(), "not supported")});
}

Shape cluster_settings_shape() {
  return list(structure({required("name", one_of({"containerInsights"})),
                         refused("value", one_of({"enabled", "disabled", "enhanced"}),
                                 "there are no container insights in this region", "disabled")}));
}

namespace {

std::vector<Member> cluster_members() {
  return {optional("settings", cluster_settings_shape()),
          warned("configuration", document(), "kept and shown, not acted on: there is no ExecuteCommand here"),
          refused("serviceConnectDefaults", document(), "Service Connect is not supported")};
}
Shape strategy() {
  return list(capacity_provider_part(), 0, 20);
}

}  // namespace

Shape create_cluster_shape() {
  auto members = cluster_members();
  members.push_back(optional("clusterName", text(1, 255, "[a-zA-Z0-9_-]+")));
  members.push_back(optional("tags", tags_shape()));
  members.push_back(optional("capacityProviders", list(text(1))));
  members.push_back(optional("defaultCapacityProviderStrategy", strategy()));
  return structure(std::move(members));
}

Shape update_cluster_shape() {
  auto members = cluster_members();
  members.push_back(required("cluster", text(1)));
  return structure(std::move(members));
}

Shape cluster_providers_shape() {
  return structure({required("cluster", text(1)), required("capacityProviders", list(text(1))),
                    required("defaultCapacityProviderStrategy", strategy())});
}

Shape create_service_shape() {
  auto members = service_members();
  members.push_back(required("serviceName", text(1, 255, "[a-zA-Z0-9_-]+")));
  members.push_back(optional("launchType", one_of({"FARGATE", "EC2"})));
  members.push_back(optional("clientToken", text(0, 36)));
  members.push_back(optional("tags", tags_shape()));
  members.push_back(
      refused("schedulingStrategy", one_of({"REPLICA", "DAEMON"}), "only REPLICA is supported", "REPLICA"));
  members.push_back(refused("deploymentController",
                            structure({required("type", one_of({"ECS", "CODE_DEPLOY", "EXTERNAL"}))}),
                            "only the ECS controller is supported", R"({"type":"ECS"})"));
  members.push_back(ignored("role", text()));  // The load balancer is the region's own.
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

namespace {

Shape overrides_shape() {
  return structure(
      {optional("containerOverrides",
                list(structure({required("name", text(1)), optional("command", strings()),
                                optional("environment", list(key_value())), optional("cpu", integer(0)),
                                optional("memory", integer(4)), optional("memoryReservation", integer(4)),
                                refused("environmentFiles", list(document()), "there is no S3 in this region"),
                                refused("resourceRequirements", list(document()), "there are no GPUs to give")}))),
       refused("cpu", text(), "the size of a task cannot be overridden yet"),
       refused("memory", text(), "the size of a task cannot be overridden yet"),
       refused("ephemeralStorage", document(), "not supported"),
       refused("inferenceAcceleratorOverrides", list(document()), "not supported"),
       warned("taskRoleArn", text(), "containers get no credentials of the task role yet"),
       ignored("executionRoleArn", text())});
}

std::vector<Member> task_members() {
  return {optional("cluster", text()),
          required("taskDefinition", text(1)),
          optional("startedBy", text(0, 128)),
          optional("group", text()),
          optional("overrides", overrides_shape()),
          optional("tags", tags_shape()),
          optional("propagateTags", one_of({"NONE", "TASK_DEFINITION", "SERVICE"})),
          optional("enableECSManagedTags", boolean()),
          warned("networkConfiguration", document(), "tasks join the engine's bridge network"),
          refused("enableExecuteCommand", boolean(), "ExecuteCommand is not supported yet"),
          refused("volumeConfigurations", list(document()), "volumes are not supported yet")};
}

}  // namespace

Shape run_task_shape() {
  auto members = task_members();
  members.push_back(optional("count", integer()));
  members.push_back(optional("clientToken", text(0, 64)));
  members.push_back(ignored("launchType", one_of({"FARGATE", "EC2"})));
  members.push_back(ignored("platformVersion", text()));
  members.push_back(ignored("capacityProviderStrategy", list(capacity_provider_part(), 0, 20)));
  members.push_back(refused("placementConstraints", list(document()), "there is one machine to place on"));
  members.push_back(warned("placementStrategy", list(document()), "there is one machine to place on"));
  return structure(std::move(members));
}

Shape start_task_shape() {
  auto members = task_members();
  members.push_back(required("containerInstances", list(text())));
  return structure(std::move(members));
}

Shape paging_shape(std::vector<Member> members) {
  members.push_back(optional("maxResults", integer(1, 100)));
  members.push_back(optional("nextToken", text()));
  return structure(std::move(members));
}

}  // namespace slipway::ecs
