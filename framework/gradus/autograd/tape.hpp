#pragma once
// Looking at the tape.
#include <string>

#include "gradus/tensor/tensor.hpp"

namespace gradus::autograd {

/// The operations that led to `root`, in the order of recording: number, operation, output shape and type, numbers of the inputs,
/// bytes saved for backward, and the time each took if a Stopwatch ran. The last line adds up nodes, bytes (a value saved twice
/// counts twice) and time.
std::string tape_table(const Tensor& root);

/// The same as a graph in Graphviz's DOT language; `dot -Tsvg` draws it.
std::string tape_graphviz(const Tensor& root);

/// How many nodes can be reached from `root`, leaves included.
std::size_t tape_size(const Tensor& root);

}  // namespace gradus::autograd
