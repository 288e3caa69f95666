#include "gradus/models/char_transformer.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::models {
namespace {

class EvalGuard {
 public:
  explicit EvalGuard(nn::Module& module) : module_(module), before_(module.training()) { module.eval(); }
  ~EvalGuard() { module_.train(before_); }
  EvalGuard(const EvalGuard&) = delete;
  EvalGuard& operator=(const EvalGuard&) = delete;

 private:
  nn::Module& module_;
  bool before_;
};

// The token at which the sum of probabilities passes `u`, which is uniform in [0, 1).
std::int64_t drawn(const std::vector<double>& logits, double temperature, double u) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> weights(logits.size());
  double total = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) total += weights[i] = std::exp((logits[i] - largest) / temperature);
  double left = u * total;
  std::size_t last = 0;  // the last token with any weight: where rounding lets the sum end short of u
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (weights[i] == 0) continue;
    last = i;
    if (left < weights[i]) break;
    left -= weights[i];
  }
  return std::int64_t(last);
}

}  // namespace

CharTransformer::CharTransformer(const Options& options)
    : tokens(options.vocabulary, options.width),
      places(options.context, options.width),
      blocks(
          options.width, options.heads, options.layers,
          {.hidden = options.hidden, .feed_forward = options.feed_forward, .causal = true, .dropout = options.dropout}),
      head(options.width, options.vocabulary) {}

Tensor CharTransformer::forward(const Tensor& x) {
  if (x.dim() != 2 || x.size(1) > context())
    failf("CharTransformer", "the tokens have shape {}; they must be (N, length) with length at most {}, the context",
          x.shape(), context());
  return head(blocks(places(tokens(x))));
}

void CharTransformer::visit(nn::Visitor& v) {
  v("tokens", tokens);
  v("places", places);
  v("blocks", blocks);
  v("head", head);
}

Tensor generate(CharTransformer& model, const Tensor& prompt, Index length, double temperature, Generator* generator) {
  if (prompt.dim() != 1 || prompt.numel() == 0 || prompt.dtype() != int64)
    failf("generate", "the prompt is {} {}; it must be a vector of at least 1 token, int64", prompt.dtype(),
          prompt.shape());
  if (length < 0) failf("generate", "{} tokens to add; the number must not be negative", length);
  if (!(temperature >= 0) || !std::isfinite(temperature))
    failf("generate", "the temperature is {}; it must be finite and not negative", temperature);
  const EvalGuard eval(model);
  const NoGrad no_grad;
  std::vector<std::int64_t> text = to_vector<std::int64_t>(prompt);
  for (Index i = 0; i < length; ++i) {
    const Index seen = std::min<Index>(Index(text.size()), model.context());
    const Tensor window = from_vector(std::vector<std::int64_t>(text.end() - seen, text.end()), {1, seen});
    const std::vector<double> logits = to_vector<double>(model(window)[0][seen - 1].to(float64));
    const auto nan = [](double logit) { return std::isnan(logit); };
    if (std::any_of(logits.begin(), logits.end(), nan) ||
        !std::isfinite(*std::max_element(logits.begin(), logits.end())))
      failf("generate", "the model's logits for token {} have NaN or no finite largest one; did training diverge?",
            text.size());
    if (temperature == 0) {
      text.push_back(std::max_element(logits.begin(), logits.end()) - logits.begin());
    } else {
      const double u = rand({1}, {.dtype = float64, .generator = generator}).item();
      text.push_back(drawn(logits, temperature, u));
    }
  }
  return from_vector(text);
}

}  // namespace gradus::models
