// How strong must a penalty on the gradient be, for which activation?
//
// Double backpropagation (Drucker and Le Cun 1992) adds R = |dL/dx|^2 / 2 to a loss; its gradient for the weights needs second derivatives
// of the activation. First one unit: dR/dw by differentiating twice, beside the theory, and the strength that it asks for. Then networks on
// real digits: second-order gradients beside finite differences, the size of dR/dW, and training with the penalty. The derivations are in
// docs/labs/double_backprop.md. Takes a minute. What you should see: a ReLU whose penalty has a gradient although f'' is 0; ELU that needs
// less strength than ReLU unless the data is biased upwards; and tanh that mostly needs more.
#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/models/mlp.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/double_backprop.hpp>
#include <gradus/theory/gaussian.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

const std::vector<std::string> names{"relu", "elu", "tanh", "gelu"};
const std::vector<double> biases{-1, 0, 1};

theory::DoubleBackprop predicted(const std::string& name, double bias) {
  return theory::double_backprop(activations::activation(name), {.bias = bias});
}

// dR/dw of y = f(w x + b), R = (dy/dx)^2 / 2, at w = 1 for each x: by the tape, twice.
Tensor penalty_slopes(const std::string& name, double bias, const Tensor& x) {
  const Tensor w = ones_like(x).requires_grad_(), input = x.detach().clone().requires_grad_();
  const Tensor y = nn::activation(name)(w * input + bias);
  const Tensor slope = grad(sum(y), input, {.create_graph = true});
  return grad(sum(square(slope)) / 2, w, {.allow_unused = true});
}

// -- one unit

void one_unit(lab::Run& run, lab::Claim& e3) {
  run.section("One unit: the strength for |lambda dR/dw| = 1");
  const Index batches = run.pick<Index>(100, 40), draws = run.pick<Index>(20000, 4000);
  Table table({"bias of the data", "activation", Column("lambda, mean over the batch").significant(5),
               Column("lambda, rms over samples").significant(5), Column("samples with a gradient, %").fixed(1)});
  for (const double bias : biases)
    for (const std::string& name : names) {
      run.check_interrupt();
      const theory::DoubleBackprop theory = predicted(name, bias);
      std::vector<double> means, squares;
      double alive = 0;
      for (Index b = 0; b < batches; ++b) {
        const Tensor slopes = penalty_slopes(name, bias, randn({draws}, {.dtype = float64}));
        means.push_back(mean(slopes).item());
        squares.push_back(mean(square(slopes)).item());
        alive += 100 * mean((slopes != 0.0).to(float64)).item() / double(batches);
      }
      const std::string what = fmt::format("{}, bias {:+g}: ", name, bias);
      e3.measured(what + "E dR/dw", theory.mean_gradient, means);
      e3.measured(what + "E (dR/dw)^2", theory.rms_gradient * theory.rms_gradient, squares);
      table.row({fmt::format("{:+g}", bias), name, theory.lambda_mean, theory.lambda_rms, alive});
    }
  run.table(table);
  for (const double bias : biases)
    e3.equal(fmt::format("relu, bias {:+g}: E dR/dw is the share of active inputs, Phi(bias), and not 0", bias), theory::normal_cdf(bias),
             predicted("relu", bias).mean_gradient, {.absolute = 1e-12});

  const auto mean_of = [](const char* name, double bias) { return predicted(name, bias).lambda_mean; };
  const auto rms_of = [](const char* name, double bias) { return predicted(name, bias).lambda_rms; };
  for (const double bias : {-1.0, 0.0})
    e3.holds(fmt::format("bias {:+g}: elu needs a smaller lambda than relu, by mean and by rms", bias),
             mean_of("elu", bias) < mean_of("relu", bias) && rms_of("elu", bias) < rms_of("relu", bias));
  e3.holds("bias +1: elu needs a larger lambda than relu by the mean; by the rms the two differ by less than 1 %",
           mean_of("elu", 1) > mean_of("relu", 1) && std::fabs(rms_of("elu", 1) / rms_of("relu", 1) - 1) < 0.01);
  for (const double bias : {0.0, 1.0})
    e3.holds(fmt::format("bias {:+g}: tanh needs a larger lambda than relu, by mean and by rms", bias),
             mean_of("tanh", bias) > mean_of("relu", bias) && rms_of("tanh", bias) > rms_of("relu", bias));
  e3.holds("bias -1: tanh needs a smaller lambda than relu, by mean and by rms",
           mean_of("tanh", -1) < mean_of("relu", -1) && rms_of("tanh", -1) < rms_of("relu", -1));

  Figure figure("The strength that brings |lambda dR/dw| to 1, for inputs N(bias, 1)");
  auto& means = figure.panel("mean over the batch").x_label("bias").y_label("lambda").log_y();
  auto& squares = figure.panel("rms over samples").x_label("bias").y_label("lambda").log_y();
  std::vector<double> at;
  for (double bias = -2; bias <= 2.001; bias += 0.05) at.push_back(bias);
  for (const std::string& name : names) {
    std::vector<double> by_mean, by_rms;
    for (const double bias : at) {
      const theory::DoubleBackprop theory = predicted(name, bias);
      by_mean.push_back(theory.lambda_mean);
      by_rms.push_back(theory.lambda_rms);
    }
    means.line(name, at, by_mean);
    squares.line(name, at, by_rms);
  }
  run.figure("strength", std::move(figure), "One unit of weight 1.");
}

