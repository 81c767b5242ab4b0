#include "strata/backend/kernel_facts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <mutex>

#include "strata/base/unique_fd.h"

namespace strata {
namespace {

constexpr std::size_t kMaxConfigSize = std::size_t{16} << 20;  // bytes; a kernel's has about 200 KiB
constexpr std::string_view kSyscallWrapperOption = "CONFIG_ARCH_HAS_SYSCALL_WRAPPER";
constexpr std::string_view kSyscallWrapperSymbol = "__x64_sys_bpf";

struct GzClose {
  void operator()(gzFile_s* file) const { ::gzclose(file); }
};

// Of a gzipped file or a plain one; zlib tells them apart.
Result<std::string> ReadGzipped(const std::string& path) {
  const std::unique_ptr<gzFile_s, GzClose> file(::gzopen(path.c_str(), "re"));
  if (file == nullptr) return Error::FromErrno(errno, path);
  std::string text;
  std::array<char, 65536> part;
  for (;;) {
    const int count = ::gzread(file.get(), part.data(), part.size());
    if (count < 0) return Error(ErrorCode::kMalformed, path + ": is no complete gzip file");
    if (count == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(count));
    if (text.size() > kMaxConfigSize) {
      return Error(ErrorCode::kMalformed, fmt::format("{}: has more than {} bytes", path, kMaxConfigSize));
    }
  }
}

using Config = std::map<std::string, std::string, std::less<>>;

template <typename Each>
void ForEachLine(std::string_view text, Each each) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    each(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Config ParseConfig(std::string_view text) {
  Config config;
  ForEachLine(text, [&](std::string_view line) {
    const std::size_t equals = line.find('=');
    if (!line.starts_with("CONFIG_") || equals == std::string_view::npos) return;
    config.emplace(line.substr(0, equals), line.substr(equals + 1));
  });
  return config;
}

struct Uname {
  std::string release;
  std::string build;
};

Uname CompleteUname(const KernelFactsSources& sources) {
  utsname name{};
  ::uname(&name);
  return {sources.release.empty() ? name.release : sources.release,
          sources.build.empty() ? name.version : sources.build};
}

// "6.1.119" at the start of a text.
std::optional<std::uint32_t> VersionAt(std::string_view text) {
  unsigned parts[3] = {};
  if (std::sscanf(std::string(text).c_str(), "%u.%u.%u", &parts[0], &parts[1], &parts[2]) != 3) return std::nullopt;
  return (std::min(parts[0], 65535U) << 16) + (std::min(parts[1], 255U) << 8) + std::min(parts[2], 255U);
}

// "Ubuntu 5.4.0-12.15-generic 5.4.8": the last is the kernel that it was made from.
std::optional<std::uint32_t> UbuntuVersion(const std::string& signature_path) {
  const auto signature = ReadGzipped(signature_path);
  if (!signature) return std::nullopt;
  std::string_view text = *signature;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const std::size_t space = text.rfind(' ');
  return space == std::string_view::npos ? std::nullopt : VersionAt(text.substr(space + 1));
}

// uname's release is 6.1.0 for every 6.1 of Debian; its build has the true number.
std::optional<std::uint32_t> DebianVersion(std::string_view build) {
  constexpr std::string_view kMark = "Debian ";
  const std::size_t at = build.find(kMark);
  return at == std::string_view::npos ? std::nullopt : VersionAt(build.substr(at + kMark.size()));
}

// What one pass over the symbols found.
struct SymbolScan {
  std::map<std::string_view, std::vector<std::uint64_t>> addresses;  // of those that are wanted, each address once
  bool shows_addresses = false;
};

using Symbol = KernelFacts::Symbol;

// "ffffffff81000000 T _stext" or, of a module, "ffffffffc0000000 t foo\t[bar]".
std::optional<Symbol> ParseSymbolLine(std::string_view line) {
  Symbol symbol;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), symbol.address, 16);
  const auto used = static_cast<std::size_t>(end - line.data());
  if (error != std::errc() || line.size() - used < 4) return std::nullopt;
  symbol.type = line[used + 1];
  symbol.name = line.substr(used + 3);
  symbol.name = symbol.name.substr(0, symbol.name.find_first_of("\t \n"));
  return symbol;
}

void AddSymbol(SymbolScan& scan, const Symbol& symbol) {
  scan.shows_addresses = scan.shows_addresses || symbol.address != 0;
  auto found = scan.addresses.find(symbol.name);
  if (found == scan.addresses.end() && (symbol.type == 'd' || symbol.type == 'D')) {
    // Clang's link-time optimisation renames static variables to foo.llvm.123.
    found = scan.addresses.find(symbol.name.substr(0, symbol.name.find(".llvm.")));
  }
  if (found == scan.addresses.end()) return;
  auto& addresses = found->second;
  if (std::find(addresses.begin(), addresses.end(), symbol.address) == addresses.end()) {
    addresses.push_back(symbol.address);
  }
}

struct FileClose {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// The file has some 10 MiB: read in pieces, never kept.
Result<void> ReadSymbols(const std::string& path, const std::function<void(const Symbol& symbol)>& visit) {
  const std::unique_ptr<std::FILE, FileClose> file(std::fopen(path.c_str(), "re"));
  if (file == nullptr) return Error::FromErrno(errno, path);
  std::array<char, 4096> line;
  while (std::fgets(line.data(), line.size(), file.get()) != nullptr) {
    if (const auto symbol = ParseSymbolLine(line.data())) visit(*symbol);
  }
  return {};
}

Result<SymbolScan> ScanSymbols(const std::string& path, std::span<const std::string> wanted) {
  SymbolScan scan;
  for (const std::string& name : wanted) scan.addresses.try_emplace(name);
  STRATA_TRY(ReadSymbols(path, [&](const Symbol& symbol) { AddSymbol(scan, symbol); }));
  return scan;
}

// The system call itself: this layer knows no library of one backend.
int LoadProbe(std::uint32_t helper) {
  const bpf_insn code[] = {{BPF_JMP | BPF_CALL, 0, 0, 0, static_cast<std::int32_t>(helper)},
                           {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof(attributes));
  attributes.prog_type = BPF_PROG_TYPE_TRACEPOINT;
  attributes.insns = reinterpret_cast<std::uintptr_t>(code);
  attributes.insn_cnt = 2;
  attributes.license = reinterpret_cast<std::uintptr_t>("GPL");
  return static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes)));
}

