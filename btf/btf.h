// The types of an object, the kernel or a module, as BTF describes them (Documentation/bpf/btf.rst).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "strata/base/byte_reader.h"
#include "strata/base/result.h"
#include "strata/btf/file_bytes.h"
#include "strata/btf/type_id.h"

namespace strata::btf {

class Btf;
class NameIndex;

// Numbered as the format numbers them; also the index of the alternative in `Type`.
enum class Kind : std::uint8_t {
  kUnknown = 0,  // void
  kInt = 1,
  kPointer = 2,
  kArray = 3,
  kStruct = 4,
  kUnion = 5,
  kEnum = 6,
  kForward = 7,
  kTypedef = 8,
  kVolatile = 9,
  kConst = 10,
  kRestrict = 11,
  kFunc = 12,
  kFuncProto = 13,
  kVar = 14,
  kDataSec = 15,
  kFloat = 16,
  kDeclTag = 17,
  kTypeTag = 18,
  kEnum64 = 19,
};
inline constexpr std::uint32_t kKindCount = 20;

// The name without the flavour that tells local variants of a type apart: "task_struct" of "task_struct___v2".
STRATA_EXPORT std::string_view EssentialName(std::string_view name);

// "STRUCT", "FUNC_PROTO".
STRATA_EXPORT std::string_view KindName(Kind kind);

// One record of a table inside a type.
struct Member {
  std::string_view name;  // empty for an anonymous struct or union
  TypeId type;
  std::uint32_t bit_offset = 0;     // from the start of the struct
  std::uint32_t bitfield_bits = 0;  // 0 when the member is no bitfield
};
struct EnumValue {
  std::string_view name;
  std::int64_t value = 0;  // sign-extended for a signed enum; an unsigned 64-bit one keeps its bits
};
struct Parameter {
  std::string_view name;
  TypeId type;  // kVoid as the last one stands for "..."
};
struct SectionVariable {
  TypeId type;  // a VAR or, for kernel functions, a FUNC
  std::uint32_t offset_bytes = 0;
  std::uint32_t size_bytes = 0;
};

// How the records of one type are written.
struct RecordForm {
  bool kind_flag = false;  // members: bitfields; enum values: signed
  bool is_wide = false;    // enum values of 64 bits
};

// A table read in place: nothing is copied or allocated. Valid as long as the Btf, or the array that it views.
template <typename Record>
class RecordList {
 public:
  class Iterator;

  RecordList() = default;
  RecordList(const Btf* btf, std::uint32_t offset, std::uint32_t count, RecordForm form)
      : btf_(btf), offset_(offset), count_(count), form_(form) {}
  // Of a type that is to be written (builder.h).
  explicit RecordList(std::span<const Record> records)
      : array_(records.data()), count_(static_cast<std::uint32_t>(records.size())) {}

  std::uint32_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  Record operator[](std::uint32_t index) const { return array_ != nullptr ? array_[index] : Decode(index); }
  Iterator begin() const;
  Iterator end() const;

 private:
  Record Decode(std::uint32_t index) const;

  const Record* array_ = nullptr;
  const Btf* btf_ = nullptr;
  std::uint32_t offset_ = 0;  // in the type section
  std::uint32_t count_ = 0;
  RecordForm form_;
};

// Keeps a copy of its list, so that one over a temporary list stays valid.
template <typename Record>
class RecordList<Record>::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Record;
  using difference_type = std::ptrdiff_t;
  using pointer = void;
  using reference = Record;
  Iterator() = default;
  Iterator(const RecordList& list, std::uint32_t index) : list_(list), index_(index) {}
  Record operator*() const { return list_[index_]; }
  Iterator& operator++() {
    ++index_;
    return *this;
  }
  Iterator operator++(int) {
    Iterator before = *this;
    ++index_;
    return before;
  }
  bool operator==(const Iterator& other) const { return index_ == other.index_; }

 private:
  RecordList list_;
  std::uint32_t index_ = 0;
};

