// The functions behind the rows of AutoAttach, by the file of their kind.
#pragma once

#include <string_view>

#include "strata/link/link.h"
#include "strata/object/program.h"

namespace strata {

struct AutoAttachOptions;

using SectionAttach = Result<Link>(const Program& program, const AutoAttachOptions& options);

SectionAttach AttachTracepointSection;  // tracepoint.cc
SectionAttach AttachRawTracepointSection;
SectionAttach AttachTraceSection;     // trace.cc
SectionAttach AttachIteratorSection;  // iterator.cc
SectionAttach AttachKprobeSection;    // kprobe.cc
SectionAttach AttachKsyscallSection;
SectionAttach AttachKprobesSection;

// What follows the prefix in the program's section; kInvalidArgument, with the form to write, where nothing does.
Result<std::string_view> SectionDetails(const Program& program, std::string_view form);
Error NamesNoPlace(const Program& program, std::string_view form);

}  // namespace strata
