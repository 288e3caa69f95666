#pragma once
// What the labs on differential equations share: derivatives by the coordinates, and a training that ends with L-BFGS.
#include <functional>

#include <gradus/nn/sequential.hpp>
#include <gradus/tensor/tensor.hpp>

namespace lab {

class Run;

// Column i of x: (N, d) -> (N, 1).
gradus::Tensor column(const gradus::Tensor& x, gradus::Index i);

// The derivative of every row of u by its own row of x, on the tape so that it can be differentiated again and trained.
// u: (N, 1), x: (N, d) -> (N, d). It is the derivative of the sum of u: no row of u depends on another row of x.
gradus::Tensor derivative(const gradus::Tensor& u, const gradus::Tensor& x);

struct Training {
  gradus::Index adam = 1000;   // steps of Adam, its rate falling from `lr` to 0 on a cosine
  gradus::Index lbfgs = 1000;  // then so many directions of L-BFGS, fewer when it stops by itself
  double lr = 5e-3;
};
// Minimises a loss without noise over the parameters of the net. Calls watch(step) before every step, if there is one.
void minimise(const Run& run, gradus::nn::Module& net, const std::function<gradus::Tensor()>& loss, const Training& training,
              const std::function<void(gradus::Index)>& watch = {});

// |found - exact| / |exact|, over all elements.
double relative_error(const gradus::Tensor& found, const gradus::Tensor& exact);

}  // namespace lab