template <typename Record>
typename RecordList<Record>::Iterator RecordList<Record>::begin() const {
  return Iterator(*this, 0);
}
template <typename Record>
typename RecordList<Record>::Iterator RecordList<Record>::end() const {
  return Iterator(*this, count_);
}

enum class Linkage : std::uint8_t { kStatic = 0, kGlobal = 1, kExtern = 2 };

struct Void {};
struct Int {
  std::string_view name;
  std::uint32_t size_bytes = 0;
  std::uint8_t bits = 0;
  std::uint8_t bit_offset = 0;
  bool is_signed = false;
  bool is_char = false;
  bool is_bool = false;
};
struct Pointer {
  TypeId target;
};
struct Array {
  TypeId element;
  TypeId index;
  std::uint32_t count = 0;
};
struct Struct {
  std::string_view name;
  std::uint32_t size_bytes = 0;
  RecordList<Member> members;
};
struct Union {
  std::string_view name;
  std::uint32_t size_bytes = 0;
  RecordList<Member> members;
};
struct Enum {
  std::string_view name;
  std::uint32_t size_bytes = 0;
  bool is_signed = false;
  RecordList<EnumValue> values;
};
struct Enum64 {
  std::string_view name;
  std::uint32_t size_bytes = 0;
  bool is_signed = false;
  RecordList<EnumValue> values;
};
struct Forward {
  std::string_view name;
  bool is_union = false;
};
struct Typedef {
  std::string_view name;
  TypeId target;
};
struct Volatile {
  TypeId target;
};
struct Const {
  TypeId target;
};
struct Restrict {
  TypeId target;
};
struct Func {
  std::string_view name;
  TypeId prototype;
  Linkage linkage = Linkage::kStatic;
};
struct FuncProto {
  TypeId result;
  RecordList<Parameter> parameters;
};
struct Var {
  std::string_view name;
  TypeId type;
  Linkage linkage = Linkage::kStatic;
};
struct DataSec {
  std::string_view name;
  std::uint32_t size_bytes = 0;
  RecordList<SectionVariable> variables;
};
struct Float {
  std::string_view name;
  std::uint32_t size_bytes = 0;
};
struct DeclTag {
  std::string_view tag;
  TypeId target;
  std::int32_t component = -1;  // member or parameter; -1 for the target itself
};
struct TypeTag {
  std::string_view tag;
  TypeId target;
};

using Type = std::variant<Void, Int, Pointer, Array, Struct, Union, Enum, Forward, Typedef, Volatile, Const, Restrict,
                          Func, FuncProto, Var, DataSec, Float, DeclTag, TypeTag, Enum64>;

enum class Checking : std::uint8_t {
  kNow,    // the whole content, before anything is read: what is read later cannot fail on it
  kOnUse,  // each type when it is read: for large files of which little is needed
};

// Immutable once parsed: every const member may be called from any thread. Types are decoded in place from the bytes,
// so there is nothing to inflate or to cache: what is kept beside the bytes is 4 bytes a type, and an index of names
// once several were looked up. Names and record lists point into it.
//
// Every accessor is safe on hostile content whichever way it was checked. With kOnUse, ids in records may be out of
// range (TypeById refuses them) and names that are out of range read as empty; Check() tells.
class STRATA_EXPORT Btf {
 public:
  // Checks the whole of `bytes` (header, every type, name and id), so that what is read later cannot fail on its
  // content. Either byte order. `where` starts the text of errors, for example "a.bpf.o: section .BTF". With a `base`
  // (split BTF of a module), ids and names continue where the base's end. Errors: kMalformed, naming offset and type
  // id.
  static Result<std::shared_ptr<const Btf>> Parse(std::vector<std::byte> bytes, std::string_view where = "BTF",
                                                  std::shared_ptr<const Btf> base = nullptr,
                                                  Checking checking = Checking::kNow);

