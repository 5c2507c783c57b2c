#include "signing/sigv4.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "base/text.h"

namespace slipway::signing {
namespace {

std::filesystem::path testdata() {
  const char* named = std::getenv("SLIPWAY_TESTDATA");
  return named != nullptr ? std::filesystem::path(named)
                          : std::filesystem::path(SLIPWAY_SOURCE_DIR) / "../shared/testdata";
}

std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Reads a request as the suite writes it: "POST /path?query HTTP/1.1", headers (a line that begins with a space goes on
// with the one before), an empty line, the body.
struct Parsed {
  Message message;
  std::string body;
};

Parsed parse(std::string text) {
  std::erase(text, '\r');
  Parsed out;
  const auto head_end = text.find("\n\n");
  if (head_end != std::string::npos) out.body = text.substr(head_end + 2);
  const auto lines = split(text.substr(0, head_end), '\n');
  const auto first_space = lines[0].find(' ');
  std::string target = lines[0].substr(first_space + 1, lines[0].rfind(" HTTP/") - first_space - 1);
  if (const auto http = target.find(" HTTP/"); http != std::string::npos) target.resize(http);
  out.message.method = lines[0].substr(0, first_space);
  const auto mark = target.find('?');
  out.message.raw_path = target.substr(0, mark);
  if (mark != std::string::npos) out.message.raw_query = target.substr(mark + 1);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    if (lines[i][0] == ' ' || lines[i][0] == '\t') {
      out.message.headers.back().second += "\n" + lines[i];
      continue;
    }
    const auto colon = lines[i].find(':');
    out.message.headers.emplace_back(lines[i].substr(0, colon), lines[i].substr(colon + 1));
  }
  return out;
}

std::string without_carriage_returns(std::string text) {
  std::erase(text, '\r');
  return text;
}

// One case of the suite: the request, who signs it, and how.
struct Case {
  Parsed request;
  Key key;
  std::string region;
  std::string service;
  Instant now{};
  long long expires = 0;
  Style style;
};

Case read_case(const std::filesystem::path& folder) {
  const json::object context = parse_json(slurp(folder / "context.json"))->as_object();
  const json::object credentials = get_object(context, "credentials");
  Case out;
  out.request = parse(slurp(folder / "request.txt"));
  out.request.message.body = out.request.body;
  out.key = {get_string(credentials, "access_key_id"), get_string(credentials, "secret_access_key"),
             get_string(credentials, "token")};
  out.region = get_string(context, "region");
  out.service = get_string(context, "service");
  out.now = *parse_iso(get_string(context, "timestamp"));
  out.expires = get_int(context, "expiration_in_seconds");
  out.style.normalize_path = get_bool(context, "normalize");
  out.style.sign_body_header = get_bool(context, "sign_body");
  out.style.omit_session_token = get_bool(context, "omit_session_token");
  return out;
}

TEST(SigV4, SignsAndVerifiesTheWholeSuiteByHeaderAndByQuery) {
  if (!std::filesystem::exists(testdata() / "sigv4")) GTEST_SKIP() << "no SigV4 suite in " << testdata();
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testdata() / "sigv4")) {
    if (!entry.is_directory()) continue;
    SCOPED_TRACE(entry.path().filename().string());
    const Case c = read_case(entry.path());
    const auto by_header = sign(c.request.message, c.key, c.region, c.service, c.now, c.style);
    EXPECT_EQ(by_header.canonical_request,
              without_carriage_returns(slurp(entry.path() / "header-canonical-request.txt")));
    EXPECT_EQ(by_header.signature, slurp(entry.path() / "header-signature.txt"));
    const auto by_query = presign(c.request.message, c.key, c.region, c.service, c.now, c.expires, c.style);
    EXPECT_EQ(by_query.canonical_request,
              without_carriage_returns(slurp(entry.path() / "query-canonical-request.txt")));
    EXPECT_EQ(by_query.signature, slurp(entry.path() / "query-signature.txt"));
    for (const char* name : {"header-signed-request.txt", "query-signed-request.txt"}) {
      Parsed signed_request = parse(slurp(entry.path() / name));
      signed_request.message.body = signed_request.body;
      const auto claim = read_claim(signed_request.message);
      ASSERT_TRUE(claim && *claim) << name;
      const Message& message = signed_request.message;
      const auto verified = verify(message, **claim, c.key, c.now, c.style);
      EXPECT_TRUE(verified) << name << ": " << verified.error().message;
      Claim forged = **claim;
      forged.signature[0] = forged.signature[0] == '0' ? '1' : '0';
      EXPECT_FALSE(verify(message, forged, c.key, c.now, c.style));
    }
    ++cases;
  }
  EXPECT_GE(cases, 38);
}

