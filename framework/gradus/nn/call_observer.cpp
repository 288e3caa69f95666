#include "gradus/nn/call_observer.hpp"

#include <utility>

namespace gradus::nn {

constinit thread_local CallObserver* detail::call_observer = nullptr;

CallObserver::CallObserver() : before_(std::exchange(detail::call_observer, this)) {}
CallObserver::~CallObserver() { detail::call_observer = before_; }

}  // namespace gradus::nn
