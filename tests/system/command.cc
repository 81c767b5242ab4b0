#include "command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace strata::testing {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

[[noreturn]] void Become(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                         int out, int err) {
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  for (const std::string& entry : environment) {
    const std::size_t equals = entry.find('=');
    ::setenv(entry.substr(0, equals).c_str(), entry.substr(equals + 1).c_str(), 1);
  }
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  ::execvp(pointers[0], pointers.data());
  std::_Exit(127);
}

}  // namespace

RunningCommand::RunningCommand(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  err_path_ = ::testing::TempDir() + "strata_stderr_XXXXXX";
  const int err = ::mkostemp(err_path_.data(), O_CLOEXEC);
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  pid_ = ::fork();
  if (pid_ == 0) Become(arguments, environment, ends[1], err);
  ::close(ends[1]);
  ::close(err);
  out_ = ends[0];
}

RunningCommand::~RunningCommand() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    Wait();
  }
  if (out_ >= 0) ::close(out_);
  ::unlink(err_path_.c_str());
}

bool RunningCommand::WaitForLine(const std::string& text) {
  char buffer[4096];
  while (out_text_.find(text) == std::string::npos) {
    const ssize_t count = ::read(out_, buffer, sizeof(buffer));
    if (count <= 0) return false;
    out_text_.append(buffer, static_cast<std::size_t>(count));
  }
  return true;
}

void RunningCommand::Signal(int number) const { ::kill(pid_, number); }

CommandResult RunningCommand::Wait() {
  CommandResult result;
  char buffer[4096];
  for (ssize_t count; (count = ::read(out_, buffer, sizeof(buffer))) > 0;) {
    out_text_.append(buffer, static_cast<std::size_t>(count));
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  result.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  result.out = out_text_;
  result.err = ReadFile(err_path_);
  return result;
}

CommandResult RunCommand(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  return RunningCommand(arguments, environment).Wait();
}

RuntimeFolder::RuntimeFolder() {
  std::string pattern = "/dev/shm/strata-test-XXXXXX";
  if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
}

RuntimeFolder::~RuntimeFolder() {
  for (const std::string& left : Content()) ADD_FAILURE() << "left behind: " << left;
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

std::vector<std::string> RuntimeFolder::Content() const {
  std::vector<std::string> content;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path_, error)) content.push_back(entry.path());
  return content;
}

}  // namespace strata::testing
