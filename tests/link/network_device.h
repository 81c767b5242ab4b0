// Pairs of network devices, by rtnetlink.
#pragma once

#include <string>

namespace strata::testing {

// Makes a pair of devices of a kind ("veth", "netkit") in the thread's network namespace, and brings both up. 0, or the
// errno of the kernel's refusal. They go with the namespace.
int MakeDevicePair(const std::string& kind, const std::string& name, const std::string& peer);

}  // namespace strata::testing
