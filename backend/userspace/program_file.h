// Makes a program's file: a header, then its tables (runtime/layout.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "program_table.h"
#include "strata/backend/userspace/compile/compiler.h"
#include "strata/isa/tag.h"

namespace strata::userspace {

// What the file must tell of the kernel's tasks; nothing for a program that does not ask for its own.
Result<std::vector<std::byte>> TaskLayoutFor(const verifier::StructuralFacts& facts, const KernelFacts& kernel);

std::vector<std::byte> MakeProgramFile(std::uint32_t id, const LinkedProgram& linked, const isa::Tag& tag,
                                       const TabledProgram& program, const compile::CompiledImage& image,
                                       const verifier::StructuralFacts& facts, std::span<const std::byte> task_layout);

Result<void> WriteAll(int fd, std::span<const std::byte> bytes, const std::string& what);

}  // namespace strata::userspace
