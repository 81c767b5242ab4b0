#include "core_candidates.h"

#include <fmt/format.h>

namespace strata::btf::core {
namespace {

// Kinds that stand for one another are looked for together.
Kind ClassOf(Kind kind) { return kind == Kind::kEnum64 ? Kind::kEnum : kind; }

}  // namespace

Result<std::vector<Candidate>*> CandidateFinder::Find(TypeId id) {
  const auto known = found_.find(id.value);
  if (known != found_.end()) return &known->second;
  const std::string_view name = local_->NameOf(id);
  if (name.empty()) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("type {} ({}) has no name to look for", id.value, KindName(local_->KindOf(id))));
  }
  const Kind kind = ClassOf(local_->KindOf(id));
  std::vector<Candidate> candidates;
  STRATA_TRY(Search(targets_.first, first_, kind, EssentialName(name), candidates));
  if (candidates.empty() && targets_.others) {
    STRATA_TRY(Search(targets_.others, others_, kind, EssentialName(name), candidates));
  }
  return &found_.emplace(id.value, std::move(candidates)).first->second;
}

Result<CandidateFinder::Group*> CandidateFinder::Open(const CoreTargets::Source& source,
                                                      std::unique_ptr<Group>& group) {
  if (group != nullptr) return group.get();
  const auto types = STRATA_TRY(source());
  group = std::make_unique<Group>();
  for (const auto& btf : types) {
    group->push_back(std::make_unique<Target>(Target{btf, Side::Target(*btf, limit_), {}}));
  }
  return group.get();
}

Result<void> CandidateFinder::Search(const CoreTargets::Source& source, std::unique_ptr<Group>& group, Kind kind,
                                     std::string_view essential, std::vector<Candidate>& found) {
  for (const auto& target : *STRATA_TRY(Open(source, group))) {
    auto index = target->by_kind.find(kind);
    if (index == target->by_kind.end()) index = target->by_kind.emplace(kind, Index(*target->btf, kind)).first;
    const auto named = index->second.find(essential);
    if (named == index->second.end()) continue;
    for (const TypeId id : named->second) found.push_back({&target->side, id});
  }
  return {};
}

std::unordered_map<std::string_view, std::vector<TypeId>> CandidateFinder::Index(const Btf& target, Kind kind) const {
  std::unordered_map<std::string_view, std::vector<TypeId>> index;
  for (std::uint32_t id = 1; id < local_->type_count(); ++id) {
    if (ClassOf(local_->KindOf(TypeId{id})) != kind) continue;
    if (const std::string_view name = local_->NameOf(TypeId{id}); !name.empty()) index.try_emplace(EssentialName(name));
  }
  for (std::uint32_t id = 1; id < target.type_count(); ++id) {
    if (ClassOf(target.KindOf(TypeId{id})) != kind) continue;
    const auto wanted = index.find(EssentialName(target.NameOf(TypeId{id})));
    if (wanted != index.end()) wanted->second.push_back(TypeId{id});
  }
  return index;
}

}  // namespace strata::btf::core