std::vector<std::string> ModuleTypeFiles(const KernelFactsSources& sources) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(sources.module_types, error)) {
    if (entry.path() != sources.types) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

struct KernelFacts::State {
  explicit State(KernelFactsSources given) : sources(std::move(given)), uname(CompleteUname(sources)) {}

  Result<void> ReadConfig() {
    std::vector<std::string> paths = sources.configs;
    if (paths.empty()) paths = {"/boot/config-" + uname.release, "/proc/config.gz"};
    for (const std::string& path : paths) {
      auto text = ReadGzipped(path);
      if (!text && text.error().code() == ErrorCode::kMalformed) return std::move(text).error();
      if (!text) continue;
      config = ParseConfig(*text);
      return {};
    }
    return Error(ErrorCode::kNotFound, fmt::format("the kernel's configuration is in none of {} (CONFIG_IKCONFIG_PROC)",
                                                   fmt::join(paths, ", ")));
  }

  const KernelFactsSources sources;
  const Uname uname;
  std::mutex mutex;  // guards the rest
  std::shared_ptr<const btf::Btf> types;
  std::optional<std::vector<std::shared_ptr<const btf::Btf>>> module_types;
  std::optional<Config> config;
  std::optional<bool> has_cookie;
  std::optional<bool> has_wrapper;
};

KernelFacts::KernelFacts(KernelFactsSources sources) : state_(new State(std::move(sources))) {}
KernelFacts::~KernelFacts() = default;

Result<std::shared_ptr<const btf::Btf>> KernelFacts::Types() const {
  const std::lock_guard lock(state_->mutex);
  if (state_->types == nullptr) {
    state_->types =
        STRATA_TRY(btf::Btf::Open(state_->sources.types).Context("the kernel's BTF (CONFIG_DEBUG_INFO_BTF)"));
  }
  return state_->types;
}

Result<std::vector<std::shared_ptr<const btf::Btf>>> KernelFacts::ModuleTypes() const {
  const auto kernel = STRATA_TRY(Types());
  const std::lock_guard lock(state_->mutex);
  if (!state_->module_types) {
    std::vector<std::shared_ptr<const btf::Btf>> modules;
    for (const std::string& path : ModuleTypeFiles(state_->sources)) {
      auto types = btf::Btf::Open(path, kernel);
      // A module may go at any time.
      if (!types && types.error().code() == ErrorCode::kNotFound) continue;
      modules.push_back(STRATA_TRY(std::move(types).Context("a module's BTF")));
    }
    state_->module_types = std::move(modules);
  }
  return *state_->module_types;
}

Result<std::optional<std::string>> KernelFacts::ConfigValue(std::string_view name) const {
  const std::lock_guard lock(state_->mutex);
  if (!state_->config) STRATA_TRY(state_->ReadConfig());
  const auto found = state_->config->find(name);
  return found == state_->config->end() ? std::nullopt : std::optional(found->second);
}

Result<std::uint32_t> KernelFacts::Version() const {
  if (const auto version = UbuntuVersion(state_->sources.signature)) return *version;
  if (const auto version = DebianVersion(state_->uname.build)) return *version;
  if (const auto version = VersionAt(state_->uname.release)) return *version;
  return Error(ErrorCode::kMalformed,
               fmt::format("the kernel's release, \"{}\", is no version", state_->uname.release));
}

Result<std::optional<std::uint64_t>> KernelFacts::AddressOf(std::string_view symbol) const {
  const std::string name(symbol);
  const Addresses found = STRATA_TRY(AddressesOf(std::span(&name, 1)));
  return found.empty() ? std::nullopt : std::optional(found.begin()->second);
}

Result<KernelFacts::Addresses> KernelFacts::AddressesOf(std::span<const std::string> symbols) const {
  const SymbolScan scan = STRATA_TRY(ScanSymbols(state_->sources.symbols, symbols));
  Addresses result;
  for (const auto& [name, addresses] : scan.addresses) {
    if (addresses.empty()) continue;
    if (!scan.shows_addresses) {
      return Error(ErrorCode::kPermissionDenied,
                   fmt::format("kernel symbol {}: {} hides addresses: run as root with kernel.kptr_restrict at most 1",
                               name, state_->sources.symbols));
    }
    if (addresses.size() > 1) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("kernel symbol {}: is ambiguous: {:#x} or {:#x}", name, addresses[0], addresses[1]));
    }
    result.emplace(name, addresses[0]);
  }
  return result;
}

