// BTFs for properties that shall hold for all of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "strata/btf/btf.h"
#include "strata/btf/builder.h"

namespace strata::btf {

// `count` types of all kinds that refer to each other at random, circles included. Equal seeds give equal types.
Builder RandomTypes(std::uint32_t seed, std::uint32_t count, std::shared_ptr<const Btf> base = nullptr);

// Every type as text, names resolved: equal for BTFs with equal types under equal ids.
std::vector<std::string> TypeTexts(const Btf& types);

}  // namespace strata::btf
