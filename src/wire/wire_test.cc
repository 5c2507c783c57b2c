#include <gtest/gtest.h>

#include "base/run.h"
#include "base/text.h"
#include "wire/door.h"
#include "wire/query.h"

namespace slipway::wire {
namespace {

std::string message_of(const Shape& shape, const char* input) {
  const auto checked = check(shape, parse_json(input)->as_object());
  return checked ? json::serialize(checked->input) : checked.error().code + ": " + checked.error().message;
}

const Shape kRule = structure(
    {required("Name", text(1, 4, "[a-z]+")), optional("State", one_of({"ENABLED", "DISABLED"})),
     optional("Targets", list(structure({required("Id", text(1, 64))}), 1, 2)),
     refused("RoleArn", text(), "roles of rules are not supported yet"), warned("Tags", list(document()), "not stored"),
     refused("Scheme", text(), "only one", "internal"), optional("Count", integer(0, 9))});

TEST(Shape, SaysWhatAwsSays) {
  EXPECT_EQ(message_of(kRule, "{}"),
            "ValidationException: 1 validation error detected: Value null at 'name' failed to satisfy constraint: "
            "Member must not be null");
  EXPECT_EQ(message_of(kRule, R"({"Name":"abcde"})"),
            "ValidationException: 1 validation error detected: Value 'abcde' at 'name' failed to satisfy constraint: "
            "Member must have length less than or equal to 4");
  EXPECT_EQ(message_of(kRule, R"({"Name":"a","State":"ON"})"),
            "ValidationException: 1 validation error detected: Value 'ON' at 'state' failed to satisfy constraint: "
            "Member must satisfy enum value set: [ENABLED, DISABLED]");
  EXPECT_EQ(message_of(kRule, R"({"Name":"a","Targets":[{"Id":"x"},{"Id":""}]})"),
            "ValidationException: 1 validation error detected: Value '' at 'targets.2.member.id' failed to satisfy "
            "constraint: Member must have length greater than or equal to 1");
}

TEST(Shape, GathersEveryFault) {
  EXPECT_TRUE(message_of(kRule, R"({"Name":"A1234","Count":10})")
                  .starts_with("ValidationException: 3 validation errors detected: "));
}

TEST(Shape, AWrongTypeIsASerializationFault) {
  EXPECT_TRUE(message_of(kRule, R"({"Name":1})").starts_with("SerializationException"));
  EXPECT_TRUE(message_of(kRule, R"({"Name":"a","Targets":{}})").starts_with("SerializationException"));
}

TEST(Shape, RefusesWhatWeDoNotActOnUnlessItAsksForNothing) {
  EXPECT_NE(message_of(kRule, R"({"Name":"a","RoleArn":"arn"})").find("RoleArn is not supported here: roles of rules"),
            std::string::npos);
  EXPECT_EQ(message_of(kRule, R"({"Name":"a","RoleArn":""})"), R"({"Name":"a","RoleArn":""})");
  EXPECT_EQ(message_of(kRule, R"({"Name":"a","Scheme":"internal"})"), R"({"Name":"a","Scheme":"internal"})");
}

TEST(Shape, WarnsOfUnknownAndUnusedMembers) {
  const auto checked = check(kRule, parse_json(R"({"Name":"a","Tags":[1],"Other":2})")->as_object());
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->warnings.size(), 2U);
  EXPECT_FALSE(checked->input.contains("Other"));
}

TEST(Shape, NumbersThatFitNothingAreRefused) {
  const Shape shape = structure({optional("Count", integer()), optional("At", timestamp())});
  for (const char* input : {R"({"Count":1e300})", R"({"Count":-1e300})", R"({"Count":18446744073709551615})",
                            R"({"Count":1.5})", R"({"At":1e300})", R"({"At":-1e18})"})
    EXPECT_TRUE(message_of(shape, input).starts_with("SerializationException")) << input;
  EXPECT_EQ(message_of(shape, R"({"Count":3.0})"), R"({"Count":3})");
}

TEST(Shape, TextsAreUtf8) {
  json::object input;
  for (const char* text : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xe2\x82"}) {
    input["Name"] = text;
    const auto checked = check(structure({optional("Name", wire::text())}), input);
    ASSERT_FALSE(checked) << text;
    EXPECT_EQ(checked.error().code, "SerializationException");
  }
  input["Name"] = "ä€😀";
  EXPECT_TRUE(check(structure({optional("Name", wire::text(3, 3))}), input));
}

TEST(Shape, ManyFaultsAndManyUnknownMembersAreToldInShort) {
  json::object input = {{"Name", std::string(100'000, 'A')}};
  for (int i = 0; i < 1000; ++i) input["Unknown" + std::to_string(i)] = 1;
  const auto failed = check(kRule, input);
  ASSERT_FALSE(failed);
  EXPECT_LT(failed.error().message.size(), 10'000U);
  input["Name"] = "a";
  EXPECT_EQ(check(kRule, input)->warnings.size(), kShownMax);
}

TEST(Shape, TimesAndBlobsAreDecoded) {
  const Shape shape = structure({optional("At", timestamp()), optional("Zip", blob())});
  EXPECT_EQ(message_of(shape, R"({"At":1.5,"Zip":"aGk="})"), R"({"At":1500,"Zip":"hi"})");
  EXPECT_EQ(message_of(shape, R"({"At":"1970-01-01T00:00:01Z"})"), R"({"At":1000})");
}

TEST(Query, GathersListsMapsAndStructures) {
  const Shape shape =
      structure({optional("Tags", list(structure({optional("Key", text())}))),
                 optional("Attribute", flattened(list(text()))), optional("Attributes", map(text())),
                 optional("Limit", integer()), optional("Deep", structure({optional("Code", text())}))});
  const auto fields = parse_form(
      "Action=X&Tags.member.2.Key=b&Tags.member.1.Key=a+b&Attribute.1=All&Attributes.entry.1.key=k&Attributes.entry.1."
      "value=v&Limit=5&Deep.Code=200");
  EXPECT_EQ(
      json::serialize(*decode_fields(fields, shape)),
      R"({"Tags":[{"Key":"a b"},{"Key":"b"}],"Attribute":["All"],"Attributes":{"k":"v"},"Limit":5,"Deep":{"Code":"200"}})");
}

std::string decoded(std::string_view form) {
  static const Shape shape =
      structure({optional("Name", text()), optional("Tags", list(structure({optional("Key", text())}))),
                 optional("Attributes", map(text())), optional("Limit", integer()), optional("Share", number()),
                 optional("Deep", structure({optional("Code", text())}))});
  const auto fields = decode_fields(parse_form(form), shape);
  if (!fields) return fields.error().code;
  const auto checked = check(shape, *fields);
  return checked ? json::serialize(checked->input) : checked.error().code;
}

TEST(Query, WhatDoesNotHaveTheFormOfItsMemberIsRefused) {
  for (const char* form :
       {"Tags=x", "Tags.member.x.Key=a", "Tags.other=a", "Tags.member.1=x", "Attributes=x", "Attributes.entry.1.key=k",
        "Deep=x", "Name.x=a", "Name=%FF", "%FF=a", "Limit=1x", "Limit=99999999999999999999", "Share=inf", "Share=1x",
        "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u=1"})
    EXPECT_EQ(decoded(form), "SerializationException") << form;
  EXPECT_EQ(decoded("Tags=&Deep.Code=&Limit=-5&Name=a%26b%3D%2B+"),
            R"({"Name":"a&b=+ ","Tags":[],"Limit":-5,"Deep":{"Code":""}})");
}

TEST(Query, ManyFieldsAreRefusedAndNotGatheredForHours) {
  std::string form;
  for (int i = 0; i < 300'000; ++i) form += "f" + std::to_string(i) + "=&";
  EXPECT_EQ(decoded(form), "SerializationException");
  form.resize(60'000);
  EXPECT_EQ(decoded(form.substr(0, form.rfind('&'))), "{}");
}

TEST(Query, WritesXml) {
  const json::object out = {{"Role", json::object{{"Name", "a<b"}, {"Tags", json::array{json::object{{"Key", "k"}}}}}},
                            {"*Message", json::array{json::object{{"Id", 1}}, json::object{{"Id", 2}}}}};
  EXPECT_EQ(encode_xml(out),
            "<Role><Name>a&lt;b</Name><Tags><member><Key>k</Key></member></Tags></Role><Message><Id>1</Id></"
            "Message><Message><Id>2</Id></Message>");
}

// A service with one operation, in every protocol.
task<Result<Answer>> greet(Call call) {
  const std::string name = get_string(call.input, "Name");
  if (name == "nobody") co_return fail(Fault::not_found, "NobodyException", "nobody is here");
  if (name == "denied") co_return fail(Fault::denied, "AccessDeniedException", "you may not");
  Answer answer;
  const auto titles = get_strings(call.input, "Titles");
  answer.output["Greeting"] = "hello " + join(titles, " ") + (titles.empty() ? "" : " ") + name;
  co_return answer;
}

Service greeter() {
  Operation operation{.name = "Greet",
                      .input = structure({required("Name", text(1, 10)), in_query(optional("Loud", boolean()), "loud"),
                                          in_query(optional("Titles", list(text())), "title")}),
                      .handler = greet};
  operation.input.members[0].where = Where::path;
  operation.method = "POST";
  operation.path = "/2015/people/{Name}/greet";
  Service service;
  service.name = "greeter";
  service.protocols = {Protocol::json_1_1, Protocol::json_1_0, Protocol::query, Protocol::rest_json};
  service.target_prefix = "Greeter_1";
  service.xml_namespace = "http://greeter/";
  service.version = "2015";
  service.query_error_code = [](const std::string& code) { return "Greeter." + code; };
  service.operations.push_back(std::move(operation));
  return service;
}

struct Asked {
  http::Request request;
  std::string body;
};

http::Response ask(const Asked& asked, std::string_view scope = "greeter") {
  static const Service service = greeter();
  const Service* const all[] = {&service};
  const auto found = route(all, asked.request, asked.body, scope);
  if (!found) return http::text_response(404, "no route");
  Call context;
  context.request_id = "id-1";
  return run(serve(*found, asked.request, asked.body, context, {}));
}

Asked json_call(std::string target, std::string body) {
  Asked asked;
  asked.request.method = "POST";
  asked.request.target = "/";
  asked.request.headers = {{"X-Amz-Target", std::move(target)}, {"Content-Type", "application/x-amz-json-1.1"}};
  asked.body = std::move(body);
  return asked;
}

TEST(Door, SpeaksAwsJson) {
  EXPECT_EQ(ask(json_call("Greeter_1.Greet", R"({"Name":"Ann"})")).body, R"({"Greeting":"hello Ann"})");
  const auto missing = ask(json_call("Greeter_1.Greet", R"({"Name":"nobody"})"));
  EXPECT_EQ(missing.status, 400);
  EXPECT_EQ(missing.body, R"({"__type":"NobodyException","message":"nobody is here"})");
  EXPECT_EQ(missing.headers.get("x-amzn-RequestId"), "id-1");
  EXPECT_EQ(missing.headers.get("x-amzn-query-error"), "Greeter.NobodyException;Sender");
  EXPECT_EQ(ask(json_call("Greeter_1.Greet", "{")).headers.get("x-amzn-ErrorType"), "SerializationException");
}

TEST(Door, AListInTheQueryStringIsGatheredFromItsRepetitions) {
  Asked asked;
  asked.request.method = "POST";
  asked.request.target = "/2015/people/Ann/greet?title=Dr&title=Prof";
  EXPECT_EQ(ask(asked).body, R"({"Greeting":"hello Dr Prof Ann"})");
}

TEST(Door, AnUnknownOperationIs400InEveryProtocol) {
  EXPECT_EQ(ask(json_call("Greeter_1.Nothing", "{}")).status, 400);
  Asked query;
  query.request.method = "POST";
  query.request.target = "/";
  query.body = "Action=Nothing&Version=2015";
  const auto answer = ask(query);
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("<Code>InvalidAction</Code>"), std::string::npos);
}

Asked query_call(std::string form) {
  Asked asked;
  asked.request.method = "POST";
  asked.request.target = "/";
  asked.request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  asked.body = std::move(form);
  return asked;
}

TEST(Door, TheQueryProtocolHasNamesOfItsOwn) {
  const auto code = [](const std::string& form) {
    const auto answer = ask(query_call(form));
    const auto begin = answer.body.find("<Code>") + 6;
    return std::to_string(answer.status) + " " + answer.body.substr(begin, answer.body.find("</Code>") - begin);
  };
  EXPECT_EQ(code("Version=2015"), "400 MissingAction");
  EXPECT_EQ(code(""), "400 MissingAction");
  EXPECT_EQ(code("Action=Greet&Version=2014&Name=Ann"), "400 InvalidAction");
  EXPECT_EQ(code("Action=Greet&Name=Ann"), "400 InvalidAction");
  EXPECT_NE(
      ask(query_call("Action=Greet")).body.find("Could not find operation Greet for version NO_VERSION_SPECIFIED"),
      std::string::npos);
  EXPECT_EQ(code("Action=Greet&Version=2015&Name.x=1"), "400 MalformedInput");
  EXPECT_EQ(code("Action=Greet&Version=2015&Name=denied"), "403 AccessDenied");
  EXPECT_EQ(ask(json_call("Greeter_1.Greet", R"({"Name":"denied"})")).headers.get("x-amzn-ErrorType"),
            "AccessDeniedException");
}

TEST(Door, NoBodyNoObjectAndTooDeepAreNotServerErrors) {
  for (const std::string& body :
       {std::string(), std::string("[]"), std::string("1"), std::string("{\"Name\":\"\xff\"}"),
        std::string(100'000, '['), std::string("{\"Name\":\"Ann\"} x")})
    EXPECT_EQ(ask(json_call("Greeter_1.Greet", body)).status, 400) << body.substr(0, 20);
  Asked get = json_call("Greeter_1.Greet", "");
  get.request.method = "GET";
  EXPECT_EQ(ask(get).headers.get("x-amzn-ErrorType"), "UnknownOperationException");
}

TEST(Door, SpeaksQuery) {
  Asked query;
  query.request.method = "POST";
  query.request.target = "/";
  query.request.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
  query.body = "Action=Greet&Version=2015&Name=Ann";
  EXPECT_EQ(ask(query).body,
            "<GreetResponse xmlns=\"http://greeter/\"><GreetResult><Greeting>hello Ann</Greeting></GreetResult>"
            "<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></GreetResponse>\n");
  EXPECT_EQ(ask(query, "").status, 200);  // Unsigned: version and action tell.
}

TEST(Door, SpeaksRestJson) {
  Asked rest;
  rest.request.method = "POST";
  rest.request.target = "/2015/people/A%2Fn/greet?loud=true";
  EXPECT_EQ(ask(rest).body, R"({"Greeting":"hello A/n"})");
  rest.request.target = "/2015/people/Ann/greet?lout=true";
  EXPECT_EQ(ask(rest).headers.get("X-Slipway-Warning"), "lout: this query parameter is not known here and was ignored");
  rest.body = R"({"Loud":true})";  // It travels in the query, not in the body.
  EXPECT_EQ(ask(rest).body, R"({"Greeting":"hello Ann"})");
  rest.body = "";
  rest.request.target = "/2015/people/%FF/greet";
  EXPECT_EQ(ask(rest).headers.get("x-amzn-ErrorType"), "SerializationException");
  rest.request.target = "/2015/people/nobody/greet";
  const auto missing = ask(rest);
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.headers.get("x-amzn-ErrorType"), "NobodyException");
}

}  // namespace
}  // namespace slipway::wire
