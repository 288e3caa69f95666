#pragma once
// Who wants to know which modules are called. Without an observer a call costs one comparison more.
#include <vector>

#include "gradus/tensor/tensor.hpp"

namespace gradus::nn {

class Module;

/// While one lives, it is told of each module that is called on this thread, as module(x), not as module.forward(x).
/// The latest one hears alone.
class CallObserver {
 public:
  CallObserver();
  virtual ~CallObserver();
  CallObserver(const CallObserver&) = delete;
  CallObserver& operator=(const CallObserver&) = delete;

  virtual void on_call(Module& module) = 0;
  /// Not after a call that throws.
  virtual void on_return(Module& module, const std::vector<Tensor>& inputs, const Tensor& output) = 0;

 private:
  CallObserver* before_;
};

namespace detail {
// constinit lets other files read the pointer without an initialisation check.
extern constinit thread_local CallObserver* call_observer;
}  // namespace detail

}  // namespace gradus::nn
