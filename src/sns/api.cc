#include "sns/api.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace slipway::sns {

namespace {

using wire::Answer;
using wire::Call;
using wire::Shape;

constexpr long long kPageSize = 100;  // As SNS lists topics and subscriptions.

std::unexpected<Error> invalid(const std::string& what) {
  return fail(Fault::invalid, "InvalidParameter", "Invalid parameter: " + what);
}

std::unexpected<Error> not_here(const std::string& name, const std::string& why) {
  return invalid(name + " Reason: " + why);
}

// What a topic may be set to: whether we act on it, or it asks for what we do anyway.
Result<void> check_topic_attribute(Permissions& permissions, const std::string& name, const std::string& value) {
  if (name == "Policy") {
    const auto good = value.empty() ? Result<void>{} : permissions.check_policy(value);
    if (!good) return invalid("Policy Error: " + good.error().message);
    return {};
  }
  if (name == "DisplayName") {
    if (value.size() > 100) return invalid("DisplayName");
    return {};
  }
  // Nothing is logged of deliveries but in the journal, so a rate of nothing is what we do.
  if (name.ends_with("FeedbackSampleRate")) {
    if (value.empty() || value == "0") return {};
    return not_here(name, "delivery status is not logged here");
  }
  static const std::map<std::string, std::set<std::string>> kNeutral = {{"TracingConfig", {"", "PassThrough"}},
                                                                        {"SignatureVersion", {"", "1"}},
                                                                        {"FifoTopic", {"", "false"}},
                                                                        {"ContentBasedDeduplication", {"", "false"}}};
  const auto neutral = kNeutral.find(name);
  if (neutral != kNeutral.end() && neutral->second.contains(value)) return {};
  const bool known = neutral != kNeutral.end() || name.ends_with("FeedbackRoleArn") || name == "DeliveryPolicy" ||
                     name == "KmsMasterKeyId" || name == "ArchivePolicy" || name == "DataProtectionPolicy" ||
                     name == "FifoThroughputScope";
  if (!known) return invalid("AttributeName");
  if (value.empty()) return {};
  return not_here(name, "it is not supported yet");
}

// Of a subscription: RawMessageDelivery is acted on.
Result<void> check_subscription_attribute(const std::string& name, const std::string& value) {
  if (name == "RawMessageDelivery") {
    if (value == "true" || value == "false") return {};
    return not_here(name, "Invalid value [" + value + "]. Must be true or false.");
  }
  const std::set<std::string> known = {"FilterPolicy",  "FilterPolicyScope",   "DeliveryPolicy",
                                       "RedrivePolicy", "SubscriptionRoleArn", "ReplayPolicy"};
  if (!known.contains(name)) return invalid("AttributeName");
  if (value.empty() || value == "{}") return {};
  if (name == "FilterPolicyScope") return {};  // Of a policy that cannot be there.
  return not_here(name, "it is not supported yet");
}

json::array entries_of(const std::map<std::string, std::string>& all) {
  json::array out;
  for (const auto& [key, value] : all) out.push_back(json::object{{"key", key}, {"value", value}});
  return out;
}

// {"Attributes": …} in the form of the query protocol.
json::object attributes_answer(const std::map<std::string, std::string>& all) {
  return {{"Attributes", json::object{{"*entry", entries_of(all)}}}};
}

json::object tags_in(const json::object& input) {
  json::object out;
  for (const auto& tag : get_array(input, "Tags"))
    out[get_string(tag.as_object(), "Key")] = get_string(tag.as_object(), "Value");
  return out;
}

std::map<std::string, std::string> texts(const json::object& object) {
  std::map<std::string, std::string> out;
  for (const auto& entry : object) out[entry.key()] = view(entry.value().as_string());
  return out;
}

// The policy that SNS gives a topic.  Who may use it is decided by the callers' own policies here, as this one decides
// nothing more.
std::string default_policy(const std::string& arn, const std::string& account) {
  const json::array actions{"SNS:GetTopicAttributes",
                            "SNS:SetTopicAttributes",
                            "SNS:AddPermission",
                            "SNS:RemovePermission",
                            "SNS:DeleteTopic",
                            "SNS:Subscribe",
                            "SNS:ListSubscriptionsByTopic",
                            "SNS:Publish"};
  const json::object statement{{"Sid", "__default_statement_ID"},
                               {"Effect", "Allow"},
                               {"Principal", {{"AWS", "*"}}},
                               {"Action", actions},
                               {"Resource", arn},
                               {"Condition", {{"StringEquals", {{"AWS:SourceOwner", account}}}}}};
  return json::serialize(
      json::object{{"Version", "2008-10-17"}, {"Id", "__default_policy_ID"}, {"Statement", json::array{statement}}});
}

// What retry_after() does, in SNS's words.
constexpr const char* kEffectiveDeliveryPolicy =
    R"({"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,)"
    R"("numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},)"
    R"("disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}})";

