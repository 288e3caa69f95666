// What does a gated feed-forward network (SwiGLU) change, compared with one of GELU that has as many weights?
//
// The gains of signals and gradients of nn::FeedForward, nn::GLU and nn::SwiGLU, beside theory, for small and large signals; then small
// Transformers that learn Shakespeare character by character with the one and the other, at equal numbers of weights and at equal
// work. Four minutes. What you should see: gains that depend on the size of the signal for SwiGLU but little for GELU, and
// validation losses with an interval that says which differences are real.
#include <algorithm>
#include <cmath>
#include <ctime>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/data/byte_reader.hpp>
#include <gradus/gradus.hpp>
#include <gradus/models/char_transformer.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/mean_field.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Interval;
using gradus::report::Measured;
using gradus::report::Table;
using lab::Verdict;

namespace {

// ---- Gains ----

// Every weight normal with variance 1 / fan_in.
void draw_weights(nn::Module& net) {
  const NoGrad no_grad;
  for (Tensor& weight : net.parameters()) weight.copy_(randn(weight.shape(), {.dtype = float64}) / std::sqrt(double(weight.size(1))));
}

struct Gains {
  std::vector<double> forward, backward;
};
// For inputs with |x|^2 = width q and random weights: |y|^2 / |x|^2, and the same for the gradients of a random direction. `output`
// multiplies the output matrix.
Gains gains(lab::Run& run, nn::Module& net, Index width, double q, Index draws, double output = 1) {
  Gains found;
  for (Index d = 0; d < draws; ++d) {
    run.check_interrupt();
    draw_weights(net);
    Tensor x = randn({1, width}, {.dtype = float64});
    x = (x * (std::sqrt(q * double(width)) / norm(x).item())).detach().requires_grad_();
    const Tensor y = net(x) * output, v = randn(y.shape(), {.dtype = float64});
    const auto squares = [](const Tensor& t) { return sum(square(t)).item(); };
    found.forward.push_back(squares(y) / squares(x));
    found.backward.push_back(squares(grad(y, x, {.grad_output = v})) / squares(v));
  }
  return found;
}

void gain_checks(lab::Run& run, lab::Claim& g8) {
  const Index width = 128, hidden = 192, draws = run.pick<Index>(1000, 100);
  const Index narrow = theory::gated_width(hidden);
  nn::FeedForward gelu{width, hidden, {.activation = "gelu", .bias = false}};
  nn::GLU glu{width, narrow};
  nn::SwiGLU swiglu{width, narrow};
  gelu.to(float64), glu.to(float64), swiglu.to(float64);
  const activations::Function silu = activations::activation("silu");
  run.section("Gains of signals and gradients");
  Table table({"q", "network", Column("forward").significant(6), Column("measured").significant(4), Column("backward").significant(6),
               Column("measured").significant(4), Column("backward / forward").significant(3)});
  const auto check = [&](const std::string& name, double q, const theory::BlockGains& expected, const Gains& found) {
    g8.measured(fmt::format("{}, q = {:g}: forward gain", name, q), expected.forward, found.forward, {.sigmas = 5});
    // The theory is for infinite width; along x a row of weights is not independent of its pre-activation.
    g8.measured(fmt::format("{}, q = {:g}: backward gain", name, q), expected.backward, found.backward,
                {.sigmas = 5, .systematic = 4 * expected.backward / double(width)});
    table.row({q, name, expected.forward, report::mean(found.forward), expected.backward, report::mean(found.backward),
               expected.backward / expected.forward});
  };
  for (const double q : {1.0, 0.1, 4.0}) {
    check("GELU", q, theory::feed_forward_gains(activations::activation("gelu"), q), gains(run, gelu, width, q, draws));
    check("SwiGLU (Swish gate)", q, theory::gated_gains(silu, q), gains(run, swiglu, width, q, draws));
    check("GLU (sigmoid gate)", q, theory::gated_gains(activations::activation("sigmoid"), q), gains(run, glu, width, q, draws));
  }
  // The output matrix has 2/3 of the terms in its sums: with the entries of the wider network's matrix, 2/3 of the gain.
  const theory::BlockGains matched = theory::gated_gains(silu, 1);
  const Gains smaller = gains(run, swiglu, width, 1, draws, std::sqrt(double(narrow) / double(hidden)));
  g8.measured("SwiGLU, q = 1, entries of the output matrix as in the wider GELU network: forward gain, 2/3", 2 * matched.forward / 3,
              smaller.forward, {.sigmas = 5});
  g8.measured("the same, backward gain", 2 * matched.backward / 3, smaller.backward,
              {.sigmas = 5, .systematic = 4 * matched.backward / double(width)});
  run.table(table);

  Figure figure("Gains of feed-forward networks, weights of variance 1 / fan_in");
  auto& ahead = figure.panel("signals").x_label("q, mean square of the input").y_label("gain").log_x().log_y();
  auto& back = figure.panel("gradients").x_label("q, mean square of the input").y_label("gain").log_x().log_y();
  std::vector<double> x, f[3], b[3];
  for (double e = -2; e <= 1.5; e += 0.05) {
    const double q = std::pow(10, e);
    x.push_back(q);
    const theory::BlockGains all[] = {theory::feed_forward_gains(activations::activation("gelu"), q), theory::gated_gains(silu, q),
                                      theory::gated_gains(activations::activation("sigmoid"), q)};
    for (int i = 0; i < 3; ++i) f[i].push_back(all[i].forward), b[i].push_back(all[i].backward);
  }
  const char* names[] = {"GELU", "SwiGLU", "GLU"};
  for (int i = 0; i < 3; ++i) ahead.line(names[i], x, f[i]), back.line(names[i], x, b[i]);
  run.figure("gains", std::move(figure),
             "A gated network multiplies two copies of the signal: small signals are squared, and large ones too.");
}

void weights(lab::Claim& g8) {
  const Index hidden = 3072, narrow = theory::gated_width(hidden);
  g8.equal("hidden width of SwiGLU with as many weights as GELU with 3072", 2048, double(narrow), {});
  g8.equal("weights of nn::FeedForward(768, 3072) and of nn::SwiGLU(768, 2048)",
           double(parameter_count(nn::FeedForward{768, hidden, {.bias = false}})), double(parameter_count(nn::SwiGLU{768, narrow})), {});
}

// ---- Language ----

struct Text {
  Index characters;
  Tensor train;
  data::Dataset validation;
};
Text shakespeare(lab::Run& run, const std::string& path, Index context) {
  const std::string text = data::read_text("shakespeare", path, 100'000'000);
  const data::Vocabulary vocabulary(text);
  const Tensor tokens = vocabulary.encode(text);
  const Index cut = tokens.numel() * 9 / 10;
  return {vocabulary.size(), tokens.slice(0, 0, cut),
          data::consecutive_windows(tokens.slice(0, cut, cut + run.pick<Index>(30000, 4000)), context)};
}

Tensor loss_of(const Tensor& logits, const Tensor& next) {
  return nn::cross_entropy(logits.reshape({next.numel(), logits.size(-1)}), next.flatten());
}

struct Kind {
  std::string name, feed_forward;
  Index hidden;  // of the plain network; a gated one has 2/3 of it
};
struct Setting {
  Index layers, width, heads, context, batch, steps, points;
  double lr;
};

models::CharTransformer network(const Kind& kind, const Setting& s, Index characters, std::uint64_t seed) {
  manual_seed(seed);
  return models::CharTransformer({.vocabulary = characters,
                                  .context = s.context,
                                  .width = s.width,
                                  .layers = s.layers,
                                  .heads = s.heads,
                                  .hidden = kind.hidden,
                                  .feed_forward = kind.feed_forward});
}

// One step of training on windows that depend on the seed and the step alone.
void train_step(models::CharTransformer& net, optim::Optimizer& optimizer, const Text& text, const Setting& s, std::uint64_t seed,
                Index step) {
  Generator generator = Generator(seed).split("windows").split(std::uint64_t(step));
  const auto [x, y] = data::random_windows(text.train, s.batch, s.context, generator);
  optimizer.zero_grad();
  loss_of(net(x), y).backward();
  nn::clip_grad_norm(net.parameters(), 1);
  optimizer.set_lr(s.lr * std::min(1.0, double(step + 1) / 50));  // a constant rate, so that every point of the curve can be compared
  optimizer.step();
}

// Validation loss, in nats per character, after each of s.points equal parts of the training.
std::vector<double> curve(lab::Run& run, const Kind& kind, const Setting& s, const Text& text, std::uint64_t seed) {
  models::CharTransformer net = network(kind, s, text.characters, seed);
  optim::AdamW optimizer{net.parameters(), {.lr = s.lr, .betas = {0.9, 0.99}}};
  std::vector<double> losses;
  for (Index step = 0; step < s.steps; ++step) {
    run.check_interrupt();
    train_step(net, optimizer, text, s, seed, step);
    if ((step + 1) % (s.steps / s.points) == 0)
      losses.push_back(train::evaluate(
                           net, text.validation, loss_of, [](const Tensor&, const Tensor&) { return 0.0; }, 32)
                           .loss);
  }
  return losses;
}

// The loss at a part of the training, between the points of the curve; never before the first, nor beyond the last.
double at(const std::vector<double>& losses, double part) {
  const double place = std::clamp(part * double(losses.size()) - 1, 0.0, double(losses.size() - 1));
  const auto i = std::min(std::size_t(place), losses.size() - 2);
  return losses[i] + (place - double(i)) * (losses[i + 1] - losses[i]);
}

// Processor time of a step of each kind over that of the first, turn by turn: a busy machine, which makes steps wait, changes it little.
std::vector<std::vector<double>> step_times(const std::vector<Kind>& kinds, const Setting& s, const Text& text, Index turns) {
  std::vector<models::CharTransformer> nets;
  std::vector<std::vector<double>> ratios(kinds.size());
  for (const Kind& kind : kinds) nets.push_back(network(kind, s, text.characters, 1));
  for (Index turn = 0; turn < turns; ++turn) {
    std::vector<double> ticks;
    for (models::CharTransformer& net : nets) {
      optim::AdamW optimizer{net.parameters(), {.lr = s.lr}};
      const std::clock_t start = std::clock();
      train_step(net, optimizer, text, s, 1, turn);
      ticks.push_back(double(std::clock() - start));
    }
    for (std::size_t k = 0; k < kinds.size(); ++k) ratios[k].push_back(ticks[k] / ticks[0]);
  }
  return ratios;
}

// Multiply-adds per token of all matrices: each weight once. (Attention itself is the same for all kinds.)
double work(const Kind& kind, const Setting& s, Index characters) {
  models::CharTransformer net = network(kind, s, characters, 1);
  double sum = 0;
  for (const auto& [name, weight] : net.named_parameters())
    if (weight.dim() == 2 && name != "tokens.weight" && name != "places.weight") sum += double(weight.numel());
  return sum;
}

double half(const Interval& interval) { return (interval.upper - interval.lower) / 2; }
std::string compared(const std::string& what, const Interval& difference) {
  const std::string numbers =
      fmt::format("{:+.4f} nats, 95 % interval {:+.4f} to {:+.4f}", difference.center, difference.lower, difference.upper);
  if (difference.contains(0)) return fmt::format("{} no difference that can be seen ({})", what, numbers);
  return fmt::format("{} SwiGLU has the {} loss ({})", what, difference.center < 0 ? "lower" : "higher", numbers);
}

std::string language(lab::Run& run, lab::Claim& g8) {
  const auto path = run.data("tinyshakespeare/input.txt");
  if (!path) {
    run.skip("the Transformers", "--data does not have tinyshakespeare/input.txt");
    return "the comparison in training was skipped, as the text is not there";
  }
  const Setting s = run.pick(Setting{2, 64, 4, 64, 8, 1200, 12, 2e-3}, Setting{1, 24, 2, 32, 4, 60, 6, 5e-3});
  const Text text = shakespeare(run, path->string(), s.context);
  const int seeds = run.pick(6, 3);
  // 2 width hidden = 3 width (2/3 hidden): the same weights but for GELU's biases.
  const Index hidden = 3 * s.width;
  const std::vector<Kind> kinds{{"GELU", "gelu", hidden},
                                {"SwiGLU, as many weights", "swiglu", hidden},
                                {"SwiGLU, as wide: 1.5 times the weights", "swiglu", 3 * hidden / 2},
                                {"SiLU, not gated", "silu", hidden}};
  run.section("Small Transformers that learn Shakespeare");
  std::vector<double> work_of, parameters;
  for (const Kind& kind : kinds) {
    work_of.push_back(work(kind, s, text.characters));
    parameters.push_back(double(parameter_count(network(kind, s, text.characters, 1))));
  }
  g8.equal("multiply-adds per character: SwiGLU with as many weights over GELU", 1, work_of[1] / work_of[0], {.absolute = 1e-12});
  const std::vector<std::vector<double>> times = step_times(kinds, s, text, run.pick<Index>(100, 10));

  std::vector<std::vector<std::vector<double>>> curves(kinds.size());
  for (int seed = 1; seed <= seeds; ++seed)
    for (std::size_t k = 0; k < kinds.size(); ++k) curves[k].push_back(curve(run, kinds[k], s, text, std::uint64_t(seed)));

  Table table({"feed-forward network", "weights", Column("multiply-adds, relative").fixed(3),
               Column("processor time of a step, relative").fixed(2), Column("validation loss, nats").fixed(4)});
  table.caption(fmt::format("{} seeds, {} steps of {} characters: mean and standard deviation", seeds, s.steps, s.batch * s.context));
  std::vector<std::vector<double>> last(kinds.size());
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    for (const auto& losses : curves[k]) last[k].push_back(losses.back());
    table.row({kinds[k].name, std::int64_t(parameters[k]), work_of[k] / work_of[0], report::median(times[k]),
               Measured{report::mean(last[k]), report::sample_std(last[k])}});
    g8.at_most("validation loss of " + kinds[k].name + ": it has learned; guessing costs log of the number of characters, less 0.5",
               std::log(double(text.characters)) - 0.5, report::mean(last[k]));
  }
  run.table(table);

