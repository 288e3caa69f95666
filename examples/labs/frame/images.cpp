#include "images.hpp"

#include <algorithm>

#include <gradus/data.hpp>
#include <gradus/ops/ops.hpp>

namespace lab {

using namespace gradus;

namespace {

data::Dataset first(data::Dataset dataset, Index count) {
  count = std::min(count, dataset.size());
  dataset.x = dataset.x.slice(0, 0, count), dataset.y = dataset.y.slice(0, 0, count);
  return dataset;
}

}  // namespace

Images images(Run& run, Index train, Index test) {
  Images images;
  if (const auto folder = run.data("mnist")) {
    images = {first(data::mnist(folder->string(), data::Split::train), train),
              first(data::mnist(folder->string(), data::Split::test), test), "MNIST"};
  } else {
    run.skip("MNIST", "--data does not have it; the built-in digits take its place");
    const auto [train_set, test_set] = data::split(data::digits(), {.test_fraction = 0.25, .stratify = true, .seed = 1});
    images = {first(train_set, train), first(test_set, test), "the built-in digits"};
  }
  const data::Standardize scale{images.train.x};
  for (data::Dataset* part : {&images.train, &images.test}) part->x = scale(part->x).flatten(1);
  return images;
}

}  // namespace lab
