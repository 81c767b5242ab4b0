// A small object with one of everything, for the printers' tests.
#pragma once

#include "strata/spec/collection_spec.h"

namespace strata::test {

CollectionSpec SampleSpec();

}  // namespace strata::test
