// How structs and unions of a BTF come to lie as the BTF says when a C compiler lays them out: which need padding, and
// which must be packed. BTF does not record alignments.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/btf/btf.h"

namespace strata::btf {

// A member as a compiler sees it.
struct CField {
  std::uint64_t offset_bits = 0;
  std::uint32_t bitfield_bits = 0;  // 0: no bitfield
  std::uint64_t size_bits = 0;      // of its type
  std::uint32_t align_bytes = 1;

  std::uint64_t end_bits() const { return offset_bits + (bitfield_bits != 0 ? bitfield_bits : size_bits); }
};

struct CLayout {
  enum class Form : std::uint8_t {
    kPlain,
    kPacked,
    kOpaque,  // C has no members that lie so
  };
  Form form = Form::kOpaque;
  std::uint32_t align_bytes = 1;     // as the compiler finds it
  std::uint32_t aligned_to = 0;      // needs __attribute__((aligned(n))) for its size
  std::uint64_t tail_from_bits = 0;  // bits from here to the end need padding; 0: none do
  bool needs_tail = false;
  std::vector<CField> fields;
};

// Where a compiler puts a field after `position_bits`, by the rules of the System V ABI, which clang has for BPF too.
std::uint64_t NaturalOffset(const CField& field, std::uint64_t position_bits, CLayout::Form form);

// Remembers what it found, so that a type is measured once. Not thread-safe.
class CLayouts {
 public:
  explicit CLayouts(const Btf& types) : types_(types), aligns_(types.type_count()) {}

  CLayout OfStruct(const Struct& type) { return Measure(type.members, type.size_bytes, false); }
  CLayout OfUnion(const Union& type) { return Measure(type.members, type.size_bytes, true); }

 private:
  CLayout Measure(const RecordList<Member>& members, std::uint32_t size_bytes, bool is_union);
  bool AddFields(const RecordList<Member>& members, std::vector<CField>* fields);
  std::uint32_t AlignOf(TypeId id);
  std::uint32_t FindAlign(TypeId id);

  const Btf& types_;
  std::vector<std::uint32_t> aligns_;  // by id; 0 when not known yet
  int depth_ = 0;
};

}  // namespace strata::btf
