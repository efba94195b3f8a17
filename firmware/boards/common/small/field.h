/* SPDX-License-Identifier: Apache-2.0
   SPDX-FileCopyrightText: The TML authors

   Put before libsodium's crypto_core/ed25519/ref10/ed25519_ref10.c (cmake/TmlArm.cmake, `sodium_small`): a square is a product there, which
   leaves out two unrolled functions, 1.9 KB. */
#pragma once

#include <sodium/private/common.h>

#define fe25519_sq fe25519_sq_unrolled
#define fe25519_sq2 fe25519_sq2_unrolled
#include <sodium/private/ed25519_ref10.h>
#undef fe25519_sq
#undef fe25519_sq2

static void fe25519_sq(fe25519 h, const fe25519 f) { fe25519_mul(h, f, f); }

/* 2 f^2. Its one caller passes a product, |f| <= 1.01 * 2^25 (even limbs; half of that for odd ones): twice that is within what
   fe25519_mul() takes, 1.65 * 2^26. Doubling the result instead would be beyond what the caller's next product takes. */
static void fe25519_sq2(fe25519 h, const fe25519 f) {
  fe25519 twice;
  fe25519_add(twice, f, f);
  fe25519_mul(h, f, twice);
}
