// The types of a target that may stand for a type of the object: those of its kind that have its name, flavours aside.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core_types.h"
#include "strata/base/result.h"
#include "strata/btf/core.h"

namespace strata::btf::core {

struct Candidate {
  const Side* side;
  TypeId type;
};

// Each target is read once per kind of type, for all names that the object has of that kind.
class CandidateFinder {
 public:
  CandidateFinder(std::shared_ptr<const Btf> local, CoreTargets targets, WorkLimit& limit)
      : local_(std::move(local)), targets_(std::move(targets)), limit_(limit) {}

  // For relocations of the local type `id`; in the order of ids. Errors: those of the sources, kMalformed for a type
  // without a name. What the caller takes out of the list stays out.
  Result<std::vector<Candidate>*> Find(TypeId id);

 private:
  // One target, and what was found in it by kind and name.
  struct Target {
    std::shared_ptr<const Btf> btf;
    Side side;
    std::map<Kind, std::unordered_map<std::string_view, std::vector<TypeId>>> by_kind;
  };
  using Group = std::vector<std::unique_ptr<Target>>;

  Result<Group*> Open(const CoreTargets::Source& source, std::unique_ptr<Group>& group);
  Result<void> Search(const CoreTargets::Source& source, std::unique_ptr<Group>& group, Kind kind,
                      std::string_view essential, std::vector<Candidate>& found);
  std::unordered_map<std::string_view, std::vector<TypeId>> Index(const Btf& target, Kind kind) const;

  std::shared_ptr<const Btf> local_;
  CoreTargets targets_;
  WorkLimit& limit_;
  std::unique_ptr<Group> first_;
  std::unique_ptr<Group> others_;
  std::unordered_map<std::uint32_t, std::vector<Candidate>> found_;  // by local type
};

}  // namespace strata::btf::core
