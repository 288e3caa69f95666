#include <doctest/doctest.h>

#include <map>
#include <string>

#include "gradus/autograd/gradcheck.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

using namespace gradus;

namespace {

using Tensors = std::vector<Tensor>;

// The definition: a loop over the values of all labels.
Tensor naive(const std::string& equation, const Tensors& operands) {
  const std::size_t arrow = equation.find("->");
  std::vector<std::string> inputs{""};
  for (const char c : equation.substr(0, arrow)) {
    if (c == ',')
      inputs.emplace_back();
    else
      inputs.back() += c;
  }
  const std::string output = equation.substr(arrow + 2);
  std::map<char, Index> sizes, place;
  std::string labels;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    for (std::size_t a = 0; a < inputs[i].size(); ++a) {
      if (!sizes.contains(inputs[i][a])) labels += inputs[i][a];
      sizes[inputs[i][a]] = operands[i].shape()[a];
    }
  const auto offset = [&](const std::string& of) {
    Index at = 0;
    for (const char c : of) at = at * sizes[c] + place[c];
    return at;
  };
  Shape shape;
  for (const char c : output) shape.push_back(sizes[c]);
  Tensor result = zeros(shape, {.dtype = float64});
  for (const char c : labels)
    if (sizes[c] == 0) return result;
  for (const char c : labels) place[c] = 0;
  for (;;) {
    double term = 1;
    for (std::size_t i = 0; i < inputs.size(); ++i) term *= operands[i].data<double>()[offset(inputs[i])];
    result.data<double>()[offset(output)] += term;
    std::size_t k = 0;
    for (; k < labels.size(); ++k) {
      if (++place[labels[k]] < sizes[labels[k]]) break;
      place[labels[k]] = 0;
    }
    if (k == labels.size()) return result;
  }
}

Tensors random_operands(const std::string& equation, const std::map<char, Index>& sizes, Generator& generator) {
  Tensors operands;
  Shape shape;
  for (const char c : equation.substr(0, equation.find("->")) + ",") {
    if (c == ',') {
      operands.push_back(randn(shape, {.dtype = float64, .generator = &generator}));
      shape = Shape{};
    } else {
      shape.push_back(sizes.at(c));
    }
  }
  return operands;
}

const std::vector<std::string> patterns{
    // one operand
    "->", "i->i", "i->", "ij->ij", "ij->ji", "ij->i", "ij->j", "ij->", "ijk->kji", "ijk->j", "ijk->ki", "ijkl->ljik",
    // repeated labels: traces and diagonals
    "ii->", "ii->i", "iij->j", "iij->ij", "iji->j", "jii->ij", "iii->i", "iii->", "iijj->ij", "ijij->ji", "ijji->",
    // products without a sum
    ",->", ",i->i", "i,->i", "i,i->i", "i,j->ij", "i,j->ji", "ij,ij->ij", "ij,ij->ji", "ij,ji->ij", "ij,j->ij",
    "ij,kl->ikjl", "ij,kl->ljki", "i,ij->ji",
    // matrix products, in every order of the axes
    "i,i->", "ij,j->i", "ij,i->j", "j,ij->i", "ij,jk->ik", "ij,jk->ki", "ji,jk->ik", "ij,kj->ik", "ji,kj->ik",
    "ij,ij->", "ij,ij->i", "ijk,kl->ijl", "ijk,jk->i", "ijk,jkl->il", "ijk,lkj->il", "ijk,kjl->li", "ijkl,klij->",
    "ijkl,lmik->jm",
    // batches
    "bij,bjk->bik", "bij,bjk->kbi", "bji,bjk->bik", "bij,bkj->bik", "bji,bkj->bik", "ijb,jkb->bik", "ijb,bjk->ikb",
    "bij,bij->b", "bi,bj->bij", "bij,bj->bi", "abij,abjk->abik", "abij,bajk->abik", "bhqd,bhkd->bhqk",
    "bhqk,bhkd->bqhd", "bij,jk->bik", "ij,bjk->bik",
    // labels of one operand alone that the result has not
    "ij,k->", "ij,k->i", "ij,jk->", "ij,jk->k", "ij,kl->", "bij,bkl->b", "ijk,k->i",
    // repeated labels in products
    "ii,i->i", "ii,ij->j", "ii,jj->", "iij,jk->ik", "bii,bij->bj", "ij,jj->i",
    // capitals are labels of their own
    "aA,Ab->ab"};

}  // namespace

