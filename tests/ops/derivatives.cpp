// What holds for every differentiable operation.
#include <doctest/doctest.h>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/gradcheck.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "same_bits.hpp"
#include "table.hpp"

using namespace gradus;

namespace {

using Tensors = std::vector<Tensor>;

std::string text(const Operation::Shapes& shapes) {
  std::string result;
  for (const Shape& shape : shapes) result += to_string(shape) + ' ';
  return result;
}

// Calls body(operation, shapes, inputs) for every row and set of shapes.
template <class Body>
void for_each(Body body) {
  for (const Operation& operation : operations())
    for (const Operation::Shapes& shapes : operation.shapes) {
      CAPTURE(operation.name);
      CAPTURE(text(shapes));
      body(operation, shapes, operation.inputs(shapes, float64));
    }
}

Tensor weights(const Tensor& like) {
  Generator generator(77);
  return normal(like.shape(), 0, 1, {.dtype = like.dtype(), .generator = &generator});
}

Tensors slopes(const Operation& operation, const Tensors& inputs, bool create_graph) {
  const Tensor y = operation.function(inputs);
  if (!y.requires_grad()) {
    Tensors zero;
    for (const Tensor& input : inputs) zero.push_back(zeros_like(input));
    return zero;
  }
  return grad(y, inputs, {.grad_output = weights(y), .create_graph = create_graph, .allow_unused = true});
}

}  // namespace

TEST_CASE("first derivatives") {
  for_each([](const Operation& operation, const Operation::Shapes&, const Tensors& inputs) {
    const GradcheckResult result = gradcheck(operation.function, inputs);
    CHECK_MESSAGE(result.ok, result.message);
  });
}

TEST_CASE("second derivatives") {
  for_each([](const Operation& operation, const Operation::Shapes&, const Tensors& inputs) {
    const GradcheckResult result = gradgradcheck(operation.function, inputs);
    CHECK_MESSAGE(result.ok, result.message);
  });
}

TEST_CASE("third derivatives") {
  for_each([](const Operation& operation, const Operation::Shapes&, const Tensors& inputs) {
    const auto gradient = [&](const Tensors& x) {
      Tensors parts;
      for (const Tensor& slope : slopes(operation, x, true)) parts.push_back(slope.flatten());
      return cat(parts);
    };
    const GradcheckResult result = gradgradcheck(gradient, inputs);
    CHECK_MESSAGE(result.ok, result.message);
  });
}

TEST_CASE("the fused road of a rule and the recorded one agree") {
  for_each([](const Operation& operation, const Operation::Shapes&, const Tensors& inputs) {
    const Tensors fused = slopes(operation, inputs, false), recorded = slopes(operation, inputs, true);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      CHECK(fused[i].shape() == inputs[i].shape());
      CHECK(allclose(fused[i], recorded[i], {.rtol = 1e-12, .atol = 1e-13}));
      CHECK(!fused[i].requires_grad());
    }
  });
}

TEST_CASE("without the tape the value is the same, and stays off it") {
  for_each([](const Operation& operation, const Operation::Shapes&, const Tensors& inputs) {
    const Tensor recorded = operation.function(inputs);
    const NoGrad no_grad;
    const Tensor plain = operation.function(inputs);
    // What changes nothing may give its input back.
    bool is_input = false;
    for (const Tensor& input : inputs) is_input = is_input || plain.impl() == input.impl();
    CHECK((is_input || !plain.requires_grad()));
    CHECK(same_bits(plain, recorded));
  });
}

TEST_CASE("inputs are left alone, and the gradient goes to those alone that want it") {
  for_each([](const Operation& operation, const Operation::Shapes& shapes, const Tensors& inputs) {
    Tensors copies;
    for (const Tensor& input : inputs) copies.push_back(input.detach().clone());
    const Tensors all = slopes(operation, inputs, false);
    for (std::size_t i = 0; i < inputs.size(); ++i) CHECK(same_bits(inputs[i], copies[i]));
    if (shapes.size() < 2) return;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      Tensors mixed = copies;
      mixed[i] = inputs[i];
      const Tensor y = operation.function(mixed);
      REQUIRE(y.requires_grad());
      CHECK(allclose(grad(y, mixed[i], {.grad_output = weights(y)}), all[i], {.rtol = 1e-12, .atol = 1e-13}));
    }
  });
}

TEST_CASE("float32 agrees with float64 to its own precision") {
  for_each([](const Operation& operation, const Operation::Shapes& shapes, const Tensors&) {
    const Tensors single = operation.inputs(shapes, float32);
    Tensors twice;
    for (const Tensor& x : single) twice.push_back(x.detach().to(float64).requires_grad_());
    CHECK(allclose(operation.function(single).to(float64), operation.function(twice), {.rtol = 1e-5, .atol = 1e-5}));
    const Tensors low = slopes(operation, single, false);
    for (const Tensor& slope : low) CHECK(slope.dtype() == float32);
  });
}

TEST_CASE("the number of threads changes no bit") {
  const int before = num_threads();
  for (const Operation& operation : operations())
    for (const DType dtype : {float32, float64}) {
      CAPTURE(operation.name);
      const Tensors inputs = operation.inputs(operation.large.empty() ? operation.shapes[0] : operation.large, dtype);
      set_num_threads(1);
      const Tensor one = operation.function(inputs);
      const Tensors one_slopes = slopes(operation, inputs, false);
      set_num_threads(2);
      const Tensor two = operation.function(inputs);
      const Tensors two_slopes = slopes(operation, inputs, false);
      CHECK(same_bits(one, two));
      for (std::size_t i = 0; i < inputs.size(); ++i) CHECK(same_bits(one_slopes[i], two_slopes[i]));
    }
  set_num_threads(before);
}
