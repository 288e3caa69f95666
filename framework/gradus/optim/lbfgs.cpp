#include "gradus/optim/lbfgs.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/kernels/lane_sum.hpp"
#include "gradus/kernels/vector_norm.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::optim {
namespace {

constexpr const char* name = LBFGSOptions::name;
constexpr double infinity = std::numeric_limits<double>::infinity();
// A range worth a thread, and the part of an inner product that is one partial sum.
constexpr Index grain = 16384, block = 4096;

void visit_count(const OptionVisitor& visit, const char* option, std::int64_t least, std::int64_t& value) {
  double number = double(value);
  visit(option, number);
  if (!(number >= double(least) && number <= 1e15) || number != std::floor(number))
    failf(name, "{} is {}; it must be a whole number >= {}", option, number, least);
  value = std::int64_t(number);
}

// -- flat vectors

// Blocks of a fixed size, joined in their order, so that threads change nothing.
double dot(const Tensor& a, const Tensor& b) {
  const Index n = a.numel(), blocks = (n + block - 1) / block;
  std::vector<double> partial(static_cast<std::size_t>(blocks));
  dispatch_floating(name, a.dtype(), [&]<class T> {
    const T *x = a.data<T>(), *y = b.data<T>();
    parallel_for(blocks, grain / block, [&](Index first, Index last) {
      for (Index k = first; k < last; ++k)
        partial[std::size_t(k)] = kernels::dot(x + k * block, y + k * block, std::min(block, n - k * block));
    });
  });
  double total = 0;
  for (const double value : partial) total += value;
  return total;
}

double power_sum(const Tensor& x, double p) {
  return dispatch_floating(name, x.dtype(), [&]<class T> { return kernels::power_sum(x.data<T>(), p, x.numel()); });
}
double largest(const Tensor& x) { return power_sum(x, infinity); }

// a x + b y; the result may be x or y.
void combine(double a, const Tensor& x, double b, const Tensor& y, const Tensor& out) {
  dispatch_floating(name, x.dtype(), [&]<class T> {
    const T *u = x.data<T>(), *v = y.data<T>();
    T* const o = out.data<T>();
    const T s = T(a), t = T(b);
    parallel_for(x.numel(), grain, [&](Index first, Index last) {
      for (Index i = first; i < last; ++i) o[i] = s * u[i] + t * v[i];
    });
  });
}

Tensor scaled(double a, const Tensor& x) {
  const Tensor out = Tensor::make(name, x.shape(), x.dtype());
  combine(a, x, 0, x, out);
  return out;
}

// The minimum of the cubic through two points with their slopes, Nocedal and Wright, equation 3.59, within bounds. The
// middle where there is none.
double cubic_minimum(double x1, double f1, double g1, double x2, double f2, double g2, double low, double high) {
  const double d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2), square = d1 * d1 - g1 * g2;
  if (square >= 0) {
    const double d2 = std::sqrt(square);
    const double at = x1 <= x2 ? x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
                               : x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2));
    if (!std::isnan(at)) return std::clamp(at, low, high);
  }
  return (low + high) / 2;
}

}  // namespace

void LBFGSOptions::visit(const OptionVisitor& v) {
  v("lr", lr);
  visit_count(v, "max_iter", 1, max_iter);
  visit_count(v, "max_eval", 0, max_eval);
  v("tolerance_grad", tolerance_grad);
  v("tolerance_change", tolerance_change);
  visit_count(v, "history_size", 1, history_size);
  bool searches = line_search == LineSearch::strong_wolfe;
  detail::visit_switch(v, "strong_wolfe", searches);
  line_search = searches ? LineSearch::strong_wolfe : LineSearch::none;
}

void LBFGSOptions::check() const {
  if (!(lr > 0 && std::isfinite(lr))) failf(name, "lr is {}; it must be a finite number > 0", lr);
  detail::check_not_negative(name, "tolerance_grad", tolerance_grad);
  detail::check_not_negative(name, "tolerance_change", tolerance_change);
  if (max_iter < 1) failf(name, "max_iter is {}; it must be at least 1", max_iter);
  if (max_eval < 0) failf(name, "max_eval is {}; it must be at least 0", max_eval);
  if (history_size < 1) failf(name, "history_size is {}; it must be at least 1", history_size);
}

// -- the loss along the way

struct LBFGS::Point {
  double loss;
  Tensor gradient;
};

