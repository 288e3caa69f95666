#include "gradus/kernels/recurrent.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "gradus/activations/builtin.hpp"
#include "gradus/activations/make_function.hpp"
#include "gradus/core/parallel.hpp"

using namespace gradus;
using kernels::TimeLoop;

namespace {

template <class T>
std::vector<T> waves(Index n, double phase, double scale = 1) {
  std::vector<T> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = T(scale * std::sin(phase + 0.7 * double(i) + 1e-3 * double(i * i)));
  return x;
}

template <class T>
struct Results {
  std::vector<T> z, h, dz, dw;
  bool operator==(const Results&) const = default;
};

// Inputs of the three kernels, and what they make of them. The numbers of the weight get smaller with its size, so that
// states stay of size 1.
template <class T>
struct Problem {
  TimeLoop loop;
  activations::Function f = activations::make_function(activations::Tanh{});
  Index numbers = loop.steps * loop.batch * loop.hidden;
  std::vector<T> a = waves<T>(numbers, 1), g = waves<T>(numbers, 2), h_0 = waves<T>(loop.batch * loop.hidden, 3),
                 weight = waves<T>(loop.hidden * loop.hidden, 4, 1 / std::sqrt(double(loop.hidden) + 1)),
                 dw = waves<T>(loop.hidden * loop.hidden, 5);

  Results<T> made(bool add) const {
    Results<T> r{a, std::vector<T>(a.size(), T(NAN)), std::vector<T>(a.size(), T(NAN)),
                 add ? dw : std::vector<T>(dw.size(), T(NAN))};
    kernels::recur(loop, f, h_0.data(), weight.data(), r.z.data(), r.h.data());
    kernels::recur_backward(loop, f, r.z.data(), weight.data(), g.data(), r.dz.data());
    kernels::recur_weight_gradient(loop, h_0.data(), r.h.data(), r.dz.data(), add, r.dw.data());
    return r;
  }

  // The formulas in double, one number after the other.
  Results<double> wanted(bool add) const {
    const auto [steps, batch, n, reversed] = loop;
    Results<double> r{{a.begin(), a.end()}, std::vector<double>(a.size()), {g.begin(), g.end()}, {}};
    r.dw.assign(dw.size(), 0);
    if (add) std::copy(dw.begin(), dw.end(), r.dw.begin());
    const auto at = [&, width = n, samples = batch, count = steps, turned = reversed](Index s, Index b, Index j) {
      return std::size_t(((turned ? count - 1 - s : s) * samples + b) * width + j);
    };
    const auto w = [&, width = n](Index i, Index j) { return double(weight[std::size_t(i * width + j)]); };
    const auto before = [&, width = n](Index s, Index b, Index j) {
      return s == 0 ? double(h_0[std::size_t(b * width + j)]) : r.h[at(s - 1, b, j)];
    };
    for (Index s = 0; s < steps; ++s)
      for (Index b = 0; b < batch; ++b)
        for (Index i = 0; i < n; ++i) {
          for (Index j = 0; j < n; ++j) r.z[at(s, b, i)] += w(i, j) * before(s, b, j);
          r.h[at(s, b, i)] = std::tanh(r.z[at(s, b, i)]);
        }
    for (Index s = steps; s-- > 0;)
      for (Index b = 0; b < batch; ++b)
        for (Index i = 0; i < n; ++i) {
          double& dz = r.dz[at(s, b, i)];
          if (s + 1 < steps)
            for (Index j = 0; j < n; ++j) dz += w(j, i) * r.dz[at(s + 1, b, j)];
          dz *= 1 - std::pow(std::tanh(r.z[at(s, b, i)]), 2);
          for (Index j = 0; j < n; ++j) r.dw[std::size_t(i * n + j)] += dz * before(s, b, j);
        }
    return r;
  }
};

template <class T>
double error(const std::vector<T>& made, const std::vector<double>& wanted) {
  REQUIRE(made.size() == wanted.size());
  double most = 0;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const double difference = std::abs(double(made[i]) - wanted[i]) / std::max(1.0, std::abs(wanted[i]));
    most = difference <= most ? most : difference;  // a NaN stays
  }
  return most;
}

template <class T>
void check(const TimeLoop& loop, double tolerance) {
  CAPTURE(loop.steps);
  CAPTURE(loop.batch);
  CAPTURE(loop.hidden);
  CAPTURE(loop.reversed);
  const Problem<T> problem{loop};
  for (const bool add : {false, true}) {
    CAPTURE(add);
    const Results<T> made = problem.made(add);
    const Results<double> wanted = problem.wanted(add);
    CHECK(error(made.z, wanted.z) < tolerance);
    CHECK(error(made.h, wanted.h) < tolerance);
    CHECK(error(made.dz, wanted.dz) < tolerance);
    CHECK(error(made.dw, wanted.dw) < tolerance);
  }
}

}  // namespace

TEST_CASE("time loop: states, their gradients and the weight's are the formulas'") {
  for (const bool reversed : {false, true})
    for (const TimeLoop& sizes : {TimeLoop{1, 1, 1},
                                  {2, 3, 5},
                                  {7, 1, 16},
                                  {5, 14, 17},
                                  {4, 15, 33},
                                  {3, 43, 31},
                                  {3, 85, 8},
                                  {11, 2, 67},
                                  {2, 29, 129},
                                  {0, 3, 4},
                                  {3, 0, 4}}) {
      TimeLoop loop = sizes;
      loop.reversed = reversed;
      check<double>(loop, 1e-13);
      check<float>(loop, 2e-5);
    }
}

TEST_CASE("time loop: the same bits on any number of threads") {
  const Problem<float> problem{{9, 131, 47}};
  const int before = num_threads();
  set_num_threads(1);
  const Results<float> one = problem.made(false);
  for (const int threads : {2, 3}) {
    set_num_threads(threads);
    CHECK(problem.made(false) == one);
  }
  set_num_threads(before);
}

TEST_CASE("time loop: what is not finite stays with its sample") {
  Problem<double> problem{{3, 40, 5}};
  const Results<double> clean = problem.made(false);
  problem.h_0[5 * 7] = NAN;
  const Results<double> spoilt = problem.made(false);
  for (Index s = 0; s < 3; ++s)
    for (Index b = 0; b < 40; ++b)
      for (Index j = 0; j < 5; ++j) {
        const auto i = std::size_t((s * 40 + b) * 5 + j);
        if (b == 7)
          CHECK(std::isnan(spoilt.h[i]));
        else
          CHECK(spoilt.h[i] == clean.h[i]);
      }
}
