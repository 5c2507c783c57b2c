// Labels: which commit an image was built of, as its labels or annotations say.
// https://github.com/opencontainers/image-spec/blob/main/annotations.md
#pragma once
#include <string>

#include "base/task.h"
#include "deployer/cloud.h"

namespace slipway::deployer {

struct Labels {
  std::string commit;   // org.opencontainers.image.revision
  std::string author;   // slipway.commit.author
  std::string subject;  // slipway.commit.subject: the commit message's first line
  bool operator==(const Labels&) const = default;
};
// Out of a manifest's or index's annotations, or a configuration's labels.  Pure.
Labels labels_of(const json::object& texts);

// Asks the registry: annotations of the index or manifest, else labels of the configuration.  Empty where the image
// has none, or where they cannot be read: they are a courtesy, and worth no failure.
task<Labels> read_labels(Cloud& cloud, std::string repository, std::string digest);

// The configuration of an image (https://github.com/opencontainers/image-spec/blob/main/config.md): "architecture",
// "os", "config".  `digest` is the configuration's own.  Empty where it cannot be read.
task<json::object> image_configuration(Cloud& cloud, std::string repository, std::string digest);

}  // namespace slipway::deployer
