// SPDX-License-Identifier: Apache-2.0
#include "common/model/host_model.hpp"

#include <algorithm>
#include <cstring>

#include "common/model/estimate.hpp"
#include "common/wire/crc.hpp"
#include "firmware/nn/check.hpp"
#include "firmware/nn/player.hpp"

namespace tml::model {
namespace {

namespace nn = fw::nn;
using namespace wire::model;

Error refusal(Fault fault, std::string_view where) {
  Error error;
  error.what = "the package cannot be used (" + std::string(text(fault)) + ")";
  error.where = where;
  switch (fault) {
    case Fault::hash:
      error.code = Errc::verification;
      error.hint = "Copy or compile it again";
      break;
    case Fault::format:
    case Fault::kernel_abi:
      error.code = Errc::unsupported;
      error.hint = "Compile the model again with this version of tml-flash";
      break;
    case Fault::not_a_package:
      error.code = Errc::malformed;
      error.hint = "Give a .tmlm made by tml-flash compile";
      break;
    default:
      error.code = Errc::malformed;
      error.hint = "Compile the model again";
  }
  return error;
}

/// What the steps of a layer have written so far: one range, or several where outputs lie apart (SPLIT).
struct Ranges {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> list;

  void add(std::uint64_t from, std::uint64_t to) {
    list.emplace_back(from, to);
    std::sort(list.begin(), list.end());
    std::size_t kept = 0;
    for (std::size_t n = 1; n < list.size(); ++n) {
      if (list[n].first <= list[kept].second)
        list[kept].second = std::max(list[kept].second, list[n].second);
      else
        list[++kept] = list[n];
    }
    list.resize(kept + 1);
  }
};

}  // namespace

Result<HostModel> HostModel::open(Bytes package, std::string_view where) {
  HostModel model;
  model.package_ = std::move(package);
  const auto opened = wire::model::open(model.package_);
  if (opened.fault != Fault::none) return pass(refusal(opened.fault, where));
  model.view_ = opened.view;
  if (!hash_matches(model.view_.bytes())) return pass(refusal(Fault::hash, where));
  const auto verdict = nn::check(model.view_, nn::ref::kTable, kMaxArenaBytes);
  if (verdict.fault != Fault::none) return pass(refusal(verdict.fault, where));
  model.arena_.resize(std::max<std::size_t>(model.view_.header().arena_bytes, kAlignment));
  return model;
}

Result<std::span<const std::uint8_t>> HostModel::run(std::span<const std::uint8_t> input, Kernels kernels,
                                                     const std::function<void(const LayerTrace&)>& trace) {
  const auto& header = view_.header();
  if (!has_model())
    return fail(Errc::usage, "the package has no model to run", {},
                "It holds an anomaly detector only: give it a window");
  if (input.size() != header.input.bytes)
    return fail(Errc::usage,
                "the input has " + std::to_string(input.size()) + " bytes where the model takes " +
                    std::to_string(header.input.bytes),
                {}, "Give exactly one input tensor");
  std::memcpy(arena_.data() + header.input.arena_offset, input.data(), input.size());
  const auto& table = kernels == Kernels::fast ? nn::fast::kTable : nn::ref::kTable;
  if (!trace) {
    nn::run(view_, table, arena_);
  } else {
    Ranges written;
    nn::Steps steps(view_);
    while (const std::uint8_t* record = steps.next()) {
      nn::run_step(record, view_, table, arena_);
      const auto& step = nn::step_of(record);
      written.add(step.output, step.output + nn::extents(step).output);
      if (step.last == 0) continue;
      LayerTrace layer;
      layer.layer = step.layer;
      layer.kernel = kernel_name(step.kernel);
      wire::Crc32 crc;
      for (const auto& [from, to] : written.list) {
        crc.update(std::as_bytes(std::span<const std::uint8_t>(arena_)).subspan(from, to - from));
        layer.bytes += to - from;
      }
      layer.crc = crc.value();
      trace(layer);
      written.list.clear();
    }
  }
  return std::span<const std::uint8_t>(arena_).subspan(header.output.arena_offset, header.output.bytes);
}

}  // namespace tml::model
