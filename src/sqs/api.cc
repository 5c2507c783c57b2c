#include "sqs/api.h"

#include <algorithm>

#include "base/text.h"
#include "sqs/query_answer.h"

namespace slipway::sqs {

namespace {

using wire::Answer;
using wire::Call;
using wire::Shape;

constexpr long long kDelaySecondsMax = 900;
constexpr long long kVisibilitySecondsMax = 43200;
constexpr long long kWaitSecondsMax = 20;
constexpr long long kListMax = 1000;

// SQS words these bounds itself, where other services have "validation errors".
Result<void> in_range(const json::object& input, const char* member, long long low, long long high,
                      const std::string& must) {
  if (!has(input, member)) return {};
  const long long given = get_int(input, member);
  if (given >= low && given <= high) return {};
  return fail(Fault::invalid, "InvalidParameterValue",
              "Value " + std::to_string(given) + " for parameter " + member + " is invalid. Reason: " + must);
}

Result<void> check_delay(const json::object& input) {
  return in_range(input, "DelaySeconds", 0, kDelaySecondsMax, "DelaySeconds must be >= 0 and <= 900.");
}

Result<void> check_hidden(const json::object& input) {
  return in_range(input, "VisibilityTimeout", 0, kVisibilitySecondsMax,
                  "VisibilityTimeout must be an integer between 0 and 43200.");
}

Result<void> check_receive(const json::object& input) {
  auto checked = in_range(input, "MaxNumberOfMessages", 1, kReceiveMax, "Must be between 1 and 10, if provided.");
  if (checked) checked = check_hidden(input);
  if (checked) checked = in_range(input, "WaitTimeSeconds", 0, kWaitSecondsMax, "Must be >= 0 and <= 20, if provided.");
  return checked;
}

// The page of `all` after `token`, a name in base64; `out` gets its NextToken.
Result<std::vector<Queue>> page_of(std::vector<Queue> all, const json::object& input, json::object& out) {
  const auto size = static_cast<std::size_t>(get_int(input, "MaxResults", kListMax));
  const std::string token = get_string(input, "NextToken");
  const auto after = base64_decode(token);
  if (!after) return fail(Fault::invalid, "InvalidParameterValue", "Invalid or expired next token.");
  if (!token.empty()) std::erase_if(all, [&](const Queue& queue) { return queue.name <= *after; });
  if (all.size() <= size) return all;
  all.resize(size);
  // Without MaxResults a caller does not know of pages: SQS answers a thousand and no token.
  if (has(input, "MaxResults")) out["NextToken"] = base64_encode(all.back().name);
  return all;
}

std::optional<Duration> seconds_of(const json::object& input, const char* member) {
  if (!has(input, member)) return std::nullopt;
  return std::chrono::seconds(get_int(input, member));
}

MessageAttributes read_attributes(const json::object& input) {
  MessageAttributes out;
  const json::object all = get_object(input, "MessageAttributes");
  for (const auto& entry : all) {
    const auto& given = entry.value().as_object();
    MessageAttribute attribute{.type = get_string(given, "DataType"), .value = {}};
    attribute.value = get_string(given, attribute.binary() ? "BinaryValue" : "StringValue");
    out[entry.key()] = std::move(attribute);
  }
  return out;
}

QueueAttributes read_queue_attributes(const json::object& input) {
  QueueAttributes out;
  const json::object all = get_object(input, "Attributes");
  for (const auto& entry : all) out[entry.key()] = view(entry.value().as_string());
  return out;
}

// "All", the name itself, or "name.*" / "prefix*" asks for it.
bool asked(const std::vector<std::string>& names, const std::string& name) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view wanted) {
    if (wanted == "All" || wanted == ".*" || wanted == name) return true;
    return wanted.ends_with(".*") && name.starts_with(wanted.substr(0, wanted.size() - 2));
  });
}

std::vector<std::string> system_attributes_asked(const json::object& input) {
  auto names = get_strings(input, "AttributeNames");
  std::ranges::move(get_strings(input, "MessageSystemAttributeNames"), std::back_inserter(names));
  return names;
}

json::object system_attributes(const Message& message, const std::string& account,
                               const std::vector<std::string>& names) {
  std::map<std::string, std::string> all{
      {"SenderId", account},
      {"SentTimestamp", std::to_string(message.sent.ms())},
      {"ApproximateReceiveCount", std::to_string(message.receives)},
      {"ApproximateFirstReceiveTimestamp", std::to_string(message.first_received.ms())}};
  if (!message.dead_letter_of.empty()) all["DeadLetterQueueSourceArn"] = message.dead_letter_of;
  json::object out;
  for (const auto& [name, value] : all) {
    if (asked(names, name)) out[name] = value;
  }
  return out;
}

