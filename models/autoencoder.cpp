#include "gradus/models/autoencoder.hpp"

#include "gradus/models/mlp.hpp"

namespace gradus::models {

Autoencoder::Autoencoder(Index inputs, const Options& options)
    : encoder(mlp(inputs, options.code, {.hidden = options.hidden, .activation = options.activation})),
      decoder(mlp(options.code, inputs,
                  {.hidden = {options.hidden.rbegin(), options.hidden.rend()}, .activation = options.activation})) {}

Tensor Autoencoder::forward(const Tensor& x) { return decoder(encoder(x)).reshape(x.shape()); }

void Autoencoder::visit(nn::Visitor& v) {
  v("encoder", encoder);
  v("decoder", decoder);
}

}  // namespace gradus::models
