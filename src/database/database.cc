#include "database/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <atomic>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "base/log.h"

namespace slipway::database {
namespace {

constexpr std::size_t kJobsPerCommitMax = 256;
constexpr int kBusyTimeoutMs = 5000;
constexpr std::size_t kStatementsCachedMax = 256;

[[noreturn]] void throw_error(sqlite3* db, std::string_view what) {
  const std::string why = fmt::format("database: {} ({})", sqlite3_errmsg(db), what);
  // A full disk is nobody's bug: who answers the caller can tell it from one.
  if (sqlite3_errcode(db) == SQLITE_FULL) throw std::system_error(ENOSPC, std::generic_category(), why);
  throw std::runtime_error(why);
}

// One SQLite handle with its prepared statements.
class Handle {
 public:
  explicit Handle(const std::string& uri) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(uri.c_str(), &db_, flags, nullptr) != SQLITE_OK) {
      const std::string why = db_ != nullptr ? sqlite3_errmsg(db_) : "out of memory";
      sqlite3_close(db_);
      throw std::runtime_error(fmt::format("cannot open the database {}: {}", uri, why));
    }
    sqlite3_busy_timeout(db_, kBusyTimeoutMs);
  }
  ~Handle() {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(db_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  Rows query(std::string_view sql, const Arguments& arguments) {
    sqlite3_stmt* statement = prepare(sql);
    bind(statement, arguments);
    Rows rows;
    for (;;) {
      const int outcome = sqlite3_step(statement);
      if (outcome == SQLITE_DONE) break;
      if (outcome != SQLITE_ROW) {
        sqlite3_reset(statement);
        throw_error(db_, sql);
      }
      rows.push_back(read_row(statement));
    }
    sqlite3_reset(statement);
    return rows;
  }

  void run(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) throw_error(db_, sql);
  }
  long long changes() { return sqlite3_changes64(db_); }
  long long last_insert_id() { return sqlite3_last_insert_rowid(db_); }

 private:
  sqlite3_stmt* prepare(std::string_view sql) {
    const auto known = statements_.find(sql);
    if (known != statements_.end()) return known->second;
    if (statements_.size() >= kStatementsCachedMax) {
      for (auto& [text, statement] : statements_) sqlite3_finalize(statement);
      statements_.clear();
    }
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement,
                           nullptr) != SQLITE_OK)
      throw_error(db_, sql);
    statements_.emplace(std::string(sql), statement);
    return statement;
  }

  void bind(sqlite3_stmt* statement, const Arguments& arguments) {
    sqlite3_clear_bindings(statement);
    int position = 0;
    for (const Value& value : arguments) {
      ++position;
      int outcome = SQLITE_OK;
      if (const auto* integer = std::get_if<long long>(&value))
        outcome = sqlite3_bind_int64(statement, position, *integer);
      if (const auto* real = std::get_if<double>(&value)) outcome = sqlite3_bind_double(statement, position, *real);
      if (const auto* text = std::get_if<std::string>(&value))
        outcome = sqlite3_bind_text64(statement, position, text->data(), text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
      if (outcome != SQLITE_OK) throw_error(db_, "bind");
    }
  }

  static Row read_row(sqlite3_stmt* statement) {
    std::vector<Value> values;
    const int columns = sqlite3_column_count(statement);
    for (int i = 0; i < columns; ++i) {
      switch (sqlite3_column_type(statement, i)) {
        case SQLITE_INTEGER:
          values.emplace_back(static_cast<long long>(sqlite3_column_int64(statement, i)));
          break;
        case SQLITE_FLOAT:
          values.emplace_back(sqlite3_column_double(statement, i));
          break;
        case SQLITE_NULL:
          values.emplace_back(Null{});
          break;
        default: {
          const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, i));
          const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, i));
          values.emplace_back(bytes != nullptr ? std::string(bytes, size) : std::string());
        }
      }
    }
    return Row(std::move(values));
  }

  sqlite3* db_ = nullptr;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
};

class Reader final : public Connection {
 public:
  explicit Reader(const std::string& uri) : handle_(uri) {}
  Rows query(std::string_view sql, const Arguments& arguments) override { return handle_.query(sql, arguments); }

