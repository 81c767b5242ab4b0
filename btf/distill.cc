#include "strata/btf/distill.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "layout.h"
#include "strata/btf/builder.h"

namespace strata::btf {
namespace {

bool IsEnumKind(Kind kind) { return kind == Kind::kEnum || kind == Kind::kEnum64; }
bool IsComposite(Kind kind) { return kind == Kind::kStruct || kind == Kind::kUnion; }

// What a base of another build can be asked for: everything with a name and a meaning of its own.
bool IsDistillable(const Btf& types, TypeId id) {
  const Kind kind = types.KindOf(id);
  if (types.NameOf(id).empty()) return false;
  return kind == Kind::kInt || kind == Kind::kFloat || kind == Kind::kForward || IsComposite(kind) || IsEnumKind(kind);
}

// Which types of the base a split BTF uses, and how.
class Uses {
 public:
  explicit Uses(const Btf& split)
      : split_(split), first_own_(split.first_id()), is_used_(first_own_), is_held_(first_own_) {
    for (std::uint32_t id = first_own_; id < split.type_count(); ++id) UseReferencesOf(TypeId{id});
    while (!pending_.empty()) {
      const TypeId id = pending_.back();
      pending_.pop_back();
      UseReferencesOf(id);
    }
  }

  bool IsUsed(TypeId id) const { return is_used_[id.value]; }
  bool IsHeld(TypeId id) const { return is_held_[id.value]; }  // by value, so that its size matters

 private:
  void UseReferencesOf(TypeId user) {
    std::vector<std::uint32_t> words;
    split_.ReadWords(user, &words);
    const Kind kind = KindOfInfo(words[kInfoWord]);
    const bool holds = IsComposite(kind) || kind == Kind::kArray || kind == Kind::kVar || kind == Kind::kDataSec;
    ForEachReference(words, [&](std::uint32_t target) {
      Use(TypeId{target});
      if (holds) Hold(TypeId{target});
    });
  }

  void Use(TypeId id) {
    if (id == kVoid || id.value >= first_own_ || is_used_[id.value]) return;
    is_used_[id.value] = true;
    if (!IsDistillable(split_, id)) pending_.push_back(id);
  }

  void Hold(TypeId id) {
    const auto held = split_.Resolve(id);
    if (held && held->value < first_own_) is_held_[held->value] = true;
  }

  const Btf& split_;
  std::uint32_t first_own_;
  std::vector<bool> is_used_;
  std::vector<bool> is_held_;
  std::vector<TypeId> pending_;  // types that move into the split BTF; what they use is used as well
};

Type DistilledType(const Type& type, bool is_held) {
  if (const auto* composite = std::get_if<Struct>(&type)) {
    if (!is_held) return Forward{composite->name, false};
    return Struct{composite->name, composite->size_bytes, {}};
  }
  if (const auto* composite = std::get_if<Union>(&type)) {
    if (!is_held) return Forward{composite->name, true};
    return Union{composite->name, composite->size_bytes, {}};
  }
  if (const auto* values = std::get_if<Enum>(&type)) {
    return Enum{values->name, values->size_bytes, values->is_signed, {}};
  }
  if (const auto* values = std::get_if<Enum64>(&type)) {
    return Enum64{values->name, values->size_bytes, values->is_signed, {}};
  }
  return type;
}

// Appends a type whose references are renumbered by `ids`.
Result<TypeId> AddRenumbered(const Btf& source, TypeId id, const IdMap& ids, Builder& to) {
  std::vector<std::uint32_t> words;
  source.ReadWords(id, &words);
  Result<void> done;
  ForEachName(words, [&](std::uint32_t& name) {
    const auto copy = to.CopyString(source, name);
    if (copy) {
      name = *copy;
    } else {
      done = copy.error();
    }
  });
  STRATA_TRY(done);
  ForEachReference(words, [&](std::uint32_t& target) { target = ids[TypeId{target}].value; });
  return to.AddWords(words);
}

// Finds what distilled types stand for.
class BaseSearch {
 public:
  BaseSearch(const Btf& distilled, const Btf& base) : distilled_(distilled), base_(base) {}

  Result<TypeId> Find(TypeId id) const {
    if (!IsDistillable(distilled_, id)) {
      return Error(ErrorCode::kMalformed, fmt::format("{}: type {} ({}) has no place in a distilled base",
                                                      distilled_.where(), id.value, KindName(distilled_.KindOf(id))));
    }
    const Type wanted = STRATA_TRY(distilled_.TypeById(id));
    std::optional<TypeId> found;
    for (const TypeId candidate : base_.FindAll(distilled_.NameOf(id))) {
      const Type type = STRATA_TRY(base_.TypeById(candidate));
      if (!Fits(wanted, type)) continue;
      // A definition is what a mere forward declaration beside it means.
      if (found && base_.KindOf(*found) == Kind::kForward) found.reset();
      if (found && base_.KindOf(candidate) == Kind::kForward) continue;
      if (found) {
        return Error(ErrorCode::kInvalidArgument,
                     fmt::format("{}: {} of the distilled base may be type {} or {}", base_.where(),
                                 distilled_.Describe(id), found->value, candidate.value));
      }
      found = candidate;
    }
    if (found) return *found;
    return Error(ErrorCode::kNotFound,
                 fmt::format("{}: {} of the distilled base is not there", base_.where(), distilled_.Describe(id)));
  }