DType LBFGS::check_types() const {
  const DType dtype = parameters().front().dtype();
  Index total = 0;
  for (std::size_t i = 0; i < parameters().size(); ++i) {
    const Tensor& p = parameters()[i];
    total += p.numel();
    if (p.dtype() != dtype)
      failf(name, "parameter \"{}\" is {} but \"{}\" is {}; all must have one type", parameter_name(0), dtype,
            parameter_name(i), p.dtype());
  }
  if (d_.defined() && (d_.dtype() != dtype || d_.numel() != total))
    failf(name,
          "{} {} numbers were remembered but the parameters have become {} {}; convert a model before its "
          "optimiser is made",
          d_.numel(), d_.dtype(), total, dtype);
  return dtype;
}

Tensor LBFGS::gather() const {
  Index total = 0;
  for (const Tensor& p : parameters()) total += p.numel();
  const Tensor flat = Tensor::make(name, {total}, parameters().front().dtype());
  bool any = false;
  dispatch_floating(name, flat.dtype(), [&]<class T> {
    T* at = flat.data<T>();
    for (std::size_t i = 0; i < parameters().size(); ++i) {
      const Tensor &p = parameters()[i], g = p.grad();
      if (g.defined() && (g.dtype() != p.dtype() || g.shape() != p.shape()))
        failf(name, "the gradient of parameter \"{}\" is {} {} but the parameter is {} {}", parameter_name(i),
              g.dtype(), g.shape(), p.dtype(), p.shape());
      if (g.defined())
        std::copy_n(g.data<T>(), p.numel(), at);
      else
        std::fill_n(at, p.numel(), T(0));
      any = any || g.defined();
      at += p.numel();
    }
  });
  if (!any) fail(name, "no parameter has a gradient after the closure; it must call backward() on the loss");
  return flat;
}

LBFGS::Point LBFGS::evaluate(const Closure& closure, DType dtype) {
  const EnableGrad enable_grad;
  const Tensor loss = closure();
  ++evaluations_;
  if (!loss.defined()) fail(name, "the closure returned an undefined tensor; it must return the loss");
  const double value = loss.item();
  if (check_types() != dtype) fail(name, "the closure changed the type of the parameters");
  return {value, gather()};
}

// parameters = from + t d
void LBFGS::move(const Tensor& from, double t, const Tensor& d) const {
  dispatch_floating(name, from.dtype(), [&]<class T> {
    Index at = 0;
    for (const Tensor& p : parameters()) {
      const T *x = from.data<T>() + at, *v = d.data<T>() + at;
      T* const out = p.data<T>();
      const T step = T(t);
      parallel_for(p.numel(), grain, [&](Index first, Index last) {
        if (step == 0)
          std::copy(x + first, x + last, out + first);
        else
          for (Index i = first; i < last; ++i) out[i] = x[i] + step * v[i];
      });
      p.impl()->storage->bump_version();
      at += p.numel();
    }
  });
}

// -- the direction

// Takes up what the last move showed about the curvature.
void LBFGS::remember(const Tensor& gradient) {
  const Tensor y = Tensor::make(name, gradient.shape(), gradient.dtype());
  combine(1, gradient, -1, previous_, y);
  const Tensor s = scaled(t_, d_);
  const double ys = dot(y, s);
  // H stays positive definite only where the slope has grown along the step.
  if (!(ys > 1e-10)) return;
  while (std::int64_t(pairs_.size()) >= options().history_size) pairs_.pop_front();
  pairs_.push_back({y, s, 1 / ys});
}

// -H g by the two loops of Nocedal and Wright, algorithm 7.4.
Tensor LBFGS::direction(const Tensor& gradient) const {
  const Tensor q = scaled(-1, gradient);
  std::vector<double> alpha(pairs_.size());
  for (std::size_t i = pairs_.size(); i-- > 0;) {
    alpha[i] = pairs_[i].rho * dot(pairs_[i].s, q);
    combine(1, q, -alpha[i], pairs_[i].y, q);
  }
  if (!pairs_.empty()) combine(1 / (pairs_.back().rho * dot(pairs_.back().y, pairs_.back().y)), q, 0, q, q);
  for (std::size_t i = 0; i < pairs_.size(); ++i)
    combine(1, q, alpha[i] - pairs_[i].rho * dot(pairs_[i].y, q), pairs_[i].s, q);
  return q;
}

// -- the step length

