#include "logs/api.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "logs/batch.h"
#include "logs/pattern.h"

namespace slipway::logs {
namespace {

using wire::Answer;
using wire::Call;

constexpr int kEventsPerPage = 10000;
constexpr std::size_t kPageBytesMax = 1024 * 1024;
constexpr int kScanStep = 1000;   // Events that a filter looks at in one query.
constexpr int kScanMax = 50'000;  // And in one call: then it answers what it found and a token to go on.
constexpr std::size_t kStreamNamesMax = 100;
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
constexpr std::array<long long, 22> kRetentionDays = {1,   3,   5,   7,   14,   30,   60,   90,   120,  150,  180,
                                                      365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653};

std::unexpected<Error> no_group() {
  return fail(Fault::not_found, "ResourceNotFoundException", "The specified log group does not exist.");
}
std::unexpected<Error> no_stream() {
  return fail(Fault::not_found, "ResourceNotFoundException", "The specified log stream does not exist.");
}
std::unexpected<Error> exists(const char* what) {
  return fail(Fault::conflict, "ResourceAlreadyExistsException",
              fmt::format("The specified log {} already exists", what));
}

std::unexpected<Error> invalid(std::string message) {
  return fail(Fault::invalid, "InvalidParameterException", std::move(message));
}

// Tokens of readers: "f/<time>/<number>" goes on after that event, "b/<time>/<number>" before it.
std::string token_text(char direction, const Position& position) {
  return fmt::format("{}/{}/{}", direction, position.at.ms(), position.number);
}
Result<Position> position_of(const std::string& token) {
  const auto parts = split(token, '/');
  const auto number = [](const std::string& text, long long& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
  };
  long long at = 0;
  Position position;
  if (parts.size() != 3 || (parts[0] != "f" && parts[0] != "b") || !number(parts[1], at) ||
      !number(parts[2], position.number))
    return invalid("The specified nextToken is invalid.");
  position.at = instant_ms(at);
  return position;
}

// A page of `all`, from the offset that the token names.
Result<json::array> page_of(const json::array& all, const json::object& input, json::object& out) {
  const std::string token = get_string(input, "nextToken");
  std::size_t from = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), from);
  if (!token.empty() && (error != std::errc() || end != token.data() + token.size()))
    return invalid("The specified nextToken is invalid.");
  const auto size = static_cast<std::size_t>(get_int(input, "limit", 50));
  json::array page;
  for (std::size_t i = from; i < all.size() && page.size() < size; ++i) page.push_back(all[i]);
  if (from + page.size() < all.size()) out["nextToken"] = std::to_string(from + page.size());
  return page;
}

std::string group_name(const json::object& input) {
  std::string name = get_string(input, "logGroupName");
  if (name.empty()) name = get_string(input, "logGroupIdentifier");
  // ARNs: "arn:aws:logs:region:account:log-group:NAME[:*]".
  if (const auto at = name.find(":log-group:"); at != std::string::npos) name = name.substr(at + 11);
  if (name.ends_with(":*")) name.resize(name.size() - 2);
  return name;
}

class Api {
 public:
  explicit Api(Archive& archive) : archive_(archive) {}

  task<Result<Answer>> create_group(Call call) {
    const Group group{
        .name = get_string(call.input, "logGroupName"), .created_at = call.now, .tags = get_object(call.input, "tags")};
    auto create = [group](database::Transaction& tx) -> Result<void> {
      if (get_group(tx, group.name)) return exists("group");
      put_group(tx, group);
      return {};
    };
    auto created = co_await archive_.db().write(create);
    if (!created) co_return fail(created);
    co_return Answer{};
  }

