// What the ECS operations accept.  Pure tables; what is not acted on says so.
#pragma once
#include "wire/shape.h"

namespace slipway::ecs {

wire::Shape create_cluster_shape();
wire::Shape update_cluster_shape();
wire::Shape cluster_settings_shape();
wire::Shape cluster_providers_shape();
wire::Shape task_definition_shape();
wire::Shape create_service_shape();
wire::Shape update_service_shape();
wire::Shape list_service_deployments_shape();
wire::Shape run_task_shape();
wire::Shape start_task_shape();
wire::Shape tags_shape();
wire::Shape paging_shape(std::vector<wire::Member> members);

}  // namespace slipway::ecs