// Sets t to a step that meets the strong Wolfe conditions, or to the best one found, and returns what is there.
LBFGS::Point LBFGS::search(const Closure& closure, const Tensor& from, const Point& start, double slope, double& t) {
  constexpr double c1 = 1e-4, c2 = 0.9, smallest = 1e-9;
  constexpr int most = 25;
  struct Trial {
    double t;
    Point point;
    double slope;
  };
  const auto try_step = [&](double length) {
    move(from, length, d_);
    Point point = evaluate(closure, from.dtype());
    const double along = dot(point.gradient, d_);
    return Trial{length, std::move(point), along};
  };
  // Written so that NaN is too high.
  const auto too_high = [&](const Trial& trial) {
    return !(trial.point.loss <= start.loss + c1 * trial.t * slope) || !std::isfinite(trial.slope);
  };
  const auto flat = [&](const Trial& trial) { return std::abs(trial.slope) <= -c2 * slope; };

  const Trial origin{0, start, slope};
  Trial previous = origin, now = try_step(t);
  bool found = false;
  int trials = 0;
  for (; trials < most; ++trials) {
    found = too_high(now) || (trials > 1 && now.point.loss >= previous.point.loss);
    if (!found && flat(now)) {
      t = now.t;
      return now.point;
    }
    found = found || now.slope >= 0;
    if (found) break;
    const double next = cubic_minimum(previous.t, previous.point.loss, previous.slope, now.t, now.point.loss, now.slope,
                                      now.t + 0.01 * (now.t - previous.t), 10 * now.t);
    previous = std::move(now);
    now = try_step(next);
  }
  std::array<Trial, 2> bracket{found ? previous : origin, now};

  const auto lower = [&] { return std::size_t(bracket[0].point.loss <= bracket[1].point.loss ? 0 : 1); };
  // A start that is finite is below everything that is not.
  std::size_t low = std::isnan(bracket[1].point.loss) ? 0 : lower();
  const double longest = largest(d_);
  bool done = false, stuck = false;
  while (!done && trials < most) {
    const double left = std::min(bracket[0].t, bracket[1].t), right = std::max(bracket[0].t, bracket[1].t);
    if ((right - left) * longest < smallest) break;
    double at = cubic_minimum(bracket[0].t, bracket[0].point.loss, bracket[0].slope, bracket[1].t,
                              bracket[1].point.loss, bracket[1].slope, left, right);
    // Near an end for the second time, or on it: go a tenth of the bracket inside.
    const double margin = 0.1 * (right - left);
    if (std::min(right - at, at - left) < margin) {
      if (stuck || at >= right || at <= left) {
        at = std::abs(at - right) < std::abs(at - left) ? right - margin : left + margin;
        stuck = false;
      } else {
        stuck = true;
      }
    } else {
      stuck = false;
    }
    Trial trial = try_step(at);
    ++trials;
    const std::size_t high = 1 - low;
    if (too_high(trial) || trial.point.loss >= bracket[low].point.loss) {
      bracket[high] = std::move(trial);
      if (!std::isnan(bracket[high].point.loss)) low = lower();
    } else {
      if (flat(trial))
        done = true;
      else if (trial.slope * (bracket[high].t - bracket[low].t) >= 0)
        bracket[high] = bracket[low];
      bracket[low] = std::move(trial);
    }
  }
  t = bracket[low].t;
  return bracket[low].point;
}

// -- steps

