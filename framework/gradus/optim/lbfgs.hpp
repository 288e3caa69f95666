#pragma once
// L-BFGS: a quasi-Newton method for losses that are evaluated in full, without noise.
#include <cstdint>
#include <deque>

#include "gradus/optim/optimizer.hpp"

namespace gradus::optim {

enum class LineSearch {
  strong_wolfe,  ///< look for a step that lowers the loss enough and flattens its slope
  none,          ///< take the step lr, whatever it does
};

struct LBFGSOptions {
  double lr = 1;                    ///< the first step that a search tries; the step itself without a search
  std::int64_t max_iter = 20;       ///< directions that one step() may take
  std::int64_t max_eval = 0;        ///< no further direction after so many evaluations; 0: 5 max_iter / 4
  double tolerance_grad = 1e-7;     ///< stop when no derivative is larger
  double tolerance_change = 1e-9;   ///< stop when loss or parameters change by less
  std::int64_t history_size = 100;  ///< pairs of steps and changes of the gradient that are remembered
  LineSearch line_search = LineSearch::strong_wolfe;

  static constexpr const char* name = "LBFGS";
  static std::vector<const char*> state_names() { return {}; }
  void visit(const OptionVisitor& v);
  void check() const;
};

/// Minimises a loss that a closure computes as often as it is asked:
///
///   optim::LBFGS optimizer{net.parameters()};
///   optimizer.step([&] {
///     optimizer.zero_grad();
///     Tensor loss = nn::mse_loss(net(x), y);
///     loss.backward();
///     return loss;
///   });
///
/// The direction is -H g, where H estimates the inverse of the Hessian from the last changes s of the parameters and y
/// of the gradient (Nocedal and Wright, "Numerical Optimization", 2006, algorithm 7.4, with H0 of equation 7.20). The
/// search brackets and zooms by cubic interpolation until the strong Wolfe conditions hold with c1 = 1e-4, c2 = 0.9
/// (algorithms 3.5 and 3.6, equation 3.59), as in PyTorch. Where the loss is not finite it counts as too large, so a
/// search that went too far comes back.
///
/// All parameters have one type and share one group. Vectors are kept in that type; inner products are added up in
/// double and do not depend on the number of threads. Memory: 2 history_size + 5 times that of the parameters.
class LBFGS final : public OptimizerWith<LBFGSOptions> {
 public:
  /// Clears the gradients, computes the loss, calls backward() and returns the loss. It must give the same value for
  /// the same parameters: no dropout, no other batch.
  using Closure = std::function<Tensor()>;

  explicit LBFGS(std::vector<Tensor> params, const LBFGSOptions& options = {})
      : OptimizerWith(std::move(params), options) {}
  explicit LBFGS(const NamedTensors& params, const LBFGSOptions& options = {}) : OptimizerWith(params, options) {}

  /// Up to max_iter directions. Returns the loss at the start, as PyTorch does. Throws, and changes no parameter, when
  /// that loss or its gradient is not finite or the closure leaves no gradient behind; when the closure throws in the
  /// middle of a search, the parameters are where the search began.
  double step(const Closure& closure);
  /// These throw: one gradient is not enough.
  void step() override;
  void step(const std::vector<Tensor>& grads) override;

  /// How often closures were called, and how many directions were taken, since the beginning.
  std::int64_t function_evaluations() const { return evaluations_; }
  std::int64_t iterations() const { return iterations_; }

  /// The remembered vectors are cut at the parameters: "fc1.weight.d", "fc1.weight.prev_grad" of the parameter's shape,
  /// "fc1.weight.old_dirs" and "fc1.weight.old_stps" with one more axis in front, the oldest first.
  NamedTensors state_dict() const override;
  void load_state_dict(const NamedTensors& state) override;

 private:
  struct Point;
  struct Pair {
    Tensor y, s;
    double rho;  // 1 / (y . s)
  };

  void update(std::size_t group, DType dtype, std::span<const Update> updates) override;
  bool uses_state(std::size_t, std::size_t) const override { return false; }

  DType check_types() const;
  Point evaluate(const Closure& closure, DType dtype);
  Tensor gather() const;
  void move(const Tensor& from, double t, const Tensor& d) const;
  void remember(const Tensor& gradient);
  Tensor direction(const Tensor& gradient) const;
  Point search(const Closure& closure, const Tensor& from, const Point& start, double slope, double& t);

  // Flat vectors over all parameters.
  std::deque<Pair> pairs_;
  Tensor d_, previous_;  // the last direction, and the gradient where it began
  double t_ = 0;         // how far it went
  std::int64_t iterations_ = 0, evaluations_ = 0;
};

}  // namespace gradus::optim
