// SPDX-License-Identifier: Apache-2.0
//
// random_graphs [--cases N] [--seed S] [--least N] [--emit FILE --emit-cases N]
//
// Compiles N random networks and runs each with the reference kernels and with the host's fast ones; every operator's
// output (by CRC-32) and the model's output must be those of the oracle. Prints how often each operator with its
// stride, padding and dilation was visited. --emit writes the first cases for a board (format:
// tests/qemu/random_graphs). Exit code 1 at the first difference, or when a cell was visited less than --least times.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include "common/model/host_model.hpp"
#include "common/wire/crc.hpp"
#include "tests/unit/random_graphs/generator.hpp"
#include "tests/unit/random_graphs/oracle.hpp"

namespace tml::random_graphs {
namespace {

using model::Kernels;

struct Flags {
  std::uint64_t cases = 100'000;
  std::uint64_t seed = 1;
  std::uint64_t least = 0;
  std::string emit;
  std::uint64_t emit_cases = 0;
};

std::uint32_t crc_of(std::span<const std::uint8_t> bytes) { return wire::Crc32::of(std::as_bytes(bytes)); }

std::vector<std::uint8_t> input_for(const model::Graph& graph, Random& random) {
  const model::Tensor& t = graph.tensors[static_cast<std::size_t>(graph.input)];
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(t.bytes()));
  if (t.type == model::TensorType::float32) {
    for (std::size_t n = 0; n < bytes.size(); n += 4) {
      const auto value = static_cast<float>(random.unit() * 12 - 6);
      std::memcpy(bytes.data() + n, &value, 4);
    }
    return bytes;
  }
  // All at an edge now and then.
  const bool flat = random.chance(0.1);
  const auto edge = static_cast<std::uint8_t>(random.chance(0.5) ? -128 : 127);
  for (auto& byte : bytes) byte = flat ? edge : static_cast<std::uint8_t>(random.next() >> 56);
  return bytes;
}

bool within_one(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](std::uint8_t x, std::uint8_t y) {
           return std::abs(static_cast<std::int8_t>(x) - static_cast<std::int8_t>(y)) <= 1;
         });
}

/// The network in words, for whoever looks for a difference.
void describe(const model::Graph& graph) {
  const auto tensor = [&graph](std::int32_t index) {
    const model::Tensor& t = graph.tensors[static_cast<std::size_t>(index)];
    std::fprintf(stderr, "  %d: %s %s%s", index, model::shape_text(t.shape).c_str(),
                 std::string(model::type_name(t.type)).c_str(), t.constant ? " constant" : "");
    if (!t.quantisation.scales.empty())
      std::fprintf(stderr, " scale %g zero %lld", static_cast<double>(t.quantisation.scales[0]),
                   static_cast<long long>(t.quantisation.zero_points[0]));
    std::fputc('\n', stderr);
  };
  for (const model::Operator& op : graph.operators) {
    const auto& o = op.options;
    std::fprintf(stderr, "%s stride %dx%d dilation %d %s window %dx%d activation %d axis %d\n",
                 model::op_name(op.code).c_str(), o.stride_height, o.stride_width, o.dilation_height,
                 o.padding == model::Padding::same ? "SAME" : "VALID", o.filter_height, o.filter_width,
                 static_cast<int>(o.activation), o.axis);
    for (const std::int32_t index : op.inputs) tensor(index);
    for (const std::int32_t index : op.outputs) tensor(index);
  }
}

class Run {
 public:
  explicit Run(const Flags& flags) : flags_(flags), generator_(flags.seed) {}

  int all() {
    for (std::uint64_t n = 0; n < flags_.cases; ++n) {
      if (!one(n)) {
        describe(generator_.make(n).graph);
        std::fprintf(stderr, "random_graphs: case %llu of seed %llu differs; repeat it with --seed %llu --cases %llu\n",
                     static_cast<unsigned long long>(n), static_cast<unsigned long long>(flags_.seed),
                     static_cast<unsigned long long>(flags_.seed), static_cast<unsigned long long>(n + 1));
        return 1;
      }
    }
    return report();
  }

 private:
  bool one(std::uint64_t n) {
    const Case made = generator_.make(n);
    Random random(flags_.seed ^ (n * 0x9E3779B97F4A7C15ULL));
    const auto input = input_for(made.graph, random);
    // Every plan is legal; of these small ones a short search finds enough different ones.
    model::PackageOptions options;
    options.plan_budget = 2'000;
    auto compiled = model::compile(&made.graph, options, "case " + std::to_string(n));
    if (!compiled) {
      ++refused_;
      if (refused_ <= 3) std::fprintf(stderr, "refused: %s\n", compiled.error().message().c_str());
      if (refused_ <= 3) describe(made.graph);
      return true;
    }
    auto host = model::HostModel::open(compiled->package, "case " + std::to_string(n));
    if (!host) {
      std::fprintf(stderr, "case %llu: %s\n", static_cast<unsigned long long>(n), host.error().message().c_str());
      return false;
    }
    const Evaluated truth = evaluate(made.graph, input);
    std::vector<std::uint8_t> reference;
    for (const Kernels kernels : {Kernels::reference, Kernels::fast}) {
      if (!compare(made, truth, *host, input, kernels, reference)) return false;
    }
    generator_.count(made);
    ++passed_;
    if (passed_ <= flags_.emit_cases) emit(compiled->package, input, reference);
    return true;
  }

