#include "region/package.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace slipway::region {
namespace {

class Package : public testing::Test {
 protected:
  Package() : binary_(std::filesystem::temp_directory_path() / "slipway-package-test") {
    std::ofstream(binary_) << "not really a program";
  }
  ~Package() override {
    std::filesystem::remove(binary_);
    ::unsetenv("TZ");
  }
  std::string packed(const char* zone) {
    ::setenv("TZ", zone, 1);
    ::tzset();
    const auto config = config::parse("project: p\nservices: {a: {repository: aa, port: 1}}", "f");
    const auto zip = deployer_package(*config, binary_);
    EXPECT_TRUE(zip);
    return zip ? *zip : "";
  }
  std::filesystem::path binary_;
};

TEST_F(Package, HasTheSameBytesEachTimeAndInEveryTimeZone) {
  const std::string first = packed("UTC");
  EXPECT_EQ(first, packed("UTC"));
  EXPECT_EQ(first, packed("America/Los_Angeles"));
  EXPECT_EQ(first, packed("Asia/Tokyo"));
  EXPECT_EQ(first, packed("XYZ-13"));
}

TEST_F(Package, SaysHowToBuildADeployerThatIsMissing) {
  const auto config = config::parse("project: p\nservices: {a: {repository: aa, port: 1}}", "f");
  const auto zip = deployer_package(*config, "/nowhere/bootstrap");
  ASSERT_FALSE(zip);
  EXPECT_EQ(zip.error().code, "SLW-112");
}

}  // namespace
}  // namespace slipway::region
