// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "tests/support/dsp_cases.hpp"
#include "tests/unit/dsp/support.hpp"

namespace tml::test {
namespace {

// Every block against numpy and scipy (tests/golden/dsp/make.py).
TEST(DspGolden, BlocksAgreeWithNumpyAndScipy) {
  const auto file = file_bytes(TML_SOURCE_DIR "/tests/golden/dsp/blocks.bin");
  DspCases cases(file);
  ASSERT_GE(cases.count(), 20U);
  for (std::uint32_t i = 0; i < cases.count(); ++i) {
    const auto c = cases.next();
    SCOPED_TRACE(std::string(c.name));
    RecordingSignal signal(c.recording);
    const auto features = run_block(c.config, c.recording.window, signal);
    ASSERT_TRUE(features.has_value()) << fw::dsp::text(features.error());
    ASSERT_EQ(features->size(), c.expected.size());
    const auto result = compare(c, *features);
    EXPECT_LE(result.misses, c.outliers) << "worst: feature " << result.worst_index << " is "
                                         << (*features)[result.worst_index] << ", expected "
                                         << c.expected[result.worst_index];
    std::printf("%-28s largest difference %.3g, beyond tolerance %u of %zu\n", std::string(c.name).c_str(),
                static_cast<double>(result.largest), result.misses, features->size());
  }
}

}  // namespace
}  // namespace tml::test
