// A session with a program that uses a map, attached by a link; and loaders that are killed.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <set>

#include "backend_fixture.h"

namespace strata {

struct Chain {
  std::shared_ptr<BackendMap> map;
  std::shared_ptr<BackendProgram> program;
  std::unique_ptr<BackendLink> link;
};

class RegistryTest : public UserspaceBackendTest {
 protected:
  // r1 = map; r0 = 7; exit
  static LinkedProgram ProgramOf(const std::shared_ptr<BackendMap>& map) {
    LinkedProgram program = TrivialProgram();
    program.name = "uses_map";
    program.instructions = {{0x18, 1, 0, 0, 0}, {0, 0, 0, 0, 0}, {0xb7, 0, 0, 0, 7}, {0x95, 0, 0, 0, 0}};
    program.map_references = {{isa::InsnIndex{0}, map, false, 0}};
    return program;
  }
  static Chain MakeChain(Backend& backend) {
    Chain chain;
    chain.map = backend.CreateMap(Spec(MapType::kHash, 4, 8, 16), nullptr).value();
    chain.program = backend.LoadProgram(ProgramOf(chain.map)).value();
    chain.link = backend.Attach(chain.program, Target(), {}).value();
    return chain;
  }

  // Runs `body` with a loader of its own in a child, which is then killed.
  void InKilledLoader(const std::function<void(Backend& backend)>& body) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto loader = OpenAgain();
      body(*loader);
      ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  }
  // Leaves a pinned link, its program and its map behind, and nobody who holds them.
  void LeavePinnedLink(const std::string& pin) {
    InKilledLoader([&](Backend& loader) {
      Chain chain = MakeChain(loader);
      if (!chain.link->Pin(pin)) ::_exit(1);
      ::kill(::getpid(), SIGKILL);
    });
  }

  std::string PinnedPath(const std::string& pin) const { return session_folder() + "/pinned/" + pin; }
  void RemovePin(const std::string& pin) const { std::filesystem::remove(PinnedPath(pin)); }
  // Names of files that are objects.
  std::vector<std::string> Objects() const {
    std::vector<std::string> names = Files();
    std::erase_if(names, [](const std::string& name) { return name == "root" || name == "log" || name == "pinned"; });
    return names;
  }
  // The report of the test's session.
  SessionReport Collect(bool is_dry_run = false) const {
    const auto reports =
        CollectGarbage({.runtime_folder = runtime_folder(), .session = "test", .is_dry_run = is_dry_run});
    if (!reports || reports->size() != 1) {
      ADD_FAILURE() << (reports ? "no report" : reports.error().message());
      return {};
    }
    return reports->front();
  }
};

}  // namespace strata
