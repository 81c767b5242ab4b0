#include "core_spec.h"

#include <fmt/format.h>

#include <charconv>

namespace strata::btf::core {
namespace {

constexpr std::size_t kMaxSteps = 64;  // of an access string, as in libbpf

Error Malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

Result<std::vector<std::uint32_t>> ParseAccess(std::string_view text) {
  std::vector<std::uint32_t> steps;
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (;;) {
    std::uint32_t step = 0;
    const auto [next, error] = std::from_chars(at, end, step);
    // The kernel's readers take signed numbers.
    if (error != std::errc{} || step > INT32_MAX) return Malformed("its access string is not a list of numbers");
    if (steps.size() == kMaxSteps) return Malformed(fmt::format("its access string has more than {} steps", kMaxSteps));
    steps.push_back(step);
    if (next == end) return steps;
    if (*next != ':') return Malformed("its access string is not a list of numbers");
    at = next + 1;
  }
}

Result<void> AddElements(Spec& spec, std::uint32_t element_bytes, std::uint32_t index) {
  const std::uint64_t bytes = std::uint64_t{element_bytes} * index;
  if (bytes > UINT32_MAX) return Malformed(fmt::format("element {} lies past 4 GiB", index));
  spec.bit_offset += bytes * 8;
  return {};
}

// An array without a size that ends a struct has as many elements as there is memory behind it. `container` is the
// step that led to the array.
Result<bool> IsFlexible(const Side& side, const Accessor& container, const Array& array) {
  if (container.name.empty() || array.count > 0) return false;
  const Type type = STRATA_TRY(side.btf().TypeById(container.type));
  const auto members = MembersOf(type);
  return members && container.index + 1 == members->size();
}

// Follows the numbers of an access string through the object's own types.
class SpecParser {
 public:
  SpecParser(const Side& side, Spec& spec) : side_(side), spec_(spec) {}

  Result<void> Parse(CoreKind kind) {
    type_ = STRATA_TRY(side_.Strip(spec_.root));
    if (IsEnumValueKind(kind)) return ParseEnumerator();
    spec_.accessors.push_back({type_, spec_.access[0], {}});
    STRATA_TRY(AddElements(spec_, STRATA_TRY(side_.SizeOf(type_)), spec_.access[0]));
    for (std::size_t step = 1; step < spec_.access.size(); ++step) STRATA_TRY(ParseStep(spec_.access[step]));
    return {};
  }

 private:
  Result<void> ParseEnumerator() {
    const Type type = STRATA_TRY(side_.btf().TypeById(type_));
    const auto values = ValuesOf(type);
    if (!values) return Malformed(fmt::format("it is a {}, not an enum", KindName(side_.btf().KindOf(type_))));
    if (spec_.access.size() != 1 || spec_.access[0] >= values->size()) return Malformed("there is no such enumerator");
    spec_.accessors.push_back({type_, spec_.access[0], (*values)[spec_.access[0]].name});
    return {};
  }

  Result<void> ParseStep(std::uint32_t index) {
    type_ = STRATA_TRY(side_.Strip(type_));
    const Type type = STRATA_TRY(side_.btf().TypeById(type_));
    if (const auto members = MembersOf(type)) return ParseMember(*members, index);
    if (const auto* array = std::get_if<Array>(&type)) return ParseElement(*array, index);
    return Malformed(fmt::format("step {} goes into a {}", index, KindName(side_.btf().KindOf(type_))));
  }

  Result<void> ParseMember(const RecordList<Member>& members, std::uint32_t index) {
    if (index >= members.size()) {
      return Malformed(
          fmt::format("{} has {} members, not {}", side_.btf().Describe(type_), members.size(), index + 1));
    }
    const Member member = members[index];
    spec_.bit_offset += member.bit_offset;
    if (!member.name.empty()) spec_.accessors.push_back({type_, index, member.name});
    type_ = member.type;
    return {};
  }

