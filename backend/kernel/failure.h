// What stands behind an errno, found out by asking the kernel after something failed.
#pragma once

#include "feature_prober.h"
#include "program_load.h"
#include "strata/backend/linked_program.h"
#include "strata/base/error.h"
#include "strata/spec/attach_target.h"
#include "strata/spec/map_spec.h"

namespace strata::kernel {

// Of a program that the kernel refused: kVerifierRejected with the log and what to do about it; kPermissionDenied
// naming the right that is missing; kNotSupported naming what this kernel lacks, and what works in its place.
Error LoadFailure(const LinkedProgram& program, LoadOutcome outcome, FeatureProber& prober);

// The error of a map's creation or of an attachment, as kNotSupported where the kernel lacks the map's type, its flags
// or the kind of link.
Error ExplainMapFailure(Error error, const MapSpec& spec, FeatureProber& prober);
Error ExplainAttachFailure(Error error, const AttachTarget& target, FeatureProber& prober);

}  // namespace strata::kernel
