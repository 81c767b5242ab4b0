// What a collection of userspace objects that nobody uses found. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace strata {

struct SessionObject {
  std::string kind;  // "map", "program", "link", "btf", "stats"
  std::uint32_t id = 0;
  std::string name;  // a link's is its kind; empty where there is none
  std::uint64_t memory_bytes = 0;
  bool is_garbage = false;  // removed, or in a dry run to be removed
  std::string reason;       // why it goes or stays
};

struct SessionReport {
  std::string session;
  std::vector<SessionObject> objects;
  bool is_removed = false;  // the session itself, with its log and records
  std::string kept;         // why the session stays
  std::string untouched;    // why nothing of it was looked at: another layout version, another user, no session
};

}  // namespace strata
