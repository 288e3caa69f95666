#pragma once
// CIFAR-10 in its binary version (A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009,
// https://www.cs.toronto.edu/~kriz/cifar.html): records of one label byte and 3072 pixels, the red, green and blue
// plane, row by row.
#include <string>

#include "gradus/data/dataset.hpp"

namespace gradus::data {

/// From a folder with data_batch_1.bin ... data_batch_5.bin and test_batch.bin, or one that has them in
/// cifar-10-batches-bin/: x (n, 3, 32, 32) in [0, 1], y (n). The published files hold 10000 records each; any number of
/// complete records is read. Throws Error naming the path when a file is missing, has a part of a record, or a label
/// beyond 9. `datasets/download.sh cifar10` fetches them.
Dataset cifar10(const std::string& root, Split split);

}  // namespace gradus::data
