// Programs for tests that look at how they are loaded.
#pragma once

#include <memory>
#include <utility>

#include "fake_syscalls.h"
#include "strata/backend/kernel/kernel_backend.h"

namespace strata::kernel {

inline std::shared_ptr<Backend> OpenWith(const std::shared_ptr<FakeSyscalls>& syscalls) {
  return OpenKernelBackend({.syscalls = syscalls}).value();
}

inline LinkedProgram ReturnZero(ProgramType type = ProgramType::kSocketFilter) {
  LinkedProgram program;
  program.name = "p";
  program.type = type;
  program.license = "GPL";
  program.instructions = {{.opcode = 0xb7}, {.opcode = 0x95}};
  return program;
}

// A kernel that accepts everything but programs, of which `load` decides.
inline std::shared_ptr<FakeSyscalls> WithLoads(std::function<std::optional<long>(ProgramLoadAttr& attr)> load) {
  return std::make_shared<FakeSyscalls>(
      AcceptEverything([load = std::move(load)](Command command, void* attr) -> std::optional<long> {
        if (command != Command::kProgramLoad) return std::nullopt;
        return load(*static_cast<ProgramLoadAttr*>(attr));
      }));
}

// Writes as much of `log` as the caller has room for, as the kernel does: -ENOSPC when it is cut off.
inline long WriteLog(ProgramLoadAttr& attr, const std::string& log, long result) {
  if (attr.log_size == 0) return result;
  const std::size_t kept = std::min<std::size_t>(log.size(), attr.log_size - 1);
  char* out = reinterpret_cast<char*>(attr.log_buf);
  std::memcpy(out, log.data(), kept);
  out[kept] = '\0';
  return kept < log.size() ? -ENOSPC : result;
}

}  // namespace strata::kernel
