#include "strata/base/similar_name.h"

#include <algorithm>
#include <vector>

namespace strata {
namespace {

// Changes of one character that lead from one name to the other, counted up to `limit` + 1.
std::size_t EditDistance(std::string_view a, std::string_view b, std::size_t limit) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) > limit) return limit + 1;
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

SimilarName::SimilarName(std::string_view wanted)
    : wanted_(wanted), distance_(std::max<std::size_t>(1, wanted.size() / 3) + 1) {}

void SimilarName::Offer(std::string_view candidate) {
  const std::size_t distance = EditDistance(wanted_, candidate, distance_);
  const bool is_first_of_equals = distance == distance_ && !best_.empty() && candidate < best_;
  if (distance >= distance_ && !is_first_of_equals) return;
  distance_ = distance;
  best_ = candidate;
}

std::string SimilarName::Hint() const { return best_.empty() ? std::string() : " (there is " + best_ + ")"; }

}  // namespace strata
