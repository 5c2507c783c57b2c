#include "client/credentials.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "base/run.h"
#include "client/chain.h"

namespace slipway::client {
namespace {

namespace fs = std::filesystem;

fs::path test_data() {
  const char* folder = std::getenv("SLIPWAY_TESTDATA");
  return (folder != nullptr ? fs::path(folder) : fs::path(SLIPWAY_SOURCE_DIR) / "../shared/testdata") / "credentials";
}
std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
json::value read_json(const fs::path& path) {
  const auto parsed = parse_json(read(path));
  EXPECT_TRUE(parsed) << path << (parsed ? "" : parsed.error().message);
  return parsed.value_or(json::object{});
}

class CredentialsData : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(test_data())) GTEST_SKIP() << "there is no test data at " << test_data();
  }
};

json::object as_json(const std::map<std::string, Properties>& profiles) {
  json::object out;
  for (const auto& [name, properties] : profiles) {
    json::object values;
    for (const auto& [key, value] : properties) values[key] = value;
    out[name] = values;
  }
  return out;
}

TEST_F(CredentialsData, ParsesProfileFilesAsTheSdksDo) {
  const json::value data = read_json(test_data() / "profile-parser-tests.json");
  int cases = 0;
  for (const auto& item : data.at("tests").as_array()) {
    const json::object& test = item.as_object();
    SCOPED_TRACE(get_string(test, "name"));
    ++cases;
    const json::object input = get_object(test, "input");
    const json::object output = get_object(test, "output");
    const auto parsed = parse_profiles(get_string(input, "configFile"), get_string(input, "credentialsFile"));
    if (has(output, "errorContaining")) {
      ASSERT_FALSE(parsed);
      EXPECT_NE(parsed.error().message.find(get_string(output, "errorContaining")), std::string::npos)
          << parsed.error().message;
      continue;
    }
    ASSERT_TRUE(parsed) << parsed.error().message;
    const json::object expected = get_object(output, "config");
    EXPECT_EQ(as_json(parsed->profiles), get_object(expected, "profiles"));
    EXPECT_EQ(as_json(parsed->sso_sessions), get_object(expected, "sso_sessions"));
  }
  EXPECT_EQ(cases, 65);
}

std::map<std::string, Properties> profiles_of(const json::object& object) {
  std::map<std::string, Properties> out;
  for (const auto& [name, properties] : object) {
    for (const auto& [key, value] : properties.as_object()) out[name][key] = value.as_string();
    out[name];
  }
  return out;
}

void add(json::object& to, const char* name, const std::string& value) {
  if (!value.empty()) to[name] = value;
}

// A chain as the test data writes it.
json::array as_json(const Chain& chain) {
  json::array out;
  json::object source;
  if (chain.source.kind == Source::Kind::keys) {
    add(source, "access_key_id", chain.source.keys.access_key_id);
    add(source, "secret_access_key", chain.source.keys.secret_access_key);
    add(source, "account_id", chain.source.keys.account_id);
    out.push_back(json::object{{"AccessKey", source}});
  } else if (chain.source.kind == Source::Kind::web_identity) {
    add(source, "role_arn", chain.source.web_identity.role_arn);
    add(source, "web_identity_token_file", chain.source.web_identity.token_file);
    add(source, "role_session_name", chain.source.web_identity.session_name);
    out.push_back(json::object{{"WebIdentityToken", source}});
  } else if (chain.source.kind == Source::Kind::instance) {
    out.push_back(json::object{{"NamedSource", "Ec2InstanceMetadata"}});
  }
  for (const Role& role : chain.roles) {
    json::object one;
    add(one, "role_arn", role.arn);
    add(one, "role_session_name", role.session_name);
    add(one, "external_id", role.external_id);
    out.push_back(json::object{{"AssumeRole", one}});
  }
  return out;
}

TEST_F(CredentialsData, FollowsRolesThroughProfiles) {
  const json::value data = read_json(test_data() / "assume-role-tests.json");
  int cases = 0;
  for (const auto& item : data.as_array()) {
    const json::object& test = item.as_object();
    SCOPED_TRACE(get_string(test, "docs"));
    ++cases;
    const json::object input = get_object(test, "input");
    const Profiles profiles{.profiles = profiles_of(get_object(input, "profiles")),
                            .sso_sessions = profiles_of(get_object(input, "sso_sessions"))};
    const auto chain = profile_chain(profiles, get_string(input, "selected_profile"));
    const json::object output = get_object(test, "output");
    if (has(output, "Error")) {
      EXPECT_FALSE(chain);
      continue;
    }
    ASSERT_TRUE(chain) << chain.error().message;
    const json::array expected = get_array(output, "ProfileChain");
    if (!expected.empty() && has(expected[0].as_object(), "Sso")) {
      EXPECT_EQ(chain->source.kind, Source::Kind::sso);
      continue;
    }
    EXPECT_EQ(as_json(*chain), expected);
  }
  EXPECT_EQ(cases, 28);
}