// -- networks

data::Dataset standardised(data::Dataset dataset) {
  dataset.x = dataset.x.flatten(1);
  return data::Standardize(dataset.x)(dataset);
}

nn::Sequential network(const std::string& activation, std::uint64_t seed) {
  manual_seed(seed);
  nn::Sequential net = models::mlp(64, 10, {.hidden = {64, 64}, .activation = activation});
  for (auto& [name, p] : net.named_parameters())
    if (p.dim() == 2) nn::init::kaiming_normal_(p);
  return net;
}

// The mean over samples of |dL_n/dx_n|^2 / 2, on the tape.
Tensor penalty(nn::Module& net, const Tensor& x, const Tensor& y) {
  const Tensor input = x.detach().clone().requires_grad_();
  const Tensor slope = grad(nn::cross_entropy(net(input), y, {.reduction = nn::Reduction::sum}), input, {.create_graph = true});
  return sum(square(slope)) / (2.0 * double(x.size(0)));
}

// dR/dW along a random direction by the tape, and by differences of R.
void second_order(lab::Run& run, lab::Claim& e3, const data::Dataset& digits) {
  run.section("Second-order gradients of networks");
  const Tensor x = digits.x.slice(0, 0, 32).to(float64), y = digits.y.slice(0, 0, 32);
  for (const std::string& name : names) {
    nn::Sequential net = network(name, run.seed());
    net.to(float64);
    std::vector<Tensor> parameters = net.parameters(), directions;
    const std::vector<Tensor> slopes = grad(penalty(net, x, y), parameters, {.allow_unused = true});
    double along = 0;
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      directions.push_back(randn_like(parameters[p].detach()));
      along += sum(slopes[p] * directions[p]).item();
    }
    const double h = 1e-6;
    const auto moved = [&](double step) {
      const NoGrad no_grad;
      for (std::size_t p = 0; p < parameters.size(); ++p) parameters[p].add_(directions[p], step);
    };
    moved(h);
    const double up = penalty(net, x, y).item();
    moved(-2 * h);
    const double down = penalty(net, x, y).item();
    moved(h);
    e3.equal(name + ": dR/dW along a random direction, and by differences", along, (up - down) / (2 * h), {.relative = 1e-5});
  }
}

double norm_of(const std::vector<Tensor>& tensors) {
  double squared = 0;
  for (const Tensor& t : tensors) squared += sum(square(t)).item();
  return std::sqrt(squared);
}

// The strength with which the penalty pulls at the weights as hard as the loss does, at the start: lambda = |dL/dW| / |dR/dW|.
std::map<std::string, double> strengths(lab::Run& run, lab::Claim& e3, const data::Dataset& digits) {
  run.section("Networks at the same starting weights: the strength with which penalty and loss pull alike");
  std::map<std::string, std::vector<double>> lambdas;
  std::map<std::string, double> result;
  Table table({"activation", Column("lambda").significant(4), Column("standard error").significant(2), Column("minus relu").significant(3),
               "95 % interval"});
  const Index seeds = run.pick<Index>(20, 6);
  for (const std::string& name : names)
    for (Index seed = 0; seed < seeds; ++seed) {
      nn::Sequential net = network(name, run.seed() + std::uint64_t(seed));
      const Tensor x = digits.x.slice(0, 0, 256), y = digits.y.slice(0, 0, 256);
      const double loss = norm_of(grad(nn::cross_entropy(net(x), y), net.parameters()));
      lambdas[name].push_back(loss / norm_of(grad(penalty(net, x, y), net.parameters(), {.allow_unused = true})));
    }
  for (const std::string& name : names) {
    const report::Interval d = report::paired_difference_interval(lambdas[name], lambdas["relu"]);
    table.row({name, report::mean(lambdas[name]), report::standard_error(lambdas[name]), d.center,
               name == "relu" ? std::string() : fmt::format("{:+.3f} to {:+.3f}", d.lower, d.upper)});
    e3.report(fmt::format("digits, {}: |dL/dW| / |dR/dW| at the start", name), report::mean(lambdas[name]),
              report::standard_error(lambdas[name]));
    result[name] = report::mean(lambdas[name]);
  }
  run.table(table);
  return result;
}