// Each member function is one operation; the operation table binds them.
class Api {
 public:
  explicit Api(Topics& topics) : topics_(topics) {}

  task<Result<Answer>> create_topic(Call call) {
    Topic topic{.name = get_string(call.input, "Name"), .attributes = {}, .tags = tags_in(call.input)};
    if (auto good = check_topic_name(topic.name); !good) co_return fail(good);
    for (const auto& [name, value] : texts(get_object(call.input, "Attributes"))) {
      if (auto good = check_topic_attribute(topics_.permissions(), name, value); !good) co_return fail(good);
      if (acted(name) && !value.empty()) topic.attributes[name] = value;
    }
    const auto arn = topics_.arn(topic.name);
    const auto made = co_await topics_.create(std::move(topic));
    if (!made) co_return fail(made);
    co_return Answer{.output = {{"TopicArn", arn}}};
  }

  task<Result<Answer>> delete_topic(Call call) {
    const auto name = name_in(call.input);
    if (!name) co_return fail(name);
    co_await topics_.remove(*name);  // One that is not there is deleted already.
    co_return Answer{};
  }

  task<Result<Answer>> list_topics(Call call) {
    const auto after = base64_decode(get_string(call.input, "NextToken"));
    if (!after) co_return invalid("NextToken");
    auto all = sns::list_topics(topics_.db().read(), *after, kPageSize + 1);
    json::object out;
    if (all.size() > kPageSize) {
      all.pop_back();
      out["NextToken"] = base64_encode(all.back().name);
    }
    json::array list;
    for (const auto& topic : all) list.push_back(json::object{{"TopicArn", topics_.arn(topic.name)}});
    out["Topics"] = std::move(list);
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> get_topic_attributes(Call call) {
    const auto topic = topic_of(call.input);
    if (!topic) co_return fail(topic);
    const auto counts = count_subscriptions(topics_.db().read(), topic->name);
    auto all = topic->attributes;
    all["TopicArn"] = topics_.arn(topic->name);
    all["Owner"] = call.place.account;
    all.try_emplace("DisplayName", "");
    all.try_emplace("Policy", default_policy(topics_.arn(topic->name), call.place.account));
    all["SubscriptionsConfirmed"] = std::to_string(counts.confirmed);
    all["SubscriptionsPending"] = std::to_string(counts.pending);
    all["SubscriptionsDeleted"] = "0";
    all["EffectiveDeliveryPolicy"] = kEffectiveDeliveryPolicy;
    co_return Answer{.output = attributes_answer(all)};
  }

  task<Result<Answer>> set_topic_attributes(Call call) {
    const auto topic = topic_of(call.input);
    if (!topic) co_return fail(topic);
    const auto name = get_string(call.input, "AttributeName");
    const auto value = get_string(call.input, "AttributeValue");
    if (auto good = check_topic_attribute(topics_.permissions(), name, value); !good) co_return fail(good);
    if (!acted(name)) co_return Answer{};
    const auto stored = co_await topics_.set_attribute(topic->name, name, value);
    if (!stored) co_return fail(stored);
    co_return Answer{};
  }

  task<Result<Answer>> subscribe(Call call) {
    const auto topic = topic_of(call.input);
    if (!topic) co_return fail(topic);
    const auto protocol = get_string(call.input, "Protocol");
    const auto endpoint = get_string(call.input, "Endpoint");
    if (auto good = check_endpoint(protocol, endpoint); !good) co_return fail(good);
    bool raw = false;
    for (const auto& [name, value] : texts(get_object(call.input, "Attributes"))) {
      if (auto good = check_subscription_attribute(name, value); !good) co_return fail(good);
      if (name == "RawMessageDelivery") raw = value == "true";
    }
    if (raw && protocol == "lambda")
      co_return not_here("RawMessageDelivery", "Delivery protocol [lambda] does not support raw message delivery.");
    const auto made = co_await topics_.subscribe(topic->name, protocol, endpoint, raw);
    if (!made) co_return fail(made);
    const bool shown = made->confirmed() || get_bool(call.input, "ReturnSubscriptionArn");
    co_return Answer{.output = {{"SubscriptionArn", shown ? made->arn : std::string("pending confirmation")}}};
  }

  task<Result<Answer>> confirm_subscription(Call call) {
    const auto topic = topic_of(call.input);
    if (!topic) co_return fail(topic);
    const auto confirmed = co_await topics_.confirm(topic->name, get_string(call.input, "Token"));
    if (!confirmed) co_return fail(confirmed);
    co_return Answer{.output = {{"SubscriptionArn", confirmed->arn}}};
  }

  task<Result<Answer>> unsubscribe(Call call) {
    const auto one = subscription_of(call.input);
    if (!one) co_return fail(one);
    const auto removed = co_await topics_.unsubscribe(one->arn);
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> list_subscriptions(Call call) { co_return page_of(call, ""); }

  task<Result<Answer>> list_subscriptions_by_topic(Call call) {
    const auto topic = topic_of(call.input);
    if (!topic) co_return fail(topic);
    co_return page_of(call, topic->name);
  }

  task<Result<Answer>> get_subscription_attributes(Call call) {
    const auto one = subscription_of(call.input);
    if (!one) co_return fail(one);
    const std::map<std::string, std::string> all{
        {"SubscriptionArn", one->arn},
        {"TopicArn", topics_.arn(one->topic)},
        {"Protocol", one->protocol},
        {"Endpoint", one->endpoint},
        {"Owner", call.place.account},
        {"ConfirmationWasAuthenticated", one->protocol == "sqs" || one->protocol == "lambda" ? "true" : "false"},
        {"PendingConfirmation", one->confirmed() ? "false" : "true"},
        {"RawMessageDelivery", one->raw ? "true" : "false"}};
    co_return Answer{.output = attributes_answer(all)};
  }

  task<Result<Answer>> set_subscription_attributes(Call call) {
    const auto one = subscription_of(call.input);
    if (!one) co_return fail(one);
    const auto name = get_string(call.input, "AttributeName");
    const auto value = get_string(call.input, "AttributeValue");
    if (auto good = check_subscription_attribute(name, value); !good) co_return fail(good);
    if (name != "RawMessageDelivery") co_return Answer{};
    if (value == "true" && one->protocol == "lambda")
      co_return not_here(name, "Delivery protocol [lambda] does not support raw message delivery.");
    const auto stored = co_await topics_.set_raw(one->arn, value == "true");
    if (!stored) co_return fail(stored);
    co_return Answer{};
  }

  task<Result<Answer>> publish(Call call) {
    const bool by_target = !has(call.input, "TopicArn") && has(call.input, "TargetArn");
    const auto arn = get_string(call.input, by_target ? "TargetArn" : "TopicArn");
    if (arn.empty()) co_return invalid("TopicArn or TargetArn Reason: no value for required parameter");
    if (!topics_.name_of(arn)) co_return invalid(by_target ? "TargetArn" : "TopicArn");
    auto message = read_message(call.input);
    if (!message) co_return fail(message);
    const auto id = co_await topics_.publish(arn, *std::move(message));
    if (!id) co_return fail(id);
    co_return Answer{.output = {{"MessageId", *id}}};
  }

  task<Result<Answer>> publish_batch(Call call) {
    const auto topic = topic_of(call.input);
    if (!topic) co_return fail(topic);
    const auto entries = get_array(call.input, "PublishBatchRequestEntries");
    std::vector<std::string> ids;
    for (const auto& entry : entries) ids.push_back(get_string(entry.as_object(), "Id"));
    if (auto good = check_batch(ids); !good) co_return fail(good);
    std::vector<Result<Message>> messages;
    std::size_t bytes = 0;
    for (const auto& entry : entries) {
      messages.push_back(read_message(entry.as_object()));
      if (messages.back()) bytes += bytes_of(*messages.back());
    }
    if (bytes > kMessageBytesMax)
      co_return fail(Fault::invalid, "BatchRequestTooLong",
                     "The length of all the batch messages put together is more than the limit.");
    json::array good;
    json::array bad;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      auto id = messages[i] ? co_await topics_.publish(topics_.arn(topic->name), *messages[i])
                            : Result<std::string>(fail(messages[i]));
      if (id) {
        good.push_back(json::object{{"Id", ids[i]}, {"MessageId", *id}});
      } else {
        bad.push_back(json::object{
            {"Id", ids[i]}, {"Code", id.error().code}, {"Message", id.error().message}, {"SenderFault", true}});
      }
    }
    co_return Answer{.output = {{"Successful", std::move(good)}, {"Failed", std::move(bad)}}};
  }

  task<Result<Answer>> tag_resource(Call call) {
    const auto name = resource_of(call.input);
    if (!name) co_return fail(name);
    const auto stored = co_await topics_.put_tags(*name, tags_in(call.input));
    if (!stored) co_return fail(stored);
    co_return Answer{};
  }

  task<Result<Answer>> untag_resource(Call call) {
    const auto name = resource_of(call.input);
    if (!name) co_return fail(name);
    const auto removed = co_await topics_.remove_tags(*name, get_strings(call.input, "TagKeys"));
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> list_tags_for_resource(Call call) {
    const auto name = resource_of(call.input);
    if (!name) co_return fail(name);
    const auto topic = find_topic(topics_.db().read(), *name);
    json::array list;
    for (const auto& tag : topic->tags) list.push_back(json::object{{"Key", tag.key()}, {"Value", tag.value()}});
    co_return Answer{.output = {{"Tags", std::move(list)}}};
  }

 private:
  static bool acted(const std::string& attribute) { return attribute == "Policy" || attribute == "DisplayName"; }

  Result<std::string> name_in(const json::object& input) const {
    const auto name = topics_.name_of(get_string(input, "TopicArn"));
    if (!name || name->empty()) return invalid("TopicArn");
    return *name;
  }
  Result<Topic> topic_of(const json::object& input) const {
    const auto name = name_in(input);
    if (!name) return fail(name);
    auto topic = find_topic(topics_.db().read(), *name);
    if (!topic) return no_topic();
    return *std::move(topic);
  }
  Result<std::string> resource_of(const json::object& input) const {
    const auto name = topics_.name_of(get_string(input, "ResourceArn"));
    if (name && find_topic(topics_.db().read(), *name)) return *name;
    return fail(Fault::not_found, "ResourceNotFound", "Resource does not exist");
  }
  Result<Subscription> subscription_of(const json::object& input) const {
    const auto arn = get_string(input, "SubscriptionArn");
    const auto parsed = parse_arn(arn);
    if (!parsed || parsed->service != "sns" || parsed->resource.find(':') == std::string::npos)
      return invalid("SubscriptionArn Reason: An ARN must have at least 6 elements, not " +
                     std::to_string(split(arn, ':').size()));
    auto one = find_subscription(topics_.db().read(), arn);
    if (!one) return no_subscription();
    return *std::move(one);
  }

  Result<Answer> page_of(const Call& call, const std::string& topic) const {
    const auto after = base64_decode(get_string(call.input, "NextToken"));
    if (!after) return invalid("NextToken");
    auto all = sns::list_subscriptions(topics_.db().read(), topic, *after, kPageSize + 1);
    json::object out;
    if (all.size() > kPageSize) {
      all.pop_back();
      out["NextToken"] = base64_encode(all.back().arn);
    }
    json::array list;
    for (const auto& one : all) {
      list.push_back(json::object{{"SubscriptionArn", one.confirmed() ? one.arn : std::string("PendingConfirmation")},
                                  {"Owner", call.place.account},
                                  {"Protocol", one.protocol},
                                  {"Endpoint", one.endpoint},
                                  {"TopicArn", topics_.arn(one.topic)}});
    }
    out["Subscriptions"] = std::move(list);
    return Answer{.output = std::move(out)};
  }

  Topics& topics_;
};

wire::Member topic_arn() {
  return wire::required("TopicArn", wire::text());
}
wire::Member subscription_arn() {
  return wire::required("SubscriptionArn", wire::text());
}
wire::Member next_token() {
  return wire::optional("NextToken", wire::text());
}
wire::Member resource_arn() {
  return wire::required("ResourceArn", wire::text(1, 1011));
}
wire::Member attributes() {
  return wire::optional("Attributes", wire::map(wire::text()));
}
Shape tags() {
  return wire::list(
      wire::structure({wire::required("Key", wire::text(1, 128)), wire::required("Value", wire::text(0, 256))}));
}

std::vector<wire::Member> message_members() {
  auto value =
      wire::structure({wire::required("DataType", wire::text(1, 256)), wire::optional("StringValue", wire::text()),
                       wire::optional("BinaryValue", wire::blob())});
  return {wire::required("Message", wire::text()),
          wire::optional("Subject", wire::text()),
          wire::optional("MessageStructure", wire::text()),
          wire::optional("MessageAttributes", wire::map(std::move(value))),
          wire::refused("MessageDeduplicationId", wire::text(), "FIFO topics are not supported yet"),
          wire::refused("MessageGroupId", wire::text(), "FIFO topics are not supported yet")};
}

Shape publish_shape() {
  auto members = message_members();
  members.push_back(wire::optional("TopicArn", wire::text()));
  members.push_back(wire::optional("TargetArn", wire::text()));
  members.push_back(wire::refused("PhoneNumber", wire::text(), "text messages are not sent from here"));
  return wire::structure(std::move(members));
}

Shape publish_batch_shape() {
  auto members = message_members();
  members.push_back(wire::required("Id", wire::text()));
  // How many and with which ids, check_batch() says in SNS's own words.
  return wire::structure(
      {topic_arn(), wire::required("PublishBatchRequestEntries", wire::list(wire::structure(std::move(members))))});
}

using Method = task<Result<Answer>> (Api::*)(Call);
struct Entry {
  const char* name;
  Shape input;
  Method method;
  // The confirmation's token, or the subscription's ARN, which nobody guesses, is proof enough: mails and HTTP
  // endpoints hold links to these.
  bool unsigned_too = false;
};

std::vector<Entry> entries() {
  using wire::optional;
  using wire::required;
  using wire::structure;
  return {
      {"CreateTopic",
       structure({required("Name", wire::text()), attributes(), optional("Tags", tags()),
                  wire::refused("DataProtectionPolicy", wire::text(), "data protection is not supported yet")}),
       &Api::create_topic},
      {"DeleteTopic", structure({topic_arn()}), &Api::delete_topic},
      {"ListTopics", structure({next_token()}), &Api::list_topics},
      {"GetTopicAttributes", structure({topic_arn()}), &Api::get_topic_attributes},
      {"SetTopicAttributes",
       structure({topic_arn(), required("AttributeName", wire::text()), optional("AttributeValue", wire::text())}),
       &Api::set_topic_attributes},
      {"Subscribe",
       structure({topic_arn(), required("Protocol", wire::text()), optional("Endpoint", wire::text()), attributes(),
                  optional("ReturnSubscriptionArn", wire::boolean())}),
       &Api::subscribe},
      {"ConfirmSubscription",
       structure({topic_arn(), required("Token", wire::text()),
                  wire::refused("AuthenticateOnUnsubscribe", wire::text(), "who knows a subscription's ARN may end it",
                                "false")}),
       &Api::confirm_subscription, true},
      {"Unsubscribe", structure({subscription_arn()}), &Api::unsubscribe, true},
      {"ListSubscriptions", structure({next_token()}), &Api::list_subscriptions},
      {"ListSubscriptionsByTopic", structure({topic_arn(), next_token()}), &Api::list_subscriptions_by_topic},
      {"GetSubscriptionAttributes", structure({subscription_arn()}), &Api::get_subscription_attributes},
      {"SetSubscriptionAttributes",
       structure(
           {subscription_arn(), required("AttributeName", wire::text()), optional("AttributeValue", wire::text())}),
       &Api::set_subscription_attributes},
      {"Publish", publish_shape(), &Api::publish},
      {"PublishBatch", publish_batch_shape(), &Api::publish_batch},
      {"TagResource", structure({resource_arn(), required("Tags", tags())}), &Api::tag_resource},
      {"UntagResource", structure({resource_arn(), required("TagKeys", wire::list(wire::text(1, 128)))}),
       &Api::untag_resource},
      {"ListTagsForResource", structure({resource_arn()}), &Api::list_tags_for_resource},
  };
}

// The topic that a call names, for iam.
std::string resource_named(const Call& call) {
  for (const auto* member : {"TopicArn", "TargetArn", "ResourceArn"}) {
    if (has(call.input, member)) return get_string(call.input, member);
  }
  if (has(call.input, "Name")) return call.place.arn("sns", get_string(call.input, "Name"));
  // A subscription belongs to its topic.
  const auto subscription = get_string(call.input, "SubscriptionArn");
  return subscription.empty() ? "*" : subscription.substr(0, subscription.rfind(':'));
}

}  // namespace

wire::Service service(Topics& topics) {
  wire::Service out{.name = "sns",
                    .protocols = {wire::Protocol::query},
                    .xml_namespace = "http://sns.amazonaws.com/doc/2010-03-31/",
                    .version = "2010-03-31",
                    .validation_code = "InvalidParameter",
                    .unknown_operation_code = "InvalidAction",
                    .denied_code = "AuthorizationError"};
  const auto api = std::make_shared<Api>(topics);
  for (auto& entry : entries()) {
    out.operations.push_back(
        {.name = entry.name,
         .input = std::move(entry.input),
         .handler = [api, method = entry.method](Call call) { return ((*api).*method)(std::move(call)); },
         .resource = resource_named,
         .unsigned_too = entry.unsigned_too});
  }
  return out;
}

}  // namespace slipway::sns
