#include "events/records.h"

#include "events/archives.h"
#include "events/explain.h"

namespace slipway::events {

namespace {

json::object delivery_record(database::Connection& db, const DeliveryRow& row) {
  json::object out{{"number", row.number},
                   {"event", row.event_id},
                   {"bus", row.bus},
                   {"rule", row.rule},
                   {"target", row.target_arn},
                   {"targetId", row.target_id},
                   {"state", delivery_word(row.state)}};
  if (row.state == DeliveryState::pending && row.attempts > 0) out["next"] = iso_millis(row.next_at);
  if (!row.error_code.empty()) {
    out["errorCode"] = row.error_code;
    out["errorMessage"] = row.error_message;
  }
  if (!row.exhausted.empty()) out["exhausted"] = row.exhausted;
  if (!row.dead_letter_arn.empty()) out["deadLetterQueue"] = row.dead_letter_arn;
  json::array attempts;
  for (const auto& attempt : attempts_of(db, row.number)) {
    json::object one{{"attempt", attempt.attempt}, {"at", iso_millis(attempt.at)}};
    one["answer"] = attempt.code.empty() ? std::string("accepted") : attempt.code + ": " + attempt.message;
    attempts.push_back(std::move(one));
  }
  out["attempts"] = std::move(attempts);
  return out;
}

json::object rule_record(const Rule& rule, const Received& event) {
  json::object out{{"rule", rule.name}, {"matched", false}};
  if (!rule.enabled()) {
    out["why"] = "the rule is disabled";
  } else if (rule.pattern.empty()) {
    out["why"] = "the rule has a schedule and no pattern";
  } else if (const auto answer = explain(rule.pattern, event.envelope); answer && *answer) {
    out["why"] = (*answer)->text();
  } else {
    out["matched"] = answer.has_value();
  }
  return out;
}

}  // namespace

const char* delivery_word(DeliveryState state) {
  switch (state) {
    case DeliveryState::pending:
      return "pending";
    case DeliveryState::exhausted:
      return "giving up";
    case DeliveryState::delivered:
      return "delivered";
    case DeliveryState::dead:
      break;
  }
  return "dead";
}

std::optional<json::object> event_record(database::Connection& db, const std::string& event_id) {
  const auto event = find_event(db, event_id);
  const auto deliveries = deliveries_of(db, event_id);
  if (!event && deliveries.empty()) return std::nullopt;
  json::object out;
  json::array rules;
  if (event) {
    out["event"] = event->envelope;
    out["bus"] = event->bus;
    out["received"] = iso_millis(event->at);
    for (const auto& rule : list_rules(db, event->bus, "", "", kRulesExplainedMax)) {
      if (rule.managed_by.empty()) rules.push_back(rule_record(rule, *event));
    }
  }
  out["rules"] = std::move(rules);
  json::array list;
  for (const auto& row : deliveries) list.push_back(delivery_record(db, row));
  out["deliveries"] = std::move(list);
  return out;
}

json::array dead_records(database::Connection& db) {
  json::array out;
  for (const auto& row : dead_deliveries(db, kDeadListedMax)) out.push_back(delivery_record(db, row));
  return out;
}

}  // namespace slipway::events
