// What the running kernel says about itself, for the objects that ask: both backends run on one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata {

// Where the facts are read. Tests give files of their own.
struct KernelFactsSources {
  std::string types = "/sys/kernel/btf/vmlinux";
  std::string module_types = "/sys/kernel/btf";  // a folder with a file for each module
  std::vector<std::string> configs = {};         // gzipped or plain; empty: /boot/config-<release>, /proc/config.gz
  std::string symbols = "/proc/kallsyms";
  std::string signature = "/proc/version_signature";  // Ubuntu's
  std::string release = {};                           // "6.1.0-28-amd64"; empty: what uname says
  std::string build = {};                             // "#1 SMP Debian 6.1.119-1 (2024-11-22)"; empty: what uname says
};

// Each fact is read when it is first asked for, and kept. Const members may be called from any thread.
class STRATA_EXPORT KernelFacts {
 public:
  explicit KernelFacts(KernelFactsSources sources = {});
  ~KernelFacts();
  KernelFacts(const KernelFacts&) = delete;
  KernelFacts& operator=(const KernelFacts&) = delete;

  // The kernel's BTF. kNotFound: CONFIG_DEBUG_INFO_BTF is off (Linux 5.4).
  Result<std::shared_ptr<const btf::Btf>> Types() const;

  // Those of all loaded modules, on top of the kernel's (Linux 5.11); by name. Empty where there are none.
  Result<std::vector<std::shared_ptr<const btf::Btf>>> ModuleTypes() const;

  // What stands behind "CONFIG_X=": y, m, 250, "text" with its quotes; nothing for what is not set. kNotFound names the
  // files that were tried.
  Result<std::optional<std::string>> ConfigValue(std::string_view name) const;

  // KERNEL_VERSION(6, 1, 99), the true one on distributions that report another to uname (Debian, Ubuntu).
  Result<std::uint32_t> Version() const;

  // Of a symbol in kallsyms; nothing when there is none. kInvalidArgument when there are several, kPermissionDenied
  // when the kernel hides addresses (kptr_restrict).
  Result<std::optional<std::uint64_t>> AddressOf(std::string_view symbol) const;

  // The same for many, in one pass over the symbols; what does not exist is left out.
  using Addresses = std::map<std::string, std::uint64_t, std::less<>>;
  Result<Addresses> AddressesOf(std::span<const std::string> symbols) const;

  // Every symbol in kallsyms, in its order; `type` is nm's letter. Names are valid during the call only.
  struct Symbol {
    std::string_view name;
    char type = 0;
    std::uint64_t address = 0;  // 0 where the kernel hides it
  };
  Result<void> ForEachSymbol(const std::function<void(const Symbol& symbol)>& visit) const;

  bool HasBpfCookie() const;       // bpf_get_attach_cookie for perf events (Linux 5.15)
  bool HasSyscallWrapper() const;  // system calls are __x64_sys_* (CONFIG_ARCH_HAS_SYSCALL_WRAPPER)

 private:
  bool HasSyscallWrapperSymbol() const;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace strata