  // Whoever needs more for a step is given fewer steps.
  const double quick_step = report::quantile(times[1], 0.25), slow_step = report::quantile(times[1], 0.75);
  std::vector<double> same_time[2], same_work;
  for (int seed = 0; seed < seeds; ++seed) {
    same_time[0].push_back(at(curves[1][std::size_t(seed)], 1 / quick_step));
    same_time[1].push_back(at(curves[1][std::size_t(seed)], 1 / slow_step));
    same_work.push_back(at(curves[2][std::size_t(seed)], work_of[0] / work_of[2]));
  }
  const Interval equal = report::paired_difference_interval(last[1], last[0]),
                 quick = report::paired_difference_interval(same_time[0], last[0]),
                 slow = report::paired_difference_interval(same_time[1], last[0]),
                 worked = report::paired_difference_interval(same_work, last[0]),
                 gate = report::paired_difference_interval(last[1], last[3]), swish = report::paired_difference_interval(last[3], last[0]);
  Figure differences("Difference of validation loss, nats per character");
  auto& forest = differences.panel().vertical(0);
  const auto add = [&](const std::string& name, const Interval& interval) {
    forest.interval(name, interval);
    g8.report(name + ": difference of validation loss, nats (± half of the 95 % interval)", interval.center, half(interval));
  };
  add("SwiGLU less GELU, equal weights, equal steps and multiply-adds", equal);
  add(fmt::format("SwiGLU less GELU, equal time if a step takes {:.2f} times as long", quick_step), quick);
  add(fmt::format("SwiGLU less GELU, equal time if a step takes {:.2f} times as long (quartiles)", slow_step), slow);
  add("SwiGLU as wide less GELU, equal multiply-adds", worked);
  add("SwiGLU less SiLU, equal weights: the gate", gate);
  add("SiLU less GELU: the activation", swish);
  differences.width(1000);
  run.figure("differences", std::move(differences), fmt::format("{} seeds, same batches; paired 95 % intervals.", seeds));