json::object describe(const Message& message, const Call& call) {
  json::object out{{"MessageId", message.id},
                   {"ReceiptHandle", message.receipt},
                   {"MD5OfBody", md5_hex(message.body)},
                   {"Body", message.body}};
  auto system = system_attributes(message, call.place.account, system_attributes_asked(call.input));
  if (!system.empty()) out["Attributes"] = std::move(system);
  MessageAttributes shown = message.attributes;
  const auto names = get_strings(call.input, "MessageAttributeNames");
  std::erase_if(shown, [&](const auto& entry) { return !asked(names, entry.first); });
  if (shown.empty()) return out;
  json::object attributes;
  for (const auto& [name, attribute] : shown) {
    attributes[name] = json::object{{"DataType", attribute.type},
                                    {attribute.binary() ? "BinaryValue" : "StringValue",
                                     attribute.binary() ? base64_encode(attribute.value) : attribute.value}};
  }
  out["MD5OfMessageAttributes"] = md5_of_attributes(shown);
  out["MessageAttributes"] = std::move(attributes);
  return out;
}

// Each member function is one operation, answering as awsJson does.
class Api {
 public:
  explicit Api(Queues& queues) : queues_(queues) {}

  task<Result<Answer>> create_queue(Call call) {
    const auto name = get_string(call.input, "QueueName");
    const auto created =
        co_await queues_.create(name, read_queue_attributes(call.input), get_object(call.input, "tags"));
    if (!created) co_return fail(created);
    co_return Answer{.output = {{"QueueUrl", queues_.url(name)}}};
  }

  task<Result<Answer>> get_queue_url(Call call) {
    const auto name = get_string(call.input, "QueueName");
    const auto owner = get_string(call.input, "QueueOwnerAWSAccountId", call.place.account);
    if (owner != call.place.account || !queues_.find(name)) co_return no_queue();
    co_return Answer{.output = {{"QueueUrl", queues_.url(name)}}};
  }

  task<Result<Answer>> list_queues(Call call) {
    co_return list_answer(queues_.list(get_string(call.input, "QueueNamePrefix")), call.input, "QueueUrls");
  }

  task<Result<Answer>> list_dead_letter_sources(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    co_return list_answer(queues_.sources_of(queue->name), call.input, "queueUrls");
  }

