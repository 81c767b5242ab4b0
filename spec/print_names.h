// The words for a spec's closed sets, in text and JSON alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "strata/spec/collection_spec.h"

namespace strata {

std::string_view ReferenceKindName(ReferenceKind kind);
std::string_view ExternKindName(ExternKind kind);
std::string_view KconfigTypeName(KconfigType type);
std::string_view PinTypeName(PinType type);

// "unsigned int"; empty without types.
std::string TypeText(const CollectionSpec& spec, btf::TypeId type);

std::string HexadecimalText(std::span<const std::byte> bytes);

// Bytes that are all zero take no room in a listing.
bool IsZero(std::span<const std::byte> bytes);

// "0x060102" as "6.1.2" (KERNEL_VERSION).
std::string KernelVersionText(std::uint32_t version);

}  // namespace strata
