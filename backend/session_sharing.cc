#include "strata/backend/session_sharing.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <charconv>
#include <string>

namespace strata {
namespace {

Error Malformed(std::string_view text) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("sharing \"{}\": expected user:NAME or group:NAME, and ,maps=ro or ,maps=rw", text));
}

Result<std::uint32_t> IdOf(SessionSharing::With with, const std::string& name) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error == std::errc{} && end == name.data() + name.size()) return id;
  if (with == SessionSharing::With::kUser) {
    if (const passwd* user = ::getpwnam(name.c_str())) return user->pw_uid;
    return Error(ErrorCode::kNotFound, fmt::format("sharing: there is no user {}", name));
  }
  if (const group* found = ::getgrnam(name.c_str())) return found->gr_gid;
  return Error(ErrorCode::kNotFound, fmt::format("sharing: there is no group {}", name));
}

}  // namespace

Result<SessionSharing> ParseSessionSharing(std::string_view text) {
  SessionSharing sharing;
  if (text.empty()) return sharing;
  const std::size_t comma = text.find(',');
  const std::string_view whom = text.substr(0, comma);
  if (comma != std::string_view::npos) {
    const std::string_view maps = text.substr(comma + 1);
    if (maps != "maps=ro" && maps != "maps=rw") return Malformed(text);
    sharing.maps_are_read_only = maps == "maps=ro";
  }
  const std::size_t colon = whom.find(':');
  if (colon == std::string_view::npos || colon + 1 == whom.size()) return Malformed(text);
  const std::string_view kind = whom.substr(0, colon);
  if (kind != "user" && kind != "group") return Malformed(text);
  sharing.with = kind == "user" ? SessionSharing::With::kUser : SessionSharing::With::kGroup;
  sharing.id = STRATA_TRY(IdOf(sharing.with, std::string(whom.substr(colon + 1))));
  return sharing;
}

}  // namespace strata