  Result<void> ParseElement(const Array& array, std::uint32_t index) {
    const bool is_flexible = STRATA_TRY(IsFlexible(side_, spec_.accessors.back(), array));
    if (!is_flexible && index >= array.count) {
      return Malformed(fmt::format("its array has {} elements, not {}", array.count, index + 1));
    }
    type_ = STRATA_TRY(side_.Strip(array.element));
    spec_.accessors.push_back({type_, index, {}});
    return AddElements(spec_, STRATA_TRY(side_.SizeOf(type_)), index);
  }

  const Side& side_;
  Spec& spec_;
  TypeId type_;
};

enum class Found : std::uint8_t { kNo, kYes, kIncompatible };

// Finds the steps of a field one by one in a candidate.
class FieldMatcher {
 public:
  FieldMatcher(const Side& local, const Side& target, Spec& result, std::string* why)
      : local_(local), target_(target), result_(result), why_(why) {}

  Result<bool> Match(const Spec& spec) {
    type_ = result_.root;
    for (std::size_t i = 0; i < spec.accessors.size(); ++i) {
      const Accessor& wanted = spec.accessors[i];
      type_ = STRATA_TRY(target_.Strip(type_));
      const bool is_found = wanted.name.empty() ? STRATA_TRY(MatchElement(wanted.index, i == 0)) : STRATA_TRY(MatchMember(wanted));
      if (!is_found) return false;
    }
    return true;
  }

 private:
  Result<bool> MatchElement(std::uint32_t index, bool is_root) {
    if (!is_root) {
      const Type type = STRATA_TRY(target_.btf().TypeById(type_));
      const auto* array = std::get_if<Array>(&type);
      if (array == nullptr) return Refuse("it is no array in the target");
      const bool is_flexible = STRATA_TRY(IsFlexible(target_, result_.accessors.back(), *array));
      if (!is_flexible && index >= array->count) {
        return Refuse(fmt::format("the array has {} elements in the target", array->count));
      }
      type_ = STRATA_TRY(target_.Strip(array->element));
    }
    if (result_.access.size() == kMaxSteps) return TooDeep();
    result_.accessors.push_back({type_, index, {}});
    result_.access.push_back(index);
    STRATA_TRY(AddElements(result_, STRATA_TRY(target_.SizeOf(type_)), index));
    return true;
  }

  Result<bool> MatchMember(const Accessor& wanted) {
    const Type type = STRATA_TRY(local_.btf().TypeById(wanted.type));
    wanted_type_ = (*MembersOf(type))[wanted.index].type;
    switch (STRATA_TRY(Search(type_, wanted.name))) {
      case Found::kYes:
        return true;
      case Found::kNo:
        return Refuse("no such field in the target");
      case Found::kIncompatible:
        return Refuse("the field has an incompatible type in the target");
    }
    return false;
  }

  // Depth first through members without a name, which C does not let one see. A step that leads nowhere is taken back.
  Result<Found> Search(TypeId id, std::string_view name) {
    const TypeId composite = STRATA_TRY(target_.Strip(id));
    const Type type = STRATA_TRY(target_.btf().TypeById(composite));
    const auto members = MembersOf(type);
    if (!members) return Found::kNo;
    for (std::uint32_t i = 0; i < members->size(); ++i) {
      if (!target_.Spend()) return WorkLimit::Exhausted();
      const Member member = (*members)[i];
      if (!member.name.empty() && member.name != name) continue;
      if (result_.access.size() == kMaxSteps) return TooDeep();
      result_.access.push_back(i);
      result_.bit_offset += member.bit_offset;
      const Found found = member.name.empty() ? STRATA_TRY(Search(member.type, name)) : STRATA_TRY(Accept(composite, i, member));
      if (found != Found::kNo) return found;
      result_.access.pop_back();
      result_.bit_offset -= member.bit_offset;
    }
    return Found::kNo;
  }

  Result<Found> Accept(TypeId composite, std::uint32_t index, const Member& member) {
    if (!STRATA_TRY(TypeComparison(local_, target_).FieldsAreCompatible(wanted_type_, member.type))) {
      return Found::kIncompatible;
    }
    result_.accessors.push_back({composite, index, member.name});
    type_ = member.type;
    return Found::kYes;
  }

