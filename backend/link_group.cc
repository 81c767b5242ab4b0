#include "strata/backend/link_group.h"

#include <cassert>
#include <map>
#include <utility>

namespace strata {
namespace {

// The worse of two answers of one process, with the places of both.
LinkInstance Worse(const LinkInstance& left, const LinkInstance& right) {
  LinkInstance worse = left.state < right.state ? right : left;
  worse.site_count = left.site_count + right.site_count;
  return worse;
}

class LinkGroup : public BackendLink {
 public:
  LinkGroup(std::vector<std::unique_ptr<BackendLink>> links, LinkGroupOptions options)
      : options_(std::move(options)), links_(std::move(links)) {
    assert(!links_.empty());
  }

  std::uint32_t id() const override { return links_.front()->id(); }

  Result<void> Detach() override {
    return ForAll([](BackendLink& link) { return link.Detach(); });
  }

  Result<void> SetEnabled(bool enabled) override {
    return ForAll([enabled](BackendLink& link) { return link.SetEnabled(enabled); });
  }

  // One answer per process: attached only where every place is.
  Result<std::vector<LinkInstance>> Instances() override {
    std::map<std::int32_t, LinkInstance> by_process;
    for (const auto& link : links_) {
      for (const LinkInstance& instance : STRATA_TRY(link->Instances())) {
        const auto [entry, is_new] = by_process.emplace(instance.pid, instance);
        if (!is_new) entry->second = Worse(entry->second, instance);
      }
    }
    std::vector<LinkInstance> instances;
    for (auto& [pid, instance] : by_process) instances.push_back(std::move(instance));
    return instances;
  }

  // Of the first place, for all.
  Result<LinkInfo> Info() override {
    LinkInfo info = STRATA_TRY(links_.front()->Info());
    if (!options_.kind.empty()) info.kind = options_.kind;
    info.place_count = static_cast<std::uint32_t>(links_.size());
    return info;
  }

 private:
  template <typename Operation>
  Result<void> ForAll(Operation operation) {
    Result<void> first_failure;
    for (const auto& link : links_) {
      Result<void> done = operation(*link);
      if (!done && first_failure) first_failure = std::move(done);
    }
    return first_failure;
  }

  LinkGroupOptions options_;
  std::vector<std::unique_ptr<BackendLink>> links_;  // destroyed first
};

}  // namespace

std::unique_ptr<BackendLink> MakeLinkGroup(std::vector<std::unique_ptr<BackendLink>> links, LinkGroupOptions options) {
  if (links.size() == 1 && options.used_by_links == nullptr) return std::move(links.front());
  return std::make_unique<LinkGroup>(std::move(links), std::move(options));
}

}  // namespace strata
