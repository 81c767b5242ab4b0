// Partition refinement (Hopcroft): at first all types that look alike, references aside, are one class; a class is
// split where its members refer to different classes, until none is. What is left together cannot be told apart,
// circles included. Of each class that is split the largest part keeps its number, so that every reference is looked at
// a logarithmic number of times.
#include "strata/btf/dedup.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "layout.h"

namespace strata::btf {
namespace {

using ClassId = std::uint32_t;
using Words = std::span<const std::uint32_t>;

constexpr std::size_t Mix(std::size_t seed, std::size_t value) {
  return (seed ^ value) * 0x9e3779b97f4a7c15U ^ (seed >> 29);
}

bool IsEnumKind(Kind kind) { return kind == Kind::kEnum || kind == Kind::kEnum64; }

// Of what a type only announces; an enum is announced by one without values.
enum class Announced : std::uint8_t { kNothing, kStruct, kUnion, kEnum };

Announced AnnouncedBy(Words type) {
  const Kind kind = KindOfInfo(type[kInfoWord]);
  if (kind == Kind::kForward) return KindFlag(type[kInfoWord]) ? Announced::kUnion : Announced::kStruct;
  const bool is_announcement = IsEnumKind(kind) && VariableLength(type[kInfoWord]) == 0 && type[kNameWord] != 0;
  return is_announcement ? Announced::kEnum : Announced::kNothing;
}

Announced DefinedBy(Words type) {
  const Kind kind = KindOfInfo(type[kInfoWord]);
  if (type[kNameWord] == 0 || AnnouncedBy(type) != Announced::kNothing) return Announced::kNothing;
  if (kind == Kind::kStruct) return Announced::kStruct;
  if (kind == Kind::kUnion) return Announced::kUnion;
  return IsEnumKind(kind) ? Announced::kEnum : Announced::kNothing;
}

// All definitions and announcements of one name.
struct NameGroup {
  std::vector<std::uint32_t> definitions;
  std::vector<std::uint32_t> announcements;
};

class Partition {
 public:
  // Types are numbered as in `types`; 0 is void.
  explicit Partition(const Builder& types)
      : types_(types), count_(types.next_id().value), class_of_(count_), place_(count_) {}

  void Refine() {
    CollectReferrers();
    SplitByLook();
    GroupNames();
    std::vector<std::uint32_t> dirty(count_);
    std::iota(dirty.begin(), dirty.end(), 0);
    while (!dirty.empty()) {
      const auto moved = SplitClasses(std::move(dirty));
      dirty = ReferrersOf(moved);
    }
  }

  ClassId ClassOf(std::uint32_t id) const { return class_of_[id]; }
  std::size_t class_count() const { return members_.size(); }

 private:
  Words TypeAt(std::uint32_t id) const { return types_.Words(TypeId{id}); }
  bool IsAnnouncement(std::uint32_t id) const { return id != 0 && AnnouncedBy(TypeAt(id)) != Announced::kNothing; }

  void CollectReferrers() {
    first_referrer_.assign(count_ + 1, 0);
    for (std::uint32_t id = 1; id < count_; ++id) {
      ForEachReference(TypeAt(id), [&](std::uint32_t target) { ++first_referrer_[target + 1]; });
    }
    std::partial_sum(first_referrer_.begin(), first_referrer_.end(), first_referrer_.begin());
    referrers_.resize(first_referrer_.back());
    std::vector<std::uint32_t> next(first_referrer_.begin(), first_referrer_.end() - 1);
    for (std::uint32_t id = 1; id < count_; ++id) {
      ForEachReference(TypeAt(id), [&](std::uint32_t target) { referrers_[next[target]++] = id; });
    }
  }

  // The type's own words, references blanked.
  std::vector<std::uint32_t> Look(std::uint32_t id) const {
    if (id == 0) return {};
    const Words type = TypeAt(id);
    std::vector<std::uint32_t> look(type.begin(), type.end());
    ForEachReference(look, [](std::uint32_t& target) { target = 0; });
    const Kind kind = KindOfInfo(look[kInfoWord]);
    if (kind == Kind::kVar || kind == Kind::kDataSec) look.push_back(id);
    return look;
  }

  void SplitByLook() {
    struct Hash {
      std::size_t operator()(const std::vector<std::uint32_t>& look) const {
        return std::accumulate(look.begin(), look.end(), look.size(), Mix);
      }
    };
    std::unordered_map<std::vector<std::uint32_t>, ClassId, Hash> classes;
    for (std::uint32_t id = 0; id < count_; ++id) {
      const auto [entry, is_new] = classes.try_emplace(Look(id), static_cast<ClassId>(members_.size()));
      if (is_new) members_.emplace_back();
      Enter(id, entry->second);
    }
  }

  void Enter(std::uint32_t id, ClassId to) {
    class_of_[id] = to;
    place_[id] = static_cast<std::uint32_t>(members_[to].size());
    members_[to].push_back(id);
  }

