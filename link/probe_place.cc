#include "probe_place.h"

#include <fmt/format.h>

#include <charconv>

namespace strata {

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

std::string ManyProbesKind(const Program& program, std::string_view prefix, ProbeMoment moment) {
  std::string entry = fmt::format("{}_multi", prefix);
  std::string at_return = fmt::format("{}ret{}_multi", prefix.substr(0, 1), prefix.substr(1));
  std::string session = fmt::format("{}_session", prefix);
  switch (moment) {
    case ProbeMoment::kAsSectionSays:
      break;
    case ProbeMoment::kEntry:
      return entry;
    case ProbeMoment::kReturn:
      return at_return;
    case ProbeMoment::kSession:
      return session;
  }
  const std::string& said = program.spec().attach_kind;
  return said == at_return || said == session ? said : entry;
}

}  // namespace strata
