// An executable or shared library whose functions programs attach to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/result.h"
#include "strata/link/probe_moment.h"
#include "strata/link/uprobe.h"
#include "strata/link/usdt.h"
#include "strata/object/program.h"
#include "strata/spec/attach_target.h"

namespace strata {

namespace elf {
class Image;
}

struct ExecutableOptions {
  // Resolve the name as this process sees it: a library it has mapped, a path in its mount namespace. 0: as the caller
  // sees it.
  std::int32_t pid = 0;
  // Folders in which a bare name that is no library ("bash") is looked for.
  std::vector<std::string> search_folders = {"/usr/local/bin",  "/usr/bin",  "/bin",
                                             "/usr/local/sbin", "/usr/sbin", "/sbin"};
};

struct UprobeOptions {
  std::int32_t pid = kAllProcesses;  // one process only
  std::uint64_t offset = 0;          // bytes past the symbol
  std::uint64_t cookie = 0;          // what bpf_get_attach_cookie returns
  AgentPolicy agent = AgentPolicy::kRequire;
  // In bytes into the file: a 16-bit counter that the kernel raises while the probe is there (USDT semaphore). 0: none.
  std::uint64_t ref_ctr_file_offset = 0;
};

struct UprobesOptions {
  // The places: symbols, which may end in "+0x10", and offsets in bytes into the file; or a pattern of glob(7) that
  // names of functions match, each function once.
  std::vector<std::string> symbols = {};
  std::vector<std::uint64_t> file_offsets = {};
  std::string pattern = {};
  // None, or one for each symbol, then one for each offset. Not with a pattern.
  std::vector<std::uint64_t> cookies = {};
  std::vector<std::uint64_t> ref_ctr_file_offsets = {};
  std::int32_t pid = kAllProcesses;  // one process only
  ProbeMoment moment = ProbeMoment::kAsSectionSays;
  AgentPolicy agent = AgentPolicy::kRequire;
};

// Move-only; may be used from any thread.
class STRATA_EXPORT Executable {
 public:
  Executable(Executable&&) noexcept;
  Executable& operator=(Executable&&) noexcept;
  ~Executable();

  const std::string& path() const;

  // `symbol` may end in "+0x10"; kNotFound names a symbol that resembles it. The program must be of type kKprobe.
  Result<Uprobe> AttachUprobe(std::string_view symbol, const Program& program, const UprobeOptions& options = {}) const;
  Result<Uretprobe> AttachUretprobe(std::string_view symbol, const Program& program,
                                    const UprobeOptions& options = {}) const;

  // Every place of the file's USDT probe `provider`:`name`. The program must be of type kKprobe; it fetches the probe's
  // arguments by <bpf/usdt.bpf.h>, and gets `options.cookie` as its attach cookie if its object does not include that.
  // Errors: kNotFound lists the probes that exist; kNotSupported for an argument that cannot be fetched; kMapFull when
  // the object's map of specifications has no room.
  Result<Usdt> AttachUsdt(std::string_view provider, std::string_view name, const Program& program,
                          const UsdtOptions& options = {}) const;

  // Many places by one link, for programs of section uprobe.multi, uretprobe.multi (one by one before Linux 6.6) and
  // uprobe.session (Linux 6.13).
  Result<UprobeMulti> AttachUprobes(const Program& program, const UprobesOptions& options) const;

  // The targets that the functions above attach to.
  Result<AttachTarget> UprobesTarget(std::string_view kind, const UprobesOptions& options) const;
  Result<AttachTarget> UprobeTarget(std::string_view kind, std::string_view symbol, const UprobeOptions& options) const;

 private:
  friend Result<Executable> OpenExecutable(std::string_view, const ExecutableOptions&);
  struct State;
  explicit Executable(std::unique_ptr<State> state);
  const elf::Image& image() const;
  Result<std::uint64_t> FileOffsetOf(std::string_view symbol) const;
  Result<std::vector<UprobePlace>> PlacesMatching(const std::string& pattern) const;
  Result<std::vector<UprobePlace>> NamedPlaces(const UprobesOptions& options) const;
  std::unique_ptr<State> state_;
};

// A path, a library's name ("libc.so.6": looked up as the dynamic linker would), or a program's name ("bash").
// kNotFound says where was looked.
STRATA_EXPORT Result<Executable> OpenExecutable(std::string_view name, const ExecutableOptions& options = {});

}  // namespace strata
