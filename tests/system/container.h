// A container as small as it gets: namespaces of its own, and of a registry only what is mounted into it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace strata::testing {

struct ContainerOptions {
  std::string shared_folder;          // seen inside as kSharedFolder; nothing else of /dev/shm is
  bool has_user_namespace = false;    // in which the caller is the same user, whose rights do not count outside
  std::vector<std::string> settings;  // "NAME=value", of its first process
};

inline constexpr char kSharedFolder[] = "/mnt/shared";
inline constexpr int kNoContainer = 77;   // the right to make one is missing
inline constexpr int kNotContained = 78;  // the folder, or a process, of outside is seen inside

// Process 1 of a container, and with it all that is in there: killed when this goes. Mounts go with their processes.
class Container {
 public:
  Container(const ContainerOptions& options, const std::function<int()>& first_process);
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
  ~Container();

  // What the first process returned, 128 + signal, or one of the two above.
  int Wait();

 private:
  pid_t outer_ = -1;  // makes the container, waits for its first process
  pid_t first_ = -1;  // as outside numbers it
};

// A program, as a first process.
std::function<int()> Program(std::vector<std::string> arguments);

}  // namespace strata::testing
