#include "cli/report.h"

#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

Finding example() {
  Finding service = good("web", "");
  service.parts = {good("repository", "shop/web"), doubtful("percentages", "100/200", "lower the minimum")};
  Finding all = good("shop", "");
  all.parts = {service, failed("rule", "disabled", "enable it")};
  return all;
}

TEST(Report, ShowsTheWorstOfABranchAtItsRootAndWhatToDo) {
  EXPECT_EQ(tree(example(), false),
            (std::vector<std::string>{"[failed] shop", "├─ [warning] web", "│  ├─ [ok] repository: shop/web",
                                      "│  └─ [warning] percentages: 100/200", "│          -> lower the minimum",
                                      "└─ [failed] rule: disabled", "        -> enable it"}));
}

TEST(Report, CountsWhatWasLookedAtAndNotItsBranches) {
  EXPECT_EQ(count(example(), Finding::Mark::ok), 1);
  EXPECT_EQ(count(example(), Finding::Mark::warning), 1);
  EXPECT_EQ(count(example(), Finding::Mark::failed), 1);
  EXPECT_EQ(worst(good("a", "")), Finding::Mark::ok);
}

TEST(Report, IsJsonForPrograms) {
  EXPECT_EQ(json::serialize(to_json(example())),
            R"({"result":"failed","what":"shop","parts":[{"result":"warning","what":"web","parts":[)"
            R"({"result":"ok","what":"repository","detail":"shop/web"},)"
            R"({"result":"warning","what":"percentages","detail":"100/200","advice":"lower the minimum"}]},)"
            R"({"result":"failed","what":"rule","detail":"disabled","advice":"enable it"}]})");
}

}  // namespace
}  // namespace slipway::cli
