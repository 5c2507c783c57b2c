#include "iam/condition.h"

#include <gtest/gtest.h>

namespace slipway::iam {
namespace {

const ConditionKeys kKeys = {{"aws:username", {"ana"}},
                             {"aws:principaltag/team", {"a*b"}},
                             {"aws:currenttime", {"2026-11-25T14:00:00Z"}},
                             {"aws:epochtime", {"1795615200"}},
                             {"aws:sourceip", {"10.1.2.3"}},
                             {"s3:max-keys", {"10"}},
                             {"groups", {"g1", "g2"}}};

bool holds(const char* condition, const ConditionKeys& keys = kKeys) {
  const auto parsed = parse_json(condition);
  EXPECT_TRUE(parsed) << condition;
  EXPECT_EQ(condition_trouble(*parsed), "") << condition;
  return conditions_hold(parsed->get_object(), {.keys = keys});
}
bool fits(const char* pattern, const char* text, bool variables = true) {
  return pattern_fits(pattern, text, {.keys = kKeys, .variables = variables});
}

TEST(Condition, NumbersAreComparedAsNumbers) {
  EXPECT_TRUE(holds(R"({"NumericEquals":{"s3:max-keys":"10.0"}})"));
  EXPECT_TRUE(holds(R"({"NumericEquals":{"s3:max-keys":10}})"));
  EXPECT_TRUE(holds(R"({"NumericLessThanEquals":{"s3:max-keys":"10"}})"));
  EXPECT_FALSE(holds(R"({"NumericLessThan":{"s3:max-keys":"10"}})"));
  EXPECT_TRUE(holds(R"({"NumericLessThan":{"s3:max-keys":"100"}})"));  // As texts, "10" and "100" are the other way.
  EXPECT_TRUE(holds(R"({"NumericGreaterThan":{"s3:max-keys":"9"}})"));
  EXPECT_FALSE(holds(R"({"NumericGreaterThanEquals":{"s3:max-keys":"10.5"}})"));
  EXPECT_TRUE(holds(R"({"NumericNotEquals":{"s3:max-keys":["11","12"]}})"));
  EXPECT_FALSE(holds(R"({"NumericNotEquals":{"s3:max-keys":["10","12"]}})"));
  EXPECT_FALSE(holds(R"({"NumericLessThan":{"aws:username":"10"}})"));
}

TEST(Condition, DatesAreTimesOrSecondsSince1970) {
  EXPECT_TRUE(holds(R"({"DateLessThan":{"aws:CurrentTime":"2026-11-25T14:00:01Z"}})"));
  EXPECT_FALSE(holds(R"({"DateLessThan":{"aws:CurrentTime":"2026-11-25T14:00:00Z"}})"));
  EXPECT_TRUE(holds(R"({"DateGreaterThanEquals":{"aws:CurrentTime":"2026-11-25"}})"));
  EXPECT_TRUE(holds(R"({"DateEquals":{"aws:EpochTime":"2026-11-25T14:00:00Z"}})"));
  EXPECT_TRUE(holds(R"({"DateGreaterThan":{"aws:CurrentTime":"1795615199"}})"));
  EXPECT_FALSE(holds(R"({"DateNotEquals":{"aws:CurrentTime":"1795615200"}})"));
}

TEST(Condition, AddressesLieInNetworks) {
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}})"));
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":["192.168.0.0/16","10.1.2.3"]}})"));
  EXPECT_FALSE(holds(R"({"IpAddress":{"aws:SourceIp":"10.1.2.4"}})"));
  EXPECT_FALSE(holds(R"({"IpAddress":{"aws:SourceIp":"10.1.3.0/24"}})"));
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":"10.1.2.2/31"}})"));
  EXPECT_TRUE(holds(R"({"NotIpAddress":{"aws:SourceIp":"192.168.0.0/16"}})"));
  EXPECT_FALSE(holds(R"({"NotIpAddress":{"aws:SourceIp":"0.0.0.0/0"}})"));
  const ConditionKeys six = {{"aws:sourceip", {"2001:db8::1"}}};
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":"2001:db8::/32"}})", six));
  EXPECT_FALSE(holds(R"({"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}})", six));
}

