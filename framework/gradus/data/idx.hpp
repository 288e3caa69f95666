#pragma once
// The idx format (https://yann.lecun.com/exdb/mnist/): two zero bytes, a type, the number of axes, their sizes as
// big-endian 32-bit numbers, then the elements, big-endian, row-major. Files may be compressed by gzip.
#include <optional>
#include <string>

#include "gradus/data/dataset.hpp"

namespace gradus::data {

struct IdxOptions {
  std::optional<DType> dtype = {};  ///< default: int64 for whole numbers, else the type of the file
};

/// Any idx file. Throws Error naming the path for everything that is not exactly one: magic, sizes, length, gzip
/// checksum; also for .dtype = int64 where the file has real numbers.
Tensor read_idx(const std::string& path, const IdxOptions& options = {});

/// MNIST from a folder with {train,t10k}-{images-idx3,labels-idx1}-ubyte, each plain or .gz: x (n, 1, 28, 28) in [0,
/// 1], y (n). The published files hold 60000 and 10000 samples; any other number is read as well. `datasets/download.sh
/// mnist` fetches them.
Dataset mnist(const std::string& root, Split split);
/// Fashion-MNIST (Xiao, Rasul, Vollgraf, arXiv:1708.07747): ten kinds of clothing in the files and shapes of MNIST.
Dataset fashion_mnist(const std::string& root, Split split);

}  // namespace gradus::data
