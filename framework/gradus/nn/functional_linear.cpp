#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/linear.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/ops/product_gradient.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/ops/shape.hpp"

namespace gradus::nn::functional {

using autograd::Grads;
using autograd::record;
using autograd::saves;
using autograd::Step;

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_floating("linear", x);
  check_same_dtype("linear", x, weight);
  if (weight.dim() != 2) failf("linear", "the weight has shape {}; it must have two axes, (out, in)", weight.shape());
  const Index out = weight.shape()[0], in = weight.shape()[1];
  if (x.dim() == 0)
    failf("linear",
          "the input is a scalar, of shape (); it needs a last axis of {} features, for a weight (out, in) of shape {}",
          in, weight.shape());
  if (x.shape().back() != in)
    failf("linear",
          "the input has {0} features but the weight expects {1}: input of shape {2}, weight (out, in) of shape {3}. "
          "The last axis of "
          "the input must equal the last axis of the weight{4}",
          x.shape().back(), in, x.shape(), weight.shape(),
          x.dim() > 2 && x.shape().product(1, x.shape().size()) == in
              ? "; was flatten(1) forgotten?"
              : fmt::format("; a layer Linear{{{}, {}}} would fit", x.shape().back(), out));
  if (bias.defined()) {
    check_same_dtype("linear", x, bias);
    if (bias.shape() != Shape{out})
      failf("linear", "the bias has shape {} but the weight (out, in) of shape {} needs {}", bias.shape(),
            weight.shape(), Shape{out});
  }
  const Index rows = x.shape().product(0, x.shape().size() - 1);
  Shape shape = x.shape();
  shape[shape.size() - 1] = out;
  Tensor value = Tensor::make("linear", shape, x.dtype());
  dispatch_floating("linear", x.dtype(), [&]<class T> {
    kernels::linear(x.data<T>(), weight.data<T>(), bias.defined() ? bias.data<T>() : nullptr, value.data<T>(), rows, in,
                    out);
  });
  // dx = g W, dW = g^T x, db = sum of g over the rows
  return record("linear", std::move(value), {x, weight, bias}, saves(x, weight),
                [rows, in, out](const Tensor& g, const Tensor& v, const Tensor& w, const Step& step) {
                  const Tensor g2 = g.dim() == 2 ? g : reshape(g, {rows, out});
                  Grads grads(3);
                  if (step.needs(0)) {
                    grads[0] = product_gradient(step, 0, g2, w);
                    if (v.dim() != 2 && grads[0].defined()) grads[0] = reshape(grads[0], v.shape());
                  }
                  if (step.needs(1))
                    grads[1] =
                        product_gradient(step, 1, g2, v.dim() == 2 ? v : reshape(v, {rows, in}), {.transpose_a = true});
                  if (step.needs(2)) grads[2] = sum(g2, {.axes = {0}});
                  return grads;
                });
}

}  // namespace gradus::nn::functional