  task<Result<Answer>> delete_group(Call call) {
    const std::string name = get_string(call.input, "logGroupName");
    auto remove = [name](database::Transaction& tx) -> Result<void> {
      if (!get_group(tx, name)) return no_group();
      erase_group(tx, name);
      return {};
    };
    auto removed = co_await archive_.db().write(remove);
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> describe_groups(Call call) {
    json::array groups;
    const std::string pattern = to_lower(get_string(call.input, "logGroupNamePattern"));
    if (!pattern.empty() && has(call.input, "logGroupNamePrefix"))
      co_return invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
    for (const Group& group : list_groups(archive_.db().read(), get_string(call.input, "logGroupNamePrefix"))) {
      if (!pattern.empty() && to_lower(group.name).find(pattern) == std::string::npos) continue;
      const std::string arn = call.place.arn("logs", "log-group:" + group.name);
      json::object shown = {{"logGroupName", group.name}, {"creationTime", group.created_at.ms()},
                            {"metricFilterCount", 0},     {"arn", arn + ":*"},
                            {"logGroupArn", arn},         {"storedBytes", group.stored_bytes},
                            {"logGroupClass", "STANDARD"}};
      if (group.retention_days > 0) shown["retentionInDays"] = group.retention_days;
      groups.push_back(shown);
    }
    Answer answer;
    auto page = page_of(groups, call.input, answer.output);
    if (!page) co_return fail(page);
    answer.output["logGroups"] = std::move(*page);
    co_return answer;
  }

  task<Result<Answer>> create_stream(Call call) {
    const Stream stream{.group = get_string(call.input, "logGroupName"),
                        .name = get_string(call.input, "logStreamName"),
                        .created_at = call.now};
    auto create = [stream](database::Transaction& tx) -> Result<void> {
      if (!get_group(tx, stream.group)) return no_group();
      if (get_stream(tx, stream.group, stream.name)) return exists("stream");
      put_stream(tx, stream);
      return {};
    };
    auto created = co_await archive_.db().write(create);
    if (!created) co_return fail(created);
    co_return Answer{};
  }

  task<Result<Answer>> delete_stream(Call call) {
    const std::string group = get_string(call.input, "logGroupName");
    const std::string name = get_string(call.input, "logStreamName");
    auto remove = [group, name](database::Transaction& tx) -> Result<void> {
      if (!get_group(tx, group)) return no_group();
      if (!get_stream(tx, group, name)) return no_stream();
      erase_stream(tx, group, name);
      return {};
    };
    auto removed = co_await archive_.db().write(remove);
    if (!removed) co_return fail(removed);
    co_return Answer{};
  }

  task<Result<Answer>> describe_streams(Call call) {
    const std::string group = group_name(call.input);
    if (!get_group(archive_.db().read(), group)) co_return no_group();
    if (get_string(call.input, "orderBy") == "LastEventTime" && has(call.input, "logStreamNamePrefix"))
      co_return invalid("Cannot order by LastEventTime with a logStreamNamePrefix.");
    co_await archive_.flush();
    auto streams = list_streams(archive_.db().read(), group, get_string(call.input, "logStreamNamePrefix"));
    if (get_string(call.input, "orderBy") == "LastEventTime") std::ranges::stable_sort(streams, {}, &Stream::last_at);
    if (get_bool(call.input, "descending")) std::ranges::reverse(streams);
    json::array out;
    for (const Stream& stream : streams) {
      json::object shown = {{"logStreamName", stream.name},
                            {"creationTime", stream.created_at.ms()},
                            {"uploadSequenceToken", "0"},
                            {"storedBytes", 0},
                            {"arn", call.place.arn("logs", "log-group:" + group + ":log-stream:" + stream.name)}};
      if (stream.last_at != Instant{}) {
        shown["firstEventTimestamp"] = stream.first_at.ms();
        shown["lastEventTimestamp"] = stream.last_at.ms();
        shown["lastIngestionTime"] = stream.ingested_at.ms();
      }
      out.push_back(shown);
    }
    Answer answer;
    auto page = page_of(out, call.input, answer.output);
    if (!page) co_return fail(page);
    answer.output["logStreams"] = std::move(*page);
    co_return answer;
  }

  task<Result<Answer>> put_events(Call call) {
    const std::string group = get_string(call.input, "logGroupName");
    const std::string stream = get_string(call.input, "logStreamName");
    std::vector<LogEvent> events;
    const json::array given = get_array(call.input, "logEvents");
    for (const json::value& value : given)
      events.push_back({.at = instant_ms(get_int(value.as_object(), "timestamp")),
                        .message = get_string(value.as_object(), "message")});
    const Instant now = call.now;
    auto put = [group, stream, events, now](database::Transaction& tx) -> Result<Accepted> {
      const auto own = get_group(tx, group);
      if (!own) return no_group();
      if (!get_stream(tx, group, stream)) return no_stream();
      auto accepted = check_batch(events, now, own->retention_days);
      if (!accepted || accepted->from == accepted->to) return accepted;
      const auto first = events.begin();
      append(tx, group, stream,
             {first + static_cast<std::ptrdiff_t>(accepted->from), first + static_cast<std::ptrdiff_t>(accepted->to)},
             now);
      return accepted;
    };
    auto done = co_await archive_.db().write(put);
    if (!done) co_return fail(done);
    Answer answer;
    answer.output["nextSequenceToken"] = "0";
    json::object rejected;
    if (done->too_new_start) rejected["tooNewLogEventStartIndex"] = *done->too_new_start;
    if (done->too_old_end) rejected["tooOldLogEventEndIndex"] = *done->too_old_end;
    if (done->expired_end) rejected["expiredLogEventEndIndex"] = *done->expired_end;
    if (!rejected.empty()) answer.output["rejectedLogEventsInfo"] = std::move(rejected);
    co_return answer;
  }

  task<Result<Answer>> get_events(Call call) {
    co_await archive_.flush();
    const std::string group = group_name(call.input);
    const std::string stream = get_string(call.input, "logStreamName");
    if (!get_group(archive_.db().read(), group)) co_return no_group();
    if (!get_stream(archive_.db().read(), group, stream)) co_return no_stream();
    const std::string token = get_string(call.input, "nextToken");
    Query query = query_of(call.input, group);
    // Here the end does not belong to the range; of FilterLogEvents it does.
    if (has(call.input, "endTime")) query.to = instant_ms(get_int(call.input, "endTime"));
    query.streams = {stream};
    query.limit = static_cast<int>(get_int(call.input, "limit", kEventsPerPage));
    Position given;
    if (!token.empty()) {
      const auto position = position_of(token);
      if (!position) co_return fail(position);
      given = *position;
      (token.starts_with('f') ? query.after : query.before) = given;
    }
    // Without a token and not from the head: the newest page.
    query.newest_first = token.starts_with('b') || (token.empty() && !get_bool(call.input, "startFromHead"));
    auto events = read(archive_.db().read(), query);
    std::size_t bytes = 0;
    const auto over = std::ranges::find_if(events, [&](const StoredEvent& event) {
      bytes += event.message.size();
      return bytes > kPageBytesMax;
    });
    if (over != events.begin()) events.erase(over, events.end());
    if (query.newest_first) std::ranges::reverse(events);
    json::array out;
    for (const StoredEvent& event : events)
      out.push_back(
          {{"timestamp", event.at.ms()}, {"ingestionTime", event.ingested_at.ms()}, {"message", event.message}});
    // At an end the token is the one that was given: that is how callers know.
    const Position first = events.empty() ? given : events.front().position();
    const Position last = events.empty() ? given : events.back().position();
    Answer answer;
    answer.output = {
        {"events", out}, {"nextForwardToken", token_text('f', last)}, {"nextBackwardToken", token_text('b', first)}};
    co_return answer;
  }

  task<Result<Answer>> filter_events(Call call) {
    co_await archive_.flush();
    const std::string group = group_name(call.input);
    if (!get_group(archive_.db().read(), group)) co_return no_group();
    const auto pattern = parse_pattern(get_string(call.input, "filterPattern"));
    if (!pattern) co_return fail(pattern);
    Query query = query_of(call.input, group);
    query.streams = get_strings(call.input, "logStreamNames");
    const std::string prefix = get_string(call.input, "logStreamNamePrefix");
    if (!prefix.empty() && !query.streams.empty())
      co_return invalid("logStreamNames and logStreamNamePrefix are mutually exclusive.");
    if (const std::string token = get_string(call.input, "nextToken"); !token.empty()) {
      const auto position = position_of(token);
      if (!position) co_return fail(position);
      query.after = *position;
    }
    query.limit = kScanStep;
    const auto limit = static_cast<std::size_t>(get_int(call.input, "limit", kEventsPerPage));
    json::array out;
    std::size_t bytes = 0;
    bool more = true;
    for (int scanned = 0; more && scanned < kScanMax && out.size() < limit && bytes < kPageBytesMax;) {
      const auto events = read(archive_.db().read(), query);
      more = events.size() == static_cast<std::size_t>(query.limit);
      for (const StoredEvent& event : events) {
        if (out.size() == limit || bytes >= kPageBytesMax) {
          more = true;
          break;
        }
        query.after = event.position();
        ++scanned;
        if (!matches(*pattern, event.message) || !event.stream.starts_with(prefix)) continue;
        bytes += event.message.size();
        out.push_back({{"logStreamName", event.stream},
                       {"timestamp", event.at.ms()},
                       {"ingestionTime", event.ingested_at.ms()},
                       {"message", event.message},
                       {"eventId", fmt::format("{:056}", event.number)}});
      }
    }
    Answer answer;
    answer.output = {{"events", out}, {"searchedLogStreams", json::array{}}};
    if (more) answer.output["nextToken"] = token_text('f', *query.after);
    co_return answer;
  }

  task<Result<Answer>> set_retention(Call call) {
    const std::string name = get_string(call.input, "logGroupName");
    const long long days = get_int(call.input, "retentionInDays");
    if (call.operation == "PutRetentionPolicy" && std::ranges::find(kRetentionDays, days) == kRetentionDays.end())
      co_return invalid(fmt::format(
          "1 validation error detected: Value '{}' at 'retentionInDays' failed to satisfy constraint: Member "
          "must satisfy enum value set: [{}]",
          days, fmt::join(kRetentionDays, ", ")));
    co_return co_await edit_group(name, [days](Group& group) { group.retention_days = days; });
  }

  task<Result<Answer>> tag(Call call) {
    const json::object tags = get_object(call.input, "tags");
    co_return co_await edit_group(tagged_group(call.input), [tags](Group& group) {
      for (const auto& entry : tags) group.tags[entry.key()] = entry.value();
    });
  }
  task<Result<Answer>> untag(Call call) {
    auto keys = get_strings(call.input, "tagKeys");
    for (const std::string& key : get_strings(call.input, "tags")) keys.push_back(key);
    co_return co_await edit_group(tagged_group(call.input), [keys](Group& group) {
      for (const std::string& key : keys) group.tags.erase(key);
    });
  }
  task<Result<Answer>> list_tags(Call call) {
    const auto group = get_group(archive_.db().read(), tagged_group(call.input));
    if (!group) co_return no_group();
    Answer answer;
    answer.output["tags"] = group->tags;
    co_return answer;
  }

 private:
  static Query query_of(const json::object& input, const std::string& group) {
    Query query{.group = group, .from = instant_ms(get_int(input, "startTime"))};
    if (has(input, "endTime")) query.to = instant_ms(get_int(input, "endTime") + 1);
    return query;
  }
  static std::string tagged_group(const json::object& input) {
    std::string name = get_string(input, "resourceArn", get_string(input, "logGroupName"));
    if (const auto at = name.find(":log-group:"); at != std::string::npos) name = name.substr(at + 11);
    if (name.ends_with(":*")) name.resize(name.size() - 2);
    return name;
  }
  task<Result<Answer>> edit_group(std::string name, std::function<void(Group&)> edit) {
    auto change = [name, edit](database::Transaction& tx) -> Result<void> {
      auto group = get_group(tx, name);
      if (!group) return no_group();
      edit(*group);
      put_group(tx, *group);
      return {};
    };
    auto changed = co_await archive_.db().write(change);
    if (!changed) co_return fail(changed);
    co_return Answer{};
  }

  Archive& archive_;
};

using Method = task<Result<Answer>> (Api::*)(Call);

}  // namespace