Environment environment_of(const json::object& object) {
  Environment out;
  for (const auto& [name, value] : object) out[name] = value.as_string();
  return out;
}

TEST_F(CredentialsData, AsksOnlySafeContainerAddresses) {
  const json::value data = read_json(test_data() / "ecs-tests.json");
  for (const auto& item : data.at("tests").as_array()) {
    const json::object& test = item.as_object();
    SCOPED_TRACE(get_string(test, "docs"));
    const auto endpoint = container_endpoint(environment_of(get_object(test, "env")));
    const json::object result = get_object(test, "result");
    if (has(result, "Ok")) {
      ASSERT_TRUE(endpoint && *endpoint);
      EXPECT_EQ((*endpoint)->endpoint + (*endpoint)->target, get_string(result, "Ok"));
    } else {
      EXPECT_TRUE(!endpoint || !*endpoint);
    }
  }
  EXPECT_FALSE(container_endpoint({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.evil.example/x"}}));
  EXPECT_FALSE(container_endpoint({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/x"}}));
}

TEST_F(CredentialsData, FindsTheInstanceMetadata) {
  const json::value data = read_json(test_data() / "imds-config" / "imds-endpoint-tests.json");
  int cases = 0;
  for (const auto& item : data.at("tests").as_array()) {
    const json::object& test = item.as_object();
    if (has(test, "mode_override") || has(test, "endpoint_override")) continue;  // Settings of that SDK's own code.
    SCOPED_TRACE(get_string(test, "docs"));
    const auto profiles = parse_profiles(get_string(get_object(test, "fs"), "config"), "");
    ASSERT_TRUE(profiles);
    const auto endpoint = metadata_endpoint(environment_of(get_object(test, "env")), *profiles, "default");
    const json::object result = get_object(test, "result");
    ASSERT_EQ(endpoint.has_value(), has(result, "Ok"));
    if (endpoint) EXPECT_EQ(*endpoint + "/latest/api/token", get_string(result, "Ok"));
    ++cases;
  }
  EXPECT_GE(cases, 11);
}

TEST(CredentialChain, AProcessMustSayItsVersion) {
  EXPECT_TRUE(read_process_output(R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"S"})"));
  EXPECT_FALSE(read_process_output(R"({"Version":2,"AccessKeyId":"A","SecretAccessKey":"S"})"));
  EXPECT_FALSE(read_process_output(R"({"AccessKeyId":"A","SecretAccessKey":"S"})"));
}

TEST_F(CredentialsData, FindsTheFiles) {
  const json::value data = read_json(test_data() / "file-location-tests.json");
  for (const auto& item : data.at("tests").as_array()) {
    const json::object& test = item.as_object();
    if (get_string(test, "platform") != "linux") continue;
    SCOPED_TRACE(get_string(test, "name"));
    const ProfileFiles files = profile_files(environment_of(get_object(test, "environment")));
    EXPECT_EQ(files.config, get_string(test, "configLocation"));
    EXPECT_EQ(files.credentials, get_string(test, "credentialsLocation"));
    EXPECT_EQ(files.profile, get_string(test, "profile", "default"));
  }
}

// Plays back what was recorded: files from a folder, answers in their order.
class Recorded final : public Surroundings {
 public:
  explicit Recorded(const fs::path& folder) : files_(folder / "fs") {
    const json::value traffic = read_json(folder / "http-traffic.json");
    std::map<long long, std::size_t> of_connection;
    for (const auto& item : traffic.at("events").as_array()) {
      const json::object& event = item.as_object();
      const long long connection = get_int(event, "connection_id");
      const json::value action = event.at("action");
      if (const auto* request = find_path(action, {"Request", "request"})) {
        of_connection[connection] = exchanges_.size();
        exchanges_.push_back(
            {get_string(request->as_object(), "method"), get_string(request->as_object(), "uri"), 0, {}});
      } else if (const auto* answer = find_path(action, {"Response", "response", "Ok"})) {
        exchanges_[of_connection[connection]].status = static_cast<int>(get_int(answer->as_object(), "status"));
      } else if (const auto* data = find_path(action, {"Data", "data", "Utf8"})) {
        if (get_string(action.at("Data").as_object(), "direction", "Response") == "Response")
          exchanges_[of_connection[connection]].body += data->as_string();
      }
    }
  }

  Instant now() override { return instant_ms(1'600'000'000'000); }
  double fraction() override { return 0; }
  task<void> wait(Duration) override { co_return; }
  Result<std::string> read_file(const std::string& path) override {
    if (!fs::is_regular_file(files_ / path.substr(1))) return fail(Fault::not_found, "FileUnreadable", path);
    return read(files_ / path.substr(1));
  }
  task<Result<http::ClientResponse>> send(std::string endpoint, http::ClientRequest request, Duration) override {
    if (exchanges_.empty())
      co_return fail(Fault::internal, "Unexpected",
                     "nobody expected " + request.method + " " + endpoint + request.target);
    const Exchange next = exchanges_.front();
    exchanges_.pop_front();
    const std::string uri = next.uri.find('/', 8) == std::string::npos ? next.uri + "/" : next.uri;
    EXPECT_EQ(request.method + " " + endpoint + request.target, next.method + " " + uri);
    co_return http::ClientResponse{.status = next.status, .body = next.body};
  }
  Result<std::string> run(const std::string& command) override { return make_surroundings()->run(command); }
  std::size_t left() const { return exchanges_.size(); }

 private:
  struct Exchange {
    std::string method, uri;
    int status;
    std::string body;
  };
  fs::path files_;
  std::deque<Exchange> exchanges_;
};

void play(const fs::path& folder, bool profile_only) {
  SCOPED_TRACE(folder.filename().string());
  const Environment environment = environment_of(read_json(folder / "env.json").as_object());
  const auto surroundings = std::make_shared<Recorded>(folder);
  CredentialChain chain(environment, profile_only ? profile_files(environment).profile : "", surroundings);
  const auto found = run(chain.get());
  const json::object result = read_json(folder / "test-case.json").at("result").as_object();
  if (!has(result, "Ok")) {
    EXPECT_FALSE(found);
    return;
  }
  ASSERT_TRUE(found) << found.error().message;
  const json::object expected = get_object(result, "Ok");
  EXPECT_EQ(found->access_key_id, get_string(expected, "access_key_id"));
  EXPECT_EQ(found->secret_access_key, get_string(expected, "secret_access_key"));
  EXPECT_EQ(found->session_token, get_string(expected, "session_token"));
  if (has(expected, "expiry")) EXPECT_EQ(found->expires.value_or(Instant{}).ms() / 1000, get_int(expected, "expiry"));
  if (has(expected, "account_id")) EXPECT_EQ(found->account_id, get_string(expected, "account_id"));
  EXPECT_EQ(surroundings->left(), 0u) << "requests that were expected";
}

// SSO is refused with a word on what to do instead, so its recordings do not apply.
bool speaks_of_sso(const fs::path& folder) {
  return folder.filename().string().contains("sso");
}

TEST_F(CredentialsData, PlaysTheRecordedScenarios) {
  int played = 0;
  for (const char* group : {"default-credential-provider-chain", "profile-provider"}) {
    for (const auto& folder : fs::directory_iterator(test_data() / group)) {
      if (!folder.is_directory() || speaks_of_sso(folder.path())) continue;
      ++played;
      play(folder.path(), std::string_view(group) == "profile-provider");
    }
  }
  EXPECT_GE(played, 38);
}

// Answers with keys that end an hour after they were asked for.
class Renewing final : public Surroundings {
 public:
  Instant at = instant_ms(1'600'000'000'000);
  int asked = 0;
  bool broken = false;
  Instant now() override { return at; }
  double fraction() override { return 0; }
  task<void> wait(Duration) override { co_return; }
  Result<std::string> read_file(const std::string&) override { return fail(Fault::not_found, "", ""); }
  task<Result<http::ClientResponse>> send(std::string, http::ClientRequest, Duration) override {
    ++asked;
    if (broken) co_return http::ClientResponse{.status = 500};
    const json::object body = {{"AccessKeyId", "A" + std::to_string(asked)},
                               {"SecretAccessKey", "S"},
                               {"Token", "T"},
                               {"Expiration", iso_seconds(at + std::chrono::hours(1))}};
    co_return http::ClientResponse{.status = 200, .body = json::serialize(body)};
  }
  Result<std::string> run(const std::string&) override { return fail(Fault::internal, "", ""); }
};

TEST(CredentialChain, RenewsBeforeTheEndAndToleratesAFailureUntilItMatters) {
  const auto machine = std::make_shared<Renewing>();
  CredentialChain chain({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c"}}, "", machine);
  EXPECT_EQ(run(chain.get())->access_key_id, "A1");
  EXPECT_EQ(run(chain.get())->access_key_id, "A1");
  machine->at = machine->at + std::chrono::minutes(46);
  EXPECT_EQ(run(chain.get())->access_key_id, "A2");
  machine->at = machine->at + std::chrono::minutes(46);
  machine->broken = true;
  EXPECT_EQ(run(chain.get())->access_key_id, "A2");
  machine->at = machine->at + std::chrono::minutes(5);
  EXPECT_FALSE(run(chain.get()));
}

TEST(CredentialChain, AProfileThatIsNotThereIsAnErrorAndNothingElseIsAsked) {
  const auto surroundings = std::make_shared<Renewing>();
  CredentialChain chain(
      {{"HOME", "/home"}, {"AWS_PROFILE", "nobody"}, {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c"}}, "",
      surroundings);
  const auto found = run(chain.get());
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message, "there is no profile nobody");
  EXPECT_EQ(surroundings->asked, 0);
}

}  // namespace
}  // namespace slipway::client
