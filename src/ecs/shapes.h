// What the ECS operations accept.  Pure tables; what is not acted on says so.
#pragma once
#include "wire/shape.h"

namespace slipway::ecs {

wire::Shape task_definition_shape();
wire::Shape create_service_shape();
wire::Shape update_service_shape();
wire::Shape list_service_deployments_shape();
wire::Shape run_task_shape();
wire::Shape tags_shape();
wire::Shape paging_shape(std::vector<wire::Member> members);

}  // namespace slipway::ecs
