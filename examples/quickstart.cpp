// The smallest complete program: a network learns to separate two spirals.
//
// What you should see, in a second or two: the loss falls from about 0.7 (ln 2, the loss of guessing between two classes) to below
// 0.1, and almost all points end up on their own side.
#include <cstdio>

#include <gradus/gradus.hpp>

using namespace gradus;

int main() {
  manual_seed(7);
  const auto [x, y] = data::two_spirals(1000, {.noise = 0.05, .seed = 1});  // (1000, 2) points, (1000) labels

  nn::Sequential net{
      nn::Linear{2, 64}, nn::GELU{},
      nn::Linear{64, 64}, nn::GELU{},
      nn::Linear{64, 2}};
  optim::AdamW optimizer{net.parameters(), {.lr = 1e-2}};

  for (int step = 0; step <= 600; ++step) {
    Tensor loss = nn::cross_entropy(net(x), y);  // forward: every operation leaves a node on the tape
    optimizer.zero_grad();
    loss.backward();                             // backward: the tape is walked from the loss to the weights
    optimizer.step();
    if (step % 100 == 0) std::printf("step %3d   loss %.4f\n", step, loss.item());
  }

  NoGrad no_grad;  // from here on nothing is recorded
  std::printf("accuracy %.3f\n", train::accuracy(net(x), y));
}