struct Outcome {
  double accuracy, slope;  // on test samples: share right, and the root mean square of |dL/dx|
};

Outcome train_with(lab::Run& run, const std::string& name, double lambda, const data::Dataset& train, const data::Dataset& test,
                   std::uint64_t seed) {
  nn::Sequential net = network(name, seed);
  optim::Adam optimizer{net.parameters(), {.lr = 3e-3}};
  data::DataLoader loader{train, {.batch_size = 128, .shuffle = true, .seed = seed}};
  for (int epoch = 0; epoch < run.pick(30, 6); ++epoch)
    for (const auto& [x, y] : loader) {
      run.check_interrupt();
      optimizer.zero_grad();
      Tensor loss = nn::cross_entropy(net(x), y);
      if (lambda > 0) loss = loss + lambda * penalty(net, x, y);
      loss.backward();
      optimizer.step();
    }
  const double slope = std::sqrt(2 * penalty(net, test.x, test.y).item());
  return {100 * train::evaluate(net, test).metric, slope};
}

void training(lab::Run& run, lab::Claim& e3, const data::Dataset& digits, const std::map<std::string, double>& strength) {
  run.section("Training with the penalty");
  const auto [train, test] = data::split(digits, {.test_fraction = 0.3, .stratify = true, .seed = 1});
  const Index seeds = run.pick<Index>(5, 2);
  Table table({"activation", "lambda", Column("test accuracy, %").fixed(2), Column("standard error").fixed(2),
               Column("rms |dL/dx|, test").significant(3), Column("standard error").significant(2)});
  for (const std::string& name : names) {
    std::map<bool, std::vector<double>> accuracy, slope;
    for (const bool with : {false, true})
      for (Index seed = 0; seed < seeds; ++seed) {
        const Outcome o = train_with(run, name, with ? strength.at(name) : 0, train, test, run.seed() + std::uint64_t(seed));
        accuracy[with].push_back(o.accuracy);
        slope[with].push_back(o.slope);
      }
    for (const bool with : {false, true})
      table.row({name, with ? fmt::format("{:.3g}", strength.at(name)) : std::string("0"), report::mean(accuracy[with]),
                 report::standard_error(accuracy[with]), report::mean(slope[with]), report::standard_error(slope[with])});
    e3.at_most(name + ": rms |dL/dx| on test digits with the penalty, below that without", report::mean(slope[false]),
               report::mean(slope[true]));
    const report::Interval d = report::paired_difference_interval(accuracy[true], accuracy[false]);
    e3.report(name + ": test accuracy with the penalty minus without, points", d.center, (d.upper - d.lower) / 2,
              "half of the 95 % interval");
  }
  run.table(table);
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("double_backprop", "Double backpropagation", "How strong must a penalty on the gradient be, for which activation?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& e3 = run.claim("E3",
                               "The gradient of |dL/dx|^2 / 2 depends on f'', which is 0 for ReLU, so its signal is sparse or unstable; "
                               "for the same effect, a given size of "
                               "|lambda dR/dW|, ELU and tanh need a smaller lambda than ReLU.");
    one_unit(run, e3);
    const data::Dataset digits = standardised(data::digits());
    second_order(run, e3, digits);
    const auto strength = strengths(run, e3, digits);
    training(run, e3, digits, strength);
    const auto beside = [](const char* name, double bias) {
      return fmt::format("{:.2f} beside {:.2f}", predicted(name, bias).lambda_mean, predicted("relu", bias).lambda_mean);
    };
    e3.verdict(Verdict::holds_if,
               fmt::format("dR/dw = w f'^2 + w^2 f' f'' x: ReLU keeps the first term, 1 on active inputs, so its gradient is not 0. On one "
                           "unit ELU needs a smaller lambda than ReLU for "
                           "inputs of bias 0 ({}) or -1 ({}), and not at +1 ({}); tanh needs a larger one at 0 ({}) and +1 ({}), and a "
                           "smaller one only at -1 ({}).",
                           beside("elu", 0), beside("elu", -1), beside("elu", 1), beside("tanh", 0), beside("tanh", 1), beside("tanh", -1)))
        .figure("strength");
  });
}
