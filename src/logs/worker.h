// The archive: takes log lines from every room without making it wait, and writes them in batches.
#pragma once
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/arn.h"
#include "base/task.h"
#include "host/clock.h"
#include "logs/store.h"

namespace slipway::logs {

class Archive {
 public:
  Archive(asio::any_io_executor executor, database::Database& db, host::Clock& clock, Place place);
  void start();
  task<void> stop();  // Writes what is waiting.

  // Keeps the lines for the next batch (100 ms at most); makes group and stream when they are missing.  When more than
  // 100,000 lines or 64 MiB wait, the oldest are dropped and a line says how many.  Of what is on disk the oldest goes
  // when its group's retention or 1 GiB in all is passed.
  void append(std::string group, std::string stream, std::vector<LogEvent> events);
  task<void> flush();  // Returns when everything that was appended is on disk.

  database::Database& db() { return db_; }
  host::Clock& clock() { return clock_; }
  const Place& place() const { return place_; }

 private:
  struct Waiting {
    std::string group;
    std::string stream;
    LogEvent event;
  };
  task<void> write_batches();
  task<void> prune_old();
  task<void> write_waiting();

  database::Database& db_;
  host::Clock& clock_;
  Place place_;
  std::deque<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  int writing_ = 0;  // Batches on their way to the disk.
  long long dropped_ = 0;
  Bell bell_;
  TaskGroup group_;
};

}  // namespace slipway::logs
