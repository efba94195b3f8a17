// SPDX-License-Identifier: Apache-2.0
#include "common/model/report.hpp"

#include <nlohmann/json.hpp>

#include "common/model/graph.hpp"

namespace tml::model {

nlohmann::json to_json(const Report& report) {
  auto layers = nlohmann::json::array();
  for (const auto& l : report.layers)
    layers.push_back({{"index", l.index},
                      {"op", l.op},
                      {"kernels", l.kernels},
                      {"input_shape", l.input_shape},
                      {"output_shape", l.output_shape},
                      {"macs", l.macs},
                      {"weight_bytes", l.weight_bytes},
                      {"ram_bytes", l.ram_bytes},
                      {"instructions", l.instructions},
                      {"output_offset", l.output_offset},
                      {"output_bytes", l.output_bytes}});
  return {{"name", report.name},
          {"package_bytes", report.package_bytes},
          {"constant_bytes", report.constant_bytes},
          {"arena_bytes", report.arena_bytes},
          {"arena_bound", report.arena_bound},
          {"scratch_bytes", report.scratch_bytes},
          {"macs", report.macs},
          {"instructions", report.instructions},
          {"kernels", report.kernels},
          {"layers", std::move(layers)},
          {"notes", report.notes}};
}

std::vector<std::vector<std::string>> to_rows(const Report& report) {
  std::vector<std::vector<std::string>> rows{
      {"#", "operator", "kernels", "input", "output", "MACs", "weights B", "RAM B", "instr. (est.)"}};
  for (const auto& l : report.layers)
    rows.push_back({std::to_string(l.index), l.op, l.kernels.empty() ? "-" : l.kernels, shape_text(l.input_shape),
                    shape_text(l.output_shape), std::to_string(l.macs), std::to_string(l.weight_bytes),
                    std::to_string(l.ram_bytes), std::to_string(l.instructions)});
  rows.push_back({"", "total", "", "", "", std::to_string(report.macs), std::to_string(report.constant_bytes),
                  std::to_string(report.arena_bytes), std::to_string(report.instructions)});
  return rows;
}

}  // namespace tml::model
