#include "strata/btf/fixup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "strata/base/byte_reader.h"

namespace strata::btf {
namespace {

// Writes words of one BTF in its byte order; every offset comes from Btf, which has checked it.
class Patcher {
 public:
  Patcher(std::vector<std::byte>& bytes, std::endian order) : bytes_(bytes), order_(order) {}

  std::uint32_t Get(std::size_t offset) const {
    std::uint32_t word;
    std::memcpy(&word, bytes_.data() + offset, sizeof(word));
    return order_ == std::endian::native ? word : SwapBytes(word);
  }
  void Set(std::size_t offset, std::uint32_t word) {
    if (order_ != std::endian::native) word = SwapBytes(word);
    std::memcpy(bytes_.data() + offset, &word, sizeof(word));
  }

 private:
  std::vector<std::byte>& bytes_;
  std::endian order_;
};

std::uint32_t Narrow(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

Error Malformed(std::string message) { return Error(ErrorCode::kMalformed, std::move(message)); }

// Where the words of a type stand, from its start.
constexpr std::size_t kInfo = 4;
constexpr std::size_t kSizeOrTarget = 8;
constexpr std::size_t kExtra = 12;

constexpr std::string_view kKconfig = ".kconfig";
constexpr std::string_view kKsyms = ".ksyms";

class Fixer {
 public:
  Fixer(const Btf& types, const ObjectLayout& layout)
      : types_(types),
        layout_(layout),
        bytes_(types.bytes().begin(), types.bytes().end()),
        patcher_(bytes_, types.byte_order()) {}

  Result<std::vector<std::byte>> Run() {
    for (std::uint32_t id = 1; id < types_.type_count(); ++id) {
      const auto offset = types_.OffsetOf(TypeId{id});
      if (!offset) continue;
      const Kind kind = types_.KindOf(TypeId{id});
      if (kind == Kind::kDataSec) STRATA_TRY(FixSection(TypeId{id}, *offset));
      if (kind == Kind::kFunc) FixFunction(TypeId{id}, *offset);
      if (kind == Kind::kVar && layout_.hidden_variables.contains(types_.NameOf(TypeId{id}))) {
        SetVariableLinkage(*offset, Linkage::kStatic);
      }
    }
    return added_strings_.empty() ? std::move(bytes_) : WithAdditions();
  }

 private:
  Result<void> FixSection(TypeId id, std::size_t offset) {
    const auto section = STRATA_TRY(types_.Get<DataSec>(id));
    if (section.name == kKsyms) return FixKernelSymbols(section, offset);
    const bool is_kconfig = section.name == kKconfig;
    if (section.size_bytes != 0 && !is_kconfig) return {};
    const auto known = layout_.sections.find(section.name);
    if (known == layout_.sections.end()) return {};
    if (known->second.size_bytes > UINT32_MAX) {
      return Malformed(fmt::format("section {}: larger than 4 GiB", section.name));
    }
    const auto variables = STRATA_TRY(PlaceVariables(section, known->second));
    patcher_.Set(offset + kSizeOrTarget, Narrow(known->second.size_bytes));
    WriteVariables(offset, variables);
    for (const SectionVariable& variable : variables) {
      const auto place = types_.OffsetOf(variable.type);
      if (is_kconfig && place) SetVariableLinkage(*place, Linkage::kGlobal);
    }
    return {};
  }

  Result<std::vector<SectionVariable>> PlaceVariables(const DataSec& section, const SectionLayout& layout) const {
    std::vector<SectionVariable> placed(section.variables.begin(), section.variables.end());
    for (SectionVariable& variable : placed) {
      const auto var = STRATA_TRY(types_.Get<Var>(variable.type).Context(fmt::format("section {}", section.name)));
      // Static ones are where the compiler says; clang before 16 also lists some variables under a section that they
      // are not in.
      const auto offset = layout.variable_offsets.find(var.name);
      if (var.linkage == Linkage::kStatic || offset == layout.variable_offsets.end()) continue;
      if (offset->second > layout.size_bytes || variable.size_bytes > layout.size_bytes - offset->second) {
        return Malformed(fmt::format("section {}: variable {} ({} bytes at {}) is outside of its {} bytes",
                                     section.name, var.name, variable.size_bytes, offset->second, layout.size_bytes));
      }
      variable.offset_bytes = Narrow(offset->second);
    }
    // The kernel wants ascending offsets.
    std::stable_sort(placed.begin(), placed.end(), [](const SectionVariable& a, const SectionVariable& b) {
      return a.offset_bytes < b.offset_bytes;
    });
    return placed;
  }

  void WriteVariables(std::size_t section, const std::vector<SectionVariable>& variables) {
    std::size_t record = section + kExtra;
    for (const SectionVariable& variable : variables) {
      patcher_.Set(record, variable.type.value);
      patcher_.Set(record + 4, variable.offset_bytes);
      patcher_.Set(record + 8, variable.size_bytes);
      record += 12;
    }
  }

  Result<void> FixKernelSymbols(const DataSec& section, std::size_t offset) {
    std::vector<SectionVariable> variables(section.variables.begin(), section.variables.end());
    std::uint32_t end = 0;
    for (SectionVariable& variable : variables) {
      const auto place = types_.OffsetOf(variable.type);
      if (!place) continue;
      if (types_.KindOf(variable.type) == Kind::kFunc) {
        variable.type = StandIn();
      } else {
        STRATA_TRY(types_.Get<Var>(variable.type).Context(fmt::format("section {}", section.name)));
        SetVariableLinkage(*place, Linkage::kGlobal);
        patcher_.Set(*place + kSizeOrTarget, PlainInt().value);
      }
      variable.offset_bytes = end;
      variable.size_bytes = sizeof(std::uint32_t);
      end += variable.size_bytes;
    }
    patcher_.Set(offset + kSizeOrTarget, end);
    WriteVariables(offset, variables);
    return {};
  }

  void NameParameters(TypeId prototype) {
    const auto place = types_.OffsetOf(prototype);
    const auto function = types_.Get<FuncProto>(prototype);
    if (!place || !function) return;
    const std::uint32_t name = StandInName();
    for (std::uint32_t i = 0; i < function->parameters.size(); ++i) {
      const std::size_t record = *place + kExtra + i * std::size_t{8};
      if (patcher_.Get(record) == 0 && patcher_.Get(record + 4) != 0) patcher_.Set(record, name);
    }
  }

  void FixFunction(TypeId id, std::size_t offset) {
    const auto function = types_.Get<Func>(id);
    if (!function) return;
    const bool is_hidden = function->linkage == Linkage::kGlobal && layout_.hidden_functions.contains(function->name);
    const bool is_extern = function->linkage == Linkage::kExtern;
    if (is_extern) NameParameters(function->prototype);
    if (is_hidden || is_extern) SetFunctionLinkage(offset, Linkage::kStatic);
  }

  // A FUNC keeps its linkage where other kinds count their records.
  void SetFunctionLinkage(std::size_t offset, Linkage linkage) {
    const std::uint32_t rest = patcher_.Get(offset + kInfo) & ~std::uint32_t{0xffff};
    patcher_.Set(offset + kInfo, rest | static_cast<std::uint32_t>(linkage));
  }
  void SetVariableLinkage(std::size_t offset, Linkage linkage) {
    patcher_.Set(offset + kExtra, static_cast<std::uint32_t>(linkage));
  }

  // An int of 32 bits: the object's, or one that is added.
  TypeId PlainInt() {
    for (std::uint32_t id = 1; !plain_int_ && id < types_.type_count(); ++id) {
      if (types_.KindOf(TypeId{id}) != Kind::kInt) continue;
      const auto number = types_.Get<Int>(TypeId{id});
      if (number && number->size_bytes == 4 && number->bits == 32) plain_int_ = TypeId{id};
    }
    if (!plain_int_) plain_int_ = AddType(Kind::kInt, AddString("int"), sizeof(std::uint32_t), 0x01000020);
    return *plain_int_;
  }

  // The variable that stands in a section where a function was.
  TypeId StandIn() {
    if (!stand_in_) {
      const TypeId number = PlainInt();
      stand_in_ = AddType(Kind::kVar, StandInName(), number.value, static_cast<std::uint32_t>(Linkage::kGlobal));
    }
    return *stand_in_;
  }
  std::uint32_t StandInName() {
    if (!stand_in_name_) stand_in_name_ = AddString("dummy_ksym");
    return *stand_in_name_;
  }

  std::uint32_t AddString(std::string_view text) {
    const auto offset = static_cast<std::uint32_t>(patcher_.Get(kHeaderStringsSize) + added_strings_.size());
    added_strings_ += text;
    added_strings_ += '\0';
    return offset;
  }

  TypeId AddType(Kind kind, std::uint32_t name, std::uint32_t size_or_target, std::uint32_t extra) {
    added_types_.insert(added_types_.end(), {name, static_cast<std::uint32_t>(kind) << 24, size_or_target, extra});
    return TypeId{types_.type_count() + added_type_count_++};
  }

  // Where the header's words stand, from its start.
  static constexpr std::size_t kHeaderSize = 4;
  static constexpr std::size_t kHeaderTypes = 8;
  static constexpr std::size_t kHeaderTypesSize = 12;
  static constexpr std::size_t kHeaderStrings = 16;
  static constexpr std::size_t kHeaderStringsSize = 20;

  std::vector<std::byte> WithAdditions() const {
    const std::size_t header_size = patcher_.Get(kHeaderSize);
    const auto append = [&](std::vector<std::byte>& to, std::size_t header_offset, std::size_t header_length) {
      const auto start = bytes_.begin() + static_cast<std::ptrdiff_t>(header_size + patcher_.Get(header_offset));
      to.insert(to.end(), start, start + patcher_.Get(header_length));
    };
    std::vector<std::byte> all(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(header_size));
    append(all, kHeaderTypes, kHeaderTypesSize);
    const std::size_t added = all.size();
    all.resize(added + added_types_.size() * sizeof(std::uint32_t));
    append(all, kHeaderStrings, kHeaderStringsSize);
    const auto* text = reinterpret_cast<const std::byte*>(added_strings_.data());
    all.insert(all.end(), text, text + added_strings_.size());

    Patcher patcher(all, types_.byte_order());
    for (std::size_t i = 0; i < added_types_.size(); ++i) patcher.Set(added + i * 4, added_types_[i]);
    const std::uint32_t types_size =
        Narrow(patcher_.Get(kHeaderTypesSize) + added_types_.size() * sizeof(std::uint32_t));
    patcher.Set(kHeaderTypes, 0);
    patcher.Set(kHeaderTypesSize, types_size);
    patcher.Set(kHeaderStrings, types_size);
    patcher.Set(kHeaderStringsSize, Narrow(patcher_.Get(kHeaderStringsSize) + added_strings_.size()));
    return all;
  }

  const Btf& types_;
  const ObjectLayout& layout_;
  std::vector<std::byte> bytes_;
  Patcher patcher_;
  std::optional<TypeId> plain_int_;
  std::optional<TypeId> stand_in_;
  std::optional<std::uint32_t> stand_in_name_;
  std::vector<std::uint32_t> added_types_;  // words
  std::uint32_t added_type_count_ = 0;
  std::string added_strings_;
};

}  // namespace

Result<std::vector<std::byte>> FixUpForKernel(const Btf& types, const ObjectLayout& layout) {
  return Fixer(types, layout).Run();
}

}  // namespace strata::btf
