// What a skeleton has members for, as C++ will call them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/base/result.h"
#include "strata/spec/skeleton.h"

namespace strata {

struct SkeletonMap {
  std::string key;   // in the spec, as in a string literal
  std::string name;  // of the member
  std::string type;  // a typed view; empty for a plain Map
  std::string comment;
};

struct SkeletonProgram {
  std::string key;
  std::string name;
  std::string comment;
};

struct SkeletonVariableMember {
  std::string key;
  std::string name;
  std::string type;
  std::string comment;
  std::uint32_t offset_bytes = 0;
  std::size_t size_bytes = 0;
  bool is_constant = false;
};

// The variables of one data section.
struct SkeletonSection {
  std::string key;       // ".data.counters", for comments
  std::string type;      // "DataCounters"
  std::string accessor;  // "data_counters"
  std::vector<SkeletonVariableMember> variables;
};

struct SkeletonMembers {
  std::string types;  // definitions
  std::vector<SkeletonMap> maps;
  std::vector<SkeletonProgram> programs;
  std::vector<SkeletonSection> sections;
};

// `types_scope` is the namespace of the definitions.
Result<SkeletonMembers> FindSkeletonMembers(const CollectionSpec& spec, const SkeletonOptions& options,
                                            const std::string& types_scope);

}  // namespace strata
