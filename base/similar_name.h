// What somebody may have meant who wrote a name that does not exist.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "strata/base/export.h"

namespace strata {

// Sees candidates one after the other and keeps the most similar: the fewest characters to change, at most a third of
// the name; of equals the first in the alphabet. Not thread-safe.
class STRATA_EXPORT SimilarName {
 public:
  explicit SimilarName(std::string_view wanted);
  void Offer(std::string_view candidate);

  // Empty when no candidate is similar.
  const std::string& name() const { return best_; }
  // " (there is NAME)", or nothing.
  std::string Hint() const;

 private:
  std::string wanted_;
  std::string best_;
  std::size_t distance_;
};

}  // namespace strata
