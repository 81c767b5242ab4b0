// Places in the order of the programs of an interface or a cgroup.
#pragma once

#include "strata/link/link.h"
#include "strata/object/program.h"
#include "strata/spec/network_target.h"

namespace strata {

// Beside a program or link of this process; of another one, write {Anchor::Side::kBefore, Anchor::Neighbour::kLink,
// id}.
inline Anchor Before(const Program& program) {
  return {Anchor::Side::kBefore, Anchor::Neighbour::kProgram, program.info().id};
}
inline Anchor After(const Program& program) {
  return {Anchor::Side::kAfter, Anchor::Neighbour::kProgram, program.info().id};
}
inline Anchor Before(const Link& link) { return {Anchor::Side::kBefore, Anchor::Neighbour::kLink, link.id()}; }
inline Anchor After(const Link& link) { return {Anchor::Side::kAfter, Anchor::Neighbour::kLink, link.id()}; }

}  // namespace strata
