#include "fd_info.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>

namespace strata::kernel {

std::string ReadFdInfo(int fd) {
  std::ifstream file(fmt::format("/proc/self/fdinfo/{}", fd));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<std::uint64_t> FdInfoNumber(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.starts_with(name) || line.substr(name.size(), 1) != ":") continue;
    line.remove_prefix(name.size() + 1);
    while (line.starts_with('\t') || line.starts_with(' ')) line.remove_prefix(1);
    int base = 10;
    if (line.starts_with("0x")) {
      base = 16;
      line.remove_prefix(2);
    } else if (line.size() > 1 && line.front() == '0') {
      base = 8;
    }
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number, base);
    if (error != std::errc{} || end != line.data() + line.size()) return std::nullopt;
    return number;
  }
  return std::nullopt;
}

std::optional<MapInfoRecord> MapRecordOfFdInfo(std::string_view text) {
  struct Field {
    const char* name;
    std::uint32_t MapInfoRecord::*member;
  };
  constexpr std::array kFields = {
      Field{"map_type", &MapInfoRecord::type},         Field{"key_size", &MapInfoRecord::key_size},
      Field{"value_size", &MapInfoRecord::value_size}, Field{"max_entries", &MapInfoRecord::max_entries},
      Field{"map_flags", &MapInfoRecord::map_flags},   Field{"map_id", &MapInfoRecord::id},
  };
  if (!FdInfoNumber(text, "map_type")) return std::nullopt;
  MapInfoRecord record;
  for (const Field& field : kFields) {
    record.*field.member = static_cast<std::uint32_t>(FdInfoNumber(text, field.name).value_or(0));
  }
  record.map_extra = FdInfoNumber(text, "map_extra").value_or(0);
  return record;
}

std::string OtherObjectKind(int fd, std::string_view kind) {
  constexpr std::string_view kPrefix = "anon_inode:";
  std::array<char, 64> target{};
  const ssize_t length = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target.data(), target.size());
  std::string_view text(target.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  if (!text.starts_with(kPrefix)) return {};
  text.remove_prefix(kPrefix.size());
  if (!text.starts_with("bpf")) return std::string(text);
  text.remove_prefix(3);
  if (text.starts_with('-') || text.starts_with('_')) text.remove_prefix(1);  // "bpf-map", "bpf_link"
  return text == kind ? std::string() : std::string(text);
}

}  // namespace strata::kernel