double LBFGS::step(const Closure& closure) {
  if (!closure) fail(name, "step needs a closure that computes the loss and calls backward()");
  const LBFGSOptions& o = options();
  const std::int64_t max_eval = o.max_eval > 0 ? o.max_eval : o.max_iter * 5 / 4;
  const NoGrad no_grad;
  const DType dtype = check_types();
  const std::int64_t before = evaluations_;
  Point now = evaluate(closure, dtype);
  const double first_loss = now.loss;
  if (!std::isfinite(now.loss)) failf(name, "the loss is {}; nothing was changed", now.loss);
  double top = largest(now.gradient);
  if (!std::isfinite(top)) failf(name, "the gradient of the loss {} is not finite; nothing was changed", now.loss);
  if (top <= o.tolerance_grad) return first_loss;

  for (std::int64_t i = 1;; ++i) {
    const bool fresh = !d_.defined();
    if (!fresh) remember(now.gradient);
    d_ = direction(now.gradient);
    previous_ = now.gradient;
    const double previous_loss = now.loss;
    // The first gradient says nothing about the scale of the parameters.
    t_ = fresh ? std::min(1.0, 1 / power_sum(now.gradient, 1)) * o.lr : o.lr;
    ++iterations_;
    const double slope = dot(now.gradient, d_);
    if (!(slope <= -o.tolerance_change)) {
      t_ = 0;
      break;
    }
    const Tensor from = Tensor::make(name, now.gradient.shape(), dtype);
    dispatch_floating(name, dtype, [&]<class T> {
      T* at = from.data<T>();
      for (const Tensor& p : parameters()) at = std::copy_n(p.data<T>(), p.numel(), at);
    });
    if (o.line_search == LineSearch::strong_wolfe) {
      try {
        now = search(closure, from, now, slope, t_);
      } catch (...) {
        t_ = 0;
        move(from, 0, d_);
        throw;
      }
      move(from, t_, d_);
    } else {
      move(from, t_, d_);
      // What is there matters to the next direction only.
      if (i < o.max_iter) now = evaluate(closure, dtype);
    }
    if (i >= o.max_iter || evaluations_ - before >= max_eval) break;
    top = largest(now.gradient);
    if (!std::isfinite(now.loss) || !std::isfinite(top)) break;
    if (top <= o.tolerance_grad || std::abs(t_) * largest(d_) <= o.tolerance_change) break;
    if (std::abs(now.loss - previous_loss) < o.tolerance_change) break;
  }
  return first_loss;
}

void LBFGS::step() { fail(name, "step needs a closure that computes the loss and calls backward()"); }
void LBFGS::step(const std::vector<Tensor>&) { step(); }
void LBFGS::update(std::size_t, DType, std::span<const Update>) { step(); }

// -- state

NamedTensors LBFGS::state_dict() const {
  const NoGrad no_grad;
  NamedTensors result;
  if (d_.defined()) {
    dispatch_floating(name, d_.dtype(), [&]<class T> {
      Index at = 0;
      for (std::size_t i = 0; i < parameters().size(); ++i) {
        const Tensor& p = parameters()[i];
        const auto cut = [&](const char* what, const Tensor& flat) {
          const Tensor piece = Tensor::make(name, p.shape(), d_.dtype());
          std::copy_n(flat.data<T>() + at, p.numel(), piece.data<T>());
          result.emplace_back(fmt::format("{}.{}", parameter_name(i), what), piece);
        };
        const auto cut_all = [&](const char* what, Tensor Pair::*member) {
          Shape shape{Index(pairs_.size())};
          for (const Index size : p.shape()) shape.push_back(size);
          const Tensor piece = Tensor::make(name, shape, d_.dtype());
          T* to = piece.data<T>();
          for (const Pair& pair : pairs_) to = std::copy_n((pair.*member).template data<T>() + at, p.numel(), to);
          result.emplace_back(fmt::format("{}.{}", parameter_name(i), what), piece);
        };
        cut("d", d_);
        cut("prev_grad", previous_);
        cut_all("old_dirs", &Pair::y);
        cut_all("old_stps", &Pair::s);
        at += p.numel();
      }
    });
    result.emplace_back("LBFGS.t", full({}, t_, {.dtype = float64}));
  }
  result.emplace_back("LBFGS.n_iter", full({}, double(iterations_), {.dtype = int64}));
  result.emplace_back("LBFGS.func_evals", full({}, double(evaluations_), {.dtype = int64}));
  for (auto& entry : Optimizer::state_dict()) result.push_back(std::move(entry));
  return result;
}