 private:
  Handle handle_;
};

class WriterTransaction final : public Transaction {
 public:
  explicit WriterTransaction(Handle& handle) : handle_(handle) {}
  Rows query(std::string_view sql, const Arguments& arguments) override { return handle_.query(sql, arguments); }
  long long execute(std::string_view sql, const Arguments& arguments) override {
    handle_.query(sql, arguments);
    return handle_.changes();
  }
  long long last_insert_id() override { return handle_.last_insert_id(); }
  void after_commit(std::function<void()> news) override { news_.push_back(std::move(news)); }
  std::vector<std::function<void()>> take_news() { return std::move(news_); }

 private:
  Handle& handle_;
  std::vector<std::function<void()>> news_;
};

std::string uri_of(const std::filesystem::path& file) {
  static std::atomic<unsigned> next_memory{0};
  if (file == ":memory:") return fmt::format("file:slipway-{}?mode=memory&cache=shared", next_memory++);
  return file.string();
}

}  // namespace

long long Row::integer(std::size_t column) const {
  const Value& value = values_.at(column);
  if (const auto* integer = std::get_if<long long>(&value)) return *integer;
  if (const auto* real = std::get_if<double>(&value)) return static_cast<long long>(*real);
  return 0;
}

double Row::real(std::size_t column) const {
  const Value& value = values_.at(column);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return static_cast<double>(integer(column));
}

std::string Row::text(std::size_t column) const {
  const Value& value = values_.at(column);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* integer = std::get_if<long long>(&value)) return std::to_string(*integer);
  return {};
}

bool Row::is_null(std::size_t column) const {
  return std::holds_alternative<Null>(values_.at(column));
}

std::optional<Row> Connection::query_one(std::string_view sql, const Arguments& arguments) {
  Rows rows = query(sql, arguments);
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}

// What one caller waits for: `finish` is called on the loop, `on_disk` is set by the writer thread.
struct Job {
  std::function<bool(Transaction&)> work;
  std::function<void(std::exception_ptr)> finish;
  std::promise<void>* on_disk = nullptr;
  std::vector<std::function<void()>> news;
  std::exception_ptr failure;
};

