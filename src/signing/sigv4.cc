#include "signing/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/digest.h"
#include "base/text.h"

namespace slipway::signing {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";
constexpr long long kExpiresMaxSeconds = 604800;  // A week, as AWS allows.

std::string find_header(const HeaderList& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return std::string(trim(value));
  }
  return {};
}

// Removes "." and ".." and empty steps (RFC 3986 section 5.2.4, as AWS reads it).
std::string normalize(std::string_view path) {
  std::vector<std::string> kept;
  for (const std::string& step : split(path, '/')) {
    if (step.empty() || step == ".") continue;
    if (step == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(step);
    }
  }
  std::string out = "/" + join(kept, "/");
  if (path.ends_with('/') && out.size() > 1) out += '/';
  return out;
}

std::string canonical_path(std::string_view raw, const Style& style) {
  const std::string path = style.normalize_path ? normalize(raw) : raw.empty() ? "/" : std::string(raw);
  // The path on the wire is encoded once; most services sign it encoded once more.
  return style.double_encode_path ? percent_encode(path, true) : percent_encode(percent_decode(path), true);
}

std::string canonical_query(std::string_view raw, const std::vector<std::string_view>& leave_out) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& part : split(raw, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    const std::string name = percent_encode(percent_decode(part.substr(0, equals)));
    if (std::ranges::find(leave_out, name) != leave_out.end()) continue;
    pairs.emplace_back(name,
                       equals == std::string::npos ? "" : percent_encode(percent_decode(part.substr(equals + 1))));
  }
  std::ranges::sort(pairs);
  std::vector<std::string> parts;
  for (const auto& [name, value] : pairs) parts.push_back(name + "=" + value);
  return join(parts, "&");
}

std::string fold_spaces(std::string_view text) {
  std::string out;
  for (const char c : trim(text)) {
    const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (blank && out.ends_with(' ')) continue;
    out += blank ? ' ' : c;
  }
  return out;
}

// Lower-case names to their values, those of one name joined by commas in order of arrival.
std::map<std::string, std::string> gather(const HeaderList& headers) {
  std::map<std::string, std::string> gathered;
  for (const auto& [name, value] : headers) {
    const auto [place, first] = gathered.try_emplace(to_lower(name));
    if (!first) place->second += ",";
    place->second += fold_spaces(value);
  }
  return gathered;
}

std::string signing_key(const std::string& secret, const Scope& scope) {
  const std::string date = hmac_sha256("AWS4" + secret, scope.date);
  return hmac_sha256(hmac_sha256(hmac_sha256(date, scope.region), scope.service), "aws4_request");
}

struct Canonical {
  std::string method;
  std::string path;
  std::string query;
  std::map<std::string, std::string> headers;  // Those that are signed.
  std::string body_hash;
};

std::string header_names(const std::map<std::string, std::string>& headers) {
  std::vector<std::string> names;
  for (const auto& [name, value] : headers) names.push_back(name);
  return join(names, ";");
}

Signature compute(const Canonical& canonical, const std::string& secret, const Scope& scope, const std::string& date) {
  Signature out;
  std::string lines;
  for (const auto& [name, value] : canonical.headers) lines += name + ":" + value + "\n";
  out.signed_headers = header_names(canonical.headers);
  out.canonical_request = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", canonical.method, canonical.path, canonical.query,
                                      lines, out.signed_headers, canonical.body_hash);
  out.string_to_sign = fmt::format("{}\n{}\n{}\n{}", kAlgorithm, date, scope.text(), sha256_hex(out.canonical_request));
  out.signature = hex(hmac_sha256(signing_key(secret, scope), out.string_to_sign));
  return out;
}

std::string body_hash(const Message& message) {
  const std::string said = find_header(message.headers, "x-amz-content-sha256");
  return said.empty() ? sha256_hex(message.body) : said;
}

Error incomplete(std::string message) {
  return {Fault::denied, "IncompleteSignature", std::move(message)};
}

Error mismatch(std::string message) {
  return {Fault::denied, "SignatureDoesNotMatch", std::move(message)};
}

Result<Scope> read_scope(const std::string& credential, Claim& claim) {
  auto parts = split(credential, '/');
  if (parts.size() != 5)
    return std::unexpected(incomplete(fmt::format(
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
        credential)));
  if (parts[4] != "aws4_request")
    return std::unexpected(mismatch(
        fmt::format("Credential should be scoped with a valid terminator: 'aws4_request', not '{}'.", parts[4])));
  claim.access_key_id = std::move(parts[0]);
  return Scope{.date = std::move(parts[1]), .region = std::move(parts[2]), .service = std::move(parts[3])};
}

// X-Amz-Date, else Date in either of its forms; empty when there is none.
std::string date_of(const HeaderList& headers) {
  std::string date = find_header(headers, "x-amz-date");
  if (date.empty()) date = find_header(headers, "date");
  const auto read = parse_http_date(date);
  return read ? amz_date(*read) : date;
}

