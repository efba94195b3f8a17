// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Small random int8 networks: chains (with residuals) of one to four operators, small odd shapes, strides 1 to 3 and
// some up to 9, all paddings, dilations 1 to 3, scales up to the edges of what the reference allows. Seeded: the same
// seed gives the same graphs on every machine.
//
// Each operator with its variant is a *cell* ("CONV_2D stride 2 SAME dilation 3"). The generator prefers the cells that
// were visited least, so that all are visited about equally often.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/model/graph.hpp"

namespace tml::random_graphs {

/// splitmix64 (Steele, Lea, Flood 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  /// In [low, high].
  std::int64_t in(std::int64_t low, std::int64_t high);
  /// In [0, 1).
  double unit();
  bool chance(double p) { return unit() < p; }

 private:
  std::uint64_t state_;
};

struct Case {
  model::Graph graph;
  std::vector<std::string> cells;  ///< One per operator that counts.
};

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : seed_(seed) {}
  /// Case number `n`. What it draws depends on the cells counted before: to see it again, make and count() all cases
  /// from 0.
  [[nodiscard]] Case make(std::uint64_t n);
  void count(const Case& done);
  [[nodiscard]] const std::map<std::string, std::uint64_t>& cells() const { return cells_; }

 private:
  std::uint64_t seed_;
  std::map<std::string, std::uint64_t> cells_;
};

/// Every cell that the generator knows.
[[nodiscard]] const std::vector<std::string>& all_cells();

}  // namespace tml::random_graphs
