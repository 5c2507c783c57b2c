// Containers by the Docker Engine API 1.41 (https://docs.docker.com/engine/api/v1.41/) over a Unix socket or HTTP.
#pragma once
#include <memory>
#include <string>

#include "host/containers.h"

namespace slipway::host {

// `endpoint`: "unix:/var/run/docker.sock" or "http://host:port".  Connects at each call; nothing is kept open between.
std::unique_ptr<Containers> make_docker(asio::any_io_executor executor, std::string endpoint);

}  // namespace slipway::host
