#include "strata/link/executable.h"

#include <fmt/format.h>

#include <charconv>

#include "library_search.h"
#include "strata/elf/image.h"

namespace strata {

struct Executable::State {
  elf::Image image;
};

namespace {

bool LooksLikeLibrary(std::string_view name) { return name.find(".so") != std::string_view::npos; }

Result<std::string> ResolvePath(std::string_view name, const ExecutableOptions& options) {
  if (name.empty()) return Error(ErrorCode::kInvalidArgument, "the executable's name is empty");
  if (name.find('/') != std::string_view::npos) {
    return options.pid > 0 && name.front() == '/' ? PathInProcess(options.pid, std::string(name)) : std::string(name);
  }
  if (options.pid > 0) {
    auto mapped = FindMappedFile(options.pid, name);
    if (mapped || !LooksLikeLibrary(name)) return mapped;
  }
  return LooksLikeLibrary(name) ? FindLibrary(name) : FindProgramFile(name, options.search_folders);
}

struct SymbolPlace {
  std::string_view symbol;
  std::uint64_t offset = 0;
};

// "malloc+0x10" or "malloc+16"; "0x1234" alone is an offset in the file.
Result<SymbolPlace> ParseSymbol(std::string_view text) {
  const std::size_t plus = text.rfind('+');
  std::string_view number = plus == std::string_view::npos ? std::string_view() : text.substr(plus + 1);
  SymbolPlace place{text.substr(0, plus), 0};
  if (plus == std::string_view::npos && text.starts_with("0x")) {
    place.symbol = {};
    number = text;
  }
  if (number.empty() && plus == std::string_view::npos) return place;
  const int base = number.starts_with("0x") ? 16 : 10;
  if (base == 16) number.remove_prefix(2);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), place.offset, base);
  if (error != std::errc() || end != number.data() + number.size() || number.empty()) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{}: expected SYMBOL, SYMBOL+OFFSET or 0xOFFSET", text));
  }
  return place;
}

}  // namespace

Executable::Executable(std::unique_ptr<State> state) : state_(std::move(state)) {}
Executable::Executable(Executable&&) noexcept = default;
Executable& Executable::operator=(Executable&&) noexcept = default;
Executable::~Executable() = default;

const elf::Image& Executable::image() const { return state_->image; }
const std::string& Executable::path() const { return state_->image.path(); }

Result<Executable> OpenExecutable(std::string_view name, const ExecutableOptions& options) {
  auto image = STRATA_TRY(elf::Image::Open(STRATA_TRY(ResolvePath(name, options))));
  return Executable(std::make_unique<Executable::State>(Executable::State{std::move(image)}));
}

Result<AttachTarget> Executable::UprobeTarget(std::string_view kind, std::string_view symbol,
                                              const UprobeOptions& options) const {
  const SymbolPlace place = STRATA_TRY(ParseSymbol(symbol));
  std::uint64_t file_offset = place.offset + options.offset;
  if (!place.symbol.empty()) {
    const auto found = STRATA_TRY(state_->image.FindSymbol(place.symbol));
    file_offset += found.file_offset;
  }
  AttachTarget target;
  target.kind = kind;
  target.path = path();
  target.pid = options.pid;
  target.cookie = options.cookie;
  target.config = EncodeConfig(UprobeConfig{.file_offset = file_offset, .ref_ctr_file_offset = 0});
  return target;
}

Result<Uprobe> Executable::AttachUprobe(std::string_view symbol, const Program& program,
                                        const UprobeOptions& options) const {
  const auto target = STRATA_TRY(UprobeTarget("uprobe", symbol, options));
  auto link = AttachToTarget(program, target, {.agent = options.agent});
  if (!link) return std::move(link).error().WithContext(fmt::format("uprobe {}:{}", path(), symbol));
  return Uprobe(*std::move(link));
}

Result<Uretprobe> Executable::AttachUretprobe(std::string_view symbol, const Program& program,
                                              const UprobeOptions& options) const {
  const auto target = STRATA_TRY(UprobeTarget("uretprobe", symbol, options));
  auto link = AttachToTarget(program, target, {.agent = options.agent});
  if (!link) return std::move(link).error().WithContext(fmt::format("uretprobe {}:{}", path(), symbol));
  return Uretprobe(*std::move(link));
}

}  // namespace strata
