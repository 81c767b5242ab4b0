#include "strata/link/kprobe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>

#include "probe_place.h"
#include "section_attach.h"
#include "strata/link/auto_attach.h"

namespace strata {
namespace {

Result<Kprobe> AttachOne(const Program& program, std::string_view kind, std::string_view function,
                         const KprobeOptions& options) {
  const SymbolPlace place = STRATA_TRY(ParseSymbol(function));
  AttachTarget target;
  target.kind = kind;
  target.name = place.symbol;
  target.cookie = options.cookie;
  KprobeConfig config;
  config.max_active = options.max_active;
  // Without a symbol the number is an address ("0xffffffff81000000").
  const bool by_address = place.symbol.empty();
  config.address = by_address && options.address == 0 ? place.offset : options.address;
  config.offset = by_address ? 0 : place.offset + options.offset;
  target.config = EncodeConfig(config);
  return Kprobe(STRATA_TRY(AttachToTarget(program, target)));
}

Result<void> CheckKprobes(const KprobesOptions& options) {
  const int given = static_cast<int>(!options.functions.empty()) + static_cast<int>(!options.addresses.empty()) +
                    static_cast<int>(!options.pattern.empty());
  if (given != 1) {
    return Error(ErrorCode::kInvalidArgument, "kprobes: give either functions, addresses or a pattern", EINVAL);
  }
  const std::size_t count = options.functions.size() + options.addresses.size();
  if (!options.cookies.empty() && options.cookies.size() != count) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("kprobes: {} cookies for {} places", options.cookies.size(), count), EINVAL);
  }
  return {};
}

}  // namespace

Result<Kprobe> AttachKprobe(const Program& program, std::string_view function, const KprobeOptions& options) {
  return AttachOne(program, "kprobe", function, options);
}
Result<Kprobe> AttachKretprobe(const Program& program, std::string_view function, const KprobeOptions& options) {
  return AttachOne(program, "kretprobe", function, options);
}
Result<Kprobe> AttachKsyscall(const Program& program, std::string_view syscall, const KprobeOptions& options) {
  return AttachOne(program, "ksyscall", syscall, options);
}
Result<Kprobe> AttachKretsyscall(const Program& program, std::string_view syscall, const KprobeOptions& options) {
  return AttachOne(program, "kretsyscall", syscall, options);
}

Result<KprobeMulti> AttachKprobes(const Program& program, const KprobesOptions& options) {
  STRATA_TRY(CheckKprobes(options));
  AttachTarget target;
  target.kind = ManyProbesKind(program, "kprobe", options.moment);
  target.name = options.pattern.empty() ? fmt::format("{}", fmt::join(options.functions, ",")) : options.pattern;
  std::vector<KprobePlace> places;
  for (const std::uint64_t address : options.addresses) places.push_back({.address = address});
  places.resize(std::max(places.size(), options.cookies.size()));
  for (std::size_t i = 0; i < options.cookies.size(); ++i) places[i].cookie = options.cookies[i];
  target.config = EncodeConfigs(places);
  return KprobeMulti(STRATA_TRY(AttachToTarget(program, target)));
}

// SEC("kprobe/do_nanosleep+0x4"), SEC("kretprobe/do_nanosleep").
Result<Link> AttachKprobeSection(const Program& program, const AutoAttachOptions&) {
  const std::string_view function = STRATA_TRY(SectionDetails(program, "FUNCTION"));
  return Link(STRATA_TRY(AttachOne(program, program.spec().attach_kind, function, {})));
}

Result<Link> AttachKsyscallSection(const Program& program, const AutoAttachOptions&) {
  const std::string_view syscall = STRATA_TRY(SectionDetails(program, "SYSCALL"));
  return Link(STRATA_TRY(AttachOne(program, program.spec().attach_kind, syscall, {})));
}

// SEC("kprobe.multi/tcp_*").
Result<Link> AttachKprobesSection(const Program& program, const AutoAttachOptions&) {
  KprobesOptions options;
  options.pattern = STRATA_TRY(SectionDetails(program, "PATTERN"));
  return Link(STRATA_TRY(AttachKprobes(program, options)));
}

}  // namespace strata
