// SPDX-License-Identifier: Apache-2.0
#include "common/cli/bars.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>

namespace tml::cli {
namespace {

constexpr std::size_t kLeastColumns = 24;
constexpr std::size_t kValueColumns = 10;
constexpr std::string_view kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !continues_character(c); }));
}

/// `text` in exactly `width` characters. What a terminal would act on becomes a dot.
std::string fitted(std::string_view text, std::size_t width) {
  std::string out;
  std::size_t used = 0;
  for (const char c : text) {
    if (!continues_character(c)) {
      if (used == width) break;
      ++used;
    }
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    out += control ? '.' : c;
  }
  out.append(width - used, ' ');
  return out;
}

std::string bar_of(double share, std::size_t width) {
  const double clamped = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0.0;
  const auto eighths = static_cast<std::size_t>(std::lround(clamped * static_cast<double>(width) * 8));
  std::string out;
  for (std::size_t i = 0; i < eighths / 8; ++i) out += "█";
  out += kEighths[eighths % 8];
  const std::size_t used = eighths / 8 + (eighths % 8 != 0 ? 1 : 0);
  out.append(width - used, ' ');
  return out;
}

}  // namespace

std::string render_bars(std::span<const Bar> bars, const BarLook& look) {
  const std::size_t columns = std::max(look.columns, kLeastColumns);
  std::size_t label_width = 1;
  for (const Bar& bar : bars) label_width = std::max(label_width, characters(bar.label));
  label_width = std::min(label_width, columns / 3);
  const std::size_t bar_width = columns - label_width - 2 - kValueColumns;
  std::string out;
  for (const Bar& bar : bars) {
    char value[32];
    std::snprintf(value, sizeof value, "%*.3f", static_cast<int>(kValueColumns) - 1, bar.value);
    const std::string_view shown = std::string_view(value).substr(0, kValueColumns - 1);
    const bool coloured = look.color && bar.marked;
    if (coloured) out += "\x1b[1;32m";
    out += fitted(bar.label, label_width) + "  " + bar_of(bar.value / look.full, bar_width);
    out += shown;
    if (coloured) out += "\x1b[0m";
    out += '\n';
  }
  return out;
}

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace tml::cli
