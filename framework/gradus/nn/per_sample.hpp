#pragma once
// The gradient of each sample's own loss: its norms tell how much one sample matters, clipping it is what
// differentially private training does (Abadi et al. 2016, "Deep learning with differential privacy").
//
//   for (const auto& [name, gradients] : autograd::per_sample_gradients(model, loss, x, y)) ...  // (N, shape...)
//   const auto [gradients, norms] = autograd::clipped_gradients(model, loss, x, y, 1.0);
//
// Axis 0 of x, of the targets and of every layer's input counts the N samples. `loss` takes the model's output and the
// targets and gives a scalar: the mean over the samples of their losses, or the sum (PerSampleOptions::reduction tells
// which); a mean that weights samples unequally (class weights, ignored labels) is neither. It must not use parameters
// of the model.
//
// The formulas know every layer with parameters whose samples do not mix: Linear, convolutions along one axis, two and
// transposed, the norms of single samples, embeddings and positions, attention and Transformers, recurrent layers and
// cells, learned activations, flows, and weights that are functions of parameters (WeightNorm, SpectralNorm in eval mode,
// biases that are summed first). A parameter that is used several times, or shared by layers, is taken as a whole. What
// they look for is an operation that brings a parameter, a part of one or a function of some together with the samples:
// functional::linear, a sum, a product of elements, and the layers named above, called as layer(x). A parameter that is
// used in another way (matmul, inside of a checkpoint) is refused by name.
//
// What mixes the samples is refused by name as well, for a sample has no gradient of its own there: batch
// normalisation, StatisticsELU while it trains, graph layers; and SpectralNorm while it trains, whose weight is another
// one after each pass. Frozen parameters are left out. Layers that draw at random (dropout) are differentiated as drawn
// for the batch.
#include <functional>

#include "gradus/nn/loss.hpp"
#include "gradus/nn/module.hpp"

namespace gradus::autograd {

using BatchLoss = std::function<Tensor(const Tensor& output, const Tensor& target)>;

enum class PerSampleMethod {
  formulas,  ///< from each layer's input and the gradient of its output: one pass forward and one back
  loop,      ///< one forward and backward for each sample: slow, and right for every model whose samples do not mix
};

struct PerSampleOptions {
  nn::Reduction reduction = nn::Reduction::mean;  ///< how `loss` puts the samples together: mean or sum
  PerSampleMethod method = PerSampleMethod::formulas;
};

/// The gradients of the loss of each sample with respect to every trainable parameter, named as in named_parameters(),
/// of shape (N, shape of the parameter...). For y = W a + b and the gradient g of y: dW = g a^T, db = g, summed over
/// places where a layer sees several (Goodfellow 2015, "Efficient per-example gradient computations"; Rochette et al.
/// 2019 for convolutions).
NamedTensors per_sample_gradients(nn::Module& model, const BatchLoss& loss, const Tensor& x, const Tensor& target,
                                  const PerSampleOptions& options = {});

/// The squared norms of these gradients, over all parameters together: (N), float64. No gradient is kept for all
/// samples: |dW|^2 is |a|^2 |g|^2 for vectors, and the sum over pairs of places s, t of (a_s . a_t) (g_s . g_t) for
/// sequences and images, where that is smaller than dW of one sample (Goodfellow 2015; Li et al. 2021, "Large language
/// models can be strong differentially private learners"); the steps of a recurrent layer, and all calls of a linear
/// map, are such places together. Where other uses of a parameter add up, or a function of parameters is between, the
/// gradient of one sample is made at a time.
Tensor per_sample_squared_norms(nn::Module& model, const BatchLoss& loss, const Tensor& x, const Tensor& target,
                                const PerSampleOptions& options = {});

struct ClippedGradients {
  NamedTensors gradients;  ///< sum over n of min(1, max_norm / norm_n) gradient_n
  Tensor norms;            ///< (N), float64: before clipping
};
/// The sum of the gradients of the samples, each scaled down to a norm of at most max_norm: norms as above, then a
/// second backward pass from the output, whose gradient is reweighted sample by sample. Throws unless max_norm is
/// positive, and when a norm is not finite.
ClippedGradients clipped_gradients(nn::Module& model, const BatchLoss& loss, const Tensor& x, const Tensor& target,
                                   double max_norm, const PerSampleOptions& options = {});

}  // namespace gradus::autograd