TEST_CASE("einsum agrees with loops over all labels") {
  Generator generator(3);
  const std::vector<std::map<char, Index>> sizes{
      {{'a', 2}, {'A', 3}, {'b', 3}, {'h', 2}, {'i', 5}, {'j', 4}, {'k', 7}, {'l', 2}, {'m', 3}, {'q', 4}, {'d', 3}},
      {{'a', 1}, {'A', 1}, {'b', 1}, {'h', 1}, {'i', 1}, {'j', 1}, {'k', 1}, {'l', 1}, {'m', 1}, {'q', 1}, {'d', 1}},
      {{'a', 3}, {'A', 1}, {'b', 2}, {'h', 1}, {'i', 3}, {'j', 0}, {'k', 1}, {'l', 5}, {'m', 2}, {'q', 1}, {'d', 2}}};
  for (const std::string& pattern : patterns)
    for (std::size_t s = 0; s < sizes.size(); ++s) {
      CAPTURE(pattern);
      CAPTURE(s);
      const Tensors operands = random_operands(pattern, sizes[s], generator);
      CHECK(allclose(einsum(pattern, operands), naive(pattern, operands), {.rtol = 1e-12, .atol = 1e-12}));
    }
}

TEST_CASE("einsum is differentiable twice") {
  Generator generator(4);
  const std::map<char, Index> sizes{{'a', 2}, {'A', 3}, {'b', 3}, {'h', 2}, {'i', 3}, {'j', 2},
                                    {'k', 4}, {'l', 2}, {'m', 2}, {'q', 2}, {'d', 3}};
  for (const std::string& pattern : patterns) {
    CAPTURE(pattern);
    Tensors operands = random_operands(pattern, sizes, generator);
    for (Tensor& operand : operands) operand.requires_grad_();
    const auto f = [&](const Tensors& x) { return einsum(pattern, x); };
    const GradcheckResult first = gradcheck(f, operands), second = gradgradcheck(f, operands);
    CHECK_MESSAGE(first.ok, first.message);
    CHECK_MESSAGE(second.ok, second.message);
  }
}

TEST_CASE("without an arrow the labels that come once are kept, in order") {
  Generator generator(5);
  const Tensor x = randn({3, 4}, {.dtype = float64, .generator = &generator}),
               y = randn({4, 2}, {.dtype = float64, .generator = &generator});
  CHECK(allclose(einsum("ij,jk", {x, y}), matmul(x, y)));
  CHECK(allclose(einsum("ki, ij", {y, matmul(x.t(), x).slice(0, 0, 2)}),
                 matmul(matmul(x.t(), x).slice(0, 0, 2).t(), y.t())));
  CHECK(allclose(einsum("ba", {x}), x.t()));
  CHECK(allclose(einsum("ii", {matmul(x, x.t())}), sum(x * x)));
  CHECK(einsum(" i j -> j ", {x}).shape() == Shape{4});
}

TEST_CASE("einsum of integers multiplies without a sum") {
  const Tensor a = arange(3), b = arange(4);
  const Tensor product = einsum("i,j->ij", {a, b});
  CHECK(product.dtype() == int64);
  CHECK(product[2][3].item() == 6);
  CHECK(einsum("i->", {b}).item() == 6);
  CHECK_THROWS_WITH_AS(einsum("i,i->", {a, a}), doctest::Contains("float32"), Error);
}

TEST_CASE("einsum says what is wrong with an equation") {
  const Tensor x = zeros({2, 3}), y = zeros({4, 5});
  const auto message = [](const std::string& equation, const Tensors& operands) -> std::string {
    try {
      (void)einsum(equation, operands);
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  CHECK(message("ij,jk->ik", {x, y}) ==
        "einsum: \"ij,jk->ik\": label 'j' has size 4 in operand 1 of shape (4, 5), but 3 before");
  CHECK(message("ii->i", {x}) == "einsum: \"ii->i\": label 'i' has size 3 in operand 0 of shape (2, 3), but 2 before");
  CHECK(message("ijk->", {x}) == "einsum: \"ijk->\": operand 0 has labels \"ijk\" for 3 axes, but its shape is (2, 3)");
  CHECK(message("ij->k", {x}) == "einsum: \"ij->k\": label 'k' of the result is in no operand");
  CHECK(message("ij->ii", {x}) == "einsum: \"ij->ii\": label 'i' comes twice in the result");
  CHECK(message("ij,jk->ik", {x}) == "einsum: \"ij,jk->ik\" describes 2 operands, but 1 are given");
  CHECK(message("i1->i", {x}) == "einsum: \"i1->i\": '1' is no label; labels are letters, operands are parted by ','");
  CHECK(message("...j->j", {x}) ==
        "einsum: \"...j->j\": '.' is no label; labels are letters, operands are parted by ','");
  CHECK(message("ij->i->j", {x}) == "einsum: \"ij->i->j\": '-' is no label of a result");
  CHECK(message("", {}) == "einsum: 0 operands; one or two are possible");
  CHECK(message("ij,jk,kl->il", {x, x, x}) == "einsum: 3 operands; one or two are possible");
  CHECK(message("ij,jk->ik", {x, zeros({3, 2}, {.dtype = float64})}).find("float64") != std::string::npos);
}