Result<Claim> read_header_claim(const Message& message, const std::string& authorization) {
  Claim claim;
  std::map<std::string, std::string, std::less<>> said;
  std::string_view rest = authorization;
  const bool ours = rest.starts_with(kAlgorithm);
  if (ours) rest.remove_prefix(kAlgorithm.size());
  for (const std::string& part : split(rest, ',')) {
    const std::string_view item = trim(part);
    const auto equals = item.find('=');
    if (equals == std::string_view::npos && ours && !item.empty())
      return std::unexpected(incomplete(fmt::format(
          "'{}' not a valid key=value pair (missing equal-sign) in Authorization header: '{}'.", item, authorization)));
    if (equals != std::string_view::npos) said[std::string(item.substr(0, equals))] = item.substr(equals + 1);
  }
  std::string missing;
  for (const char* name : {"Credential", "Signature", "SignedHeaders"}) {
    if (!ours || said[name].empty()) missing += fmt::format("Authorization header requires '{}' parameter. ", name);
  }
  claim.date = date_of(message.headers);
  if (claim.date.empty())
    missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
  if (!missing.empty()) return std::unexpected(incomplete(missing + "Authorization=" + authorization));
  auto scope = read_scope(said["Credential"], claim);
  if (!scope) return fail(scope);
  claim.scope = std::move(*scope);
  claim.signature = said["Signature"];
  claim.signed_headers = split(said["SignedHeaders"], ';');
  claim.session_token = find_header(message.headers, "x-amz-security-token");
  return claim;
}

using QueryMap = std::multimap<std::string, std::string, std::less<>>;

Result<Claim> read_query_claim(const QueryMap& query) {
  std::map<std::string, std::string, std::less<>> said;
  for (const char* name : {"X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date", "X-Amz-Expires",
                           "X-Amz-Security-Token"}) {
    const auto [first, last] = query.equal_range(name);
    const bool needed = std::string_view(name) != "X-Amz-Security-Token";
    if (first != last && std::next(first) != last)
      return std::unexpected(incomplete(fmt::format("the query string has more than one {}", name)));
    if (needed && (first == last || first->second.empty()))
      return std::unexpected(incomplete(
          fmt::format("AWS query-string parameters must include '{}'. Re-examine the query-string parameters.", name)));
    if (first != last) said[name] = first->second;
  }
  Claim claim;
  auto scope = read_scope(said["X-Amz-Credential"], claim);
  if (!scope) return fail(scope);
  claim.scope = std::move(*scope);
  claim.signature = said["X-Amz-Signature"];
  claim.date = said["X-Amz-Date"];
  claim.signed_headers = split(said["X-Amz-SignedHeaders"], ';');
  claim.session_token = said["X-Amz-Security-Token"];
  const std::string& expires = said["X-Amz-Expires"];
  const auto [end, error] = std::from_chars(expires.data(), expires.data() + expires.size(), claim.expires);
  const bool number = error == std::errc() && end == expires.data() + expires.size();
  if (!number || claim.expires <= 0 || claim.expires > kExpiresMaxSeconds)
    return std::unexpected(incomplete(fmt::format(
        "X-Amz-Expires must be a number of seconds between 1 and {}, not '{}'", kExpiresMaxSeconds, expires)));
  return claim;
}

QueryMap decode_query(std::string_view raw) {
  QueryMap query;
  for (const std::string& part : split(raw, '&')) {
    const auto equals = part.find('=');
    if (equals != std::string::npos)
      query.emplace(percent_decode(part.substr(0, equals)), percent_decode(part.substr(equals + 1)));
  }
  return query;
}

Result<void> check_clock(const Claim& claim, Instant now) {
  const auto signed_at = parse_amz_date(claim.date);
  if (!signed_at)
    return std::unexpected(incomplete("Date must be in ISO-8601 'basic format'. Got '" + claim.date + "'."));
  if (claim.date.substr(0, 8) != claim.scope.date)
    return std::unexpected(
        mismatch(fmt::format("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
                             "HTTP: '{}' != '{}', from '{}'.",
                             claim.scope.date, claim.date.substr(0, 8), claim.date)));
  if (*signed_at - kClockWindow > now)
    return std::unexpected(mismatch(fmt::format("Signature not yet current: {} is still later than {} ({} + 15 min.)",
                                                claim.date, amz_date(now + kClockWindow), amz_date(now))));
  const Duration valid = claim.expires >= 0 ? Duration(std::chrono::seconds(claim.expires)) : kClockWindow;
  if (*signed_at + valid < now)
    return std::unexpected(mismatch(fmt::format("Signature expired: {} is now earlier than {} ({} - {} min.)",
                                                claim.date, amz_date(now - valid), amz_date(now),
                                                std::chrono::duration_cast<std::chrono::minutes>(valid).count())));
  return {};
}

}  // namespace

