#include "kconfig.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace strata {
namespace {

using Lines = std::map<std::string_view, std::string_view>;

Error Invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

// The first of two lines for one name counts, as in the kernel's own file.
Result<Lines> ParseLines(std::string_view text) {
  Lines lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.starts_with("CONFIG_")) continue;  // comments, "# CONFIG_X is not set"
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals + 1 == line.size()) {
      return Invalid(fmt::format("kconfig: line {}: \"{}\" gives no value", number, line));
    }
    lines.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return lines;
}

std::string_view TypeText(KconfigType type) {
  static constexpr std::string_view kTexts[] = {"a bool", "a tristate", "a char", "an integer", "a string"};
  return kTexts[static_cast<std::size_t>(type)];
}

bool Fits(std::uint64_t value, std::uint32_t size_bytes, bool is_signed) {
  if (size_bytes >= 8) return true;
  const unsigned bits = size_bytes * 8;
  if (!is_signed) return value >> bits == 0;
  return value + (std::uint64_t{1} << (bits - 1)) < std::uint64_t{1} << bits;
}

// One value, written in its type's form to its place.
class Writer {
 public:
  Writer(const ExternSpec& spec, std::span<std::byte> place) : spec_(spec), place_(place) {}

  Result<void> Text(std::string_view text) {
    if (text == "y" || text == "m" || text == "n") return Answer(text[0]);
    if (text.starts_with('"')) return String(text);
    return Number(text);
  }

  Result<void> Number(std::uint64_t value) {
    const bool is_number = spec_.kconfig_type == KconfigType::kInteger || spec_.kconfig_type == KconfigType::kChar;
    const bool is_truth = spec_.kconfig_type == KconfigType::kBool && value <= 1;
    if (!is_number && !is_truth) return WrongType(fmt::format("{}", value));
    if (!Fits(value, static_cast<std::uint32_t>(place_.size()), spec_.is_signed)) {
      return Invalid(fmt::format("{} does not fit into {} {} bytes", value, spec_.is_signed ? "signed" : "unsigned",
                                 place_.size()));
    }
    Store(value);
    return {};
  }

 private:
  Result<void> Answer(char answer) {
    switch (spec_.kconfig_type) {
      case KconfigType::kBool:
        if (answer == 'm') return WrongType("m");
        Store(answer == 'y');
        return {};
      case KconfigType::kTristate:
        Store(answer == 'y' ? 1 : answer == 'm' ? 2 : 0);
        return {};
      case KconfigType::kChar:
        Store(static_cast<std::uint64_t>(answer));
        return {};
      case KconfigType::kInteger:
      case KconfigType::kString:
        return WrongType(std::string_view(&answer, 1));
    }
    return WrongType(std::string_view(&answer, 1));
  }

  // Without its quotes; what does not fit is cut off.
  Result<void> String(std::string_view text) {
    if (spec_.kconfig_type != KconfigType::kString) return WrongType(text);
    if (text.size() < 2 || text.back() != '"') return Invalid(fmt::format("{} has no closing quote", text));
    text = text.substr(1, text.size() - 2);
    std::fill(place_.begin(), place_.end(), std::byte{0});
    std::memcpy(place_.data(), text.data(), std::min(text.size(), place_.size() - 1));
    return {};
  }

  Result<void> Number(std::string_view text) {
    const std::string digits(text);
    char* end = nullptr;
    errno = 0;
    const std::uint64_t value = std::strtoull(digits.c_str(), &end, 0);
    if (errno != 0 || end == digits.c_str() || *end != '\0') return Invalid(fmt::format("{} is no number", text));
    return Number(value);
  }

  void Store(std::uint64_t value) {
    std::fill(place_.begin(), place_.end(), std::byte{0});
    std::memcpy(place_.data(), &value, std::min(place_.size(), sizeof(value)));
  }

  Error WrongType(std::string_view value) const {
    return Invalid(fmt::format("{} is no value for {}", value, TypeText(spec_.kconfig_type)));
  }

  const ExternSpec& spec_;
  std::span<std::byte> place_;
};

