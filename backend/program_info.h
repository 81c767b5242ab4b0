// What is known of a program that is loaded, and how it is run without an event.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "strata/isa/instruction.h"
#include "strata/spec/program_type.h"

namespace strata {

// A member that a backend does not know keeps its default.
struct ProgramInfo {
  std::uint32_t id = 0;
  std::string name;  // whole where it is known: the kernel keeps 15 characters, the program's BTF all
  ProgramType type = ProgramType::kUnspec;
  std::uint32_t instruction_count = 0;  // slots, as the backend rewrote the program
  std::array<std::uint8_t, 8> tag{};
  bool is_verified = true;  // false: its structure was checked, not what it does to memory

  bool is_enabled = true;  // false: no link of it runs it (Backend::SetProgramEnabled), when the info was taken

  std::vector<std::uint32_t> map_ids = {};       // of the maps that it uses
  std::uint32_t jited_bytes = 0;                 // of machine code; 0 for an interpreted one
  std::uint32_t verified_instruction_count = 0;  // that the verifier walked over (Linux 5.16)
  std::uint64_t load_time_ns = 0;                // since boot
  std::uint32_t created_by_uid = 0;
  bool is_gpl_compatible = false;
  std::uint32_t btf_id = 0;                // of its own types
  std::uint32_t attach_btf_id = 0;         // the type that it hooks (fentry, tp_btf, iter), ...
  std::uint32_t attach_btf_object_id = 0;  // ... in that BTF (Linux 5.16)
  std::uint32_t ifindex = 0;               // of the device that it is offloaded to
};

struct ProgramStats {
  std::uint64_t run_count = 0;
  std::uint64_t run_time_ns = 0;
  std::uint64_t missed_count = 0;  // events that did not run the program (recursion)
};

// One function of a program, in the order of its code.
struct ProgramFunction {
  isa::InsnIndex index;             // of its first instruction
  std::string name;                 // of the program's BTF; empty without
  std::uint64_t jited_address = 0;  // 0 where the kernel hides it
  std::uint32_t jited_bytes = 0;
};

struct ProgramLine {
  isa::InsnIndex index;
  std::string file;
  std::string text;  // the source line, as far as the compiler put it into the object
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

// A program as it runs. Reading code needs CAP_PERFMON and CAP_BPF, or CAP_SYS_ADMIN.
struct ProgramCode {
  std::vector<isa::Instruction> instructions;  // as the verifier rewrote them; empty where they are hidden
  std::vector<std::byte> machine_code;         // all functions, one behind the other; empty for an interpreted one
  std::vector<ProgramFunction> functions;
  std::vector<ProgramLine> lines;
};

namespace test_run_flags {
inline constexpr std::uint32_t kOnCpu = 1U << 0;             // raw tracepoint programs: run on TestRunOptions::cpu
inline constexpr std::uint32_t kXdpLiveFrames = 1U << 1;     // XDP: the packets are sent on; batch_size at a time
inline constexpr std::uint32_t kChecksumComplete = 1U << 2;  // tc: with a complete checksum
}  // namespace test_run_flags

struct TestRunOptions {
  std::span<const std::byte> data_in = {};     // the packet; Ethernet needs at least 14 bytes
  std::span<const std::byte> context_in = {};  // struct __sk_buff, xdp_md, ...; the argument of a syscall program
  std::uint32_t repeat = 0;                    // runs, without taking over what one changed; 0 and 1 are one
  std::uint32_t flags = 0;                     // of test_run_flags
  std::uint32_t cpu = 0;
  std::uint32_t batch_size = 0;  // packets
  // Room for data_out. 0: that of data_in and some more, since programs may make packets longer.
  std::uint32_t data_out_bytes = 0;
  // Called before runs that a signal interrupted start again; for what the program counts. Only with repeat > 1.
  std::function<void()> on_restart = {};
};

struct TestRunResult {
  std::uint32_t return_value = 0;
  std::chrono::nanoseconds duration{};  // of one run, the mean
  std::vector<std::byte> data_out;
  std::vector<std::byte> context_out;
};

}  // namespace strata
