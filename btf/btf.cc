#include "strata/btf/btf.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "lookup.h"
#include "raw_type.h"
#include "strata/base/byte_reader.h"

namespace strata::btf {
namespace {

// What KindLayout says of sizes, for all numbers that the field can hold: the walk over all types has to be short.
struct KindSize {
  std::uint32_t fixed = 0;  // with the common words; 0 for kinds that are not known
  std::uint32_t record = 0;
};
constexpr std::array<KindSize, 32> kSizes = [] {
  std::array<KindSize, 32> sizes;
  for (std::size_t kind = 1; kind < kKindCount; ++kind) {
    sizes[kind] = {kTypeSize + kLayouts[kind].fixed_size, kLayouts[kind].record_size};
  }
  return sizes;
}();

}  // namespace
std::string_view KindName(Kind kind) { return LayoutOf(kind).name; }

Btf::Btf() : lookup_(std::make_unique<Lookup>()) {}
Btf::~Btf() = default;

Result<std::shared_ptr<const Btf>> Btf::Parse(std::vector<std::byte> bytes, std::string_view where,
                                              std::shared_ptr<const Btf> base, Checking checking) {
  return Read(FileBytes(std::move(bytes)), where, std::move(base), checking);
}

Result<std::shared_ptr<const Btf>> Btf::Open(const std::string& path, std::shared_ptr<const Btf> base,
                                             Checking checking) {
  return Read(STRATA_TRY(FileBytes::Open(path)), path, std::move(base), checking);
}

Result<std::shared_ptr<const Btf>> Btf::Read(FileBytes bytes, std::string_view where, std::shared_ptr<const Btf> base,
                                             Checking checking) {
  std::shared_ptr<Btf> btf(new Btf);
  btf->file_ = std::move(bytes);
  btf->bytes_ = btf->file_.bytes();
  btf->where_ = where;
  btf->base_ = std::move(base);
  if (btf->base_ != nullptr) {
    btf->first_id_ = btf->base_->type_count();
    btf->first_string_ = btf->base_->first_string_ + btf->base_->strings_size_;
  }
  STRATA_TRY(btf->ReadHeader());
  STRATA_TRY(btf->IndexTypes());
  if (checking == Checking::kNow) {
    STRATA_TRY(btf->Check());
    btf->is_checked_ = true;
  }
  return std::shared_ptr<const Btf>(std::move(btf));
}

Result<void> Btf::ReadHeader() {
  ByteReader reader(bytes_, where_);
  const auto magic = STRATA_TRY(reader.Read<std::uint16_t>("magic"));
  if (magic != kMagic && magic != kSwappedMagic) {
    return reader.Malformed(fmt::format("magic is {:#06x}, not {:#06x}", magic, kMagic));
  }
  const bool is_native = magic == kMagic;
  const auto other = std::endian::native == std::endian::little ? std::endian::big : std::endian::little;
  order_ = is_native ? std::endian::native : other;

  reader = ByteReader(bytes_, where_, order_);
  STRATA_TRY(reader.Skip(2, "magic"));
  const auto version = STRATA_TRY(reader.Read<std::uint8_t>("version"));
  if (version != kVersion) return reader.Malformed(fmt::format("version {} is not known", version));
  const auto flags = STRATA_TRY(reader.Read<std::uint8_t>("flags"));
  if (flags != 0) return reader.Malformed(fmt::format("flags {:#x} are not known", flags));
  const auto header_size = STRATA_TRY(reader.Read<std::uint32_t>("header length"));
  const auto types_offset = STRATA_TRY(reader.Read<std::uint32_t>("type offset"));
  const auto types_size = STRATA_TRY(reader.Read<std::uint32_t>("type length"));
  const auto strings_offset = STRATA_TRY(reader.Read<std::uint32_t>("string offset"));
  const auto strings_size = STRATA_TRY(reader.Read<std::uint32_t>("string length"));
  if (header_size < kHeaderSize) return reader.Malformed(fmt::format("header length {} is too small", header_size));

  // A newer format may have a longer header; as long as its new fields are zero, nothing in it changes what we know.
  const auto tail = STRATA_TRY(reader.ReadBytes(header_size - kHeaderSize, "header"));
  for (const std::byte byte : tail) {
    if (byte != std::byte{0}) return reader.Malformed("the header has fields that are not known");
  }
  const ByteReader body(bytes_.subspan(header_size), where_, order_);
  STRATA_TRY(body.Slice(types_offset, types_size, "types"));
  STRATA_TRY(body.Slice(strings_offset, strings_size, "strings"));
  types_start_ = header_size + types_offset;
  types_ = bytes_.data() + types_start_;
  types_size_ = types_size;
  strings_start_ = header_size + strings_offset;
  strings_size_ = strings_size;

  // With a NUL at its end, every offset into the strings is the start of a terminated one.
  const bool is_terminated = strings_size > 0 && bytes_[strings_start_ + strings_size - 1] == std::byte{0};
  if (!is_terminated && (strings_size > 0 || base_ == nullptr)) return body.Malformed("strings: no NUL at the end");
  // Offset 0 is the name of what has none.
  if (base_ == nullptr && bytes_[strings_start_] != std::byte{0}) {
    return body.Malformed("strings: the first one is not empty");
  }
  return {};
}

// Walks over all types once: afterwards every type lies within the section with all its records.
Result<void> Btf::IndexTypes() {
  // Few types are smaller than a pointer to a struct of a member; the vector grows where most are.
  constexpr std::uint32_t kTypicalSize = 24;
  offsets_.reserve(types_size_ / kTypicalSize);
  std::uint32_t start = 0;
  while (types_size_ - start >= kTypeSize) {
    const std::uint32_t info = Word(start + 4);
    const KindSize size = kSizes[KindNumber(info)];
    const std::uint32_t total = size.fixed + size.record * VariableLength(info);
    if (size.fixed == 0 || total > types_size_ - start) return MalformedExtent(start, info);
    offsets_.push_back(start);
    start += total;
  }
  if (start == types_size_) return {};
  return Error(ErrorCode::kMalformed, fmt::format("{}: types: offset {}: type {}: {} bytes are no type", where_, start,
                                                  type_count(), types_size_ - start));
}

Error Btf::MalformedExtent(std::uint32_t start, std::uint32_t info) const {
  const std::uint32_t number = KindNumber(info);
  std::string message = fmt::format(": kind {} is not known", number);
  if (number != 0 && number < kKindCount) {
    const KindLayout& layout = kLayouts[number];
    message =
        fmt::format(" ({}): needs {} more bytes, {} are left", layout.name,
                    layout.fixed_size + layout.record_size * VariableLength(info), types_size_ - start - kTypeSize);
  }
  return Error(ErrorCode::kMalformed,
               fmt::format("{}: types: offset {}: type {}{}", where_, start, type_count(), message));
}

Result<void> Btf::Check() const {
  if (is_checked_) return {};
  if (base_ != nullptr) STRATA_TRY(base_->Check());
  for (std::uint32_t id = first_id_; id < type_count(); ++id) {
    const RawType raw = RawAt(TypeId{id});
    STRATA_TRY(CheckFixedPart(raw));
    STRATA_TRY(CheckRecords(raw));
  }
  return {};
}

// `this` owns the type.
Result<void> Btf::CheckFixedPart(const RawType& raw) const {
  if (!IsString(raw.name)) return MalformedType(raw.id, fmt::format("name offset {} is past the end", raw.name));
  if (LayoutOf(raw.kind).has_target && raw.size_or_target >= type_count()) {
    return MalformedType(raw.id,
                         fmt::format("refers to type {}, the last is {}", raw.size_or_target, type_count() - 1));
  }
  if (raw.kind == Kind::kArray && (Word(raw.extra) >= type_count() || Word(raw.extra + 4) >= type_count())) {
    return MalformedType(raw.id, "element or index type is out of range");
  }
  if (raw.kind == Kind::kInt) {
    const Int type = std::get<Int>(Decode(raw));
    const bool fits = type.size_bytes > 0 && type.size_bytes <= 16 &&
                      std::uint32_t{type.bits} + type.bit_offset <= type.size_bytes * 8;
    if (!fits) return MalformedType(raw.id, fmt::format("{} bits do not fit {} bytes", type.bits, type.size_bytes));
  }
  const bool is_enum = raw.kind == Kind::kEnum || raw.kind == Kind::kEnum64;
  // A forward declaration has neither size nor values.
  const bool is_declared_only = raw.size_or_target == 0 && raw.count == 0;
  if (is_enum && !is_declared_only && (raw.size_or_target > 8 || !std::has_single_bit(raw.size_or_target))) {
    return MalformedType(raw.id, fmt::format("an enum of {} bytes", raw.size_or_target));
  }
  return {};
}

Result<void> Btf::CheckRecords(const RawType& raw) const {
  const KindLayout& layout = LayoutOf(raw.kind);
  if (layout.record_size == 0) return {};
  for (std::uint32_t i = 0; i < raw.count; ++i) {
    const std::uint32_t record = raw.extra + layout.fixed_size + i * layout.record_size;
    if (layout.record_name != kNoField && !IsString(Word(record + layout.record_name))) {
      return MalformedType(raw.id, fmt::format("record {}: name offset is past the end", i));
    }
    if (layout.record_type != kNoField && Word(record + layout.record_type) >= type_count()) {
      return MalformedType(raw.id, fmt::format("record {}: refers to type {}, the last is {}", i,
                                               Word(record + layout.record_type), type_count() - 1));
    }
  }
  return {};
}

Error Btf::MalformedType(TypeId id, std::string_view message) const {
  const RawType raw = RawAt(id);
  const std::uint32_t offset = types_start_ + offsets_[id.value - first_id_];
  return Error(ErrorCode::kMalformed,
               fmt::format("{}: offset {}: type {} ({}): {}", where_, offset, id.value, KindName(raw.kind), message));
}

Error Btf::WrongKind(TypeId id, Kind wanted) const {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{}: type {} is a {} and no {}", where_, id.value, KindName(KindOf(id)), KindName(wanted)));
}

const Btf& Btf::Owner(TypeId id) const {
  const Btf* owner = this;
  while (id.value < owner->first_id_ && owner->base_ != nullptr) owner = owner->base_.get();
  return *owner;
}

Btf::RawType Btf::RawAt(TypeId id) const {
  const Btf& owner = Owner(id);
  if (id.value < owner.first_id_) return RawType{};
  const std::uint32_t offset = owner.offsets_[id.value - owner.first_id_];
  const std::uint32_t info = owner.Word(offset + 4);
  return RawType{.id = id,
                 .kind = static_cast<Kind>(KindNumber(info)),
                 .kind_flag = (info >> 31) != 0,
                 .count = VariableLength(info),
                 .name = owner.Word(offset),
                 .size_or_target = owner.Word(offset + 8),
                 .extra = offset + kTypeSize};
}

Result<std::string_view> Btf::StringAt(std::uint32_t offset) const {
  if (!IsString(offset)) {
    return Error(ErrorCode::kMalformed, fmt::format("{}: string offset {} is past the end at {}", where_, offset,
                                                    first_string_ + strings_size_));
  }
  return Name(offset);
}

// `this` owns the type, so that its words and names are read from its own bytes.
Type Btf::Decode(const RawType& raw) const {
  const std::string_view name = Name(raw.name);
  const std::uint32_t size = raw.size_or_target;
  const TypeId target = raw.target();
  const auto records = [&]<typename Record>(bool is_wide) {
    return RecordList<Record>(this, raw.extra, raw.count, RecordForm{raw.kind_flag, is_wide});
  };
  switch (raw.kind) {
    case Kind::kUnknown:
      return Void{};
    case Kind::kInt: {
      const std::uint32_t data = Word(raw.extra);
      const std::uint32_t encoding = (data >> 24) & 0xf;
      return Int{name,
                 size,
                 static_cast<std::uint8_t>(data),
                 static_cast<std::uint8_t>(data >> 16),
                 (encoding & 1) != 0,
                 (encoding & 2) != 0,
                 (encoding & 4) != 0};
    }
    case Kind::kPointer:
      return Pointer{target};
    case Kind::kArray:
      return Array{TypeId{Word(raw.extra)}, TypeId{Word(raw.extra + 4)}, Word(raw.extra + 8)};
    case Kind::kStruct:
      return Struct{name, size, records.operator()<Member>(false)};
    case Kind::kUnion:
      return Union{name, size, records.operator()<Member>(false)};
    case Kind::kEnum:
      return Enum{name, size, raw.kind_flag, records.operator()<EnumValue>(false)};
    case Kind::kForward:
      return Forward{name, raw.kind_flag};
    case Kind::kTypedef:
      return Typedef{name, target};
    case Kind::kVolatile:
      return Volatile{target};
    case Kind::kConst:
      return Const{target};
    case Kind::kRestrict:
      return Restrict{target};
    case Kind::kFunc:
      return Func{name, target, static_cast<Linkage>(raw.count)};
    case Kind::kFuncProto:
      return FuncProto{target, records.operator()<Parameter>(false)};
    case Kind::kVar:
      return Var{name, target, static_cast<Linkage>(Word(raw.extra))};
    case Kind::kDataSec:
      return DataSec{name, size, records.operator()<SectionVariable>(false)};
    case Kind::kFloat:
      return Float{name, size};
    case Kind::kDeclTag:
      return DeclTag{name, target, static_cast<std::int32_t>(Word(raw.extra))};
    case Kind::kTypeTag:
      return TypeTag{name, target};
    case Kind::kEnum64:
      return Enum64{name, size, raw.kind_flag, records.operator()<EnumValue>(true)};
  }
  return Void{};
}

Result<Type> Btf::TypeById(TypeId id) const {
  if (id == kVoid) return Type{Void{}};
  if (id.value >= type_count()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{}: there is no type {}, the last is {}", where_, id.value, type_count() - 1));
  }
  const Btf& owner = Owner(id);
  const RawType raw = owner.RawAt(id);
  if (!owner.is_checked_) STRATA_TRY(owner.CheckFixedPart(raw));
  return owner.Decode(raw);
}

void Btf::ReadWords(TypeId id, std::vector<std::uint32_t>* words) const {
  words->clear();
  if (id == kVoid || id.value >= type_count()) return;
  const Btf& owner = Owner(id);
  const std::uint32_t offset = owner.offsets_[id.value - owner.first_id_];
  const std::uint32_t count = WordCount(owner.Word(offset + 4));
  words->resize(count);
  for (std::uint32_t i = 0; i < count; ++i) (*words)[i] = owner.Word(offset + i * 4);
}

std::string_view Btf::strings() const {
  return {reinterpret_cast<const char*>(bytes_.data()) + strings_start_, strings_size_};
}

Kind Btf::KindOf(TypeId id) const { return id.value < type_count() ? RawAt(id).kind : Kind::kUnknown; }

std::string_view Btf::NameOf(TypeId id) const {
  return id.value < type_count() ? Owner(id).Name(RawAt(id).name) : std::string_view();
}

std::optional<std::size_t> Btf::OffsetOf(TypeId id) const {
  if (id.value < first_id_ || id.value >= type_count()) return std::nullopt;
  return std::size_t{types_start_} + offsets_[id.value - first_id_];
}

}  // namespace strata::btf