wire::Service service(Archive& archive) {
  using namespace wire;
  auto api = std::make_shared<Api>(archive);
  Service out;
  out.name = "logs";
  out.protocols = {Protocol::json_1_1};
  out.target_prefix = "Logs_20140328";
  out.validation_code = "InvalidParameterException";
  const auto add = [&](const char* name, Shape input, Method method) {
    out.operations.push_back({.name = name,
                              .input = std::move(input),
                              .handler = [api, method](Call call) { return ((*api).*method)(std::move(call)); },
                              .resource =
                                  [](const Call& call) {
                                    const std::string group = group_name(call.input);
                                    if (group.empty()) return std::string("*");
                                    const std::string stream = get_string(call.input, "logStreamName");
                                    // Of a stream; making one is an action on its group.
                                    if (!stream.empty() && call.operation != "CreateLogStream")
                                      return call.place.arn("logs", "log-group:" + group + ":log-stream:" + stream);
                                    return call.place.arn("logs", "log-group:" + group + ":*");
                                  }});
  };
  const Shape group_text = text(1, 512, "[\\.\\-_/#A-Za-z0-9]+");
  const Shape stream_text = text(1, 512, "[^:*]*");
  const Member group = required("logGroupName", group_text);
  const Member maybe_group = optional("logGroupName", group_text);
  const Member identifier = optional("logGroupIdentifier", text(1, 2048));
  add("CreateLogGroup",
      structure({group, optional("tags", map(text())),
                 refused("kmsKeyId", text(), "encryption by key is not supported"),
                 ignored("logGroupClass", one_of({"STANDARD"}))}),
      &Api::create_group);
  add("DeleteLogGroup", structure({group}), &Api::delete_group);
  add("DescribeLogGroups",
      structure({optional("logGroupNamePrefix", text(1, 512)), optional("logGroupNamePattern", text(0, 512)),
                 optional("limit", integer(1, 50)), optional("nextToken", text()),
                 ignored("includeLinkedAccounts", boolean())}),
      &Api::describe_groups);
  add("CreateLogStream", structure({group, required("logStreamName", stream_text)}), &Api::create_stream);
  add("DeleteLogStream", structure({group, required("logStreamName", stream_text)}), &Api::delete_stream);
  add("DescribeLogStreams",
      structure({maybe_group, identifier, optional("logStreamNamePrefix", text()),
                 optional("orderBy", one_of({"LogStreamName", "LastEventTime"})), optional("descending", boolean()),
                 optional("limit", integer(1, 50)), optional("nextToken", text())}),
      &Api::describe_streams);
  add("PutLogEvents",
      structure(
          {group, required("logStreamName", stream_text), ignored("sequenceToken", text()),
           required("logEvents",
                    list(structure({required("timestamp", integer(0)), required("message", text(1))}), 1, 10000))}),
      &Api::put_events);
  add("GetLogEvents",
      structure({maybe_group, identifier, required("logStreamName", stream_text), optional("startTime", integer(0)),
                 optional("endTime", integer(0)), optional("nextToken", text()), optional("limit", integer(1, 10000)),
                 optional("startFromHead", boolean()), ignored("unmask", boolean())}),
      &Api::get_events);
  add("FilterLogEvents",
      structure({maybe_group, identifier, optional("logStreamNames", list(stream_text, 1, kStreamNamesMax)),
                 optional("logStreamNamePrefix", text()), optional("startTime", integer(0)),
                 optional("endTime", integer(0)), optional("filterPattern", text(0, 1024)),
                 optional("nextToken", text()), optional("limit", integer(1, 10000)), ignored("interleaved", boolean()),
                 ignored("unmask", boolean())}),
      &Api::filter_events);
  add("PutRetentionPolicy", structure({group, required("retentionInDays", integer())}), &Api::set_retention);
  add("DeleteRetentionPolicy", structure({group}), &Api::set_retention);
  add("TagResource", structure({required("resourceArn", text(1)), required("tags", map(text()))}), &Api::tag);
  add("UntagResource", structure({required("resourceArn", text(1)), required("tagKeys", list(text()))}), &Api::untag);
  add("ListTagsForResource", structure({required("resourceArn", text(1))}), &Api::list_tags);
  add("TagLogGroup", structure({group, required("tags", map(text()))}), &Api::tag);
  add("UntagLogGroup", structure({group, required("tags", list(text()))}), &Api::untag);
  add("ListTagsLogGroup", structure({group}), &Api::list_tags);
  return out;
}

}  // namespace slipway::logs