  bool compare(const Case& made, const Evaluated& truth, model::HostModel& host, const std::vector<std::uint8_t>& input,
               Kernels kernels, std::vector<std::uint8_t>& reference) {
    const char* name = kernels == Kernels::reference ? "reference" : "fast";
    const std::size_t last = made.graph.operators.size() - 1;
    bool good = true;
    const auto trace = [&](const model::LayerTrace& layer) {
      if (truth.approximate && layer.layer == last) return;
      const model::Operator& op = made.graph.operators[layer.layer];
      // Several outputs, in whatever order they lie in memory: what reads them is compared.
      if (op.outputs.size() > 1) return;
      const auto& bytes = truth.tensors[static_cast<std::size_t>(op.outputs[0])];
      if (crc_of(bytes) == layer.crc || !good) return;
      good = false;
      std::fprintf(stderr, "%s kernels: operator %u %s differs from the oracle\n", name, layer.layer,
                   model::op_name(op.code).c_str());
    };
    const auto output = host.run(input, kernels, trace);
    if (!output) {
      std::fprintf(stderr, "%s\n", output.error().message().c_str());
      return false;
    }
    const auto& exact = truth.tensors[static_cast<std::size_t>(made.graph.output)];
    const bool equal = truth.approximate ? within_one(*output, exact)
                                         : std::equal(output->begin(), output->end(), exact.begin(), exact.end());
    if (!equal) {
      std::fprintf(stderr, "%s kernels: the output differs from the oracle\n", name);
      for (std::size_t n = 0; n < output->size() && n < exact.size(); ++n) {
        if ((*output)[n] == exact[n]) continue;
        std::fprintf(stderr, "  first at %zu: %d where %d is right\n", n, static_cast<std::int8_t>((*output)[n]),
                     static_cast<std::int8_t>(exact[n]));
        break;
      }
    }
    if (kernels == Kernels::reference) {
      reference.assign(output->begin(), output->end());
    } else if (!std::equal(output->begin(), output->end(), reference.begin(), reference.end())) {
      std::fprintf(stderr, "fast kernels: the output differs from the reference kernels'\n");
      return false;
    }
    return good && equal;
  }

  void emit(const std::vector<std::uint8_t>& package, const std::vector<std::uint8_t>& input,
            const std::vector<std::uint8_t>& output) {
    if (!file_.is_open()) file_.open(flags_.emit, std::ios::binary);
    const auto put = [this](std::span<const std::uint8_t> bytes) {
      file_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      const std::size_t rest = (16 - bytes.size() % 16) % 16;
      file_.write("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", static_cast<std::streamsize>(rest));
    };
    const std::uint32_t sizes[4] = {static_cast<std::uint32_t>(package.size()),
                                    static_cast<std::uint32_t>(input.size()), static_cast<std::uint32_t>(output.size()),
                                    0};
    put({reinterpret_cast<const std::uint8_t*>(sizes), sizeof sizes});
    put(package);
    put(input);
    put(output);
  }

  int report() {
    std::uint64_t total = 0;
    std::uint64_t least = ~0ULL;
    for (const std::string& name : all_cells()) {
      const auto at = generator_.cells().find(name);
      const std::uint64_t visits = at == generator_.cells().end() ? 0 : at->second;
      std::printf("%8llu  %s\n", static_cast<unsigned long long>(visits), name.c_str());
      total += visits;
      least = std::min(least, visits);
    }
    std::printf("%llu networks, %llu operators, least visited cell %llu; %llu refused by the compiler; all equal\n",
                static_cast<unsigned long long>(passed_), static_cast<unsigned long long>(total),
                static_cast<unsigned long long>(least), static_cast<unsigned long long>(refused_));
    if (refused_ * 20 > flags_.cases) {
      std::fprintf(stderr, "random_graphs: more than 5 %% were refused\n");
      return 1;
    }
    if (least < flags_.least) {
      std::fprintf(stderr, "random_graphs: a cell was visited less than %llu times\n",
                   static_cast<unsigned long long>(flags_.least));
      return 1;
    }
    return 0;
  }

  Flags flags_;
  Generator generator_;
  std::ofstream file_;
  std::uint64_t passed_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace
}  // namespace tml::random_graphs

int main(int argc, char** argv) {
  tml::random_graphs::Flags flags;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    std::uint64_t* number = name == "--cases"        ? &flags.cases
                            : name == "--seed"       ? &flags.seed
                            : name == "--least"      ? &flags.least
                            : name == "--emit-cases" ? &flags.emit_cases
                                                     : nullptr;
    if (value != nullptr && number != nullptr) {
      *number = std::strtoull(value, nullptr, 10);
    } else if (value != nullptr && name == "--emit") {
      flags.emit = value;
    } else {
      std::fprintf(stderr, "random_graphs: unknown argument '%s', or one without a value\n", argv[i]);
      return 2;
    }
  }
  return tml::random_graphs::Run(flags).all();
}