  const bool same_side = !quick.contains(0) && !slow.contains(0) && (quick.center < 0) == (slow.center < 0);
  const std::string timed = same_side ? compared("at equal processor time", slow)
                                      : fmt::format(
                                            "at equal processor time the sign is not certain, as a step of SwiGLU takes {:.2f} to {:.2f} "
                                            "times that of GELU (quartiles)",
                                            quick_step, slow_step);

  Figure figure("Learning Shakespeare");
  auto& panel = figure.panel().x_label("steps").y_label("validation loss, nats per character");
  std::vector<double> steps;
  for (Index p = 1; p <= s.points; ++p) steps.push_back(double(p * s.steps / s.points));
  for (std::size_t k = 0; k < kinds.size(); ++k) panel.line(kinds[k].name, steps, report::band(curves[k]));
  run.figure("learning", std::move(figure), "Bands: one standard deviation over seeds.");
  return compared("at equal weights and multiply-adds", equal) + "; " + timed + "; " +
         compared("as wide as GELU, at equal multiply-adds,", worked) + fmt::format("; {} seeds, {} steps", seeds, s.steps);
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("swiglu", "GELU and SwiGLU",
               "What does a gated feed-forward network change, compared with one of GELU that has as many weights?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& g8 = run.claim("G8",
                               "SwiGLU gates one branch by a sigmoid or Swish of another; with as many weights it is narrower than a GELU "
                               "network, and gains of variance "
                               "and gradients explain why it is more effective.");
    gain_checks(run, g8);
    weights(g8);
    const std::string empirical = language(run, g8);
    g8.verdict(Verdict::holds_if,
               "Narrower: yes, 2/3 of the hidden width for as many weights. A sigmoid gate is GLU, a Swish gate SwiGLU; their gains "
               "differ. SwiGLU is quadratic for small "
               "signals: its forward gain, about q/4, vanishes with the signal and grows with it, and gradients gain 2.07 times what "
               "signals do at q = 1 (GELU 1.07). These "
               "numbers do not say whether it is better; only training can. Measured on Shakespeare: " +
                   empirical + ".")
        .figure("gains");
  });
}
