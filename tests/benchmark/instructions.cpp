// How many instructions a step of op_overhead takes: a figure that no other work on the machine disturbs.
//
// A child process does the steps and its parent counts them, one instruction at a time (ptrace). The count depends on
// compiler and instruction set, so it is compared with that of the same step on the plainest tape that one would write,
// below, compiled by the same compiler. Exit code 77 means that nothing could be counted here.
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <vector>

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gradus/core/parallel.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/pointwise.hpp"
#include "gradus/tensor.hpp"

namespace {

constexpr int skipped = 77;
constexpr int steps = 4;
// The measured ratio of both counts, and a tenth more.
constexpr double largest_ratio = 1.1 * 2.35;

// y = relu(x w + b) with arrays in shared pointers and a std::function for each rule.
struct Value {
  std::vector<float> data, grad = std::vector<float>(data.size());
  std::function<void(const Value&)> rule = {};
};
using ValuePtr = std::shared_ptr<Value>;

ValuePtr make_value(std::vector<float> data) { return std::make_shared<Value>(Value{std::move(data)}); }

template <class F, class Rule>
ValuePtr combine(const ValuePtr& a, const ValuePtr& b, F f, Rule rule) {
  std::vector<float> data(a->data.size());
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = f(a->data[i], b->data[i]);
  ValuePtr y = make_value(std::move(data));
  y->rule = [a, b, rule](const Value& v) {
    for (std::size_t i = 0; i < v.grad.size(); ++i) rule(v.grad[i], *a, *b, i);
  };
  return y;
}

void reference_step(const ValuePtr& x, const ValuePtr& w, const ValuePtr& b, const std::vector<float>& seed) {
  for (const ValuePtr& leaf : {x, w, b}) leaf->grad.assign(leaf->data.size(), 0.0F);
  const ValuePtr product = combine(
      x, w, [](float p, float q) { return p * q; },
      [](float g, Value& p, Value& q, std::size_t i) {
        p.grad[i] += g * q.data[i];
        q.grad[i] += g * p.data[i];
      });
  const ValuePtr sum = combine(
      product, b, [](float p, float q) { return p + q; },
      [](float g, Value& p, Value& q, std::size_t i) {
        p.grad[i] += g;
        q.grad[i] += g;
      });
  const ValuePtr y = combine(
      sum, sum, [](float p, float) { return p > 0 ? p : 0.0F; },
      [](float g, Value& p, Value&, std::size_t i) { p.grad[i] += p.data[i] > 0 ? g : 0.0F; });
  y->grad = seed;
  for (const ValuePtr& v : {y, sum, product}) v->rule(*v);
}

// Instructions per call, or a negative number where processes may not be traced.
template <class Step>
double count(Step&& step) {
  const pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(skipped);
    for (int i = 0; i < 5; ++i) step();
    raise(SIGSTOP);
    for (int i = 0; i < steps; ++i) step();
    raise(SIGSTOP);
    _exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return -1;
  long instructions = 0;
  do {
    if (ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0 || waitpid(child, &status, 0) != child) break;
    ++instructions;
  } while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
  const bool counted = WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return counted ? double(instructions) / steps : -1;
}

}  // namespace

int main() {
  using namespace gradus;
#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  std::puts("skipped: instructions are counted in optimised builds without sanitizers");
  return skipped;
#endif
  set_num_threads(1);
  const Tensor x = randn({8}).requires_grad_(), w = randn({8}).requires_grad_(), b = randn({8}).requires_grad_();
  const Tensor seed = ones({8});
  const double ours = count([&] {
    for (const Tensor& t : {x, w, b}) t.zero_grad();
    const Tensor y = relu(x * w + b);
    y.backward(seed);
  });
  const ValuePtr rx = make_value(to_vector<float>(x)), rw = make_value(to_vector<float>(w)),
                 rb = make_value(to_vector<float>(b));
  const std::vector<float> ones_of_8(8, 1.0F);
  const double reference = count([&] { reference_step(rx, rw, rb, ones_of_8); });
  if (ours < 0 || reference < 0) {
    std::puts("skipped: processes may not be traced here");
    return skipped;
  }
  std::printf("op_overhead: %.0f instructions per step, %.0f with the plain tape: %.2f times as many, at most %.2f\n",
              ours, reference, ours / reference, largest_ratio);
  return ours / reference <= largest_ratio ? 0 : 1;
}
