#include "strata/btf/core.h"

#include <fmt/format.h>

#include <array>
#include <unordered_map>
#include <utility>

#include "core_candidates.h"
#include "core_patch.h"
#include "core_spec.h"
#include "core_types.h"
#include "core_value.h"

namespace strata::btf {
namespace {

constexpr std::array<std::string_view, 13> kKindNames = {
    "field_byte_offset", "field_byte_size", "field_exists",   "field_signed", "field_lshift_u64",
    "field_rshift_u64",  "type_id_local",   "type_id_target", "type_exists",  "type_size",
    "enumval_exists",    "enumval_value",   "type_matches"};

// A hostile object may ask a million different questions; their answers are not worth the memory.
constexpr std::size_t kMaxRemembered = 1 << 16;

struct Question {
  TypeId type;
  std::uint32_t kind;
  std::string access;
  bool operator==(const Question&) const = default;
};
struct QuestionHash {
  std::size_t operator()(const Question& question) const {
    return std::hash<std::string_view>()(question.access) ^ (std::size_t{question.type.value} << 32 | question.kind);
  }
};

struct Answer {
  CoreResolution resolution;
  std::string description = {};  // of the relocation, where the instruction may have to be poisoned
};

CoreTargets KnownTargets(const std::vector<std::shared_ptr<const Btf>>& targets) {
  const auto give = [](std::vector<std::shared_ptr<const Btf>> list) -> CoreTargets::Source {
    return [list = std::move(list)]() -> Result<std::vector<std::shared_ptr<const Btf>>> { return list; };
  };
  if (targets.empty()) return {give({}), {}};
  return {give({targets.front()}), give({targets.begin() + 1, targets.end()})};
}

}  // namespace

std::string_view CoreKindName(CoreKind kind) {
  const auto index = static_cast<std::size_t>(kind);
  return index < kKindNames.size() ? kKindNames[index] : "unknown";
}

struct CoreRelocator::State {
  State(std::shared_ptr<const Btf> object, CoreTargets targets)
      : local(std::move(object)),
        side(core::Side::Local(*local, limit)),
        candidates(local, std::move(targets), limit) {}

  Result<Answer> Remember(const CoreRelocation& relocation);
  std::string Describe(const CoreRelocation& relocation) const;
  Result<CoreResolution> Resolve(const CoreRelocation& relocation);
  Result<CoreResolution> Find(CoreKind kind, const core::Spec& spec);

  std::shared_ptr<const Btf> local;
  core::WorkLimit limit;
  core::Side side;
  core::CandidateFinder candidates;
  std::unordered_map<Question, Answer, QuestionHash> answers;
};

CoreRelocator::CoreRelocator(std::shared_ptr<const Btf> local, CoreTargets targets)
    : state_(new State(std::move(local), std::move(targets))) {}
CoreRelocator::CoreRelocator(std::shared_ptr<const Btf> local, const std::vector<std::shared_ptr<const Btf>>& targets)
    : CoreRelocator(std::move(local), KnownTargets(targets)) {}
CoreRelocator::~CoreRelocator() = default;
CoreRelocator::CoreRelocator(CoreRelocator&&) noexcept = default;
CoreRelocator& CoreRelocator::operator=(CoreRelocator&&) noexcept = default;

Result<CoreResolution> CoreRelocator::State::Resolve(const CoreRelocation& relocation) {
  limit.BeginRelocation();
  const core::Spec spec = STRATA_TRY(core::ParseSpec(side, relocation));
  const auto kind = static_cast<CoreKind>(relocation.kind);
  if (kind == CoreKind::kTypeIdLocal) {
    return CoreResolution{.local = relocation.type.value, .target = relocation.type.value, .must_match = false};
  }
  return Find(kind, spec);
}

// Asks every candidate. Those that have no answer are forgotten once another has one, and those that have one must
// agree: which of them the system means cannot be told.
Result<CoreResolution> CoreRelocator::State::Find(CoreKind kind, const core::Spec& spec) {
  std::vector<core::Candidate>& list = *STRATA_TRY(candidates.Find(spec.root));
  std::vector<core::Candidate> kept;
  CoreResolution answer;
  std::uint64_t bit_offset = 0;
  std::string why = "the target has no such type";
  for (const core::Candidate& candidate : list) {
    const auto found = STRATA_TRY(core::MatchSpec(side, spec, kind, *candidate.side, candidate.type, &why));
    if (!found) continue;
    const CoreResolution resolution =
        STRATA_TRY(core::Resolve(kind, side, spec, candidate.side, &*found, local->byte_order()));
    if (kept.empty()) {
      answer = resolution;
      bit_offset = found->bit_offset;
    } else if (bit_offset != found->bit_offset || answer.target != resolution.target) {
      const Btf& types = candidate.side->btf();
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("ambiguous: type {} ({}) of the target gives {}, type {} ({}) gives {}",
                               kept.front().type.value, types.NameOf(kept.front().type), answer.target,
                               candidate.type.value, types.NameOf(candidate.type), resolution.target));
    }
    kept.push_back(candidate);
  }
  if (kept.empty()) {
    answer = STRATA_TRY(core::Resolve(kind, side, spec, nullptr, nullptr, local->byte_order()));
    if (answer.is_poisoned) answer.reason = std::move(why);
    return answer;
  }
  list = std::move(kept);
  return answer;
}

