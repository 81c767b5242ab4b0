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

// `kind` names an AttachKind row, and `config` is that row's record, or any number of them where one link has many
// places.
struct AttachTarget {
  std::string kind;
  std::string path;  // the file the kind hooks into, a cgroup's folder, a network namespace; empty where there is none
  std::string name;  // what a kind hooks by name: "syscalls/sys_enter_openat", "tcp_v4_connect"
  std::int32_t pid = kAllProcesses;  // one process, by its id in the caller's PID namespace
  std::uint64_t cookie = 0;          // bpf_get_attach_cookie
  std::vector<std::byte> config;

  bool operator==(const AttachTarget&) const = default;
};

// A record of the kinds "uprobe_multi", "uretprobe_multi" and "uprobe_session": one for each place.
struct UprobePlace {
  std::uint64_t file_offset = 0;
  std::uint64_t ref_ctr_file_offset = 0;
  std::uint64_t cookie = 0;
};

// The record of the kinds "kprobe", "kretprobe", "ksyscall" and "kretsyscall". AttachTarget::name is the function's
// name or the system call's; empty where `address` is given.
struct KprobeConfig {
  std::uint64_t offset = 0;      // bytes past the function's start
  std::uint64_t address = 0;     // of an instruction; 0 for none
  std::uint32_t max_active = 0;  // calls that kretprobe and kretsyscall follow at a time; 0: the kernel's choice
  std::uint32_t reserved = 0;
};

// A record of the kinds "kprobe_multi", "kretprobe_multi" and "kprobe_session": one for each name in
// AttachTarget::name, which are separated by commas. No record: no cookies. Without a name each has an address.
struct KprobePlace {
  std::uint64_t address = 0;
  std::uint64_t cookie = 0;
};

// The record of the kind "perf_event", in the terms of struct perf_event_attr.
struct PerfEventConfig {
  std::uint32_t type = 0;
  std::uint32_t breakpoint_type = 0;
  std::uint64_t config = 0;
  std::uint64_t config1 = 0;  // a breakpoint's address
  std::uint64_t config2 = 0;  // a breakpoint's length in bytes
  std::uint64_t sample = 0;   // events between two runs of the program, or runs a second
  std::uint32_t sample_is_frequency = 0;
  std::int32_t cpu = -1;  // -1: every CPU that is online, or wherever the thread AttachTarget::pid runs
};

// The record of the kind "freplace". AttachTarget::name is the function of that program.
struct FreplaceConfig {
  std::uint32_t program_id = 0;  // 0: the program and function it was loaded for
};

// The record of the kind "iter": what the iterator is restricted to. AttachTarget::path is a cgroup's folder.
struct IteratorConfig {
  std::uint32_t map_id = 0;
  std::uint32_t cgroup_order = 0;  // enum bpf_cgroup_iter_order
  std::uint32_t thread_id = 0;
  std::uint32_t process_id = 0;
  std::int32_t process_descriptor = -1;  // pidfd_open(2); used while attaching only
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

template <typename Config>
requires std::is_trivially_copyable_v<Config> std::vector<std::byte> EncodeConfigs(const std::vector<Config>& configs) {
  std::vector<std::byte> bytes(configs.size() * sizeof(Config));
  if (!configs.empty()) std::memcpy(bytes.data(), configs.data(), bytes.size());
  return bytes;
}

template <typename Config>
requires std::is_trivially_copyable_v<Config> Result<std::vector<Config>> DecodeConfigs(const AttachTarget& target) {
  if (target.config.size() % sizeof(Config) != 0) {
    return Error(ErrorCode::kInvalidArgument, "attach kind " + target.kind + ": config has " +
                                                  std::to_string(target.config.size()) +
                                                  " bytes, expected records of " + std::to_string(sizeof(Config)));
  }
  std::vector<Config> configs(target.config.size() / sizeof(Config));
  if (!configs.empty()) std::memcpy(configs.data(), target.config.data(), target.config.size());
  return configs;
}

}  // namespace strata
