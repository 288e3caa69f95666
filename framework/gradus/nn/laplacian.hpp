#pragma once
// The Laplacian of a network, for equations of physics and the scores of densities.
//
//   const auto [u, slopes, laplacian] = autograd::laplacian([&](const Tensor& p) { return net(p); }, x);
//   Tensor loss = (laplacian - f).square().mean();    // Poisson's equation; differentiable by the weights
#include "gradus/autograd/jacobian.hpp"
#include "gradus/tensor/tensor.hpp"

namespace gradus::autograd {

/// What a function of points gives, and its derivatives by their coordinates.
struct Laplacian {
  Tensor value;      ///< f(x): (N, outputs)
  Tensor gradient;   ///< (coordinates, N, outputs): element i is d f / d x_i
  Tensor laplacian;  ///< (N, outputs): the sum over i of d^2 f / d x_i^2
};

/// f at the points x (N, coordinates), with its derivatives, all of them on the tape. f must treat each point by
/// itself. Derivatives are carried forward: with every value go its derivatives along the coordinates and its
/// Laplacian, so that with d coordinates a layer costs d + 2 products (Li et al. 2023, "Forward Laplacian: a new
/// computational framework for neural network-based variational Monte Carlo"). Grad of grad takes 2 d + 2.
///
/// What f may do with x and what follows from it: functional::linear and nn::Linear, activations, reshape that keeps
/// the points' axis, sums and differences, products of equal shapes or with what does not depend on x. Throws at any
/// other operation, naming it; grad of grad knows them all. Derivatives of the result by weights take the third
/// derivative of the activations, and second ones a fourth.
Laplacian laplacian(const UnaryFunction& f, const Tensor& x);

}  // namespace gradus::autograd
