#pragma once
// What the labs on differential equations share: derivatives by the coordinates, and a training that ends with L-BFGS.
#include <functional>
#include <string>
#include <vector>

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

// So many numbers from low to high, both included, equal steps apart, as a column in float64: (count, 1).
gradus::Tensor grid_line(double low, double high, gradus::Index count);
// All pairs of the elements of two columns: (N, 1), (M, 1) -> (N M, 2).
gradus::Tensor pairs(const gradus::Tensor& a, const gradus::Tensor& b);

// Burgers' equation, u_t + u u_x = nu u_xx on [-1, 1] x [0, 1] with u(x, 0) = -sin pi x and u(+-1, t) = 0. Points are rows (x, t).
struct Reference {
  gradus::Tensor points, values;  // (N, 2), (N, 1)
  std::string source;
};
// Cole and Hopf's solution on a grid.
Reference exact_burgers(double nu);
// u = -sin pi x + t (1 - x^2) N(x, t), which is right at t = 0 and x = +-1 whatever the network N says. In float64.
struct BurgersNet {
  gradus::nn::Sequential net;
  BurgersNet(const std::vector<gradus::Index>& hidden, const std::string& activation);
  gradus::Tensor operator()(const gradus::Tensor& points);
};
// By the mean squared residual at so many random points, half of them near x = 0, where the front will be.
void learn_burgers(const Run& run, BurgersNet& u, double nu, gradus::Index points, const Training& training,
                   const std::function<void(gradus::Index)>& watch = {});

// |found - exact| / |exact|, over all elements.
double relative_error(const gradus::Tensor& found, const gradus::Tensor& exact);

}  // namespace lab
