#pragma once
#include <doctest/doctest.h>

#include <string>

#include "gradus/data/synthetic.hpp"
#include "gradus/nn/flow.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/optim/adam.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::testing {

/// A few steps lower the negative log likelihood of two moons, whatever the activation of the flow make(activation).
template <class Make>
void check_steps_of_flow(Make&& make) {
  const Tensor x = data::two_moons(200, {.noise = 0.05, .seed = 1}).x;
  for (const char* activation : {"relu", "elu", "gelu"}) {
    CAPTURE(std::string(activation));
    manual_seed(1);
    nn::FlowSequence flow = make(activation);
    optim::Adam optimizer{flow.parameters(), {.lr = 0.02}};
    const auto loss = [&] { return -nn::flow_log_prob(flow, x).mean(); };
    const double before = loss().item();
    for (int step = 0; step < 20; ++step) {
      optimizer.zero_grad();
      loss().backward();
      optimizer.step();
    }
    const double after = loss().item();
    CAPTURE(before);
    CAPTURE(after);
    CHECK(after < before - 0.3);
  }
}

}  // namespace gradus::testing
