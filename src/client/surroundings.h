// Surroundings: what finding credentials asks of the machine.  Tests answer from recorded folders.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "base/instant.h"
#include "base/result.h"
#include "base/task.h"
#include "http/client.h"

namespace slipway::client {

using Environment = std::map<std::string, std::string>;

// The variables of this process.
Environment process_environment();
// The value of `name` without white space around it; empty when absent.  AWS treats a blank
// variable as an absent one.
std::string variable(const Environment& environment, const std::string& name);

class Surroundings {
 public:
  virtual ~Surroundings() = default;
  // The wall clock.
  virtual Instant now() = 0;
  // A number in [0, 1), for waits that must not be in step.
  virtual double fraction() = 0;
  // Returns after `delay`.
  virtual task<void> wait(Duration delay) = 0;
  // Fault::not_found when there is no such file.
  virtual Result<std::string> read_file(const std::string& path) = 0;
  // One request on a connection of its own to "http://host:port"; `limit` for connecting and for
  // each read.
  virtual task<Result<http::ClientResponse>> send(std::string endpoint, http::ClientRequest request,
                                                  Duration limit) = 0;
  // Runs `command` in a shell and returns its standard output.  Blocks the loop: credential_process
  // is for workstations.
  virtual Result<std::string> run(const std::string& command) = 0;
};

// The machine itself.
std::shared_ptr<Surroundings> make_surroundings();

}  // namespace slipway::client
