#include "region/permit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/run.h"

namespace slipway::region {
namespace {

const char* const kTrust =
    R"({"Statement":{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"}})";

class Permit : public testing::Test {
 protected:
  void SetUp() override {
    db.migrate(iam::schema());
    service.name = "ecs";
    operation.name = "UpdateService";
    operation.resource = [](const wire::Call& call) { return get_string(call.input, "service"); };
    operation.keys = [](const wire::Call& call) {
      return wire::ConditionKeys{{"ecs:cluster", {get_string(call.input, "cluster")}}};
    };
    operation.also = [](const wire::Call& call) {
      std::vector<wire::Need> needs;
      for (const std::string& role : get_strings(call.input, "roles"))
        needs.push_back({"iam:PassRole", role, {{"iam:passedtoservice", {"ecs-tasks.amazonaws.com"}}}});
      return needs;
    };
  }
  void TearDown() override { std::filesystem::remove(key_file); }

  wire::Caller with_policy(const char* policy) {
    auto put = [&](database::Transaction& tx) {
      iam::put_role(tx, {.name = "r",
                         .id = "AROA1",
                         .arn = "arn:aws:iam::000000000000:role/r",
                         .trust = parse_json(kTrust)->as_object(),
                         .inlined = {{"p", parse_json(policy)->as_object()}}});
    };
    run(db.write(put), io);
    return {.account = "000000000000", .arn = "arn:aws:sts::000000000000:assumed-role/r/s", .user_id = "AROA1:s"};
  }
  std::string why(const wire::Caller& caller, json::object input) {
    const wire::Call call{.input = std::move(input), .caller = caller};
    const auto allowed = permit(authority, service, operation, call, "");
    return allowed ? "" : allowed.error().message;
  }

  std::filesystem::path key_file =
      std::filesystem::temp_directory_path() / ("slipway-permit-" + std::to_string(::getpid()));
  asio::io_context io{1};
  database::Database db{io.get_executor(), ":memory:"};
  host::SystemClock clock;
  host::SeededRandom random{7};
  iam::Authority authority{db, clock, random, Place{}, key_file};
  wire::Service service;
  wire::Operation operation;
};

TEST_F(Permit, AsksTheConditionsOfThePolicy) {
  const auto caller = with_policy(
      R"({"Statement":{"Effect":"Allow","Action":"ecs:UpdateService","Resource":"arn:s","Condition":{"ArnEquals":{"ecs:cluster":"arn:aws:ecs:r:a:cluster/c"}}}})");
  EXPECT_EQ(why(caller, {{"service", "arn:s"}, {"cluster", "arn:aws:ecs:r:a:cluster/c"}}), "");
  EXPECT_NE(why(caller, {{"service", "arn:s"}, {"cluster", "arn:aws:ecs:r:a:cluster/d"}}), "");
  EXPECT_NE(why(caller, {{"service", "arn:t"}, {"cluster", "arn:aws:ecs:r:a:cluster/c"}}), "");
}

TEST_F(Permit, RefusesACallWhenOneOfItsNeedsIsNotAllowed) {
  const auto caller = with_policy(
      R"({"Statement":[{"Effect":"Allow","Action":"ecs:UpdateService","Resource":"*"},
          {"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::1:role/mine",
           "Condition":{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}}]})");
  EXPECT_EQ(why(caller, {{"roles", json::array{}}}), "");
  EXPECT_EQ(why(caller, {{"roles", json::array{"arn:aws:iam::1:role/mine"}}}), "");
  const std::string refused =
      why(caller, {{"roles", json::array{"arn:aws:iam::1:role/mine", "arn:aws:iam::1:role/other"}}});
  EXPECT_NE(refused.find("iam:PassRole on resource: arn:aws:iam::1:role/other"), std::string::npos) << refused;
}

}  // namespace
}  // namespace slipway::region
