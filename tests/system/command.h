// Runs programs and keeps what they print.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace strata::testing {

struct CommandResult {
  int status = 0;  // exit status, or 128 + signal
  std::string out;
  std::string err;
};

// Runs to the end. The environment is ours, with `environment` ("NAME=value") added.
CommandResult RunCommand(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});

// A program that goes on while the test does; ended and reaped by the destructor.
class RunningCommand {
 public:
  RunningCommand(const std::vector<std::string>& arguments, const std::vector<std::string>& environment);
  RunningCommand(const RunningCommand&) = delete;
  RunningCommand& operator=(const RunningCommand&) = delete;
  ~RunningCommand();

  pid_t pid() const { return pid_; }
  // Reads its standard output up to a line that contains `text`; false when it ends before.
  bool WaitForLine(const std::string& text);
  void Signal(int number) const;
  // Waits for the end; the rest of its output is added to `out`.
  CommandResult Wait();

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  std::string out_text_;
  std::string err_path_;
};

// A registry root of its own; after the test nothing may be left in it.
class RuntimeFolder {
 public:
  RuntimeFolder();
  RuntimeFolder(const RuntimeFolder&) = delete;
  RuntimeFolder& operator=(const RuntimeFolder&) = delete;
  ~RuntimeFolder();
  const std::string& path() const { return path_; }
  std::string Variable() const { return "STRATA_RUNTIME_DIR=" + path_; }
  // Files and folders in it, with their paths.
  std::vector<std::string> Content() const;

 private:
  std::string path_;
};

}  // namespace strata::testing