// What the loader answers itself, without the kernel's configuration.
struct VirtualRow {
  std::string_view name;
  Result<std::uint64_t> (*value)(const KernelFacts& kernel);
};
constexpr VirtualRow kVirtualRows[] = {
    {"LINUX_KERNEL_VERSION",
     [](const KernelFacts& kernel) -> Result<std::uint64_t> {
       return std::uint64_t { STRATA_TRY(kernel.Version()) };
     }},
    {"LINUX_HAS_BPF_COOKIE",
     [](const KernelFacts& kernel) -> Result<std::uint64_t> { return std::uint64_t{kernel.HasBpfCookie()}; }},
    {"LINUX_HAS_SYSCALL_WRAPPER",
     [](const KernelFacts& kernel) -> Result<std::uint64_t> { return std::uint64_t{kernel.HasSyscallWrapper()}; }},
};

const VirtualRow* FindVirtualRow(std::string_view name) {
  const auto* row = std::find_if(std::begin(kVirtualRows), std::end(kVirtualRows),
                                 [&](const VirtualRow& candidate) { return candidate.name == name; });
  return row == std::end(kVirtualRows) ? nullptr : row;
}

class Resolver {
 public:
  Resolver(const KernelFacts& kernel, Lines lines) : kernel_(kernel), lines_(std::move(lines)) {}

  Result<void> Resolve(const ExternSpec& spec, std::span<std::byte> place) const {
    Writer writer(spec, place);
    if (const auto line = lines_.find(spec.name); line != lines_.end()) return writer.Text(line->second);
    if (spec.value) return Copy(*spec.value, place);
    if (const VirtualRow* row = FindVirtualRow(spec.name)) return writer.Number(STRATA_TRY(row->value(kernel_)));
    if (spec.name.starts_with("CONFIG_")) return FromKernel(spec, place);
    return Missing(spec, place, "is neither CONFIG_* nor one of LINUX_KERNEL_VERSION, LINUX_HAS_*");
  }

 private:
  static Result<void> Copy(const std::vector<std::byte>& value, std::span<std::byte> place) {
    if (value.size() != place.size()) {
      return Invalid(fmt::format("given {} bytes, has {}", value.size(), place.size()));
    }
    std::copy(value.begin(), value.end(), place.begin());
    return {};
  }

  Result<void> FromKernel(const ExternSpec& spec, std::span<std::byte> place) const {
    auto value = kernel_.ConfigValue(spec.name);
    if (!value && !(spec.is_weak && value.error().code() == ErrorCode::kNotFound)) return std::move(value).error();
    if (value && *value) return Writer(spec, place).Text(**value);
    return Missing(spec, place, "is not set in the kernel's configuration");
  }

  static Result<void> Missing(const ExternSpec& spec, std::span<std::byte> place, std::string_view why) {
    if (!spec.is_weak) {
      return Error(ErrorCode::kNotFound,
                   fmt::format("{}; declare it __weak to read zero, or give its value when loading", why));
    }
    std::fill(place.begin(), place.end(), std::byte{0});
    return {};
  }

  const KernelFacts& kernel_;
  Lines lines_;
};

}  // namespace

Result<void> ResolveKconfig(const CollectionSpec& collection, const KernelFacts& kernel, std::string_view text,
                            std::vector<std::byte>& contents) {
  const Resolver resolver(kernel, STRATA_TRY(ParseLines(text)));
  for (const auto& [name, spec] : collection.externs) {
    if (spec.kind != ExternKind::kKconfig) continue;
    const std::string place = fmt::format("extern {}", name);
    if (spec.size_bytes == 0 || spec.offset_bytes > contents.size() ||
        spec.size_bytes > contents.size() - spec.offset_bytes) {
      return Error(ErrorCode::kMalformed,
                   fmt::format("{}: {} bytes at {} are outside of the {} of {}", place, spec.size_bytes,
                               spec.offset_bytes, contents.size(), kKconfigMap));
    }
    STRATA_TRY(resolver.Resolve(spec, std::span(contents).subspan(spec.offset_bytes, spec.size_bytes)).Context(place));
  }
  return {};
}

}  // namespace strata