TEST(Condition, AKeyThatIsAbsentFailsButForNegatedAndIfExists) {
  EXPECT_FALSE(holds(R"({"NumericLessThan":{"none":"10"}})"));
  EXPECT_TRUE(holds(R"({"NumericNotEquals":{"none":"10"}})"));
  EXPECT_TRUE(holds(R"({"NotIpAddress":{"none":"10.0.0.0/8"}})"));
  EXPECT_TRUE(holds(R"({"DateLessThanIfExists":{"none":"2026-01-01"}})"));
}

TEST(Condition, VariablesStandForTheirValue) {
  EXPECT_TRUE(fits("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/ana/x"));
  EXPECT_TRUE(fits("arn:aws:s3:::b/${AWS:UserName}/*", "arn:aws:s3:::b/ana/x"));
  EXPECT_FALSE(fits("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/bob/x"));
  EXPECT_TRUE(holds(R"({"StringEquals":{"aws:username":"${aws:username}"}})"));
  EXPECT_TRUE(holds(R"({"StringLike":{"aws:username":["${aws:PrincipalTag/none}","an?"]}})"));
}

TEST(Condition, TheValueOfAVariableIsNoPattern) {
  EXPECT_TRUE(fits("${aws:PrincipalTag/team}", "a*b"));
  EXPECT_FALSE(fits("${aws:PrincipalTag/team}", "axb"));
  EXPECT_TRUE(fits("${aws:PrincipalTag/team}*", "a*bcd"));
  EXPECT_TRUE(fits("a${*}b", "a*b"));
  EXPECT_FALSE(fits("a${*}b", "axb"));
  EXPECT_TRUE(fits("a${?}${$}{b}", "a?${b}"));
}

TEST(Condition, AVariableWithoutOneValueFitsNothingUnlessItHasADefault) {
  EXPECT_FALSE(fits("*${aws:PrincipalTag/none}", ""));
  EXPECT_FALSE(fits("${groups}", "g1"));
  EXPECT_TRUE(fits("x/${aws:PrincipalTag/none, 'all'}", "x/all"));
  EXPECT_TRUE(fits("x/${aws:username, 'all'}", "x/ana"));
}

TEST(Condition, InTheOldVersionAVariableIsText) {
  EXPECT_TRUE(fits("x/${aws:username}", "x/${aws:username}", false));
  EXPECT_FALSE(fits("x/${aws:username}", "x/ana", false));
}

TEST(Condition, WildcardsInArnsStayBetweenColons) {
  const ConditionKeys keys = {{"aws:sourcearn", {"arn:aws:events:r:1:rule/a/b"}}};
  EXPECT_TRUE(holds(R"({"ArnLike":{"aws:SourceArn":"arn:aws:events:*:*:rule/*"}})", keys));
  EXPECT_FALSE(holds(R"({"ArnLike":{"aws:SourceArn":"arn:aws:*:rule/*"}})", keys));
  EXPECT_FALSE(holds(R"({"ArnLike":{"aws:SourceArn":"*"}})", keys));
}

TEST(Condition, WhatCannotBeComparedIsRefused) {
  for (const char* condition :
       {R"({"NumericEquals":{"k":"ten"}})", R"({"DateLessThan":{"k":"tomorrow"}})",
        R"({"IpAddress":{"k":"10.0.0.0/33"}})", R"({"IpAddress":{"k":"10.0.0"}})",
        R"({"NumericEquals":{"k":"${aws:epochtime}"}})", R"({"Bool":{"k":"${a:b}"}})",
        R"({"StringLike":{"k":"${unclosed"}})", R"({"StringLike":{"k":"${name}"}})", R"({"BinaryEquals":{"k":"YQ=="}})",
        R"({"NullIfExists":{"k":"true"}})", R"({"StringEquals":{"k":[]}})", R"({"StringEquals":"x"})", R"(["x"])"})
    EXPECT_NE(condition_trouble(*parse_json(condition)), "") << condition;
}

TEST(Condition, WildcardsGoBackAsFarAsNeeded) {
  EXPECT_TRUE(fits("*a*b*c", "xxaybbzc"));
  EXPECT_FALSE(fits("*a*b*c", "xxaybbz"));
  EXPECT_TRUE(fits("**", ""));
  EXPECT_FALSE(fits("?", ""));
  EXPECT_TRUE(fits("a.b+c", "a.b+c"));
  EXPECT_FALSE(fits("a.b", "axb"));
}

}  // namespace
}  // namespace slipway::iam
