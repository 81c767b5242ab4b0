// From a file and an offset in it to what PlanUprobe needs.
#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "far_branches.h"
#include "strata/attach/plan/uprobe_plan.h"
#include "strata/elf/image.h"

namespace strata::attach {
namespace {

constexpr std::uint16_t kMachineX86_64 = 62;           // EM_X86_64
constexpr std::uint64_t kUnknownFunctionBytes = 64;    // read at a site without a symbol: more than any window
constexpr std::uint64_t kMaxFunctionBytes = 16 << 20;  // symbols of hand-written tables may claim anything
constexpr std::uint64_t kMaxPadding = 32;

// The function that holds a file offset, and where the next symbol starts.
struct Function {
  elf::ImageSymbol symbol;
  std::uint64_t next = 0;            // file offset; the segment's end if there is none
  std::vector<std::size_t> entries;  // of other symbols inside, as offsets from the function's start
};

const elf::ImageSegment* SegmentOf(const elf::Image& image, std::uint64_t file_offset) {
  for (const elf::ImageSegment& segment : image.segments()) {
    if (segment.is_executable && file_offset >= segment.file_offset &&
        file_offset - segment.file_offset < segment.file_size_bytes) {
      return &segment;
    }
  }
  return nullptr;
}

bool Holds(const elf::ImageSymbol& symbol, std::uint64_t file_offset) {
  const bool is_code = symbol.kind == elf::SymbolKind::kFunction || symbol.kind == elf::SymbolKind::kIndirectFunction;
  return is_code && file_offset >= symbol.file_offset && file_offset - symbol.file_offset < symbol.size_bytes;
}

// The smallest one, since aliases and hand-written entry points may lie in a larger symbol.
std::optional<Function> FindFunction(const std::vector<elf::ImageSymbol>& symbols, std::uint64_t file_offset,
                                     std::uint64_t segment_end) {
  std::optional<Function> found;
  for (const elf::ImageSymbol& symbol : symbols) {
    if (!Holds(symbol, file_offset)) continue;
    if (!found || symbol.size_bytes < found->symbol.size_bytes) found = Function{symbol, segment_end, {}};
  }
  if (!found) return std::nullopt;
  const std::uint64_t begin = found->symbol.file_offset;
  for (const elf::ImageSymbol& symbol : symbols) {
    if (symbol.file_offset <= begin) continue;
    const std::uint64_t offset = symbol.file_offset - begin;
    if (offset < found->symbol.size_bytes) found->entries.push_back(offset);
    if (offset >= found->symbol.size_bytes) found->next = std::min(found->next, symbol.file_offset);
  }
  return found;
}

Result<UprobePlan> PlanInFunction(const elf::Image& image, const Function& function, std::uint64_t file_offset,
                                  ProbeKind probe) {
  const std::uint64_t begin = function.symbol.file_offset;
  const std::uint64_t size = std::min(function.symbol.size_bytes, kMaxFunctionBytes);
  const std::uint64_t end = std::max(begin + size, std::min(function.next, begin + size + kMaxPadding));
  const std::vector<std::byte> bytes = STRATA_TRY(image.ReadBytes(begin, end - begin));
  return PlanUprobe({.bytes = bytes,
                     .site = file_offset - begin,
                     .function_size = size,
                     .file_offset = file_offset,
                     .entries = function.entries},
                    probe);
}

Result<UprobePlan> PlanWithoutSymbol(const elf::Image& image, const elf::ImageSegment& segment,
                                     std::uint64_t file_offset, ProbeKind probe) {
  const std::vector<std::byte> text = STRATA_TRY(image.ReadBytes(segment.file_offset, segment.file_size_bytes));
  const std::size_t site = file_offset - segment.file_offset;
  const std::size_t known = std::min<std::size_t>(kUnknownFunctionBytes, text.size() - site);
  UprobePlan plan =
      STRATA_TRY(PlanUprobe({.bytes = std::span(text).subspan(site, known), .file_offset = file_offset}, probe));
  if (plan.boundary_count < 2) return plan;
  if (const std::optional<std::size_t> branch = FindBranchInto(text, site + 1, site + plan.window_size)) {
    return Error(ErrorCode::kNotSupported, "no room for a jump: the branch at file offset " +
                                               std::to_string(segment.file_offset + *branch) + " lands inside");
  }
  return plan;
}

}  // namespace

struct UprobePlanner::State {
  elf::Image image;
  std::vector<elf::ImageSymbol> symbols;
};

UprobePlanner::UprobePlanner(std::unique_ptr<State> state) : state_(std::move(state)) {}
UprobePlanner::UprobePlanner(UprobePlanner&&) noexcept = default;
UprobePlanner& UprobePlanner::operator=(UprobePlanner&&) noexcept = default;
UprobePlanner::~UprobePlanner() = default;

Result<UprobePlanner> UprobePlanner::Open(const std::string& path) {
  elf::Image image = STRATA_TRY(elf::Image::Open(path));
  if (image.machine() != kMachineX86_64 || !image.is_64_bit()) {
    return Error(ErrorCode::kNotSupported, path + ": only programs for x86-64 can be hooked in userspace");
  }
  std::vector<elf::ImageSymbol> symbols = STRATA_TRY(image.Symbols());
  return UprobePlanner(std::make_unique<State>(State{std::move(image), std::move(symbols)}));
}

Result<UprobePlan> UprobePlanner::Plan(std::uint64_t file_offset, ProbeKind probe) const {
  const elf::Image& image = state_->image;
  const elf::ImageSegment* segment = SegmentOf(image, file_offset);
  if (segment == nullptr) {
    return Error(ErrorCode::kInvalidArgument,
                 image.path() + ": file offset " + std::to_string(file_offset) + " is in no executable segment");
  }
  const std::optional<Function> function =
      FindFunction(state_->symbols, file_offset, segment->file_offset + segment->file_size_bytes);
  if (!function) return PlanWithoutSymbol(image, *segment, file_offset, probe).Context(image.path());
  return PlanInFunction(image, *function, file_offset, probe).Context(function->symbol.name).Context(image.path());
}

}  // namespace strata::attach
