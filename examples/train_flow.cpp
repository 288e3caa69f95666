// Learns the density of points in the plane by maximum likelihood, with a normalising flow.
//
//   train_flow                                                   two moons, Real NVP: a minute
//   train_flow --data gaussian_ring --model elu_flow --activation elu
//
// Beside it stands a kernel density estimate whose bandwidth is chosen by cross-validation on the same points, and the density
// that the points were drawn from, which no model can beat but by luck. What you should see: the mean log-likelihood of points
// that were not trained on, in nats, rises from epoch to epoch and ends between the two; and a density whose integral is 1.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include <fmt/format.h>

#include <gradus/gradus.hpp>
#include <gradus/models/elu_flow.hpp>
#include <gradus/models/real_nvp.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/report/table.hpp>

#include "training/training.hpp"

using namespace gradus;

namespace {

struct Settings {
  std::string data = "two_moons", model = "real_nvp";
  Index samples = 2000, test_samples = 5000, layers = 8, width = 64, grid = 1000;
  double noise = 0.05, box = 4, weight_decay = 0.01, jitter = 0.03;
};

data::Dataset draw(const Settings& settings, Index n, double noise, std::uint64_t seed) {
  if (settings.data == "circles") return data::circles(n, {.noise = noise, .seed = seed});
  if (settings.data == "two_spirals") return data::two_spirals(n, {.noise = noise, .seed = seed});
  if (settings.data == "checkerboard") return data::checkerboard(n, {.cells = 4, .noise = noise, .seed = seed});
  if (settings.data == "gaussian_ring") return data::gaussian_ring(n, {.deviation = noise, .seed = seed});
  return data::two_moons(n, {.noise = noise, .seed = seed});
}

nn::FlowSequence build(const Settings& settings, const std::string& activation) {
  const std::vector<Index> hidden = {settings.width, settings.width};
  if (settings.model == "elu_flow") return models::elu_flow(2, {.blocks = settings.layers, .hidden = hidden, .activation = activation});
  return models::real_nvp(2, {.couplings = settings.layers, .hidden = hidden, .activation = activation});
}

// Points (b, 2) -> log p (b): what train::fit and train::predict are to see of a flow.
class LogDensity : public nn::Module {
 public:
  explicit LogDensity(nn::FlowSequence flow) : flow(std::move(flow)) {}
  Tensor forward(const Tensor& x) override { return nn::flow_log_prob(flow, x); }
  void visit(nn::Visitor& v) override { v("flow", flow); }
  nn::FlowSequence flow;
};

std::vector<double> as_doubles(const Tensor& x) { return to_vector<double>(x.detach().to(float64)); }

// Midpoints of cells x cells fields of the square around `centre`, row by row from below.
Tensor grid_points(const std::pair<double, double>& centre, double half, Index cells) {
  const double step = 2 * half / double(cells);
  std::vector<float> points;
  for (Index i = 0; i < cells; ++i)
    for (Index j = 0; j < cells; ++j)
      points.insert(points.end(), {float(centre.first - half + (double(j) + 0.5) * step), float(centre.second - half + (double(i) + 0.5) * step)});
  return from_vector(points, {cells * cells, 2});
}

// The integral of exp(log_p) over a square of that many fields, by the midpoint rule.
double integral(const std::vector<double>& log_p, double half) {
  double total = 0;
  for (const double value : log_p) total += std::exp(value);
  return total * 4 * half * half / double(log_p.size());
}

void scatter(report::Panel& panel, const std::string& label, const Tensor& x, double box) {
  std::vector<double> first, second;
  for (Index i = 0; i < std::min<Index>(x.size(0), 2000); ++i) {
    const double a = x.data<float>()[2 * i], b = x.data<float>()[2 * i + 1];
    if (std::abs(a) > 4 * box || std::abs(b) > 4 * box) continue;
    first.push_back(a), second.push_back(b);
  }
  panel.points(label, first, second);
}

void density_map(report::Panel& panel, const std::vector<double>& log_p, const std::pair<double, double>& centre, double half) {
  const auto cells = std::size_t(std::lround(std::sqrt(double(log_p.size()))));
  std::vector<double> p;
  for (const double value : log_p) p.push_back(std::exp(value));
  const double edge = half - half / double(cells);
  panel.heat_map(p, cells, cells, {.label = "density", .x_span = std::pair{centre.first - edge, centre.first + edge},
                                   .y_span = std::pair{centre.second - edge, centre.second + edge}});
}

// A geometric row of bandwidths around what samples of this spread need.
std::vector<double> bandwidths(const Tensor& x) {
  const double spread = std::sqrt(x.var({.axes = {0}}).mean().item());
  std::vector<double> all;
  for (int i = 0; i <= 40; ++i) all.push_back(spread * 0.005 * std::pow(200.0, i / 40.0));
  return all;
}

void learn(training::Run& run, const Settings& settings) {
  const training::Options& options = run.options();
  const data::Dataset known = draw(settings, settings.samples, settings.noise, options.seed);
  const data::Dataset test = draw(settings, settings.test_samples, settings.noise, options.seed + 1'000'003);
  const auto [train_set, validation] = data::split(known, {.test_fraction = 0.2, .seed = options.seed});
  run.say(fmt::format("{}: {} points to train on, {} to choose the epoch with, {} to test on; noise {}", known.name, train_set.size(), validation.size(),
                      test.size(), settings.noise));

  LogDensity net(build(settings, options.activation));
  run.say(fmt::format("{}: {} layers, {} parameters", settings.model, net.flow.size(), nn::parameter_count(net)));
  optim::AdamW optimizer{net.parameters(), {.lr = options.lr, .weight_decay = settings.weight_decay}};
  // Noise that is drawn anew for every batch keeps the flow from drawing threads through single points. What is learned is the density
  // of the points with that noise: wider by jitter^2, which costs little while it is well below the data's own.
  const auto jitter = [&](const Tensor& x, Generator& generator) { return x + settings.jitter * randn(x.shape(), {.generator = &generator}); };
  data::DataLoader loader{train_set, {.batch_size = options.batch_size, .shuffle = true, .seed = options.seed, .transform = jitter}};
  optim::CosineAnnealingLR schedule{optimizer, {.T_max = options.epochs * loader.size()}};
  optim::EMA ema{net.parameters(), {.decay = 0.99, .warm_up = true}};
  train::FitOptions fit{.validation = &validation, .loss = [](const Tensor& log_p, const Tensor&) { return -mean(log_p); }, .schedule = &schedule, .keep_best = true};
  fit.metric = [](const Tensor& log_p, const Tensor&) { return mean(log_p).item(); };
  fit.clip_norm = 5;
  fit.ema = &ema, fit.validate_average = true;
  run.fit(net, optimizer, loader, fit, "log-likelihood");

  // The estimate has the validation points as well. The truth is a hill of the noise's width on each point without noise; 40000 of
  // these stand for all of them.
  const double bandwidth = train::best_bandwidth(known.x, bandwidths(known.x));
  const train::KernelDensity kernels(known.x, bandwidth), truth(draw(settings, options.quick ? 2000 : 40000, 0, 7).x, settings.noise);
  const std::vector<double> flow_log_p = as_doubles(train::predict(net, test.x)), kernel_log_p = kernels.log_density(test.x), true_log_p = truth.log_density(test.x);
  const report::Interval ahead = report::paired_difference_interval(flow_log_p, kernel_log_p);
  report::Table table({"density", report::Column("mean test log-likelihood, nats").fixed(4), report::Column("standard error").fixed(4)});
  table.row({settings.model, report::mean(flow_log_p), report::standard_error(flow_log_p)});
  table.row({fmt::format("kernel density estimate, bandwidth {:.4f}", bandwidth), report::mean(kernel_log_p), report::standard_error(kernel_log_p)});
  table.row({"what the points were drawn from", report::mean(true_log_p), report::standard_error(true_log_p)});
  run.table("How likely the test points are", table);
  run.result("test log-likelihood of the flow, nats", report::mean(flow_log_p));
  run.result("test log-likelihood of the kernel density estimate, nats", report::mean(kernel_log_p));
  run.result("test log-likelihood of the truth, nats", report::mean(true_log_p));
  run.result("flow minus kernel density estimate, nats", ahead.center);
  run.result("lower end of the 95 % interval of the difference", ahead.lower);
  run.result("upper end of the 95 % interval of the difference", ahead.upper);

  const std::pair<double, double> centre{mean(known.x.slice(1, 0, 1)).item(), mean(known.x.slice(1, 1, 2)).item()};
  const double total = integral(as_doubles(train::predict(net, grid_points(centre, settings.box, settings.grid), 4096)), settings.box);
  run.say(fmt::format("Integral of the density over the square of side {} around ({:.2f}, {:.2f}), {} x {} midpoints: {:.6f}; error {:+.1e}", 2 * settings.box,
                      centre.first, centre.second, settings.grid, settings.grid, total, total - 1));
  run.result("integral of the density", total, 6);
  run.result("1 - |integral - 1|", 1 - std::abs(total - 1), 6);

  // The figures show where the data are.
  const double near = std::min(settings.box, 1.2 * std::max((known.x.slice(1, 0, 1) - centre.first).abs().max().item(), (known.x.slice(1, 1, 2) - centre.second).abs().max().item()));
  const Tensor map = grid_points(centre, near, options.quick ? 30 : 80);
  report::Figure densities(fmt::format("Densities: {} with {}, and a kernel density estimate", settings.model, options.activation));
  density_map(densities.panel(settings.model), as_doubles(train::predict(net, map, 4096)), centre, near);
  density_map(densities.panel("kernel density estimate"), kernels.log_density(map), centre, near);
  run.figure("densities", std::move(densities.panel_height(400)), "The densities where the data are.");
  const NoGrad no_grad;
  Generator generator = Generator(options.seed).split("samples");
  report::Figure points("Points drawn from the flow beside those that it was trained on");
  for (const auto& [title, x] : {std::pair<const char*, Tensor>{"data", known.x}, {"samples of the flow", nn::flow_sample(net.flow, known.size(), generator)}})
    scatter(points.panel(title).x_range(centre.first - near, centre.first + near).y_range(centre.second - near, centre.second + near), "", x, settings.box);
  run.figure("samples", std::move(points.panel_height(400)), "At most 2000 of each.");
}

void check(const Settings& settings) {
  if (settings.samples < 10) fail("--samples", fmt::format("{} points; at least 10 are needed", settings.samples));
  if (settings.test_samples < 2) fail("--test-samples", fmt::format("{} points; at least 2 are needed", settings.test_samples));
  if (settings.layers < 1) fail("--layers", fmt::format("{} layers; at least 1 is needed", settings.layers));
  if (settings.width < 1) fail("--width", fmt::format("a width of {}; at least 1 is needed", settings.width));
  if (settings.grid < 10 || settings.grid > 5000) fail("--grid", fmt::format("{} cells a side; 10 to 5000 are possible", settings.grid));
  if (!(settings.noise > 0) || !std::isfinite(settings.noise)) fail("--noise", fmt::format("{}; without noise the points have no density", settings.noise));
  if (!(settings.jitter >= 0) || !std::isfinite(settings.jitter)) fail("--jitter", fmt::format("{} is not finite and at least 0", settings.jitter));
  if (!(settings.weight_decay >= 0) || !std::isfinite(settings.weight_decay)) fail("--weight-decay", fmt::format("{} is not finite and at least 0", settings.weight_decay));
  if (!(settings.box > 0) || !std::isfinite(settings.box)) fail("--box", fmt::format("{} is no positive number", settings.box));
}

}  // namespace