  task<Result<Answer>> get_queue_attributes(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    QueueAttributes all = queue->attributes;
    const auto counts = queues_.counts(queue->name);
    all["QueueArn"] = queues_.arn(queue->name);
    all["CreatedTimestamp"] = std::to_string(queue->created.ms() / 1000);
    all["LastModifiedTimestamp"] = std::to_string(queue->modified.ms() / 1000);
    all["ApproximateNumberOfMessages"] = std::to_string(counts.visible);
    all["ApproximateNumberOfMessagesNotVisible"] = std::to_string(counts.in_flight);
    all["ApproximateNumberOfMessagesDelayed"] = std::to_string(counts.delayed);
    const auto names = get_strings(call.input, "AttributeNames");
    json::object attributes;
    for (const auto& [name, value] : all) {
      if (!value.empty() && asked(names, name)) attributes[name] = value;
    }
    json::object out;
    if (!attributes.empty()) out["Attributes"] = std::move(attributes);
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> set_queue_attributes(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    const auto stored = co_await queues_.set_attributes(queue->name, read_queue_attributes(call.input));
    if (!stored) co_return fail(stored);
    co_return Answer{};
  }

  task<Result<Answer>> send_message(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    auto sent = co_await send_one(queue->name, call.input);
    if (!sent) co_return fail(sent);
    co_return Answer{.output = *std::move(sent)};
  }

  task<Result<Answer>> send_message_batch(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    const auto entries = batch_of(call);
    if (!entries) co_return fail(entries);
    std::size_t bytes = 0;
    for (const auto& entry : *entries) bytes += get_string(entry.as_object(), "MessageBody").size();
    if (bytes > kMessageBytesMax)
      co_return fail(Fault::invalid, "AWS.SimpleQueueService.BatchRequestTooLong",
                     "Batch requests cannot be longer than " + std::to_string(kMessageBytesMax) +
                         " bytes. You have sent " + std::to_string(bytes) + " bytes.");
    json::array good;
    json::array bad;
    for (const auto& entry : *entries) {
      auto sent = co_await send_one(queue->name, entry.as_object());
      const auto id = get_string(entry.as_object(), "Id");
      if (sent) (*sent)["Id"] = id;
      sent ? good.push_back(*sent) : bad.push_back(failed(id, sent.error()));
    }
    co_return Answer{.output = {{"Successful", std::move(good)}, {"Failed", std::move(bad)}}};
  }

  task<Result<Answer>> receive_message(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    if (auto checked = check_receive(call.input); !checked) co_return fail(checked);
    const auto wait = seconds_of(call.input, "WaitTimeSeconds")
                          .value_or(std::chrono::seconds(queue->number("ReceiveMessageWaitTimeSeconds")));
    const auto most = static_cast<int>(get_int(call.input, "MaxNumberOfMessages", 1));
    const auto messages =
        co_await queues_.receive(queue->name, most, seconds_of(call.input, "VisibilityTimeout"), wait);
    if (!messages) co_return fail(messages);
    json::array list;
    for (const auto& message : *messages) list.push_back(describe(message, call));
    json::object out;
    if (!list.empty()) out["Messages"] = std::move(list);
    co_return Answer{.output = std::move(out)};
  }

  task<Result<Answer>> delete_message(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    const auto deleted = co_await queues_.delete_message(queue->name, get_string(call.input, "ReceiptHandle"));
    if (!deleted) co_return fail(deleted);
    co_return Answer{};
  }

  task<Result<Answer>> delete_message_batch(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    const auto entries = batch_of(call);
    if (!entries) co_return fail(entries);
    json::array good;
    json::array bad;
    for (const auto& entry : *entries) {
      const auto id = get_string(entry.as_object(), "Id");
      const auto deleted = co_await queues_.delete_message(queue->name, get_string(entry.as_object(), "ReceiptHandle"));
      deleted ? good.push_back(json::object{{"Id", id}}) : bad.push_back(failed(id, deleted.error()));
    }
    co_return Answer{.output = {{"Successful", std::move(good)}, {"Failed", std::move(bad)}}};
  }

  task<Result<Answer>> change_message_visibility(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    const auto changed = co_await hide_one(queue->name, call.input);
    if (!changed) co_return fail(changed);
    co_return Answer{};
  }

  task<Result<Answer>> change_message_visibility_batch(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    const auto entries = batch_of(call);
    if (!entries) co_return fail(entries);
    json::array good;
    json::array bad;
    for (const auto& entry : *entries) {
      const auto id = get_string(entry.as_object(), "Id");
      const auto changed = co_await hide_one(queue->name, entry.as_object());
      changed ? good.push_back(json::object{{"Id", id}}) : bad.push_back(failed(id, changed.error()));
    }
    co_return Answer{.output = {{"Successful", std::move(good)}, {"Failed", std::move(bad)}}};
  }

  task<Result<Answer>> purge_queue(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    const auto purged = co_await queues_.purge(queue->name);
    if (!purged) co_return fail(purged);
    co_return Answer{};
  }

  task<Result<Answer>> delete_queue(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    const auto removed = co_await queues_.remove(queue->name);
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> tag_queue(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    const auto stored = co_await queues_.put_tags(queue->name, get_object(call.input, "Tags"));
    if (!stored) co_return fail(stored);
    co_return Answer{};
  }

  task<Result<Answer>> untag_queue(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    const auto removed = co_await queues_.remove_tags(queue->name, get_strings(call.input, "TagKeys"));
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> list_queue_tags(Call call) {
    const auto queue = queue_of(call);
    if (!queue) co_return fail(queue);
    auto tags = queues_.tags(queue->name);
    json::object out;
    if (!tags.empty()) out["Tags"] = std::move(tags);
    co_return Answer{.output = std::move(out)};
  }

 private:
  Result<Queue> queue_of(const Call& call) const {
    const auto name = queues_.name_of(get_string(call.input, "QueueUrl"));
    auto queue = name ? queues_.find(*name) : std::nullopt;
    if (!queue) return no_queue();
    return *std::move(queue);
  }

  static Result<json::array> batch_of(const Call& call) {
    json::array entries = get_array(call.input, "Entries");
    std::vector<std::string> ids;
    for (const auto& entry : entries) ids.push_back(get_string(entry.as_object(), "Id"));
    if (auto checked = check_batch(call.operation, ids); !checked) return fail(checked);
    return entries;
  }

  Result<Answer> list_answer(std::vector<Queue> all, const json::object& input, const char* member) const {
    json::object out;
    const auto page = page_of(std::move(all), input, out);
    if (!page) return fail(page);
    json::array urls;
    for (const auto& queue : *page) urls.push_back(json::value(queues_.url(queue.name)));
    out[member] = std::move(urls);
    return Answer{.output = std::move(out)};
  }

  task<Result<void>> hide_one(std::string queue, json::object input) {
    if (auto checked = check_hidden(input); !checked) co_return checked;
    const auto hidden = std::chrono::seconds(get_int(input, "VisibilityTimeout"));
    co_return co_await queues_.change_visibility(queue, get_string(input, "ReceiptHandle"), hidden);
  }

  static json::object failed(const std::string& id, const Error& error) {
    return {{"Id", id}, {"SenderFault", true}, {"Code", error.code}, {"Message", error.message}};
  }

  task<Result<json::object>> send_one(std::string queue, json::object input) {
    if (auto checked = check_delay(input); !checked) co_return fail(checked);
    const auto attributes = read_attributes(input);
    const auto body = get_string(input, "MessageBody");
    const auto id = co_await queues_.send_message(queue, body, attributes, seconds_of(input, "DelaySeconds"));
    if (!id) co_return fail(id);
    json::object out{{"MD5OfMessageBody", md5_hex(body)}, {"MessageId", *id}};
    if (!attributes.empty()) out["MD5OfMessageAttributes"] = md5_of_attributes(attributes);
    co_return out;
  }

  Queues& queues_;
};

// How the query protocol calls a member.
wire::Member spelled(wire::Member member, std::string wire_name) {
  member.wire_name = std::move(wire_name);
  return member;
}

wire::Member url() {
  return wire::required("QueueUrl", wire::text());
}
wire::Member names(const char* member, const char* wire_name) {
  return spelled(wire::optional(member, wire::flattened(wire::list(wire::text()))), wire_name);
}

wire::Member message_attributes(const char* wire_name) {
  auto value =
      wire::structure({wire::required("DataType", wire::text(1, 256)), wire::optional("StringValue", wire::text()),
                       wire::optional("BinaryValue", wire::blob())});
  return spelled(wire::optional("MessageAttributes", wire::map(std::move(value))), wire_name);
}

wire::Member refused_fifo(const char* member) {
  return wire::refused(member, wire::text(), "FIFO queues are not supported yet");
}

std::vector<wire::Member> message_members() {
  return {wire::required("MessageBody", wire::text()),
          wire::optional("DelaySeconds", wire::integer()),
          message_attributes("MessageAttribute"),
          spelled(wire::refused("MessageSystemAttributes", wire::document(), "trace headers are not handed on yet"),
                  "MessageSystemAttribute"),
          refused_fifo("MessageDeduplicationId"),
          refused_fifo("MessageGroupId")};
}

Shape with_url(std::vector<wire::Member> members) {
  members.insert(members.begin(), url());
  return wire::structure(std::move(members));
}

wire::Member entries(const char* wire_name, std::vector<wire::Member> members) {
  members.insert(members.begin(), wire::required("Id", wire::text()));
  auto element = wire::structure(std::move(members));
  // How many and with which ids, check_batch() says in SQS's own words.
  return spelled(wire::optional("Entries", wire::flattened(wire::list(std::move(element)))), wire_name);
}

using Method = task<Result<Answer>> (Api::*)(Call);
struct Entry {
  const char* name;
  Shape input;
  Method method;
};

std::vector<Entry> queue_entries() {
  const auto attributes = [](bool is_required) {
    auto member = is_required ? wire::required("Attributes", wire::map(wire::text()))
                              : wire::optional("Attributes", wire::map(wire::text()));
    return spelled(std::move(member), "Attribute");
  };
  return {
      {"CreateQueue",
       wire::structure({wire::required("QueueName", wire::text()), attributes(false),
                        spelled(wire::optional("tags", wire::map(wire::text())), "Tag")}),
       &Api::create_queue},
      {"GetQueueUrl",
       wire::structure(
           {wire::required("QueueName", wire::text()), wire::optional("QueueOwnerAWSAccountId", wire::text())}),
       &Api::get_queue_url},
      {"ListQueues",
       wire::structure({wire::optional("QueueNamePrefix", wire::text()),
                        wire::optional("MaxResults", wire::integer(1, kListMax)),
                        wire::optional("NextToken", wire::text())}),
       &Api::list_queues},
      {"ListDeadLetterSourceQueues",
       with_url({wire::optional("MaxResults", wire::integer(1, kListMax)), wire::optional("NextToken", wire::text())}),
       &Api::list_dead_letter_sources},
      {"GetQueueAttributes", with_url({names("AttributeNames", "AttributeName")}), &Api::get_queue_attributes},
      {"SetQueueAttributes", with_url({attributes(true)}), &Api::set_queue_attributes},
      {"PurgeQueue", with_url({}), &Api::purge_queue},
      {"DeleteQueue", with_url({}), &Api::delete_queue},
      {"TagQueue", with_url({spelled(wire::required("Tags", wire::map(wire::text())), "Tag")}), &Api::tag_queue},
      {"UntagQueue", with_url({names("TagKeys", "TagKey")}), &Api::untag_queue},
      {"ListQueueTags", with_url({}), &Api::list_queue_tags},
  };
}

std::vector<Entry> message_entries() {
  return {
      {"SendMessage", with_url(message_members()), &Api::send_message},
      {"SendMessageBatch", with_url({entries("SendMessageBatchRequestEntry", message_members())}),
       &Api::send_message_batch},
      {"ReceiveMessage",
       with_url({names("AttributeNames", "AttributeName"),
                 names("MessageSystemAttributeNames", "MessageSystemAttributeName"),
                 names("MessageAttributeNames", "MessageAttributeName"),
                 wire::optional("MaxNumberOfMessages", wire::integer()),
                 wire::optional("VisibilityTimeout", wire::integer()),
                 wire::optional("WaitTimeSeconds", wire::integer()), refused_fifo("ReceiveRequestAttemptId")}),
       &Api::receive_message},
      {"DeleteMessage", with_url({wire::required("ReceiptHandle", wire::text())}), &Api::delete_message},
      {"DeleteMessageBatch",
       with_url({entries("DeleteMessageBatchRequestEntry", {wire::required("ReceiptHandle", wire::text())})}),
       &Api::delete_message_batch},
      {"ChangeMessageVisibility",
       with_url({wire::required("ReceiptHandle", wire::text()), wire::required("VisibilityTimeout", wire::integer())}),
       &Api::change_message_visibility},
      {"ChangeMessageVisibilityBatch",
       with_url({entries(
           "ChangeMessageVisibilityBatchRequestEntry",
           {wire::required("ReceiptHandle", wire::text()), wire::required("VisibilityTimeout", wire::integer())})}),
       &Api::change_message_visibility_batch},
  };
}

task<Result<Answer>> run_json(std::shared_ptr<Api> api, Method method, Call call) {
  auto answer = co_await ((*api).*method)(std::move(call));
  if (!answer) co_return std::unexpected(json_error(answer.error()));
  co_return answer;
}

task<Result<Answer>> run_query(std::shared_ptr<Api> api, Method method, Call call) {
  const std::string name = call.operation;
  auto answer = co_await ((*api).*method)(std::move(call));
  if (answer) answer->output = query_answer(name, answer->output);
  co_return answer;
}

// The queue that a call names, for iam.
std::string resource_of(const Call& call) {
  if (has(call.input, "QueueName")) return call.place.arn("sqs", get_string(call.input, "QueueName"));
  const auto url = get_string(call.input, "QueueUrl");
  return url.empty() ? "*" : call.place.arn("sqs", url.substr(url.rfind('/') + 1));
}

std::vector<wire::Operation> operations(Queues& queues, bool query) {
  const auto api = std::make_shared<Api>(queues);
  auto all = queue_entries();
  std::ranges::move(message_entries(), std::back_inserter(all));
  std::vector<wire::Operation> out;
  for (auto& entry : all) {
    wire::Operation operation{
        .name = entry.name, .input = std::move(entry.input), .handler = {}, .resource = resource_of};
    operation.handler = [api, method = entry.method, query](Call call) {
      return query ? run_query(api, method, std::move(call)) : run_json(api, method, std::move(call));
    };
    out.push_back(std::move(operation));
  }
  return out;
}

}  // namespace

wire::Service service(Queues& queues) {
  wire::Service out{.name = "sqs",
                    .protocols = {wire::Protocol::json_1_0},
                    .target_prefix = "AmazonSQS",
                    .validation_code = "InvalidParameterValue",
                    .query_error_code = query_error_code};
  out.operations = operations(queues, false);
  return out;
}

wire::Service query_service(Queues& queues) {
  wire::Service out{.name = "sqs",
                    .protocols = {wire::Protocol::query},
                    .xml_namespace = "http://queue.amazonaws.com/doc/2012-11-05/",
                    .version = "2012-11-05",
                    .validation_code = "InvalidParameterValue",
                    .unknown_operation_code = "InvalidAction"};
  out.operations = operations(queues, true);
  return out;
}

}  // namespace slipway::sqs