 private:
  static std::optional<std::uint32_t> EnumSize(const Type& type) {
    if (const auto* narrow = std::get_if<Enum>(&type)) return narrow->size_bytes;
    if (const auto* wide = std::get_if<Enum64>(&type)) return wide->size_bytes;
    return std::nullopt;
  }

  static bool Fits(const Type& wanted, const Type& type) {
    if (const auto* number = std::get_if<Int>(&wanted)) {
      const auto* other = std::get_if<Int>(&type);
      return other != nullptr && other->size_bytes == number->size_bytes && other->bits == number->bits &&
             other->bit_offset == number->bit_offset && other->is_signed == number->is_signed &&
             other->is_char == number->is_char && other->is_bool == number->is_bool;
    }
    if (const auto* number = std::get_if<Float>(&wanted)) {
      const auto* other = std::get_if<Float>(&type);
      return other != nullptr && other->size_bytes == number->size_bytes;
    }
    if (const auto* forward = std::get_if<Forward>(&wanted)) {
      if (const auto* other = std::get_if<Forward>(&type)) return other->is_union == forward->is_union;
      return forward->is_union ? std::holds_alternative<Union>(type) : std::holds_alternative<Struct>(type);
    }
    if (const auto* composite = std::get_if<Struct>(&wanted)) {
      const auto* other = std::get_if<Struct>(&type);
      return other != nullptr && (composite->size_bytes == 0 || other->size_bytes == composite->size_bytes);
    }
    if (const auto* composite = std::get_if<Union>(&wanted)) {
      const auto* other = std::get_if<Union>(&type);
      return other != nullptr && (composite->size_bytes == 0 || other->size_bytes == composite->size_bytes);
    }
    const auto size = EnumSize(wanted);
    return size.has_value() && EnumSize(type) == size;
  }

  const Btf& distilled_;
  const Btf& base_;
};

Error NoBase(const Btf& types) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("{}: is no split BTF", types.where()));
}

}  // namespace

Result<Distilled> Distill(const Btf& split) {
  if (split.base() == nullptr) return NoBase(split);
  STRATA_TRY(split.Check());
  const Uses uses(split);
  const std::uint32_t first_own = split.first_id();

  Builder base_builder;
  IdMap ids;
  std::vector<TypeId> moved;
  for (TypeId id{1}; id.value < first_own; ++id.value) {
    if (!uses.IsUsed(id)) continue;
    if (!IsDistillable(split, id)) {
      moved.push_back(id);
      continue;
    }
    const Type type = STRATA_TRY(split.TypeById(id));
    ids.Set(id, STRATA_TRY(base_builder.Add(DistilledType(type, uses.IsHeld(id)))));
  }

  // Own types first, so that their order stays; then those of the base that move.
  auto base_bytes = STRATA_TRY(base_builder.Build(split.byte_order()));
  Builder builder(STRATA_TRY(Btf::Parse(base_bytes, "distilled base")));
  std::vector<TypeId> kept;
  for (TypeId id{first_own}; id.value < split.type_count(); ++id.value) kept.push_back(id);
  kept.insert(kept.end(), moved.begin(), moved.end());
  const std::uint32_t first = builder.next_id().value;
  for (std::uint32_t i = 0; i < kept.size(); ++i) ids.Set(kept[i], TypeId{first + i});
  for (const TypeId id : kept) STRATA_TRY(AddRenumbered(split, id, ids, builder));
  auto split_bytes = STRATA_TRY(builder.Build(split.byte_order()));
  return Distilled{std::move(base_bytes), std::move(split_bytes)};
}

Result<std::vector<std::byte>> RelocateOntoBase(const Btf& split, std::shared_ptr<const Btf> base) {
  if (split.base() == nullptr) return NoBase(split);
  STRATA_TRY(split.Check());
  const BaseSearch search(*split.base(), *base);
  IdMap ids;
  for (TypeId id{1}; id.value < split.first_id(); ++id.value) ids.Set(id, STRATA_TRY(search.Find(id)));
  Builder builder(std::move(base));
  const std::uint32_t first = builder.next_id().value;
  for (TypeId id{split.first_id()}; id.value < split.type_count(); ++id.value) {
    ids.Set(id, TypeId{first + (id.value - split.first_id())});
  }
  for (TypeId id{split.first_id()}; id.value < split.type_count(); ++id.value) {
    STRATA_TRY(AddRenumbered(split, id, ids, builder));
  }
  return builder.Build(split.byte_order());
}

}  // namespace strata::btf