Result<void> KernelFacts::ForEachSymbol(const std::function<void(const Symbol& symbol)>& visit) const {
  return ReadSymbols(state_->sources.symbols, visit);
}

bool KernelFacts::HasBpfCookie() const {
  const std::lock_guard lock(state_->mutex);
  if (!state_->has_cookie) {
    const UniqueFd program(LoadProbe(BPF_FUNC_get_attach_cookie));
    constexpr std::uint32_t kFirstWithCookie = (5U << 16) + (15U << 8);
    // Who may not load programs has to go by the number.
    state_->has_cookie = program ? true : errno == EPERM && Version().value_or(0U) >= kFirstWithCookie;
  }
  return *state_->has_cookie;
}

bool KernelFacts::HasSyscallWrapperSymbol() const {
  const std::string name(kSyscallWrapperSymbol);
  const auto scan = ScanSymbols(state_->sources.symbols, std::span(&name, 1));
  return scan && !scan->addresses.begin()->second.empty();
}

bool KernelFacts::HasSyscallWrapper() const {
  const std::lock_guard lock(state_->mutex);
  if (!state_->has_wrapper) {
    // The configuration is read in a moment, and the symbols are many.
    const bool has_config = state_->config.has_value() || state_->ReadConfig().has_value();
    state_->has_wrapper = has_config ? state_->config->contains(kSyscallWrapperOption) : HasSyscallWrapperSymbol();
  }
  return *state_->has_wrapper;
}

}  // namespace strata
