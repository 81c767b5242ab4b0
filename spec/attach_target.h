// What a program is attached to: a value that can be stored, compared and published.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "strata/base/result.h"
#include "strata/spec/uprobe_config.h"

namespace strata {

inline constexpr std::int32_t kAllProcesses = -1;

// `kind` names an AttachKind row, and `config` is that row's fixed-size record.
struct AttachTarget {
  std::string kind;
  std::string path;  // the file the kind hooks into, a cgroup's folder, a network namespace; empty where there is none
  std::string name;  // what a kind hooks by name: "syscalls/sys_enter_openat", "tcp_v4_connect"
  std::int32_t pid = kAllProcesses;  // one process, by its id in the caller's PID namespace
  std::uint64_t cookie = 0;          // bpf_get_attach_cookie
  std::vector<std::byte> config;

  bool operator==(const AttachTarget&) const = default;
};

template <typename Config>
requires std::is_trivially_copyable_v<Config> std::vector<std::byte> EncodeConfig(const Config& config) {
  std::vector<std::byte> bytes(sizeof(Config));
  std::memcpy(bytes.data(), &config, sizeof(Config));
  return bytes;
}

template <typename Config>
requires std::is_trivially_copyable_v<Config> Result<Config> DecodeConfig(const AttachTarget& target) {
  Config config;
  if (target.config.size() != sizeof(Config)) {
    return Error(ErrorCode::kInvalidArgument, "attach kind " + target.kind + ": config has " +
                                                  std::to_string(target.config.size()) + " bytes, expected " +
                                                  std::to_string(sizeof(Config)));
  }
  std::memcpy(&config, target.config.data(), sizeof(Config));
  return config;
}

}  // namespace strata