void LBFGS::load_state_dict(const NamedTensors& state) {
  const NoGrad no_grad;
  if (std::none_of(state.begin(), state.end(), [](const auto& entry) { return entry.first == "LBFGS.groups"; }))
    fail(name, "load_state_dict: this is not the state of LBFGS: it has no \"LBFGS.groups\"");
  std::string problems;
  std::map<std::string, Tensor> own;
  NamedTensors rest;
  std::vector<std::string> expected{"LBFGS.t", "LBFGS.n_iter", "LBFGS.func_evals"};
  for (std::size_t i = 0; i < parameters().size(); ++i)
    for (const char* what : {"d", "prev_grad", "old_dirs", "old_stps"})
      expected.push_back(fmt::format("{}.{}", parameter_name(i), what));
  for (const auto& [key, value] : state) {
    if (std::find(expected.begin(), expected.end(), key) == expected.end())
      rest.emplace_back(key, value);
    else if (!value.defined())
      problems += fmt::format("\n  \"{}\" is undefined", key);
    else if (!own.emplace(key, value).second)
      problems += fmt::format("\n  \"{}\" is there twice", key);
  }
  const auto take = [&](const std::string& key, DType dtype, const Shape& shape) {
    const auto at = own.find(key);
    if (at == own.end()) {
      problems += fmt::format("\n  missing \"{}\" {}", key, shape);
    } else if (at->second.dtype() != dtype || at->second.shape() != shape) {
      problems +=
          fmt::format("\n  \"{}\" is {} {}, expected {} {}", key, at->second.dtype(), at->second.shape(), dtype, shape);
    } else {
      return at->second;
    }
    return Tensor{};
  };
  const auto count = [&](const char* key) {
    const Tensor value = take(key, int64, {});
    const std::int64_t number = value.defined() ? value.item<std::int64_t>() : 0;
    if (number < 0) problems += fmt::format("\n  \"{}\" is {}, expected at least 0", key, number);
    return number;
  };
  const std::int64_t iterations = count("LBFGS.n_iter"), evaluations = count("LBFGS.func_evals");
  double t = 0;
  Tensor d, previous;
  std::deque<Pair> pairs;
  if (iterations > 0) {
    if (const Tensor value = take("LBFGS.t", float64, {}); value.defined()) t = value.item();
    if (!std::isfinite(t)) problems += fmt::format("\n  \"LBFGS.t\" is {}", t);
    const DType dtype = check_types();
    Index total = 0, remembered = -1;
    for (const Tensor& p : parameters()) total += p.numel();
    if (total == 0) problems += fmt::format("\n  {} iterations over parameters without elements", iterations);
    dispatch_floating(name, dtype, [&]<class T> {
      d = Tensor::make(name, {total}, dtype);
      previous = Tensor::make(name, {total}, dtype);
      Index at = 0;
      for (std::size_t i = 0; i < parameters().size(); ++i) {
        const Tensor& p = parameters()[i];
        const std::string& label = parameter_name(i);
        const auto paste = [&](const char* what, const Tensor& flat) {
          const Tensor piece = take(fmt::format("{}.{}", label, what), dtype, p.shape());
          if (piece.defined()) std::copy_n(piece.data<T>(), p.numel(), flat.data<T>() + at);
        };
        paste("d", d);
        paste("prev_grad", previous);
        // The first parameter says how many pairs there are.
        if (const auto found = own.find(label + ".old_dirs"); remembered < 0 && found != own.end())
          remembered = found->second.dim() > 0 ? found->second.shape()[0] : 0;
        Shape shape{std::max<Index>(remembered, 0)};
        for (const Index size : p.shape()) shape.push_back(size);
        const Tensor y = take(label + ".old_dirs", dtype, shape), s = take(label + ".old_stps", dtype, shape);
        if (problems.empty()) {
          for (Index k = 0; k < remembered; ++k) {
            if (i == 0) pairs.push_back({Tensor::make(name, {total}, dtype), Tensor::make(name, {total}, dtype), 0});
            Pair& pair = pairs[std::size_t(k)];
            std::copy_n(y.data<T>() + k * p.numel(), p.numel(), pair.y.data<T>() + at);
            std::copy_n(s.data<T>() + k * p.numel(), p.numel(), pair.s.data<T>() + at);
          }
        }
        at += p.numel();
      }
    });
    for (std::size_t k = 0; problems.empty() && k < pairs.size(); ++k) {
      const double ys = dot(pairs[k].y, pairs[k].s);
      pairs[k].rho = 1 / ys;
      if (!(ys > 0 && std::isfinite(ys))) problems += fmt::format("\n  pair {} has y . s = {}, expected > 0", k, ys);
    }
  } else {
    for (const auto& [key, value] : own)
      if (key != "LBFGS.n_iter" && key != "LBFGS.func_evals")
        problems += fmt::format("\n  unexpected \"{}\" {} before the first iteration", key, value.shape());
  }
  if (!problems.empty()) failf(name, "load_state_dict: the state does not fit, nothing was loaded:{}", problems);
  Optimizer::load_state_dict(rest);
  pairs_ = std::move(pairs);
  d_ = d;
  previous_ = previous;
  t_ = t;
  iterations_ = iterations;
  evaluations_ = evaluations;
}

}  // namespace gradus::optim
