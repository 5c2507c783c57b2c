#include "ecr/lifecycle.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/json.h"
#include "base/text.h"

namespace slipway::ecr {
namespace {

constexpr std::size_t kRulesMax = 50;
constexpr std::ptrdiff_t kWildcardsMax = 4;

std::unexpected<Error> broken(const std::string& why) {
  return fail(Fault::invalid, "InvalidParameterException",
              "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation "
              "failure: " +
                  why + "'");
}

Result<void> read_tags(const json::object& selection, LifecycleRule& rule) {
  const std::string status = get_string(selection, "tagStatus");
  rule.prefixes = get_strings(selection, "tagPrefixList");
  rule.patterns = get_strings(selection, "tagPatternList");
  const bool listed = !rule.prefixes.empty() || !rule.patterns.empty();
  if (status == "tagged") {
    rule.tags = LifecycleRule::Tags::tagged;
    if (!listed) return broken("tagStatus tagged needs a tagPrefixList or a tagPatternList");
    if (!rule.prefixes.empty() && !rule.patterns.empty())
      return broken("a rule has a tagPrefixList or a tagPatternList, not both");
    for (const std::string& pattern : rule.patterns) {
      if (std::ranges::count(pattern, '*') > kWildcardsMax)
        return broken("the pattern " + pattern + " has more than four wildcards");
    }
    return {};
  }
  if (listed) return broken("tagPrefixList and tagPatternList are for tagStatus tagged");
  if (status != "untagged" && status != "any") return broken("tagStatus must be tagged, untagged or any");
  rule.tags = status == "any" ? LifecycleRule::Tags::any : LifecycleRule::Tags::untagged;
  return {};
}

Result<void> read_count(const json::object& selection, LifecycleRule& rule) {
  const std::string type = get_string(selection, "countType");
  const std::string unit = get_string(selection, "countUnit");
  rule.number = get_int(selection, "countNumber");
  if (rule.number < 1) return broken("countNumber must be at least 1");
  if (type == "imageCountMoreThan") {
    if (!unit.empty()) return broken("countUnit is not for imageCountMoreThan");
    return {};
  }
  if (type != "sinceImagePushed" && type != "sinceImagePulled")
    return broken("countType '" + type +
                  "' is not supported: use imageCountMoreThan, sinceImagePushed or "
                  "sinceImagePulled");
  if (unit != "days") return broken("countUnit must be days");
  rule.count =
      type == "sinceImagePushed" ? LifecycleRule::Count::days_since_pushed : LifecycleRule::Count::days_since_pulled;
  return {};
}

Result<LifecycleRule> read_rule(const json::object& from) {
  LifecycleRule rule;
  rule.priority = get_int(from, "rulePriority");
  if (rule.priority < 1) return broken("rulePriority must be at least 1");
  for (const auto& entry : from) {
    const std::string_view name(entry.key().data(), entry.key().size());
    if (name != "rulePriority" && name != "description" && name != "selection" && name != "action")
      return broken("a rule has no " + std::string(name));
  }
  const json::object action = get_object(from, "action");
  // What we do not act on is refused: "transition" moves images to a storage class that is not here.
  if (get_string(action, "type") != "expire") return broken("the action must be of type expire");
  const json::object selection = get_object(from, "selection");
  if (auto good = read_tags(selection, rule); !good) return fail(good);
  if (auto good = read_count(selection, rule); !good) return fail(good);
  return rule;
}

bool fits(const LifecycleRule& rule, const LifecycleImage& image) {
  if (rule.tags == LifecycleRule::Tags::any) return true;
  if (rule.tags == LifecycleRule::Tags::untagged) return image.tags.empty();
  const auto some_tag = [&](auto test) { return std::ranges::any_of(image.tags, test); };
  return std::ranges::all_of(rule.prefixes,
                             [&](const std::string& prefix) {
                               return some_tag([&](const std::string& tag) { return tag.starts_with(prefix); });
                             }) &&
         std::ranges::all_of(rule.patterns, [&](const std::string& pattern) {
           return some_tag([&](const std::string& tag) { return glob_match(pattern, tag); });
         });
}

bool is_old(const LifecycleRule& rule, const LifecycleImage& image, Instant now) {
  const bool pulled = rule.count == LifecycleRule::Count::days_since_pulled;
  const Instant since = pulled ? std::max(image.pulled_at, image.pushed_at) : image.pushed_at;
  // In days, as the number may be larger than milliseconds can say.
  return std::chrono::floor<std::chrono::days>(now - since).count() >= rule.number;
}

}  // namespace

Result<std::vector<LifecycleRule>> parse_lifecycle(std::string_view text) {
  const auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object()) return broken("it is not a JSON object");
  const json::array list = get_array(parsed->get_object(), "rules");
  if (list.empty()) return broken("it has no rules");
  if (list.size() > kRulesMax) return broken("it has more than 50 rules");
  std::vector<LifecycleRule> rules;
  for (const json::value& element : list) {
    if (!element.is_object()) return broken("a rule must be an object");
    auto rule = read_rule(element.get_object());
    if (!rule) return fail(rule);
    rules.push_back(std::move(*rule));
  }
  std::ranges::sort(rules, {}, &LifecycleRule::priority);
  for (std::size_t i = 0; i + 1 < rules.size(); ++i) {
    if (rules[i].priority == rules[i + 1].priority) return broken("each rulePriority must be unique");
    if (rules[i].tags == LifecycleRule::Tags::any)
      return broken("the rule with tagStatus any must have the highest rulePriority");
  }
  if (std::ranges::count(rules, LifecycleRule::Tags::untagged, &LifecycleRule::tags) > 1)
    return broken("only one rule may have tagStatus untagged");
  return rules;
}

std::vector<std::string> expired_images(const std::vector<LifecycleRule>& rules, std::vector<LifecycleImage> images,
                                        Instant now) {
  std::ranges::sort(images, [](const LifecycleImage& a, const LifecycleImage& b) {
    return a.pushed_at != b.pushed_at ? a.pushed_at > b.pushed_at : a.digest < b.digest;
  });
  std::vector<bool> claimed(images.size());
  std::set<std::size_t> gone;  // Positions, youngest first.
  for (const LifecycleRule& rule : rules) {
    long long seen = 0;
    for (std::size_t i = 0; i < images.size(); ++i) {
      if (!fits(rule, images[i])) continue;
      ++seen;
      const bool over =
          rule.count == LifecycleRule::Count::more_than ? seen > rule.number : is_old(rule, images[i], now);
      if (over && !claimed[i]) gone.insert(i);
      claimed[i] = true;
    }
  }
  std::vector<std::string> out;
  for (auto at = gone.rbegin(); at != gone.rend(); ++at) out.push_back(images[*at].digest);
  return out;
}

}  // namespace slipway::ecr
