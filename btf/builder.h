// BTF being written: types are added, copied from other BTFs and changed, and keep their ids.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/btf.h"
#include "strata/btf/string_table.h"

namespace strata::btf {

// Where the types of a copied BTF went, by their ids there.
class STRATA_EXPORT IdMap {
 public:
  // kVoid for void and for what was not copied.
  TypeId operator[](TypeId source) const { return source.value < ids_.size() ? ids_[source.value] : kVoid; }
  void Set(TypeId source, TypeId copy);

 private:
  std::vector<TypeId> ids_;
};

// A type is described by the values of btf.h, whose record lists may view plain arrays:
//
//   Builder builder;
//   const TypeId number = *builder.Add(Int{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true});
//   const Member members[] = {{.name = "a", .type = number}, {.name = "b", .type = number, .bit_offset = 32}};
//   const TypeId pair = *builder.Add(Struct{"pair", 8, RecordList<Member>(members)});
//
// Ids may be used before their type is added (next_id() says which one comes); Build() checks that all exist.
// Values are copied: nothing that was passed need live longer than the call, but the base. Not thread-safe.
class STRATA_EXPORT Builder {
 public:
  // With a base, a split BTF is written: ids and strings continue the base's.
  explicit Builder(std::shared_ptr<const Btf> base = nullptr);

  TypeId next_id() const { return TypeId{first_id_ + static_cast<std::uint32_t>(starts_.size())}; }
  const std::shared_ptr<const Btf>& base() const { return base_; }

  // kInvalidArgument for what the format cannot say: more than 65535 records, a bitfield past bit 2^24, void.
  Result<TypeId> Add(const Type& type);

  // Another type under the id of one that was added or copied; the same errors, and kNotFound for other ids.
  Result<void> Set(TypeId id, const Type& type);

  // Of a type that was added or copied, or of the base; kUnknown and an empty name otherwise. The name is valid until
  // the next change.
  Kind KindOf(TypeId id) const;
  std::string_view NameOf(TypeId id) const;

  // The offset of a string that no type names, as .BTF.ext refers to it.
  std::uint32_t AddString(std::string_view text) { return strings_.Add(text); }

  // Valid until the next change; empty for an offset outside of the strings.
  std::string_view StringAt(std::uint32_t offset) const { return strings_.At(offset); }

  // The offset here of the string at `offset` in `source`; kMalformed when it is outside.
  Result<std::uint32_t> CopyString(const Btf& source, std::uint32_t offset);

  // Appends all types in the order of their ids. Those of a base that is the builder's own keep their ids, those of
  // another base are copied as well. A BTF copied into an empty builder keeps all its ids. kMalformed for a source
  // whose references or strings are out of range.
  Result<IdMap> Copy(const Btf& source);

  // Appends `root` and everything that it refers to, but what `copied` has already; adds it there. Returns the new id.
  Result<TypeId> CopyTree(const Btf& source, TypeId root, IdMap* copied);

  // kInvalidArgument names a type that refers to an id which does not exist.
  Result<std::vector<std::byte>> Build(std::endian order = std::endian::native) const;

  // The same, parsed.
  Result<std::shared_ptr<const Btf>> BuildTypes(std::string_view where = "BTF") const;

  // One type as words in host byte order (Documentation/bpf/btf.rst), for passes that renumber types; the length cannot
  // change. Valid until the next change; empty for ids of the base and out of range.
  std::span<const std::uint32_t> Words(TypeId id) const;
  std::span<std::uint32_t> MutableWords(TypeId id);

  // Appends a type of such words: string offsets are the builder's own.
  Result<TypeId> AddWords(std::span<const std::uint32_t> words);

 private:
  bool IsOwn(TypeId id) const { return id.value >= first_id_ && id < next_id(); }
  Result<void> CopyWords(const Btf& source, TypeId id, std::vector<std::uint32_t>* words);

  std::shared_ptr<const Btf> base_;
  std::uint32_t first_id_ = 1;
  StringTable strings_;
  std::vector<std::uint32_t> words_;  // of all types; a type that grew lies again at the end
  std::vector<std::size_t> starts_;   // of each type, in words_
};

}  // namespace strata::btf