  // A file of raw BTF. Those of /sys/kernel/btf are mapped (Linux 6.16), or read where the kernel cannot map them; any
  // other file is read, as its owner could change it under a mapping. Errors: those of opening the file, with its path;
  // kMalformed.
  static Result<std::shared_ptr<const Btf>> Open(const std::string& path, std::shared_ptr<const Btf> base = nullptr,
                                                 Checking checking = Checking::kOnUse);
  ~Btf();

  // The full check, as Parse does it with kNow; of the base as well.
  Result<void> Check() const;

  // As given to Parse: what BPF_BTF_LOAD takes.
  std::span<const std::byte> bytes() const { return bytes_; }
  std::endian byte_order() const { return order_; }
  const std::string& where() const { return where_; }

  // Of a split BTF; else null.
  const std::shared_ptr<const Btf>& base() const { return base_; }

  // Its own strings, each with its NUL, without those of the base; and the offset of the first one.
  std::string_view strings() const;
  std::uint32_t first_string_offset() const { return first_string_; }

  // Ids run from 1 to type_count() - 1, those of the base included; 0 is void. first_id() is the first that is no
  // base's.
  std::uint32_t type_count() const { return first_id_ + static_cast<std::uint32_t>(offsets_.size()); }

  std::uint32_t first_id() const { return first_id_; }

  // kNotFound for an id out of range.
  Result<Type> TypeById(TypeId id) const;

  // The same where the kind is known: kInvalidArgument when it is another.
  template <typename T>
  Result<T> Get(TypeId id) const {
    Type type = STRATA_TRY(TypeById(id));
    if (T* wanted = std::get_if<T>(&type)) return std::move(*wanted);
    return WrongKind(id, static_cast<Kind>(Type(T{}).index()));
  }

  // kUnknown and an empty name for void and an id out of range.
  Kind KindOf(TypeId id) const;
  std::string_view NameOf(TypeId id) const;

  // The first type of that kind and name; kNotFound.
  Result<TypeId> FindByName(std::string_view name, Kind kind) const;

  // Every type of that name, of one kind or of any, in the order of ids.
  std::vector<TypeId> FindAll(std::string_view name, std::optional<Kind> kind = std::nullopt) const;

  // The only one of them: kNotFound, or kInvalidArgument naming the ids when there are several.
  Result<TypeId> FindUnique(std::string_view name, std::optional<Kind> kind = std::nullopt) const;

  // Every type whose name without a flavour ("task_struct___v2") is `essential`, in the order of ids.
  std::vector<TypeId> FindAllByEssentialName(std::string_view essential) const;

  // The texts of the declaration tags on a type, or on one of its members or parameters.
  std::vector<std::string_view> TagsOf(TypeId target, std::int32_t component = -1) const;

  // Bytes that a value takes; kInvalidArgument for types without a size (void, functions, forward declarations) and for
  // endless or overflowing ones.
  Result<std::uint64_t> SizeOf(TypeId id) const;

  // What is left of a type without typedefs, const, volatile, restrict and type tags; kMalformed for a circle.
  Result<TypeId> Resolve(TypeId id) const;

  // The name of a type as C writes it, for messages: "struct task_struct", "unsigned int", "char *".
  std::string Describe(TypeId id) const;

  // Where the type's record starts in bytes(); nothing for void and for types of the base.
  std::optional<std::size_t> OffsetOf(TypeId id) const;

  // The type as it is stored, as words in host byte order: name, info, size or target, then what the kind adds. Empty
  // for void and an id out of range.
  void ReadWords(TypeId id, std::vector<std::uint32_t>* words) const;

  // A string by its offset, as .BTF.ext refers to it; kMalformed when outside.
  Result<std::string_view> StringAt(std::uint32_t offset) const;

 private:
  template <typename Record>
  friend class RecordList;
  struct RawType;
  struct Lookup;