  void Leave(std::uint32_t id) {
    auto& members = members_[class_of_[id]];
    place_[members.back()] = place_[id];
    members[place_[id]] = members.back();
    members.pop_back();
  }

  void Move(std::uint32_t id, ClassId to) {
    Leave(id);
    Enter(id, to);
  }

  // Announcements join the class of the definitions of their name as long as there is only one.
  void GroupNames() {
    std::map<std::pair<Announced, std::uint32_t>, NameGroup> groups;
    for (std::uint32_t id = 1; id < count_; ++id) {
      const Words type = TypeAt(id);
      if (const Announced defined = DefinedBy(type); defined != Announced::kNothing) {
        groups[{defined, type[kNameWord]}].definitions.push_back(id);
      } else if (const Announced announced = AnnouncedBy(type); announced != Announced::kNothing) {
        groups[{announced, type[kNameWord]}].announcements.push_back(id);
      }
    }
    for (const auto& [name, group] : groups) {
      if (group.definitions.empty() || group.announcements.empty()) continue;
      const ClassId wanted = class_of_[group.definitions.front()];
      const bool is_one = std::all_of(group.definitions.begin(), group.definitions.end(),
                                      [&](std::uint32_t id) { return class_of_[id] == wanted; });
      if (!is_one) continue;
      joined_[wanted] = group.announcements;
      for (const std::uint32_t id : group.announcements) Move(id, wanted);
    }
  }

  std::size_t ReferenceHash(std::uint32_t id) const {
    std::size_t hash = 0;
    if (id != 0) ForEachReference(TypeAt(id), [&](std::uint32_t target) { hash = Mix(hash, class_of_[target]); });
    return hash;
  }

  // Of two members of one class.
  bool HaveSameReferences(std::uint32_t a, std::uint32_t b) const {
    if (a == 0 || b == 0) return a == b;
    std::vector<ClassId> of_a;
    ForEachReference(TypeAt(a), [&](std::uint32_t target) { of_a.push_back(class_of_[target]); });
    std::size_t next = 0;
    bool is_same = true;
    ForEachReference(TypeAt(b), [&](std::uint32_t target) {
      is_same = is_same && next < of_a.size() && of_a[next] == class_of_[target];
      ++next;
    });
    return is_same && next == of_a.size();
  }

  // Types of one class that refer to the same classes.
  using Parts = std::vector<std::vector<std::uint32_t>>;

  Parts PartsOf(std::span<const std::uint32_t> types) const {
    Parts parts;
    std::unordered_multimap<std::size_t, std::size_t> by_hash;  // to indices of parts
    for (const std::uint32_t id : types) {
      const std::size_t hash = ReferenceHash(id);
      const auto [first, last] = by_hash.equal_range(hash);
      const auto same = std::find_if(
          first, last, [&](const auto& entry) { return HaveSameReferences(parts[entry.second].front(), id); });
      if (same != last) {
        parts[same->second].push_back(id);
      } else {
        by_hash.emplace(hash, parts.size());
        parts.push_back({id});
      }
    }
    return parts;
  }

  struct Split {
    ClassId from = 0;
    Parts parts;  // those that leave
  };

  // `dirty` are the members whose references changed; all others refer to the same classes as each other. Nothing is
  // moved yet, as other classes are still to be compared.
  Split PlanSplit(ClassId from, std::span<const std::uint32_t> dirty, const std::vector<bool>& is_dirty) const {
    const auto is_clean = [&](std::uint32_t id) { return !is_dirty[id] && !IsAnnouncement(id); };
    const auto& members = members_[from];
    const auto joined = joined_.find(from);
    const std::size_t clean_count =
        members.size() - dirty.size() - (joined == joined_.end() ? 0 : joined->second.size());
    Split split{from, PartsOf(dirty)};
    std::vector<std::uint32_t> like_clean;
    if (clean_count > 0) {
      const std::uint32_t clean = *std::find_if(members.begin(), members.end(), is_clean);
      const auto same = std::find_if(split.parts.begin(), split.parts.end(),
                                     [&](const auto& part) { return HaveSameReferences(part.front(), clean); });
      if (same != split.parts.end()) {
        like_clean = std::move(*same);
        split.parts.erase(same);
      }
    }
    const auto largest = std::max_element(split.parts.begin(), split.parts.end(),
                                          [](const auto& a, const auto& b) { return a.size() < b.size(); });
    if (largest == split.parts.end() || largest->size() <= clean_count + like_clean.size()) return split;
    split.parts.erase(largest);
    if (clean_count == 0) return split;
    std::copy_if(members.begin(), members.end(), std::back_inserter(like_clean), is_clean);
    split.parts.push_back(std::move(like_clean));
    return split;
  }

