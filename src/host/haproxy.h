// HAProxy: started as master and worker, survives the daemon, is told what to do through its sockets.
// Structure (frontends, backends, slots) changes by reload; targets change in configured slots without one.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"

namespace slipway::host {

struct ProxyStatRow {  // One server line of `show stat`.
  std::string backend;
  std::string server;
  std::string status;      // "UP", "DRAIN", "MAINT", …
  long long sessions = 0;  // scur
  long long queued = 0;    // qcur
  long long responses_5xx = 0;
  long long requests = 0;  // stot
};

class Proxy {
 public:
  virtual ~Proxy() = default;
  // Makes HAProxy run with `config`: starts it when no master of ours runs, reloads when the text differs from the
  // running one, else does nothing.  The text is checked (`haproxy -c`) first.  Failures: Fault::not_found ("SLW-105":
  // HAProxy is not installed), Fault::invalid ("SLW-106", with HAProxy's words, e.g. a port in use).
  virtual task<Result<void>> apply(std::string config) = 0;
  // The text of what runs now; empty when no master of ours runs.
  virtual std::string current() = 0;
  // Keeps `config` as the text of what runs now, after command() has brought that about: nothing is reloaded, and a
  // later apply() of the same text does nothing.
  virtual task<Result<void>> record(std::string config) = 0;
  // Runs commands on the worker, in order; returns what each answered.  Workers that a reload has replaced take none:
  // a request that they send to a server that is gone meets a refused connection and is tried elsewhere.
  virtual task<Result<std::vector<std::string>>> command(std::vector<std::string> commands) = 0;
  // Of the worker, and of those that a reload has replaced and that still serve requests (of these: `sessions` only);
  // a server has one row for each that knows it.
  virtual task<Result<std::vector<ProxyStatRow>>> stats() = 0;
  virtual task<Result<void>> stop() = 0;  // Ends master and workers.
};

// `folder` holds haproxy.cfg, haproxy.pid and the sockets; `%SOCKET%` in a config stands for the stats socket's path.
std::unique_ptr<Proxy> make_haproxy(asio::any_io_executor executor, std::filesystem::path folder);

}  // namespace slipway::host
