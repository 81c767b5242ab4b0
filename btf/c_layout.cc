#include "c_layout.h"

#include <algorithm>
#include <bit>

namespace strata::btf {
namespace {

constexpr std::uint32_t kPointerSize = 8;
constexpr int kMaxDepth = 256;  // of structs in structs

std::uint64_t RoundUp(std::uint64_t value, std::uint64_t unit) { return (value + unit - 1) / unit * unit; }

// Whether all fields come to their places, with padding where there are gaps.
bool FitsStruct(CLayout& layout, std::uint64_t size_bits) {
  std::uint64_t position = 0;
  layout.align_bytes = 1;
  for (const CField& field : layout.fields) {
    const std::uint64_t natural = NaturalOffset(field, position, layout.form);
    if (natural > field.offset_bits) return false;
    if (natural < field.offset_bits && NaturalOffset(field, field.offset_bits, layout.form) != field.offset_bits) {
      return false;
    }
    position = field.end_bits();
    if (layout.form == CLayout::Form::kPlain) layout.align_bytes = std::max(layout.align_bytes, field.align_bytes);
  }
  const std::uint64_t align_bits = std::uint64_t{layout.align_bytes} * 8;
  const std::uint64_t end = RoundUp(position, align_bits);
  if (end > size_bits || size_bits % align_bits != 0) return false;
  layout.needs_tail = end < size_bits;
  layout.tail_from_bits = position;
  return true;
}

bool FitsUnion(CLayout& layout, std::uint64_t size_bits) {
  std::uint64_t needed = 0;
  layout.align_bytes = 1;
  for (const CField& field : layout.fields) {
    if (field.offset_bits != 0) return false;
    needed = std::max(needed, RoundUp(field.end_bits(), 8));
    if (layout.form == CLayout::Form::kPlain) layout.align_bytes = std::max(layout.align_bytes, field.align_bytes);
  }
  const std::uint64_t end = RoundUp(needed, std::uint64_t{layout.align_bytes} * 8);
  if (end >= size_bits) return end == size_bits;
  // Larger than its members: it was aligned, if that explains the size.
  constexpr std::uint32_t kMaxAlign = 4096;
  for (std::uint32_t align = layout.align_bytes; align <= kMaxAlign; align *= 2) {
    if (RoundUp(needed, std::uint64_t{align} * 8) != size_bits) continue;
    layout.align_bytes = layout.aligned_to = align;
    return true;
  }
  layout.needs_tail = true;
  return size_bits % (std::uint64_t{layout.align_bytes} * 8) == 0;
}

}  // namespace

std::uint64_t NaturalOffset(const CField& field, std::uint64_t position, CLayout::Form form) {
  const bool is_packed = form == CLayout::Form::kPacked;
  if (field.bitfield_bits == 0) return RoundUp(position, is_packed ? 8 : std::uint64_t{field.align_bytes} * 8);
  if (is_packed || field.size_bits == 0) return position;
  // A bitfield does not cross the boundary of a unit of its type.
  const bool crosses = position / field.size_bits != (position + field.bitfield_bits - 1) / field.size_bits;
  return crosses ? RoundUp(position, std::uint64_t{field.align_bytes} * 8) : position;
}

bool CLayouts::AddFields(const RecordList<Member>& members, std::vector<CField>* fields) {
  for (const Member member : members) {
    const auto size = types_.SizeOf(member.type);
    const auto resolved = types_.Resolve(member.type);
    if (!size || !resolved || *size > UINT32_MAX) return false;
    CField field{member.bit_offset, member.bitfield_bits, *size * 8, AlignOf(member.type)};
    // Before members had flags (Linux 5.0), an integer of fewer bits than its bytes have told a bitfield.
    if (const auto number = types_.Get<Int>(*resolved);
        field.bitfield_bits == 0 && number && number->bits < number->size_bytes * 8) {
      field.bitfield_bits = number->bits;
      field.offset_bits += number->bit_offset;
    }
    const bool is_possible =
        field.bitfield_bits != 0 ? field.bitfield_bits <= field.size_bits : field.offset_bits % 8 == 0;
    if (!is_possible) return false;
    fields->push_back(field);
  }
  return true;
}

CLayout CLayouts::Measure(const RecordList<Member>& members, std::uint32_t size_bytes, bool is_union) {
  CLayout layout;
  if (!AddFields(members, &layout.fields)) return CLayout{};
  const std::uint64_t size_bits = std::uint64_t{size_bytes} * 8;
  for (const auto form : {CLayout::Form::kPlain, CLayout::Form::kPacked}) {
    layout.form = form;
    if (is_union ? FitsUnion(layout, size_bits) : FitsStruct(layout, size_bits)) return layout;
  }
  return CLayout{};
}

std::uint32_t CLayouts::AlignOf(TypeId id) {
  const auto resolved = types_.Resolve(id);
  if (!resolved || depth_ > kMaxDepth) return 1;
  std::uint32_t& align = aligns_[resolved->value];
  if (align != 0) return align;
  align = 1;  // what a struct that contains itself sees
  ++depth_;
  const std::uint32_t found = FindAlign(*resolved);
  --depth_;
  return aligns_[resolved->value] = found;
}

std::uint32_t CLayouts::FindAlign(TypeId id) {
  const auto type = types_.TypeById(id);
  if (!type) return 1;
  if (const auto* composite = std::get_if<Struct>(&*type)) return OfStruct(*composite).align_bytes;
  if (const auto* composite = std::get_if<Union>(&*type)) return OfUnion(*composite).align_bytes;
  if (const auto* array = std::get_if<Array>(&*type)) return AlignOf(array->element);
  if (std::holds_alternative<Pointer>(*type)) return kPointerSize;
  const auto size = types_.SizeOf(id);
  return size && *size > 0 && *size <= 16 ? std::bit_ceil(static_cast<std::uint32_t>(*size)) : 1;
}

}  // namespace strata::btf
