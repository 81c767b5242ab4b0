// Lookups. The first ones search the strings for the name and then the types for the name's offset, which costs less
// than to make an index; later ones use the index.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "lookup.h"
#include "raw_type.h"

namespace strata::btf {
namespace {

// What building the index costs, in scans.
constexpr std::uint32_t kScansBeforeIndex = 8;

// More places in the strings where the name may stand, and the index is the better way.
constexpr std::size_t kMaxCandidates = 256;

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

// Names that are equal to one.
struct Exact {
  std::string_view name;
  bool Matches(std::string_view candidate) const { return candidate == name; }
  std::string_view essential() const { return EssentialName(name); }
};

// Names that are equal to one without their flavours.
struct Essential {
  std::string_view name;
  bool Matches(std::string_view candidate) const {
    return candidate.starts_with(name) && EssentialName(candidate) == name;
  }
  std::string_view essential() const { return name; }
};

// Adds the offsets of all strings of one BTF that match, ends of longer strings included: a writer may share them.
// False when they are too many.
template <typename Names>
bool AddMatchingOffsets(const Btf& types, const Names& names, std::vector<std::uint32_t>* offsets) {
  const std::string_view strings = types.strings();
  for (std::string_view rest = strings;;) {
    const auto* found =
        static_cast<const char*>(::memmem(rest.data(), rest.size(), names.name.data(), names.name.size()));
    if (found == nullptr) return true;
    const auto at = static_cast<std::size_t>(found - strings.data());
    rest = strings.substr(at + 1);
    if (!names.Matches(found)) continue;
    if (offsets->size() == kMaxCandidates) return false;
    offsets->push_back(types.first_string_offset() + static_cast<std::uint32_t>(at));
  }
}

}  // namespace

// A flavour starts at the last "___" that has a character other than an underscore before and behind it.
std::string_view EssentialName(std::string_view name) {
  for (std::size_t i = name.size(); i-- > 0;) {
    const bool is_separator =
        i >= 1 && i + 3 < name.size() && name.substr(i, 3) == "___" && name[i - 1] != '_' && name[i + 3] != '_';
    if (is_separator) return name.substr(0, i);
  }
  return name;
}

const NameIndex* Btf::IndexForLookup() const {
  if (lookup_->count.fetch_add(1, std::memory_order_relaxed) < kScansBeforeIndex) return nullptr;
  std::call_once(lookup_->index_once, [this] {
    lookup_->index.emplace(static_cast<std::uint32_t>(offsets_.size()),
                           [this](std::uint32_t i) { return EssentialName(Name(NameWord(i))); });
  });
  return &*lookup_->index;
}

// At most `limit` types, those of the base first.
template <typename Names>
std::vector<TypeId> Btf::Select(const Names& names, std::optional<Kind> kind, std::size_t limit) const {
  std::vector<TypeId> found;
  if (base_ != nullptr) found = base_->Select(names, kind, limit);
  if (found.size() >= limit) return found;
  const auto add = [&](std::uint32_t index) {
    const TypeId id{first_id_ + index};
    if (!kind || RawAt(id).kind == *kind) found.push_back(id);
  };
  const auto count = static_cast<std::uint32_t>(offsets_.size());
  if (names.name.empty()) {
    for (std::uint32_t i = 0; i < count && found.size() < limit; ++i) {
      if (names.Matches(Name(NameWord(i)))) add(i);
    }
    return found;
  }

  const NameIndex* index = IndexForLookup();
  std::vector<std::uint32_t> offsets;
  for (const Btf* types = this; types != nullptr && index == nullptr; types = types->base_.get()) {
    if (AddMatchingOffsets(*types, names, &offsets)) continue;
    lookup_->count.store(kScansBeforeIndex, std::memory_order_relaxed);
    index = IndexForLookup();
  }
  if (index != nullptr) {
    for (std::uint32_t i = index->First(names.essential()); i != NameIndex::kEnd && found.size() < limit;
         i = index->Next(i)) {
      if (names.Matches(Name(NameWord(i)))) add(i);
    }
    return found;
  }
  std::sort(offsets.begin(), offsets.end());
  if (offsets.empty()) return found;
  const std::uint32_t low = offsets.front();
  const std::uint32_t span = offsets.back() - low;
  for (std::uint32_t i = 0; i < count && found.size() < limit; ++i) {
    const std::uint32_t name = NameWord(i);
    if (name - low <= span && std::binary_search(offsets.begin(), offsets.end(), name)) add(i);
  }
  return found;
}

Result<TypeId> Btf::FindByName(std::string_view name, Kind kind) const {
  const auto found = Select(Exact{name}, kind, 1);
  if (!found.empty()) return found.front();
  return Error(ErrorCode::kNotFound, fmt::format("{}: there is no {} named {}", where_, KindName(kind), name));
}

std::vector<TypeId> Btf::FindAll(std::string_view name, std::optional<Kind> kind) const {
  return Select(Exact{name}, kind, kNoLimit);
}

Result<TypeId> Btf::FindUnique(std::string_view name, std::optional<Kind> kind) const {
  const auto found = FindAll(name, kind);
  const std::string_view what = kind ? KindName(*kind) : "type";
  if (found.empty()) return Error(ErrorCode::kNotFound, fmt::format("{}: there is no {} named {}", where_, what, name));
  if (found.size() == 1) return found.front();
  std::string ids;
  for (const TypeId id : found) ids += fmt::format("{}{}", ids.empty() ? "" : ", ", id.value);
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{}: there are {} of {} {}: types {}", where_, found.size(), what, name, ids));
}

std::vector<TypeId> Btf::FindAllByEssentialName(std::string_view essential) const {
  return Select(Essential{essential}, std::nullopt, kNoLimit);
}

std::vector<std::string_view> Btf::TagsOf(TypeId target, std::int32_t component) const {
  std::vector<std::string_view> texts;
  if (base_ != nullptr) texts = base_->TagsOf(target, component);
  std::call_once(lookup_->tags_once, [this] {
    for (std::uint32_t id = first_id_; id < type_count(); ++id) {
      if (RawAt(TypeId{id}).kind == Kind::kDeclTag) lookup_->tags.push_back(TypeId{id});
    }
  });
  for (const TypeId id : lookup_->tags) {
    const DeclTag tag = std::get<DeclTag>(Decode(RawAt(id)));
    if (tag.target == target && tag.component == component) texts.push_back(tag.tag);
  }
  return texts;
}

}  // namespace strata::btf
