#include "link_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "strata/spec/type_names.h"

namespace strata::tools {

std::string LinkPlace(const LinkInfo& link) {
  std::string text;
  if (link.attach_type != AttachType::kNone) text += ", " + AttachTypeName(link.attach_type);
  if (!link.path.empty()) text += fmt::format(", {}+{:#x}", link.path, link.offset);
  if (!link.name.empty()) text += ", " + link.name;
  if (link.ifindex != 0) text += fmt::format(", interface {}", link.ifindex);
  if (link.target_id != 0) text += fmt::format(", target {}", link.target_id);
  if (link.target_type_id != 0) text += fmt::format(", type {}", link.target_type_id);
  if (link.place_count != 0) text += fmt::format(", {} places", link.place_count);
  if (link.cookie != 0) text += fmt::format(", cookie {:#x}", link.cookie);
  if (link.pid != kAllProcesses) text += fmt::format(", process {}", link.pid);
  return text;
}

nlohmann::ordered_json LinkJson(const LinkInfo& link) {
  nlohmann::ordered_json json = {{"type", "link"},    {"id", link.id},     {"program_id", link.program_id},
                                 {"kind", link.kind}, {"path", link.path}, {"pid", link.pid}};
  if (link.attach_type != AttachType::kNone) json["attach_type"] = AttachTypeName(link.attach_type);
  if (!link.name.empty()) json["name"] = link.name;
  if (!link.path.empty()) json["offset"] = link.offset;
  if (link.ifindex != 0) json["ifindex"] = link.ifindex;
  if (link.target_id != 0) json["target_id"] = link.target_id;
  if (link.target_type_id != 0) json["target_type_id"] = link.target_type_id;
  if (link.place_count != 0) json["places"] = link.place_count;
  if (link.cookie != 0) json["cookie"] = link.cookie;
  return json;
}

}  // namespace strata::tools