Signature sign(Message message, const Key& key, std::string region, std::string service, Instant now,
               const Style& style) {
  const std::string date = amz_date(now);
  const Scope scope{.date = date.substr(0, 8), .region = std::move(region), .service = std::move(service)};
  HeaderList added;
  if (find_header(message.headers, "x-amz-date").empty()) added.emplace_back("X-Amz-Date", date);
  if (style.sign_body_header && find_header(message.headers, "x-amz-content-sha256").empty())
    added.emplace_back("x-amz-content-sha256", sha256_hex(message.body));
  if (!key.session_token.empty() && !style.omit_session_token)
    added.emplace_back("X-Amz-Security-Token", key.session_token);
  message.headers.insert(message.headers.end(), added.begin(), added.end());
  const Canonical canonical{.method = message.method,
                            .path = canonical_path(message.raw_path, style),
                            .query = canonical_query(message.raw_query, {}),
                            .headers = gather(message.headers),
                            .body_hash = body_hash(message)};
  Signature out = compute(canonical, key.secret_access_key, scope, date);
  if (!key.session_token.empty() && style.omit_session_token)
    added.emplace_back("X-Amz-Security-Token", key.session_token);
  added.emplace_back("Authorization", fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                                                  key.access_key_id, scope.text(), out.signed_headers, out.signature));
  out.added = std::move(added);
  return out;
}

Signature presign(Message message, const Key& key, std::string region, std::string service, Instant now,
                  long long expires, const Style& style) {
  const std::string date = amz_date(now);
  const Scope scope{.date = date.substr(0, 8), .region = std::move(region), .service = std::move(service)};
  std::string query = message.raw_query;
  const auto append = [&query](std::string_view name, std::string_view value) {
    query += fmt::format("{}{}={}", query.empty() ? "" : "&", name, percent_encode(value));
  };
  append("X-Amz-Algorithm", kAlgorithm);
  append("X-Amz-Credential", key.access_key_id + "/" + scope.text());
  append("X-Amz-Date", date);
  append("X-Amz-SignedHeaders", header_names(gather(message.headers)));
  append("X-Amz-Expires", std::to_string(expires));
  if (!key.session_token.empty() && !style.omit_session_token) append("X-Amz-Security-Token", key.session_token);
  const Canonical canonical{.method = message.method,
                            .path = canonical_path(message.raw_path, style),
                            .query = canonical_query(query, {}),
                            .headers = gather(message.headers),
                            .body_hash = body_hash(message)};
  Signature out = compute(canonical, key.secret_access_key, scope, date);
  append("X-Amz-Signature", out.signature);
  if (!key.session_token.empty() && style.omit_session_token) append("X-Amz-Security-Token", key.session_token);
  out.query = query;
  return out;
}

Result<std::optional<Claim>> read_claim(const Message& message) {
  const std::string authorization = find_header(message.headers, "authorization");
  const auto query = decode_query(message.raw_query);
  const auto algorithm = query.find("X-Amz-Algorithm");
  if (!authorization.empty()) {
    auto claim = read_header_claim(message, authorization);
    if (!claim) return fail(claim);
    return std::optional<Claim>(std::move(*claim));
  }
  if (algorithm == query.end()) return std::optional<Claim>{};
  if (algorithm->second != kAlgorithm) return std::unexpected(incomplete("unsupported algorithm " + algorithm->second));
  auto claim = read_query_claim(query);
  if (!claim) return fail(claim);
  return std::optional<Claim>(std::move(*claim));
}

Scope claimed_scope(const Message& message) {
  const auto claim = read_claim(message);
  return claim && *claim ? (*claim)->scope : Scope{};
}

Result<void> verify(const Message& message, const Claim& claim, const Key& key, Instant now, const Style& style) {
  if (auto in_time = check_clock(claim, now); !in_time) return in_time;
  const auto gathered = gather(message.headers);
  std::vector<std::string_view> unsigned_query;
  if (claim.expires >= 0) unsigned_query.emplace_back("X-Amz-Signature");
  if (claim.expires >= 0 && style.omit_session_token) unsigned_query.emplace_back("X-Amz-Security-Token");
  Canonical canonical{.method = message.method,
                      .path = canonical_path(message.raw_path, style),
                      .query = canonical_query(message.raw_query, unsigned_query),
                      .headers = {},
                      .body_hash = body_hash(message)};
  for (const std::string& name : claim.signed_headers) {
    const auto found = gathered.find(name);
    if (found == gathered.end())
      return std::unexpected(mismatch(fmt::format("the signed header '{}' is not in the request", name)));
    canonical.headers.insert(*found);
  }
  if (!canonical.headers.contains("host")) return std::unexpected(incomplete("'host' must be a signed header"));
  // A body whose hash was signed must be that body.
  const std::string said = find_header(message.headers, "x-amz-content-sha256");
  if (said.starts_with("STREAMING-"))
    return std::unexpected(mismatch("streaming signatures are not supported; sign the whole body"));
  if (!said.empty() && said != kUnsigned && !equal_in_constant_time(said, sha256_hex(message.body)))
    return std::unexpected(mismatch("the body does not have the hash in x-amz-content-sha256"));
  const Signature expected = compute(canonical, key.secret_access_key, claim.scope, claim.date);
  if (!equal_in_constant_time(expected.signature, claim.signature))
    return std::unexpected(
        mismatch("The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                 "Access Key and signing method. "
                 "Consult the service documentation for details."));
  return {};
}

}  // namespace slipway::signing