Result<Answer> CoreRelocator::State::Remember(const CoreRelocation& relocation) {
  Question question{relocation.type, relocation.kind, std::string(relocation.access)};
  const auto known = answers.find(question);
  if (known != answers.end()) return known->second;
  Answer answer { STRATA_TRY(Resolve(relocation)) };
  const CoreResolution& resolution = answer.resolution;
  if (resolution.is_poisoned || resolution.local_access_bytes != resolution.target_access_bytes) {
    answer.description = Describe(relocation);
  }
  if (answers.size() < kMaxRemembered) answers.emplace(std::move(question), answer);
  return answer;
}

Result<CoreResolution> CoreRelocator::Resolve(const CoreRelocation& relocation) {
  auto answer = state_->Remember(relocation);
  if (!answer) return std::move(answer).error().WithContext(Describe(relocation));
  return std::move(answer->resolution);
}

std::string CoreRelocator::State::Describe(const CoreRelocation& relocation) const {
  const auto kind = static_cast<CoreKind>(relocation.kind);
  std::string text = fmt::format("{} of {}", CoreKindName(kind), local->Describe(relocation.type));
  core::WorkLimit own_limit;
  own_limit.BeginRelocation();
  const auto spec = core::ParseSpec(core::Side::Local(*local, own_limit), relocation);
  if (spec) text += core::DescribePath(*spec, kind);
  if (!core::IsTypeKind(kind)) text += fmt::format(" ({})", relocation.access.view());
  return text;
}

std::string CoreRelocator::Describe(const CoreRelocation& relocation) const { return state_->Describe(relocation); }

Result<std::vector<CorePoison>> CoreRelocator::Relocate(std::span<const CoreRelocation> relocations,
                                                        std::span<isa::Instruction> code) {
  std::vector<CorePoison> poisoned;
  for (const CoreRelocation& relocation : relocations) {
    const auto place = [&] {
      return fmt::format("instruction {}: CO-RE relocation {}", relocation.index.value, Describe(relocation));
    };
    if (relocation.index.value >= code.size()) {
      return Error(ErrorCode::kMalformed, fmt::format("{}: the code has {} instructions", place(), code.size()));
    }
    const auto answer = state_->Remember(relocation);
    if (!answer) return answer.error().WithContext(place());
    const auto reason = core::Patch(code, relocation.index, answer->resolution);
    if (!reason) return reason.error().WithContext(place());
    if (*reason) poisoned.push_back({relocation.index, fmt::format("{}: {}", answer->description, **reason)});
  }
  return poisoned;
}

}  // namespace strata::btf
