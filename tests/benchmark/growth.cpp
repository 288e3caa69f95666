// How the cost of a training step grows: its time and its memory against batch, width, depth and threads; and what recomputation
// (autograd::checkpoint) makes of the growth with depth. The figures of docs/performance.md.
//
//   growth_benchmark --folder docs/images     measures, prints tables, draws growth_time.svg, growth_memory.svg and growth_depth.svg
//   growth_benchmark --check                  memory alone, which no neighbour disturbs: fails unless it grows linearly with depth, and
//                                             as the square root with recomputation
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "gradus/autograd/checkpoint.hpp"
#include "gradus/core/allocator.hpp"
#include "gradus/core/error.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/models/char_transformer.hpp"
#include "gradus/models/mlp.hpp"
#include "gradus/models/preact_resnet.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/optim.hpp"
#include "gradus/report/files.hpp"
#include "gradus/report/plot.hpp"
#include "gradus/report/statistics.hpp"
#include "gradus/report/table.hpp"
#include "gradus/tensor.hpp"

using namespace gradus;

namespace {

constexpr double mebibyte = 1024.0 * 1024.0;

struct Cost {
  double milliseconds, mebibytes;
};

// The largest memory in use at once during `work`, beyond what was in use before.
double memory_of(const std::function<void()>& work) {
  const std::size_t before = memory::stats().in_use;
  memory::reset_peak();
  work();
  return double(memory::stats().peak_in_use - before) / mebibyte;
}

// The median over steps of half a second at least; the memory of a step, with the state of the optimiser there already.
Cost cost(optim::Optimizer& optimizer, const std::function<Tensor()>& loss) {
  const auto step = [&] {
    optimizer.zero_grad();
    loss().backward();
    optimizer.step();
  };
  step();
  step();
  optimizer.zero_grad();
  const double mebibytes = memory_of(step);
  std::vector<double> times;
  for (double total = 0; total < 500 || times.size() < 5; total += times.back()) {
    const auto start = std::chrono::steady_clock::now();
    step();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return {report::median(times), mebibytes};
}

// One size of each kind; the others keep theirs while one grows.
struct Sizes {
  Index batch, width, depth;
};

Cost mlp(const Sizes& s) {
  auto net = models::mlp(784, 10, {.hidden = std::vector<Index>(std::size_t(s.depth), s.width)});
  optim::Adam optimizer{net.parameters()};
  const Tensor x = randn({s.batch, 784}), y = randint(0, 10, {s.batch});
  return cost(optimizer, [&] { return nn::cross_entropy(net(x), y); });
}

Cost resnet(const Sizes& s) {
  auto net = models::preact_resnet({3, 32, 32}, 10, {.widths = {s.width, 2 * s.width, 4 * s.width}, .blocks = s.depth});
  optim::SGD optimizer{net.parameters(), {.lr = 0.1, .momentum = 0.9}};
  const Tensor x = randn({s.batch, 3, 32, 32}), y = randint(0, 10, {s.batch});
  return cost(optimizer, [&] { return nn::cross_entropy(net(x), y); });
}

Cost charlm(const Sizes& s) {
  models::CharTransformer net{{.vocabulary = 65, .context = 64, .width = s.width, .layers = s.depth}};
  optim::AdamW optimizer{net.parameters()};
  const Tensor x = randint(0, 65, {s.batch, 64}), y = randint(0, 65, {s.batch * 64});
  return cost(optimizer, [&] { return nn::cross_entropy(net(x).reshape({s.batch * 64, 65}), y); });
}

struct Family {
  const char* name;
  Cost (*run)(const Sizes&);
  Sizes base;
  std::vector<Index> batch, width, depth;
};

const std::vector<Family> families = {
    {"mlp", mlp, {64, 256, 4}, {16, 32, 64, 128, 256, 512, 1024}, {64, 128, 256, 512, 1024}, {1, 2, 4, 8, 16, 32}},
    {"resnet", resnet, {16, 16, 2}, {4, 8, 16, 32, 64}, {8, 16, 32, 64}, {1, 2, 4, 8}},
    {"charlm", charlm, {8, 128, 4}, {2, 4, 8, 16, 32}, {32, 64, 128, 256}, {1, 2, 4, 8, 16}},
};

// A deep network of narrow layers whose memory is that of its activations: 16 wide, 4096 samples.
struct Deep {
  std::vector<nn::Linear> layers;
  Tensor x = randn({4096, 16});
  explicit Deep(Index depth) {
    for (Index i = 0; i < depth; ++i) layers.emplace_back(16, 16);
  }
  Tensor pass(std::size_t first, std::size_t last, Tensor h) {
    for (std::size_t i = first; i < last; ++i) h = tanh(layers[i](h));
    return h;
  }
  // In pieces of about sqrt(depth) layers, each computed again in backward; or in one go.
  double mebibytes(bool recompute) {
    const std::size_t n = layers.size(), piece = recompute ? std::size_t(std::lround(std::sqrt(double(n)))) : n;
    return memory_of([&] {
      Tensor h = x;
      for (std::size_t first = 0; first < n; first += piece) {
        const auto part = [this, first, last = std::min(n, first + piece)](const Tensor& in) { return pass(first, last, in); };
        h = recompute ? autograd::checkpoint(std::function<Tensor(const Tensor&)>(part), h) : part(h);
      }
      sum(h).backward();
    });
  }
};

// The exponent p of y ~ x^p by least squares in logarithms.
double exponent(const std::vector<double>& x, const std::vector<double>& y) {
  double mx = 0, my = 0, xy = 0, xx = 0;
  const double n = double(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) mx += std::log(x[i]) / n, my += std::log(y[i]) / n;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (std::log(x[i]) - mx) * (std::log(y[i]) - my);
    xx += (std::log(x[i]) - mx) * (std::log(x[i]) - mx);
  }
  return xy / xx;
}

// True when memory grows as it should.
bool depth(const std::string& folder) {
  std::vector<double> layers, plain, recomputed;
  report::Table table({"layers", report::Column("MiB").fixed(1), report::Column("MiB, recomputed").fixed(1)});
  for (const Index n : {16, 32, 64, 128, 256, 512, 1024}) {
    Deep net(n);
    net.mebibytes(false);  // the gradients of the weights are there from now on
    layers.push_back(double(n));
    plain.push_back(net.mebibytes(false));
    recomputed.push_back(net.mebibytes(true));
    table.row({n, plain.back(), recomputed.back()});
  }
  const double linear = exponent(layers, plain), root = exponent(layers, recomputed);
  std::printf("%sgrows with depth to the power %.3f, with recomputation %.3f\n", table.markdown().c_str(), linear, root);
  if (!folder.empty()) {
    report::Figure figure("Memory of a training step against depth");
    figure.panel().x_label("layers").y_label("MiB").log_x().log_y().line("all kept", layers, plain).line("recomputed in pieces of sqrt(n)", layers, recomputed);
    figure.save_svg(folder + "/growth_depth.svg");
  }
  return linear > 0.9 && linear < 1.1 && root > 0.4 && root < 0.6;
}

void grow(const std::string& folder) {
  report::Figure time("Time of a training step"), room("Memory of a training step");
  const int cores = num_threads();
  struct Axis {
    const char* name;
    std::vector<Index> Family::*sizes;
    Index Sizes::*size;
  };
  const Axis axes[] = {{"batch", &Family::batch, &Sizes::batch}, {"width", &Family::width, &Sizes::width}, {"depth", &Family::depth, &Sizes::depth}};
  report::Table table({"model", "what grows", "sizes", "milliseconds", "MiB", report::Column("time ~ size^").fixed(2), report::Column("memory ~ size^").fixed(2)});
  for (const Axis& axis : axes) {
    report::Panel& time_panel = time.panel().x_label(axis.name).y_label("ms").log_x().log_y();
    report::Panel& room_panel = room.panel().x_label(axis.name).y_label("MiB").log_x().log_y();
    for (const Family& family : families) {
      std::vector<double> x, ms, mib;
      std::string sizes, times, memories;
      for (const Index size : family.*axis.sizes) {
        Sizes s = family.base;
        s.*axis.size = size;
        const Cost c = family.run(s);
        x.push_back(double(size)), ms.push_back(c.milliseconds), mib.push_back(c.mebibytes);
        const char* comma = sizes.empty() ? "" : ", ";
        sizes += comma + std::to_string(size);
        times += comma + report::format_number(c.milliseconds, 3);
        memories += comma + report::format_number(c.mebibytes, 3);
      }
      time_panel.line(family.name, x, ms);
      room_panel.line(family.name, x, mib);
      table.row({family.name, axis.name, sizes, times, memories, exponent(x, ms), exponent(x, mib)});
    }
  }
  report::Panel& threads_panel = time.panel().x_label("threads").y_label("ms").log_x().log_y();
  for (const Family& family : families) {
    std::vector<double> x, ms;
    std::string sizes, times;
    for (int threads = 1; threads <= cores; threads *= 2) {
      set_num_threads(threads);
      const Cost c = family.run(family.base);
      x.push_back(threads), ms.push_back(c.milliseconds);
      sizes += (sizes.empty() ? "" : ", ") + std::to_string(threads);
      times += (times.empty() ? "" : ", ") + report::format_number(c.milliseconds, 3);
    }
    set_num_threads(cores);
    threads_panel.line(family.name, x, ms);
    table.row({family.name, "threads", sizes, times, "", x.size() > 1 ? exponent(x, ms) : 0.0, 0.0});
  }
  std::printf("%s\n", table.markdown().c_str());
  if (folder.empty()) return;
  time.columns(2).save_svg(folder + "/growth_time.svg");
  room.columns(3).save_svg(folder + "/growth_memory.svg");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::string folder;
    bool check = false;
    for (int i = 1; i < argc; ++i) {
      if (std::strcmp(argv[i], "--check") == 0) {
        check = true;
      } else if (std::strcmp(argv[i], "--folder") == 0 && i + 1 < argc) {
        folder = argv[++i];
      } else {
        std::fprintf(stderr, "usage: growth_benchmark [--folder DIR] [--check]\n");
        return 2;
      }
    }
    if (!folder.empty()) report::create_folder(folder);
    if (!check) grow(folder);
    const bool as_it_should = depth(folder);
    if (!as_it_should) std::printf("memory does not grow as it should: linearly, and as a square root with recomputation\n");
    return as_it_should ? 0 : 1;
  } catch (const Error& error) {
    std::fprintf(stderr, "growth_benchmark: %s\n", error.what());
    return 2;
  }
}