struct Database::Writer {
  Writer(asio::any_io_executor l, const std::string& uri, Writing writing)
      : loop(std::move(l)), handle(uri), reader(uri), inline_(writing == Writing::caller) {
    const bool in_memory = uri.find("mode=memory") != std::string::npos;
    if (!in_memory) {
      handle.run("PRAGMA journal_mode=WAL");
      handle.run("PRAGMA synchronous=FULL");
    }
    handle.run("PRAGMA foreign_keys=ON");
    // Holds the inner pages of every index that events are written to: they are looked up at random, and a page that is
    // not there is read again for each.  The reader's is small, as each commit empties it.
    handle.run("PRAGMA cache_size=-4096");
    handle.run("CREATE TABLE IF NOT EXISTS schema_versions (room TEXT PRIMARY KEY, version INTEGER NOT NULL)");
    reader.query("PRAGMA cache_size=-1024", {});
    // A reader that shares memory with the writer would otherwise wait for its table locks.
    if (in_memory) reader.query("PRAGMA read_uncommitted=ON", {});
    if (!inline_) thread = std::thread([this] { serve(); });
  }
  ~Writer() {
    {
      const std::lock_guard lock(mutex);
      ending = true;
    }
    news.notify_one();
    if (thread.joinable()) thread.join();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void submit(std::shared_ptr<Job> job) {
    if (inline_) {
      std::vector<std::shared_ptr<Job>> batch{std::move(job)};
      commit(batch);
      settle(*batch.front());
      asio::post(loop, [batch] { announce(batch); });
      return;
    }
    {
      const std::lock_guard lock(mutex);
      jobs.push_back(std::move(job));
    }
    news.notify_one();
  }

  void serve() {
    for (;;) {
      std::vector<std::shared_ptr<Job>> batch;
      {
        std::unique_lock lock(mutex);
        news.wait(lock, [this] { return ending || !jobs.empty(); });
        if (jobs.empty()) return;
        while (!jobs.empty() && batch.size() < kJobsPerCommitMax) {
          batch.push_back(std::move(jobs.front()));
          jobs.pop_front();
        }
      }
      commit(batch);
      for (const auto& job : batch) settle(*job);
      asio::post(loop, [batch = std::move(batch)] { announce(batch); });
    }
  }

  // Each job runs in a savepoint of its own; one COMMIT, and so one fsync, serves them all.
  void commit(const std::vector<std::shared_ptr<Job>>& batch) {
    try {
      handle.run("BEGIN IMMEDIATE");
      for (const auto& job : batch) run_one(*job);
      handle.run("COMMIT");
    } catch (...) {
      const auto failure = std::current_exception();
      try {
        handle.run("ROLLBACK");
      } catch (const std::exception& error) {
        log_error("database", error.what());
      }
      for (const auto& job : batch) {
        job->news.clear();
        if (!job->failure) job->failure = failure;
      }
    }
  }

  void run_one(Job& job) {
    WriterTransaction tx(handle);
    handle.run("SAVEPOINT job");
    bool keep = false;
    try {
      keep = job.work(tx);
    } catch (...) {
      job.failure = std::current_exception();
    }
    if (keep) {
      job.news = tx.take_news();
    } else {
      handle.run("ROLLBACK TO job");
    }
    handle.run("RELEASE job");
  }

  static void settle(Job& job) {
    if (job.on_disk == nullptr) return;
    if (job.failure) {
      job.on_disk->set_exception(job.failure);
    } else {
      job.on_disk->set_value();
    }
  }

  static void announce(const std::vector<std::shared_ptr<Job>>& batch) {
    for (const auto& job : batch) {
      for (const auto& tell : job->news) tell();
      if (job->finish) job->finish(job->failure);
    }
  }

  asio::any_io_executor loop;
  Handle handle;         // The writer thread's, once it runs.
  Reader reader;         // The loop's.
  bool inline_ = false;  // Writes are done in submit().
  std::mutex mutex;
  std::condition_variable news;
  std::deque<std::shared_ptr<Job>> jobs;  // Protected by mutex.
  bool ending = false;                    // Protected by mutex.
  std::thread thread;
};

Database::Database(asio::any_io_executor loop, const std::filesystem::path& file, Writing writing)
    : writer_(std::make_unique<Writer>(std::move(loop), uri_of(file), writing)) {}
Database::~Database() = default;

void Database::migrate(const Schema& schema) {
  // The usual start changes nothing, and asks for no commit.
  const auto before = read().query_one("SELECT version FROM schema_versions WHERE room = ?1", {schema.room});
  if (before && before->integer(0) == static_cast<long long>(schema.statements.size())) return;
  std::promise<void> on_disk;
  auto job = std::make_shared<Job>();
  job->work = [&schema](Transaction& tx) {
    const auto known = tx.query_one("SELECT version FROM schema_versions WHERE room = ?1", {schema.room});
    const auto from = known ? static_cast<std::size_t>(known->integer(0)) : 0;
    if (from > schema.statements.size())
      throw std::runtime_error(
          fmt::format("the state was written by a newer Slipway (tables of {}); use that version, or another --state",
                      schema.room));
    for (std::size_t i = from; i < schema.statements.size(); ++i) tx.execute(schema.statements[i]);
    tx.execute("INSERT OR REPLACE INTO schema_versions VALUES (?1, ?2)",
               {schema.room, static_cast<long long>(schema.statements.size())});
    return true;
  };
  job->on_disk = &on_disk;
  writer_->submit(job);
  on_disk.get_future().get();
}

Connection& Database::read() {
  return writer_->reader;
}

task<void> Database::perform(std::function<bool(Transaction&)> work) {
  auto start = [this](auto handler, std::function<bool(Transaction&)> body) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto job = std::make_shared<Job>();
    job->work = std::move(body);
    job->finish = [shared](std::exception_ptr failure) { (*shared)(std::move(failure)); };
    writer_->submit(std::move(job));
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(
      std::move(start), asio::use_awaitable, std::move(work));
}

}  // namespace slipway::database
