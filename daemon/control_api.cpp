// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "daemon/control_api.hpp"

#include <limits>

#include "common/base/json.hpp"
#include "common/httpd/router.hpp"

namespace tml::daemon {
namespace {

enum Route : std::size_t { list_boards, borrow_board, renew_lease, give_back_lease };

const httpd::RouteTable& routes() {
  static const httpd::RouteTable table = [] {
    httpd::RouteTable made;
    made.add("GET", "/v1/boards", list_boards);
    made.add("POST", "/v1/boards/{id}/borrow", borrow_board);
    made.add("POST", "/v1/leases/{id}/renew", renew_lease);
    made.add("DELETE", "/v1/leases/{id}", give_back_lease);
    return made;
  }();
  return table;
}

unsigned status_of(Errc code) {
  switch (code) {
    case Errc::usage:
    case Errc::malformed:
    case Errc::limit:
      return 400;
    case Errc::permission:
      return 403;
    case Errc::not_found:
      return 404;
    case Errc::busy:
      return 409;
    case Errc::interrupted:
      return 503;
    default:
      return 500;
  }
}

Json error_json(const Error& error) {
  Json inner{{"code", std::string(errc_name(error.code))}, {"message", error.message()}};
  inner["hint"] = error.hint;
  return Json{{"error", std::move(inner)}};
}

Json loan_json(const Loan& loan) {
  return Json{{"owner", loan.owner}, {"pid", loan.pid}, {"expires_at", loan.expires_at_ms}};
}

Json board_json(const BoardFacts& facts) {
  Json board{{"id", facts.id},       {"key", facts.key},   {"name", facts.name},      {"port", facts.port},
             {"state", facts.state}, {"type", facts.type}, {"version", facts.version}};
  board["lent"] = facts.loan ? loan_json(*facts.loan) : Json(nullptr);
  return board;
}

Json borrowed_json(const Borrowed& borrowed) {
  return Json{{"lease", borrowed.loan.lease}, {"port", borrowed.port}, {"expires_at", borrowed.loan.expires_at_ms}};
}

httpd::Response json(unsigned status, const Json& body) {
  return httpd::Response::json(status, json_text(body) + "\n");
}

Result<Json> object_of(const std::string& body) {
  if (body.empty()) return Json::object();
  JsonLimits limits;
  limits.max_depth = 4;
  limits.max_values = 64;
  auto parsed = parse_json(body, "request body", limits);
  if (parsed && !parsed->is_object()) return fail(Errc::malformed, "not a JSON object", "request body");
  return parsed;
}

/// The member as a number of `Number`, none when absent.
template <class Number>
Result<std::optional<Number>> number_of(const Json& body, std::string_view key) {
  const Json* member = json_member(body, key);
  if (member == nullptr) return std::optional<Number>{};
  const auto value = json_integer(body, key);
  if (!value || *value < 0 || *value > std::int64_t{std::numeric_limits<Number>::max()}) {
    return fail(Errc::usage, "not a whole number in its range", std::string(key));
  }
  return std::optional<Number>{static_cast<Number>(*value)};
}

Result<BorrowOrder> order_of(std::string board, const std::string& text) {
  auto body = object_of(text);
  if (!body) return pass(body.error());
  BorrowOrder order;
  order.board = std::move(board);
  order.owner = json_string(*body, "owner").value_or(std::string{});
  auto seconds = number_of<std::uint32_t>(*body, "seconds");
  if (!seconds) return pass(seconds.error());
  auto pid = number_of<std::int32_t>(*body, "pid");
  if (!pid) return pass(pid.error());
  order.seconds = seconds->value_or(kDefaultLeaseSeconds);
  order.pid = pid->value_or(0);
  if (json_member(*body, "force") != nullptr) {
    const auto force = json_bool(*body, "force");
    if (!force) return fail(Errc::usage, "not true or false", "force");
    order.force = *force;
  }
  return order;
}

Awaitable<httpd::Response> borrow(Lending& lending, std::string id, std::string text) {
  auto order = order_of(id, text);
  if (!order) co_return control_error(order.error());
  auto borrowed = co_await lending.borrow(*std::move(order));
  if (borrowed) co_return json(200, borrowed_json(*borrowed));
  Json body = error_json(borrowed.error());
  if (const auto loan = lending.loan_of(id)) body["lent"] = loan_json(*loan);
  co_return json(status_of(borrowed.error().code), body);
}

httpd::Response renew(Lending& lending, const std::string& lease, const std::string& text) {
  auto body = object_of(text);
  if (!body) return control_error(body.error());
  auto seconds = number_of<std::uint32_t>(*body, "seconds");
  if (!seconds) return control_error(seconds.error());
  auto renewed = lending.renew(lease, *seconds);
  return renewed ? json(200, borrowed_json(*renewed)) : control_error(renewed.error());
}

}  // namespace

httpd::Response control_error(const Error& error) { return json(status_of(error.code), error_json(error)); }

Awaitable<httpd::Response> answer_control(Lending& lending, ControlRequest request) {
  const auto found = routes().find(request.method, request.path);
  if (!found.match) {
    Error error{Errc::not_found, "no such resource", request.path, "See docs/tml-daemon.md, \"Control socket\"", {}};
    if (found.other_method) error.what = request.method + " is not for this resource";
    co_return json(found.other_method ? 405 : 404, error_json(error));
  }
  const auto parameter = found.match->parameters.find("id");
  const std::string id = parameter == found.match->parameters.end() ? std::string() : parameter->second;
  switch (static_cast<Route>(found.match->target)) {
    case list_boards: {
      Json all = Json::array();
      for (const BoardFacts& facts : lending.boards()) all.push_back(board_json(facts));
      co_return json(200, Json{{"boards", std::move(all)}});
    }
    case borrow_board:
      co_return co_await borrow(lending, id, std::move(request.body));
    case renew_lease:
      co_return renew(lending, id, request.body);
    case give_back_lease: {
      auto ended = lending.give_back(id);
      if (!ended) co_return control_error(ended.error());
      httpd::Response done;
      done.status = 204;
      co_return done;
    }
  }
  co_return control_error(Error{});
}

}  // namespace tml::daemon
