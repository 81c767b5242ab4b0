#include "strata/btf/btf.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "layout.h"
#include "strata/base/byte_reader.h"

namespace strata::btf {
namespace {

constexpr std::uint32_t kPointerSize = 8;

}  // namespace

// One type as it is stored. `extra` is the offset of what follows it in the type section.
struct Btf::RawType {
  TypeId id;
  Kind kind = Kind::kUnknown;
  bool kind_flag = false;
  std::uint32_t count = 0;  // vlen
  std::uint32_t name = 0;
  std::uint32_t size_or_target = 0;
  std::uint32_t extra = 0;

  TypeId target() const { return TypeId{size_or_target}; }
};

// A flavour starts at the last "___" that has a character other than an underscore before and behind it.
std::string_view EssentialName(std::string_view name) {
  for (std::size_t i = name.size(); i-- > 0;) {
    const bool is_separator =
        i >= 1 && i + 3 < name.size() && name.substr(i, 3) == "___" && name[i - 1] != '_' && name[i + 3] != '_';
    if (is_separator) return name.substr(0, i);
  }
  return name;
}

std::string_view KindName(Kind kind) { return LayoutOf(kind).name; }

Result<std::shared_ptr<const Btf>> Btf::Parse(std::vector<std::byte> bytes, std::string_view where,
                                              std::shared_ptr<const Btf> base) {
  std::shared_ptr<Btf> btf(new Btf);
  btf->bytes_ = std::move(bytes);
  btf->where_ = where;
  btf->base_ = std::move(base);
  if (btf->base_ != nullptr) {
    btf->first_id_ = btf->base_->type_count();
    btf->first_string_ = btf->base_->first_string_ + btf->base_->strings_size_;
  }
  STRATA_TRY(btf->ReadHeader());
  STRATA_TRY(btf->IndexTypes());
  STRATA_TRY(btf->CheckTypes());
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
  const ByteReader body(std::span<const std::byte>(bytes_).subspan(header_size), where_, order_);
  STRATA_TRY(body.Slice(types_offset, types_size, "types"));
  STRATA_TRY(body.Slice(strings_offset, strings_size, "strings"));
  types_start_ = header_size + types_offset;
  types_size_ = types_size;
  strings_start_ = header_size + strings_offset;
  strings_size_ = strings_size;

  // With a NUL at its end, every offset into the strings is the start of a terminated one.
  const bool is_terminated = strings_size > 0 && bytes_[strings_start_ + strings_size - 1] == std::byte{0};
  if (!is_terminated && (strings_size > 0 || base_ == nullptr)) return body.Malformed("strings: no NUL at the end");
  return {};
}

Result<void> Btf::IndexTypes() {
  ByteReader reader(std::span<const std::byte>(bytes_).subspan(types_start_, types_size_),
                    fmt::format("{}: types", where_), order_);
  while (reader.remaining() > 0) {
    const auto start = static_cast<std::uint32_t>(reader.offset());
    const TypeId id{type_count()};
    STRATA_TRY(reader.Skip(4, "name"));
    const auto info = STRATA_TRY(reader.Read<std::uint32_t>("info"));
    STRATA_TRY(reader.Skip(4, "size or type"));
    const std::uint32_t number = KindNumber(info);
    if (number == 0 || number >= kKindCount) {
      return reader.Malformed(fmt::format("type {}: kind {} is not known", id.value, number));
    }
    const KindLayout& layout = kLayouts[number];
    const std::uint64_t records = std::uint64_t{layout.record_size} * VariableLength(info);
    if (layout.fixed_size + records > reader.remaining()) {
      return reader.Malformed(fmt::format("type {} ({}): needs {} more bytes, {} are left", id.value, layout.name,
                                          layout.fixed_size + records, reader.remaining()));
    }
    STRATA_TRY(reader.Skip(layout.fixed_size + records, layout.name));
    offsets_.push_back(start);
  }
  return {};
}

Result<void> Btf::CheckTypes() const {
  for (std::uint32_t id = first_id_; id < type_count(); ++id) STRATA_TRY(CheckType(TypeId{id}));
  return {};
}

Result<void> Btf::CheckReferences(const RawType& raw) const {
  const KindLayout& layout = LayoutOf(raw.kind);
  if (!IsString(raw.name)) return MalformedType(raw.id, fmt::format("name offset {} is past the end", raw.name));
  if (layout.has_target && raw.size_or_target >= type_count()) {
    return MalformedType(raw.id,
                         fmt::format("refers to type {}, the last is {}", raw.size_or_target, type_count() - 1));
  }
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

Result<void> Btf::CheckType(TypeId id) const {
  const RawType raw = RawAt(id);
  STRATA_TRY(CheckReferences(raw));
  if (raw.kind == Kind::kArray && (Word(raw.extra) >= type_count() || Word(raw.extra + 4) >= type_count())) {
    return MalformedType(id, "element or index type is out of range");
  }
  if (raw.kind == Kind::kInt) {
    const Int type = std::get<Int>(Decode(id));
    const bool fits = type.size_bytes > 0 && type.size_bytes <= 16 &&
                      std::uint32_t{type.bits} + type.bit_offset <= type.size_bytes * 8;
    if (!fits) return MalformedType(id, fmt::format("{} bits do not fit {} bytes", type.bits, type.size_bytes));
  }
  const bool is_enum = raw.kind == Kind::kEnum || raw.kind == Kind::kEnum64;
  if (is_enum && (raw.size_or_target > 8 || !std::has_single_bit(raw.size_or_target))) {
    return MalformedType(id, fmt::format("an enum of {} bytes", raw.size_or_target));
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

std::uint32_t Btf::Word(std::uint32_t offset) const {
  std::uint32_t word;
  std::memcpy(&word, bytes_.data() + types_start_ + offset, sizeof(word));
  return order_ == std::endian::native ? word : SwapBytes(word);
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

bool Btf::IsString(std::uint32_t offset) const {
  return offset - first_string_ < strings_size_ || offset < first_string_;
}

std::string_view Btf::Name(std::uint32_t offset) const {
  if (offset < first_string_) return base_->Name(offset);
  if (offset - first_string_ >= strings_size_) return {};
  return reinterpret_cast<const char*>(bytes_.data()) + strings_start_ + (offset - first_string_);
}

std::vector<TypeId> Btf::FindAllByEssentialName(std::string_view essential) const {
  std::vector<TypeId> found;
  for (std::uint32_t id = 1; id < type_count(); ++id) {
    const std::string_view name = NameOf(TypeId{id});
    if (name.starts_with(essential) && EssentialName(name) == essential) found.push_back(TypeId{id});
  }
  return found;
}

Result<std::string_view> Btf::StringAt(std::uint32_t offset) const {
  if (!IsString(offset)) {
    return Error(ErrorCode::kMalformed, fmt::format("{}: string offset {} is past the end at {}", where_, offset,
                                                    first_string_ + strings_size_));
  }
  return Name(offset);
}

// `this` owns the type, so that its words and names are read from its own bytes.
Type Btf::Decode(TypeId id) const {
  const RawType raw = RawAt(id);
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

template <>
Member RecordList<Member>::Decode(std::uint32_t index) const {
  const std::uint32_t record = offset_ + index * 12;
  const std::uint32_t position = btf_->Word(record + 8);
  return Member{.name = btf_->Name(btf_->Word(record)),
                .type = TypeId{btf_->Word(record + 4)},
                .bit_offset = form_.kind_flag ? position & 0xffffff : position,
                .bitfield_bits = form_.kind_flag ? position >> 24 : 0};
}

template <>
EnumValue RecordList<EnumValue>::Decode(std::uint32_t index) const {
  const std::uint32_t record = offset_ + index * (form_.is_wide ? 12 : 8);
  const std::uint32_t low = btf_->Word(record + 4);
  std::int64_t value = form_.kind_flag ? static_cast<std::int32_t>(low) : std::int64_t{low};
  if (form_.is_wide) {
    value = static_cast<std::int64_t>((std::uint64_t{btf_->Word(record + 8)} << 32) | low);
  }
  return EnumValue{btf_->Name(btf_->Word(record)), value};
}

template <>
Parameter RecordList<Parameter>::Decode(std::uint32_t index) const {
  const std::uint32_t record = offset_ + index * 8;
  return Parameter{btf_->Name(btf_->Word(record)), TypeId{btf_->Word(record + 4)}};
}

template <>
SectionVariable RecordList<SectionVariable>::Decode(std::uint32_t index) const {
  const std::uint32_t record = offset_ + index * 12;
  return SectionVariable{TypeId{btf_->Word(record)}, btf_->Word(record + 4), btf_->Word(record + 8)};
}

Result<Type> Btf::TypeById(TypeId id) const {
  if (id == kVoid) return Type{Void{}};
  if (id.value >= type_count()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{}: there is no type {}, the last is {}", where_, id.value, type_count() - 1));
  }
  return Owner(id).Decode(id);
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

Result<TypeId> Btf::FindByName(std::string_view name, Kind kind) const {
  for (std::uint32_t id = 1; id < type_count(); ++id) {
    const RawType raw = RawAt(TypeId{id});
    if (raw.kind == kind && Owner(raw.id).Name(raw.name) == name) return raw.id;
  }
  return Error(ErrorCode::kNotFound, fmt::format("{}: there is no {} named {}", where_, KindName(kind), name));
}

Result<TypeId> Btf::Resolve(TypeId id) const {
  // A chain without a circle is shorter than the number of types.
  TypeId current = id;
  for (std::uint32_t step = 0; step < type_count(); ++step) {
    if (current.value >= type_count()) return TypeById(current).error();
    const RawType raw = RawAt(current);
    if (!IsModifier(raw.kind)) return current;
    current = raw.target();
  }
  return Error(ErrorCode::kMalformed, fmt::format("{}: type {} refers to itself", where_, id.value));
}

Result<std::uint64_t> Btf::SizeOf(TypeId id) const {
  std::uint64_t count = 1;
  TypeId current = id;
  for (std::uint32_t step = 0; step < type_count(); ++step) {
    current = STRATA_TRY(Resolve(current));
    const RawType raw = RawAt(current);
    std::uint64_t size = raw.size_or_target;
    switch (raw.kind) {
      case Kind::kPointer:
        size = kPointerSize;
        break;
      case Kind::kArray: {
        const Array array = std::get<Array>(Owner(current).Decode(current));
        if (__builtin_mul_overflow(count, std::uint64_t{array.count}, &count)) {
          return Error(ErrorCode::kInvalidArgument, fmt::format("{}: type {} is too large", where_, id.value));
        }
        current = array.element;
        continue;
      }
      case Kind::kVar:
        current = raw.target();
        continue;
      case Kind::kInt:
      case Kind::kStruct:
      case Kind::kUnion:
      case Kind::kEnum:
      case Kind::kEnum64:
      case Kind::kDataSec:
      case Kind::kFloat:
        break;
      case Kind::kUnknown:
      case Kind::kForward:
      case Kind::kTypedef:
      case Kind::kVolatile:
      case Kind::kConst:
      case Kind::kRestrict:
      case Kind::kFunc:
      case Kind::kFuncProto:
      case Kind::kDeclTag:
      case Kind::kTypeTag:
        return Error(ErrorCode::kInvalidArgument,
                     fmt::format("{}: type {} ({}) has no size", where_, current.value, KindName(raw.kind)));
    }
    if (__builtin_mul_overflow(count, size, &count)) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("{}: type {} is too large", where_, id.value));
    }
    return count;
  }
  return Error(ErrorCode::kMalformed, fmt::format("{}: type {} contains itself", where_, id.value));
}

std::string Btf::Describe(TypeId id) const {
  // Deep enough for what people write; a circle ends here too.
  constexpr int kMaxDepth = 16;
  std::string suffix;
  TypeId current = id;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (current == kVoid) return "void" + suffix;
    if (current.value >= type_count()) break;
    const RawType raw = RawAt(current);
    const std::string_view name = Owner(current).Name(raw.name);
    const auto named = [&](std::string_view keyword) {
      return fmt::format("{}{}{}", keyword, name.empty() ? "(anonymous)" : name, suffix);
    };
    switch (raw.kind) {
      case Kind::kPointer:
        suffix = (suffix.starts_with('*') ? "*" : " *") + std::string(suffix);
        break;
      case Kind::kArray: {
        const Array array = std::get<Array>(Owner(current).Decode(current));
        suffix += fmt::format("[{}]", array.count);
        current = array.element;
        continue;
      }
      case Kind::kConst:
        suffix.insert(0, " const");
        break;
      case Kind::kVolatile:
        suffix.insert(0, " volatile");
        break;
      case Kind::kRestrict:
      case Kind::kTypeTag:
        break;
      case Kind::kUnknown:
        return "void" + suffix;
      case Kind::kStruct:
        return named("struct ");
      case Kind::kUnion:
        return named("union ");
      case Kind::kForward:
        return named(raw.kind_flag ? "union " : "struct ");
      case Kind::kEnum:
      case Kind::kEnum64:
        return named("enum ");
      case Kind::kFunc:
      case Kind::kFuncProto:
        return fmt::format("function{}", suffix);
      case Kind::kInt:
      case Kind::kTypedef:
      case Kind::kVar:
      case Kind::kDataSec:
      case Kind::kFloat:
      case Kind::kDeclTag:
        return named("");
    }
    current = raw.target();
  }
  return "?" + suffix;
}

}  // namespace strata::btf