  bool Refuse(std::string reason) {
    *why_ = std::move(reason);
    return false;
  }
  static Error TooDeep() { return Malformed(fmt::format("the target nests deeper than {} levels", kMaxSteps)); }

  const Side& local_;
  const Side& target_;
  Spec& result_;
  std::string* why_;
  TypeId type_;         // where in the target the steps have led
  TypeId wanted_type_;  // of the local member that is looked for
};

Result<bool> MatchEnumerator(const Spec& spec, const Side& target, Spec& result, std::string* why) {
  const TypeId id = STRATA_TRY(target.Strip(result.root));
  const Type type = STRATA_TRY(target.btf().TypeById(id));
  const auto values = ValuesOf(type);
  const std::string_view wanted = EssentialName(spec.accessors[0].name);
  for (std::uint32_t i = 0; values && i < values->size(); ++i) {
    if (!target.Spend()) return WorkLimit::Exhausted();
    const std::string_view name = (*values)[i].name;
    if (!name.starts_with(wanted) || EssentialName(name) != wanted) continue;
    result.accessors.push_back({id, i, name});
    result.access.push_back(i);
    return true;
  }
  *why = "no such enumerator in the target";
  return false;
}

Result<bool> MatchType(const Side& local, TypeId root, CoreKind kind, const Side& target, TypeId candidate,
                       std::string* why) {
  TypeComparison comparison(local, target);
  const bool matches = STRATA_TRY(kind == CoreKind::kTypeMatches ? comparison.TypesMatch(root, candidate)
                                                                 : comparison.TypesAreCompatible(root, candidate));
  if (!matches) *why = "the target's type is another";
  return matches;
}

}  // namespace

bool IsFieldKind(CoreKind kind) { return kind <= CoreKind::kFieldRightShift; }
bool IsEnumValueKind(CoreKind kind) { return kind == CoreKind::kEnumValueExists || kind == CoreKind::kEnumValue; }
bool IsTypeKind(CoreKind kind) {
  return kind <= CoreKind::kTypeMatches && !IsFieldKind(kind) && !IsEnumValueKind(kind);
}

Result<Spec> ParseSpec(const Side& local, const CoreRelocation& relocation) {
  const auto kind = static_cast<CoreKind>(relocation.kind);
  if (kind > CoreKind::kTypeMatches) return Malformed(fmt::format("its kind {} is not known", relocation.kind));
  Spec spec;
  spec.root = relocation.type;
  if (IsTypeKind(kind)) {
    if (relocation.access != "0") return Malformed("its access string is not \"0\"");
    return spec;
  }
  spec.access = STRATA_TRY(ParseAccess(relocation.access));
  STRATA_TRY(SpecParser(local, spec).Parse(kind));
  return spec;
}

Result<std::optional<Spec>> MatchSpec(const Side& local, const Spec& spec, CoreKind kind, const Side& target,
                                      TypeId candidate, std::string* why) {
  Spec result;
  result.root = candidate;
  bool matches = false;
  if (IsTypeKind(kind)) {
    matches = STRATA_TRY(MatchType(local, spec.root, kind, target, candidate, why));
  } else if (IsEnumValueKind(kind)) {
    matches = STRATA_TRY(MatchEnumerator(spec, target, result, why));
  } else {
    matches = STRATA_TRY(FieldMatcher(local, target, result, why).Match(spec));
  }
  if (!matches) return std::optional<Spec>();
  return std::optional<Spec>(std::move(result));
}

std::string DescribePath(const Spec& spec, CoreKind kind) {
  if (IsEnumValueKind(kind)) return fmt::format("::{}", spec.accessors[0].name);
  std::string path;
  for (std::size_t i = 0; i < spec.accessors.size(); ++i) {
    const Accessor& step = spec.accessors[i];
    if (!step.name.empty()) {
      path += fmt::format(".{}", step.name);
    } else if (i > 0 || step.index > 0) {
      path += fmt::format("[{}]", step.index);
    }
  }
  return path;
}

}  // namespace strata::btf::core
