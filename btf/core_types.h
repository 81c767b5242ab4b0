// Rules of CO-RE that compare a type of the object with a type of the target.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>

#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::btf::core {

// How many steps comparing may take. Every loop over members, values or chains of types spends from it, so that types
// made to be slow end in an error.
class WorkLimit {
 public:
  static constexpr std::uint64_t kSteps = std::uint64_t{1} << 28;              // in the life of a relocator
  static constexpr std::uint64_t kStepsOfRelocation = std::uint64_t{1} << 20;  // four per member of the largest struct

  void BeginRelocation();
  bool Spend(std::uint64_t steps = 1) {
    if (steps > left_) return false;
    left_ -= steps;
    return true;
  }
  static Error Exhausted();

 private:
  std::uint64_t in_all_ = kSteps;
  std::uint64_t granted_ = 0;
  std::uint64_t left_ = 0;
};

// The types of one side, and what CO-RE needs to know of them. Refers to its Btf and the limit.
class Side {
 public:
  // Of an object: BPF's pointers have 8 bytes. Of a target: as its "long" says, 8 where it has none.
  static Side Local(const Btf& btf, WorkLimit& limit) { return Side(btf, limit, 8); }
  static Side Target(const Btf& btf, WorkLimit& limit);

  const Btf& btf() const { return *btf_; }

  // Without typedefs, const, volatile, restrict and tags.
  Result<TypeId> Strip(TypeId id) const;
  // As Btf::SizeOf, with the target's pointers. kMalformed for what has no size or one past 32 bits.
  Result<std::uint32_t> SizeOf(TypeId id) const;
  bool Spend(std::uint64_t steps = 1) const { return limit_->Spend(steps); }

 private:
  Side(const Btf& btf, WorkLimit& limit, std::uint32_t pointer_bytes)
      : btf_(&btf), limit_(&limit), pointer_bytes_(pointer_bytes) {}
  const Btf* btf_;
  WorkLimit* limit_;
  std::uint32_t pointer_bytes_;
};

inline bool IsComposite(Kind kind) { return kind == Kind::kStruct || kind == Kind::kUnion; }
inline bool IsEnum(Kind kind) { return kind == Kind::kEnum || kind == Kind::kEnum64; }
// An enum grows to an enum64 without becoming another type.
inline bool KindsAgree(Kind a, Kind b) { return a == b || (IsEnum(a) && IsEnum(b)); }

std::optional<RecordList<Member>> MembersOf(const Type& type);    // of a struct or union
std::optional<RecordList<EnumValue>> ValuesOf(const Type& type);  // of an enum of either width

// Both names are empty, or equal without their flavours.
bool NamesAgree(std::string_view local, std::string_view target);

// Compares types of an object with those of one target. Errors: kMalformed where types nest too deeply to be real,
// kNotSupported when the limit is reached.
class TypeComparison {
 public:
  TypeComparison(const Side& local, const Side& target) : local_(local), target_(target) {}

  // May an access to a field of type `local` be redirected to one of type `target`?
  Result<bool> FieldsAreCompatible(TypeId local, TypeId target);

  // Of types whose names agree, for type_exists, type_size and type_id: the same kind, and so on behind pointers and
  // arrays and in prototypes.
  Result<bool> TypesAreCompatible(TypeId local, TypeId target);

  // For type_matches: everything that `local` says holds for `target` too.
  Result<bool> TypesMatch(TypeId local, TypeId target);

 private:
  enum class Behind : std::uint8_t { kNothing, kPointer };
  using Pair = std::tuple<TypeId, TypeId, Behind>;

  Result<bool> AreCompatible(TypeId local, TypeId target, int level);
  Result<bool> PrototypesAreCompatible(const FuncProto& local, const FuncProto& target, int level);
  Result<bool> Match(TypeId local, TypeId target, Behind behind, int level);
  Result<bool> MatchStripped(TypeId local, TypeId target, Behind behind, int level);
  Result<bool> MatchComposites(const Type& local, const Type& target, Behind behind, int level);
  Result<bool> MatchMember(const Member& local, std::uint32_t position, const RecordList<Member>& target, Behind behind,
                           int level);
  Result<bool> MatchEnums(const Type& local, const Type& target);
  Result<bool> MatchPrototypes(const FuncProto& local, const FuncProto& target, Behind behind, int level);

  const Side& local_;
  const Side& target_;
  std::map<Pair, bool> matched_;  // what Match has found out
};

}  // namespace strata::btf::core
