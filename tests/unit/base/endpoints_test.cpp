// SPDX-License-Identifier: Apache-2.0
#include "common/base/endpoints.hpp"

#include <gtest/gtest.h>

namespace tml {
namespace {

TEST(Endpoints, Ipv4MeansOurPorts) {
  const auto endpoints = endpoints_for("127.0.0.1").value();
  EXPECT_EQ(endpoints.api, "http://127.0.0.1:4800");
  EXPECT_EQ(endpoints.remote_mgmt, "ws://127.0.0.1:4802");
  EXPECT_EQ(endpoints.ingestion, "http://127.0.0.1:4810");
  EXPECT_EQ(endpoints.device_mgmt, "ws://127.0.0.1:4802");
}

TEST(Endpoints, ANameMeansTls) {
  const auto endpoints = endpoints_for("").value();
  EXPECT_EQ(endpoints.api, "https://studio.edgeimpulse.com");
  EXPECT_EQ(endpoints.remote_mgmt, "wss://remote-mgmt.edgeimpulse.com");
  EXPECT_EQ(endpoints.ingestion, "https://ingestion.edgeimpulse.com");
  EXPECT_EQ(endpoints.device_ingestion, "http://ingestion.edgeimpulse.com");
}

TEST(Endpoints, OwnPort) {
  const auto endpoints = endpoints_for("localhost:5800").value();
  EXPECT_EQ(endpoints.api, "http://localhost:5800");
  EXPECT_EQ(endpoints.remote_mgmt, "ws://localhost:5802");
  EXPECT_EQ(endpoints.ingestion, "http://localhost:5810");
}

TEST(Endpoints, RefusesWhatIsNoHost) {
  for (const char* host : {"http://x", "a/b", "a b", "x:0", "x:70000", "x:1a", ":80", "a\r\nb"}) {
    const auto result = endpoints_for(host);
    ASSERT_FALSE(result) << host;
    EXPECT_EQ(result.error().code, Errc::usage);
  }
}

}  // namespace
}  // namespace tml