TEST(SigV4, EncodesThePathOnceMore) {
  if (!std::filesystem::exists(testdata() / "sigv4-double-encoding"))
    GTEST_SKIP() << "no double-encoding cases in " << testdata();
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testdata() / "sigv4-double-encoding")) {
    SCOPED_TRACE(entry.path().filename().string());
    const Parsed request = parse(slurp(entry.path() / "request.txt"));
    const auto wanted = split(slurp(entry.path() / "header-canonical-request.txt"), '\n');
    const auto signature = sign(request.message, {"AKID", "secret", ""}, "us-east-1", "lambda", instant_ms(0));
    EXPECT_EQ(split(signature.canonical_request, '\n')[1], without_carriage_returns(wanted[1]));
    ++cases;
  }
  EXPECT_GE(cases, 2);
}

const Key kKey{"AKIDEXAMPLE", "secret", ""};
const Instant kNow = instant_ms(1'795'454'663'000);

Message signed_message(std::string body_hash = {}) {
  Message message{
      .method = "POST", .raw_path = "/", .raw_query = "", .headers = {{"Host", "localhost:4566"}}, .body = "{}"};
  if (!body_hash.empty()) message.headers.emplace_back("x-amz-content-sha256", body_hash);
  const auto signature = sign(message, kKey, "us-east-1", "ecs", kNow);
  message.headers.insert(message.headers.end(), signature.added.begin(), signature.added.end());
  return message;
}

std::string verdict(const Message& message, Instant now) {
  const auto claim = read_claim(message);
  if (!claim) return claim.error().message;
  if (!*claim) return "unsigned";
  const auto verified = verify(message, **claim, kKey, now);
  return verified ? "good" : verified.error().message;
}

TEST(SigV4, HoldsTheClockWindowOnBothSides) {
  using namespace std::chrono_literals;
  EXPECT_EQ(verdict(signed_message(), kNow), "good");
  EXPECT_EQ(verdict(signed_message(), kNow + 15min), "good");
  EXPECT_TRUE(verdict(signed_message(), kNow + 15min + 1s).starts_with("Signature expired: "));
  EXPECT_EQ(verdict(signed_message(), kNow - 15min), "good");
  EXPECT_TRUE(verdict(signed_message(), kNow - 15min - 1s).starts_with("Signature not yet current: "));
}

TEST(SigV4, ABodyThatWasChangedIsFound) {
  Message message = signed_message();
  message.body = "{\"x\":1}";
  EXPECT_TRUE(verdict(message, kNow).starts_with("The request signature we calculated does not match"));
}

TEST(SigV4, SaysWhatIsMissing) {
  Message message = signed_message();
  EXPECT_EQ(
      verdict(Message{.method = "GET", .raw_path = "/", .raw_query = "", .headers = {{"Host", "x"}}, .body = ""}, kNow),
      "unsigned");
  message.headers.back().second =
      "AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/ecs/aws4_request, SignedHeaders=host";
  EXPECT_TRUE(
      verdict(message, kNow).starts_with("Authorization header requires 'Signature' parameter. Authorization="));
  const auto with = [&](std::string authorization) {
    message.headers.back().second = std::move(authorization);
    return verdict(message, kNow);
  };
  for (const char* credential : {"AKID", "AKID/20261123/r/s", "A/B/20261123/r/s/aws4_request", "////////"})
    EXPECT_TRUE(with(std::string("AWS4-HMAC-SHA256 Credential=") + credential + ", SignedHeaders=host, Signature=0")
                    .starts_with("Credential must have exactly 5"));
  EXPECT_EQ(with("AWS4-HMAC-SHA256 Credential=A/20261123/r/s/aws5_request, SignedHeaders=host, Signature=0"),
            "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'.");
  EXPECT_TRUE(with("AWS4-HMAC-SHA256 Credential=A/20261123/r/s/aws4_request, SignedHeaders=host, Sig")
                  .starts_with("'Sig' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4"));
  for (const char* other : {"Bearer x", "Basic QVdTOng=", "AWS AKID:signature", "AWS4-ECDSA-P256-SHA256 Credential=x"})
    EXPECT_TRUE(with(other).starts_with("Authorization header requires 'Credential' parameter."));
}

TEST(SigV4, NamesTheServiceBeforeItVerifies) {
  EXPECT_EQ(claimed_scope(signed_message()).service, "ecs");
}