int main(int argc, char** argv) {
  training::Program program("train_flow", "Learns the density of points in the plane with a normalising flow.",
                            {.activation = "tanh", .epochs = 1500, .batch_size = 200, .lr = 3e-3});
  Settings settings;
  CLI::App& app = program.app();
  const std::vector<std::string> problems = {"two_moons", "circles", "two_spirals", "checkerboard", "gaussian_ring"};
  app.add_option("--data", settings.data, "two_moons, circles, two_spirals, checkerboard or gaussian_ring (eight of them)")->check(CLI::IsMember(problems));
  app.add_option("--noise", settings.noise, "its standard deviation; of a Gaussian in the ring");
  app.add_option("--samples", settings.samples, "points to learn from; a fifth of them chooses the epoch");
  app.add_option("--test-samples", settings.test_samples, "points to test on");
  app.add_option("--model", settings.model, "real_nvp, or elu_flow, which bends every coupling by an ELU")->check(CLI::IsMember({"real_nvp", "elu_flow"}));
  app.add_option("--layers", settings.layers, "couplings, or blocks of the elu_flow");
  app.add_option("--width", settings.width, "of the two hidden layers of a conditioner");
  app.add_option("--jitter", settings.jitter, "the deviation of the noise that is added to the training points, anew in each epoch");
  app.add_option("--weight-decay", settings.weight_decay, "of AdamW");
  app.add_option("--box", settings.box, "half the side of the square that the density is integrated over");
  app.add_option("--grid", settings.grid, "points of the quadrature along a side");
  return program.main(
      argc, argv, [&](training::Run& run) { learn(run, settings); },
      [&] {
        check(settings);
        if (!program.options().quick) return;
        settings.samples = std::min<Index>(settings.samples, 300), settings.test_samples = std::min<Index>(settings.test_samples, 300);
        settings.layers = std::min<Index>(settings.layers, 3), settings.grid = std::min<Index>(settings.grid, 100);
      });
}
