// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/refusal.hpp"

namespace tml::flashlink {
namespace {

using wire::flash::Op;
using wire::flash::Status;

TEST(Refusal, every_status_has_a_sentence_and_a_remedy) {
  for (std::uint8_t i = 1; i < wire::flash::kStatuses; ++i) {
    const Error error = refusal(static_cast<Status>(i), Op::begin, "/dev/x");
    EXPECT_FALSE(error.hint.empty()) << unsigned{i};
    EXPECT_NE(error.hint.back(), '.') << error.hint;
    EXPECT_EQ(error.what.find("the board refuses BEGIN: "), 0U);
    EXPECT_EQ(error.what.find("status "), std::string::npos) << error.what;
    EXPECT_EQ(error.where, "/dev/x");
  }
}

TEST(Refusal, codes_lead_to_the_documented_exit_codes) {
  EXPECT_EQ(refusal_of(Status::unknown_key).code, Errc::auth);
  EXPECT_EQ(refusal_of(Status::revoked_key).code, Errc::auth);
  EXPECT_EQ(refusal_of(Status::development_key).code, Errc::auth);
  EXPECT_EQ(refusal_of(Status::bad_signature).code, Errc::verification);
  EXPECT_NE(refusal(Status::bad_signature, Op::keys, "p").hint.find("root"), std::string::npos);
  EXPECT_EQ(refusal(Status::bad_signature, Op::begin, "p").hint.find("root"), std::string::npos);
  EXPECT_EQ(refusal_of(Status::wrong_product).code, Errc::verification);
  EXPECT_EQ(refusal_of(Status::rollback).code, Errc::refused);
  EXPECT_EQ(refusal_of(Status::slot_active).code, Errc::refused);
  EXPECT_EQ(refusal_of(Status::policy).code, Errc::refused);
  EXPECT_EQ(refusal_of(Status::abi_mismatch).code, Errc::refused);
  EXPECT_EQ(refusal_of(Status::busy).code, Errc::busy);
}

TEST(Refusal, what_the_board_says_is_never_taken_for_the_lines_fault) {
  for (std::uint8_t i = 1; i < wire::flash::kStatuses; ++i) {
    const Errc code = refusal_of(static_cast<Status>(i)).code;
    for (const Errc line : {Errc::io, Errc::timeout, Errc::garbage, Errc::unplugged})
      EXPECT_NE(code, line) << unsigned{i};
  }
}

TEST(Refusal, a_status_of_tomorrow_is_a_refusal_too) {
  const Error error = refusal(static_cast<Status>(200), static_cast<Op>(99), "p");
  EXPECT_EQ(error.code, Errc::refused);
  EXPECT_FALSE(error.what.empty());
}

TEST(Refusal, every_operation_has_a_name) {
  for (std::uint8_t i = 1; i <= 24; ++i) EXPECT_NE(op_name(static_cast<Op>(i)), "a request") << unsigned{i};
}

}  // namespace
}  // namespace tml::flashlink