TEST(SigV4, TheDateMayBeInTheDateHeader) {
  Message message{
      .method = "GET", .raw_path = "/", .raw_query = "", .headers = {{"Host", "localhost:4566"}}, .body = ""};
  const auto signature = sign(message, kKey, "us-east-1", "ecs", kNow);
  message.headers.insert(message.headers.end(), signature.added.begin(), signature.added.end());
  EXPECT_EQ(verdict(message, kNow), "good");
  // The same moment said by Date: the header is not among the signed ones, the string to sign holds the date.
  std::erase_if(message.headers, [](const auto& header) { return header.first == "X-Amz-Date"; });
  EXPECT_NE(verdict(message, kNow).find("'X-Amz-Date' or a 'Date' header"), std::string::npos);
  message.headers.emplace_back("Date", http_date(kNow));
  EXPECT_EQ(verdict(message, kNow), "the signed header 'x-amz-date' is not in the request");
}

Message presigned_message(long long expires) {
  Message message{
      .method = "GET", .raw_path = "/", .raw_query = "Action=A&b=2&b=1", .headers = {{"Host", "h"}}, .body = ""};
  message.raw_query = presign(message, kKey, "us-east-1", "sts", kNow, expires).query;
  return message;
}

TEST(SigV4, APresignedRequestHoldsAsLongAsItSays) {
  using namespace std::chrono_literals;
  EXPECT_EQ(verdict(presigned_message(60), kNow), "good");
  EXPECT_EQ(verdict(presigned_message(60), kNow + 60s), "good");
  EXPECT_TRUE(verdict(presigned_message(60), kNow + 61s).starts_with("Signature expired: "));
  EXPECT_EQ(verdict(presigned_message(604800), kNow + 24h * 7), "good");
  EXPECT_TRUE(verdict(presigned_message(60), kNow - 16min).starts_with("Signature not yet current: "));
  for (const long long expires : {0LL, -1LL, 604801LL})
    EXPECT_TRUE(verdict(presigned_message(expires), kNow).starts_with("X-Amz-Expires must be"));
}

TEST(SigV4, APresignedRequestSaysEachPartOnce) {
  const Message good = presigned_message(60);
  for (const char* name :
       {"X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date", "X-Amz-Expires"}) {
    Message without = good;
    without.raw_query.replace(without.raw_query.find(name), 5, "Y-Amz");
    EXPECT_EQ(verdict(without, kNow), std::string("AWS query-string parameters must include '") + name +
                                          "'. Re-examine the query-string parameters.");
    Message twice = good;
    twice.raw_query += std::string("&") + name + "=60";
    EXPECT_EQ(verdict(twice, kNow), std::string("the query string has more than one ") + name);
  }
  Message lettered = good;
  lettered.raw_query.insert(lettered.raw_query.find("X-Amz-Expires=60") + 16, "s");
  EXPECT_TRUE(verdict(lettered, kNow).starts_with("X-Amz-Expires must be"));
}

TEST(SigV4, WhatIsSignedMayNotChange) {
  const auto changed = [](auto change) {
    Message message = presigned_message(60);
    change(message);
    return verdict(message, kNow).starts_with("The request signature we calculated does not match");
  };
  EXPECT_TRUE(changed([](Message& m) { m.method = "POST"; }));
  EXPECT_TRUE(changed([](Message& m) { m.raw_path = "/x"; }));
  EXPECT_TRUE(changed([](Message& m) { m.raw_query += "&c=3"; }));
  EXPECT_TRUE(changed([](Message& m) { m.headers[0].second = "other"; }));
  EXPECT_TRUE(changed([](Message& m) { m.body = "x"; }));
  EXPECT_TRUE(changed([](Message& m) { m.raw_query.replace(m.raw_query.find("us-east-1"), 9, "us-west-1"); }));
  EXPECT_FALSE(changed([](Message& m) { m.raw_query.replace(m.raw_query.find("b=2&b=1"), 7, "b=1&b=2"); }));
}

TEST(SigV4, AnEmptyFirstValueOfAHeaderCounts) {
  const Message message{.method = "GET",
                        .raw_path = "/",
                        .raw_query = "",
                        .headers = {{"Host", "h"}, {"X-A", ""}, {"X-A", "b"}},
                        .body = ""};
  EXPECT_NE(sign(message, kKey, "r", "s", kNow).canonical_request.find("\nx-a:,b\n"), std::string::npos);
}

}  // namespace
}  // namespace slipway::signing
