#pragma once
// Whether operations are recorded, per thread.

namespace gradus {

namespace autograd {
// constinit lets other files read the flag without an initialisation check.
extern constinit thread_local bool recording_flag;
inline bool is_recording() { return recording_flag; }
}  // namespace autograd

/// Switches recording on or off in a scope.
class RecordingGuard {
 public:
  explicit RecordingGuard(bool on) : before_(autograd::recording_flag) { autograd::recording_flag = on; }
  ~RecordingGuard() { autograd::recording_flag = before_; }
  RecordingGuard(const RecordingGuard&) = delete;
  RecordingGuard& operator=(const RecordingGuard&) = delete;

 private:
  bool before_;
};

/// Nothing is recorded while one of these lives: evaluation, updates of parameters.
class NoGrad : public RecordingGuard {
 public:
  NoGrad() : RecordingGuard(false) {}
};

/// Records inside a NoGrad scope.
class EnableGrad : public RecordingGuard {
 public:
  EnableGrad() : RecordingGuard(true) {}
};

}  // namespace gradus