  // Splits the classes of `dirty` types; returns those that are of another class now.
  std::vector<std::uint32_t> SplitClasses(std::vector<std::uint32_t> dirty) {
    std::vector<bool> is_dirty(count_);
    dirty.erase(std::remove_if(dirty.begin(), dirty.end(), [this](std::uint32_t id) { return IsAnnouncement(id); }),
                dirty.end());
    for (const std::uint32_t id : dirty) is_dirty[id] = true;
    std::sort(dirty.begin(), dirty.end(), [this](std::uint32_t a, std::uint32_t b) {
      return std::pair(class_of_[a], a) < std::pair(class_of_[b], b);
    });
    std::vector<Split> splits;
    for (std::size_t start = 0; start < dirty.size();) {
      const ClassId from = class_of_[dirty[start]];
      std::size_t end = start;
      while (end < dirty.size() && class_of_[dirty[end]] == from) ++end;
      Split split = PlanSplit(from, std::span(dirty).subspan(start, end - start), is_dirty);
      if (!split.parts.empty()) splits.push_back(std::move(split));
      start = end;
    }
    std::vector<std::uint32_t> moved;
    for (const Split& split : splits) Apply(split, &moved);
    return moved;
  }

  void MoveToNewClass(std::span<const std::uint32_t> types, std::vector<std::uint32_t>* moved) {
    const auto to = static_cast<ClassId>(members_.size());
    members_.emplace_back();
    for (const std::uint32_t id : types) Move(id, to);
    moved->insert(moved->end(), types.begin(), types.end());
  }

  void Apply(const Split& split, std::vector<std::uint32_t>* moved) {
    for (const auto& part : split.parts) MoveToNewClass(part, moved);
    // Now there is more than one definition.
    const auto joined = joined_.find(split.from);
    if (joined == joined_.end()) return;
    MoveToNewClass(joined->second, moved);
    joined_.erase(joined);
  }

  std::vector<std::uint32_t> ReferrersOf(std::span<const std::uint32_t> types) const {
    std::vector<std::uint32_t> referrers;
    for (const std::uint32_t id : types) {
      const auto begin = referrers_.begin();
      referrers.insert(referrers.end(), begin + first_referrer_[id], begin + first_referrer_[id + 1]);
    }
    std::sort(referrers.begin(), referrers.end());
    referrers.erase(std::unique(referrers.begin(), referrers.end()), referrers.end());
    return referrers;
  }

  const Builder& types_;
  std::uint32_t count_;
  std::vector<ClassId> class_of_;
  std::vector<std::uint32_t> place_;  // of each type, in the members of its class
  std::vector<std::vector<std::uint32_t>> members_;
  std::unordered_map<ClassId, std::vector<std::uint32_t>> joined_;  // announcements in a class of definitions
  // Those that refer to type i: referrers_[first_referrer_[i]] up to first_referrer_[i + 1].
  std::vector<std::uint32_t> first_referrer_;
  std::vector<std::uint32_t> referrers_;
};

// The member of each class that stands for it: a definition before announcements, else the first, which is the base's
// where the base has one.
std::vector<TypeId> Representatives(const Builder& types, const Partition& partition) {
  std::vector<TypeId> chosen(partition.class_count());
  const auto is_definition = [&](TypeId id) { return AnnouncedBy(types.Words(id)) == Announced::kNothing; };
  for (TypeId id{1}; id < types.next_id(); ++id.value) {
    TypeId& choice = chosen[partition.ClassOf(id.value)];
    if (choice == kVoid || (!is_definition(choice) && is_definition(id))) choice = id;
  }
  return chosen;
}

// Where every type goes: its class's representative, renumbered without the others.
IdMap Renumber(const Builder& types, const Partition& partition, const std::vector<TypeId>& chosen,
               std::uint32_t first_own) {
  IdMap ids;
  TypeId next{first_own};
  for (TypeId id{1}; id < types.next_id(); ++id.value) {
    if (id.value < first_own) {
      ids.Set(id, id);
    } else if (chosen[partition.ClassOf(id.value)] == id) {
      ids.Set(id, next);
      ++next.value;
    }
  }
  for (TypeId id{first_own}; id < types.next_id(); ++id.value) {
    ids.Set(id, ids[chosen[partition.ClassOf(id.value)]]);
  }
  return ids;
}

}  // namespace

Result<Deduplicated> Deduplicate(const Btf& source) {
  Builder all;  // with the types of a base, under the same ids
  STRATA_TRY(all.Copy(source));
  Partition partition(all);
  partition.Refine();
  const std::uint32_t first_own = source.first_id();
  const auto chosen = Representatives(all, partition);
  Deduplicated result{Builder(source.base()), Renumber(all, partition, chosen, first_own)};
  std::vector<std::uint32_t> words;
  for (TypeId id{first_own}; id < all.next_id(); ++id.value) {
    if (chosen[partition.ClassOf(id.value)] != id) continue;
    const Words type = all.Words(id);
    words.assign(type.begin(), type.end());
    ForEachName(words, [&](std::uint32_t& name) { name = result.types.AddString(all.StringAt(name)); });
    ForEachReference(words, [&](std::uint32_t& target) { target = result.ids[TypeId{target}].value; });
    STRATA_TRY(result.types.AddWords(words));
  }
  return result;
}

}  // namespace strata::btf