  Btf();
  static Result<std::shared_ptr<const Btf>> Read(FileBytes bytes, std::string_view where,
                                                 std::shared_ptr<const Btf> base, Checking checking);
  Result<void> ReadHeader();
  Result<void> IndexTypes();
  Result<void> CheckFixedPart(const RawType& raw) const;
  Result<void> CheckRecords(const RawType& raw) const;
  Error MalformedType(TypeId id, std::string_view message) const;
  Error WrongKind(TypeId id, Kind wanted) const;

  const Btf& Owner(TypeId id) const;
  RawType RawAt(TypeId id) const;
  Type Decode(const RawType& raw) const;
  Error MalformedExtent(std::uint32_t start, std::uint32_t info) const;

  // Of the type section, in host byte order; the caller knows that it lies within.
  std::uint32_t Word(std::uint32_t offset) const {
    std::uint32_t word;
    std::memcpy(&word, types_ + offset, sizeof(word));
    return order_ == std::endian::native ? word : SwapBytes(word);
  }
  bool IsString(std::uint32_t offset) const { return offset - first_string_ < strings_size_ || offset < first_string_; }
  std::string_view Name(std::uint32_t offset) const {
    if (offset < first_string_) return base_->Name(offset);
    if (offset - first_string_ >= strings_size_) return {};
    return reinterpret_cast<const char*>(bytes_.data()) + strings_start_ + (offset - first_string_);
  }
  std::uint32_t NameWord(std::uint32_t index) const { return Word(offsets_[index]); }
  const NameIndex* IndexForLookup() const;
  template <typename Names>
  std::vector<TypeId> Select(const Names& names, std::optional<Kind> kind, std::size_t limit) const;

  FileBytes file_;
  std::span<const std::byte> bytes_;
  std::string where_;
  std::endian order_ = std::endian::native;
  std::shared_ptr<const Btf> base_;
  std::uint32_t first_id_ = 1;      // of offsets_[0]
  std::uint32_t first_string_ = 0;  // bytes of strings that the bases hold
  const std::byte* types_ = nullptr;
  std::uint32_t types_start_ = 0;  // in bytes_
  std::uint32_t types_size_ = 0;
  std::uint32_t strings_start_ = 0;  // in bytes_
  std::uint32_t strings_size_ = 0;
  std::vector<std::uint32_t> offsets_;  // of each type, in the type section
  bool is_checked_ = false;
  std::unique_ptr<Lookup> lookup_;
};

template <>
inline Member RecordList<Member>::Decode(std::uint32_t index) const {
  const std::uint32_t record = offset_ + index * 12;
  const std::uint32_t position = btf_->Word(record + 8);
  return Member{.name = btf_->Name(btf_->Word(record)),
                .type = TypeId{btf_->Word(record + 4)},
                .bit_offset = form_.kind_flag ? position & 0xffffff : position,
                .bitfield_bits = form_.kind_flag ? position >> 24 : 0};
}

template <>
inline EnumValue RecordList<EnumValue>::Decode(std::uint32_t index) const {
  const std::uint32_t record = offset_ + index * (form_.is_wide ? 12 : 8);
  const std::uint32_t low = btf_->Word(record + 4);
  std::int64_t value = form_.kind_flag ? static_cast<std::int32_t>(low) : std::int64_t{low};
  if (form_.is_wide) value = static_cast<std::int64_t>((std::uint64_t{btf_->Word(record + 8)} << 32) | low);
  return EnumValue{btf_->Name(btf_->Word(record)), value};
}

template <>
inline Parameter RecordList<Parameter>::Decode(std::uint32_t index) const {
  const std::uint32_t record = offset_ + index * 8;
  return Parameter{btf_->Name(btf_->Word(record)), TypeId{btf_->Word(record + 4)}};
}

template <>
inline SectionVariable RecordList<SectionVariable>::Decode(std::uint32_t index) const {
  const std::uint32_t record = offset_ + index * 12;
  return SectionVariable{TypeId{btf_->Word(record)}, btf_->Word(record + 4), btf_->Word(record + 8)};
}

}  // namespace strata::btf
