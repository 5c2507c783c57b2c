#include "database/database.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/run.h"
#include "database/journal.h"

namespace slipway::database {
namespace {

const Schema kNames{.room = "names", .statements = {"CREATE TABLE names (name TEXT PRIMARY KEY)"}};

long long count(Connection& db) {
  return db.query_one("SELECT COUNT(*) FROM names")->integer(0);
}

task<long long> add(Database& db, std::string name) {
  auto insert = [name](Transaction& tx) { return tx.execute("INSERT INTO names VALUES (?1)", {name}); };
  co_return co_await db.write(insert);
}

task<Result<int>> add_and_refuse(Database& db) {
  auto insert = [](Transaction& tx) -> Result<int> {
    tx.execute("INSERT INTO names VALUES ('refused')");
    return fail(Fault::conflict, "Conflict", "no");
  };
  co_return co_await db.write(insert);
}

class DatabaseTest : public testing::Test {
 protected:
  asio::io_context io{1};
  Database db{io.get_executor(), ":memory:"};
  void SetUp() override { db.migrate(kNames); }
};

TEST_F(DatabaseTest, AWriteIsReadableOnceAwaited) {
  EXPECT_EQ(run(add(db, "a"), io), 1);
  EXPECT_EQ(count(db.read()), 1);
}

TEST_F(DatabaseTest, AnErrorResultUndoesTheWrite) {
  const auto refused = run(add_and_refuse(db), io);
  EXPECT_EQ(refused.error().code, "Conflict");
  EXPECT_EQ(count(db.read()), 0);
}

TEST_F(DatabaseTest, AThrowUndoesOnlyItsOwnWrite) {
  run(add(db, "a"), io);
  EXPECT_THROW(run(add(db, "a"), io), std::runtime_error);
  EXPECT_EQ(run(add(db, "b"), io), 1);
  EXPECT_EQ(count(db.read()), 2);
}

TEST_F(DatabaseTest, AFullDiskIsToldFromABrokenWrite) {
  auto confine = [](Transaction& tx) { tx.query("PRAGMA max_page_count = 10"); };
  run(db.write(confine), io);
  std::error_code code;
  try {
    run(add(db, std::string(200'000, 'x')), io);
  } catch (const std::system_error& error) {
    code = error.code();
  }
  EXPECT_EQ(code, std::errc::no_space_on_device);
  EXPECT_EQ(run(add(db, "small"), io), 1);
  EXPECT_EQ(count(db.read()), 1);
}

task<bool> hears_news(Database& db, bool roll_back) {
  auto heard = std::make_shared<bool>(false);
  auto work = [heard, roll_back](Transaction& tx) -> Result<int> {
    tx.after_commit([heard] { *heard = true; });
    if (roll_back) return fail(Fault::invalid, "No", "no");
    return 0;
  };
  const auto ignored = co_await db.write(work);
  co_return *heard;
}

TEST_F(DatabaseTest, NewsComesAfterCommitAndNeverAfterRollback) {
  EXPECT_TRUE(run(hears_news(db, false), io));
  EXPECT_FALSE(run(hears_news(db, true), io));
}

TEST_F(DatabaseTest, MigrationRunsEachStatementOnce) {
  Schema longer = kNames;
  longer.statements.emplace_back("CREATE TABLE more (x)");
  db.migrate(longer);
  db.migrate(longer);
  EXPECT_THROW(db.migrate(kNames), std::runtime_error);  // Written by a newer program.
}

TEST_F(DatabaseTest, SurvivesReopening) {
  const auto file = std::filesystem::temp_directory_path() / ("slipway-database-test-" + std::to_string(::getpid()));
  {
    Database first(io.get_executor(), file);
    first.migrate(kNames);
    run(add(first, "kept"), io);
  }
  Database second(io.get_executor(), file);
  second.migrate(kNames);
  EXPECT_EQ(count(second.read()), 1);
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + suffix);
}

TEST_F(DatabaseTest, TheJournalIsReadInOrderFromACursor) {
  db.migrate(journal_schema());
  auto two = [](Transaction& tx) {
    append_journal(tx, instant_ms(1), "ecr.push", "a:latest", "first");
    append_journal(tx, instant_ms(2), "ecr.push", "b:latest", "second", {{"k", 1}});
  };
  run(db.write(two), io);
  const auto all = read_journal(db.read(), 0, 10);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(read_journal(db.read(), all[0].number, 10).at(0).text, "second");
}

std::vector<std::string> subjects(Connection& db) {
  std::vector<std::string> out;
  for (const auto& entry : read_journal(db, 0, 100)) out.push_back(entry.subject);
  return out;
}

TEST_F(DatabaseTest, TheJournalForgetsWhatIsOldOrTooMuchInSteps) {
  db.migrate(journal_schema());
  auto append = [](Transaction& tx) {
    for (int i = 0; i < 10; ++i) append_journal(tx, instant_ms(i), "room.thing", std::to_string(i), "");
  };
  run(db.write(append), io);
  const auto prune = [this](long long before, long long keep, int limit) {
    auto forget = [=](Transaction& tx) { return prune_journal(tx, instant_ms(before), keep, limit); };
    return run(db.write(forget), io);
  };
  EXPECT_FALSE(prune(0, 10, 3));
  EXPECT_EQ(subjects(db.read()).size(), 10U);
  EXPECT_TRUE(prune(4, 10, 3)) << "four are old, and a step takes three";
  EXPECT_FALSE(prune(4, 10, 3));
  EXPECT_EQ(subjects(db.read()).front(), "4");
  EXPECT_FALSE(prune(0, 2, 5));
  EXPECT_EQ(subjects(db.read()), (std::vector<std::string>{"8", "9"}));
}

}  // namespace
}  // namespace slipway::database
