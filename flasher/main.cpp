// SPDX-License-Identifier: Apache-2.0
#include "common/tool/start.hpp"
#include "flasher/commands.hpp"

int main(int argc, char** argv) {
  using namespace tml;
  return tool::run_main("tml-flash", argc, argv, flasher::parse_options, flasher::run);
}
