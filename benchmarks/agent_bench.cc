// What the agent costs a program that it is loaded into:
//   start.nothing       time added to a run of /bin/true when the session has nothing to attach
//   start.1_program     one uprobe in libc
//   start.18_programs   18 uprobes in libc
//   resident_memory     memory added to a process with 18 uprobes
//   size                of the library without its debugging information
// Runs with and without the agent alternate. The time is from before the process is made until it has ended, so that
// loading, hooking and tearing down are all in it; the figure is the median of the differences of neighbours.
#include <elf.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "figures.h"
#include "strata/strata.h"

extern char** environ;

namespace {

using Clock = std::chrono::steady_clock;

// Functions of libc that /bin/true maps, but hardly calls: what counts is hooking them.
constexpr std::array kFunctions = {"malloc", "free",   "calloc", "realloc", "open",   "close",
                                   "read",   "write",  "printf", "puts",    "fopen",  "fclose",
                                   "qsort",  "getenv", "setenv", "system",  "strtol", "rand"};
static_assert(kFunctions.size() == 18);

// The environment of a child, with additional variables.
class Environment {
 public:
  explicit Environment(const std::vector<std::pair<std::string, std::string>>& added) {
    for (char** entry = environ; *entry != nullptr; ++entry) texts_.emplace_back(*entry);
    for (const auto& [name, value] : added) texts_.push_back(name + "=" + value);
    for (std::string& text : texts_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  char** get() { return pointers_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

double MicrosecondsOfTrue(Environment& environment) {
  char name[] = "/bin/true";
  char* arguments[] = {name, nullptr};
  const auto start = Clock::now();
  pid_t child = -1;
  int status = -1;
  if (::posix_spawn(&child, name, nullptr, nullptr, arguments, environment.get()) != 0) return 0;
  ::waitpid(child, &status, 0);
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

struct Start {
  double bare = 0;
  double added = 0;
};

Start MeasureStart(const std::shared_ptr<strata::Backend>& backend, int rounds) {
  Environment bare({});
  Environment traced(backend->TracedEnvironment());
  std::vector<double> bare_times;
  std::vector<double> differences;
  for (int i = 0; i < rounds; ++i) {
    const double without = MicrosecondsOfTrue(bare);
    const double with = MicrosecondsOfTrue(traced);
    bare_times.push_back(without);
    differences.push_back(with - without);
  }
  return {Median(bare_times), Median(differences)};
}

// Kilobytes that a process running `cat` has in memory.
double ResidentMemory(Environment& environment) {
  int ends[2];
  if (::pipe(ends) != 0) return 0;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  ::posix_spawn_file_actions_addclose(&actions, ends[0]);
  char name[] = "/bin/cat";
  char path[] = "/proc/self/smaps_rollup";
  char* arguments[] = {name, path, nullptr};
  pid_t child = -1;
  const bool is_started = ::posix_spawn(&child, name, &actions, nullptr, arguments, environment.get()) == 0;
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string text;
  char part[512];
  for (ssize_t got; (got = ::read(ends[0], part, sizeof(part))) > 0;) text.append(part, static_cast<std::size_t>(got));
  ::close(ends[0]);
  int status = 0;
  if (is_started) ::waitpid(child, &status, 0);
  const std::size_t at = text.find("\nRss:");
  return at == std::string::npos ? 0 : std::strtod(text.c_str() + at + 5, nullptr);
}

double MeasureMemory(const std::shared_ptr<strata::Backend>& backend) {
  Environment bare({});
  Environment traced(backend->TracedEnvironment());
  std::vector<double> differences;
  for (int i = 0; i < 21; ++i) differences.push_back(ResidentMemory(traced) - ResidentMemory(bare));
  return Median(differences);
}

// What is loaded of the file, and its headers: what `strip` leaves.
double AgentKilobytes() {
  std::ifstream file(STRATA_AGENT_FILE, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  Elf64_Ehdr header;
  if (bytes.size() < sizeof(header)) return 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  std::uint64_t end = 0;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, bytes.data() + header.e_phoff + static_cast<std::size_t>(i) * sizeof(segment),
                sizeof(segment));
    if (segment.p_type == PT_LOAD) end = std::max(end, segment.p_offset + segment.p_filesz);
  }
  return static_cast<double>(end) / 1024;
}

class Report {
 public:
  explicit Report(bool figures) : figures_(figures) {}
  void Print(const char* figure, const char* unit, double value, std::optional<double> bare = {}) const {
    if (figures_) {
      strata::bench::PrintFigure(figure, value, {.kernel = {}, .native = bare});
    } else if (bare) {
      fmt::print("{:<26} {:>10.1f} {:<4} (the bare run takes {:.0f})\n", figure, value, unit, *bare);
    } else {
      fmt::print("{:<26} {:>10.1f} {}\n", figure, value, unit);
    }
  }

 private:
  bool figures_;
};

int Run(bool figures) {
  const int rounds = figures ? 300 : 1000;
  const Report report(figures);
  const auto backend = strata::OpenBackend("userspace", {.session = fmt::format("bench-{}", ::getpid()),
                                                         .runtime_folder = {},
                                                         .agent_path = STRATA_AGENT_FILE})
                           .value();
  auto objects = strata::LoadCollection(backend, std::string(STRATA_BPF_UPROBE_BENCH)).value();
  const strata::Program& empty = *objects.FindProgram("empty").value();
  auto libc = strata::OpenExecutable("libc.so.6").value();
  const Start nothing = MeasureStart(backend, rounds);
  report.Print("agent.start.nothing", "us", nothing.added, nothing.bare);
  std::vector<strata::Uprobe> probes;
  probes.push_back(libc.AttachUprobe(kFunctions[0], empty).value());
  const Start one = MeasureStart(backend, rounds);
  report.Print("agent.start.1_program", "us", one.added, one.bare);
  for (std::size_t i = 1; i < kFunctions.size(); ++i) probes.push_back(libc.AttachUprobe(kFunctions[i], empty).value());
  const Start many = MeasureStart(backend, rounds);
  report.Print("agent.start.18_programs", "us", many.added, many.bare);
  report.Print("agent.resident_memory", "KiB", MeasureMemory(backend));
  report.Print("agent.size", "KiB", AgentKilobytes());
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return strata::bench::RunMain(argc, argv, Run); }
