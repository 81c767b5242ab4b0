// A link of each kind that this kernel attaches, in a network, cgroup, BPF file system of the test's own, with tracefs.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

#include "network_support.h"

namespace strata::testing {

class EveryLinkTest;

struct LinkKindRow {
  std::string_view kind;
  std::string_view object;      // EveryLinkTest::Load
  std::string_view program;     // of that object
  std::string_view kind_by_id;  // what the kernel tells of its kind to whoever opens it; empty: the same
  bool can_be_updated;          // with another program in place
  bool is_alone;                // its place has room for one link
  Result<Link> (*attach)(EveryLinkTest& test, const Program& program);
};

inline void PrintTo(const LinkKindRow& row, std::ostream* out) { *out << row.kind; }

// struct_ops links are those of maps: struct_ops_link_test.cc.
std::span<const LinkKindRow> LinkKindRows();

class EveryLinkTest : public NetworkTest {
 public:
  // The first load of the object, and another one of the same: programs that may take each other's place.
  const Program& ProgramOf(const LinkKindRow& row) { return Find(ObjectsOf(row.object).first, row); }
  const Program& OtherProgramOf(const LinkKindRow& row) { return Find(ObjectsOf(row.object).second, row); }
  Map& MapOf(const std::string& object, const std::string& map) {
    return *ObjectsOf(object).first.FindMap(map).value();
  }

  Result<Link> Attach(const LinkKindRow& row) { return row.attach(*this, ProgramOf(row)); }
  const std::string& cgroup() const { return cgroup_; }

 protected:
  void SetUp() override;
  void TearDown() override;

  static constexpr char kPin[] = "/sys/fs/bpf/link";

 private:
  struct Pair {
    std::string name;
    Collection first, second;
  };
  Pair& ObjectsOf(std::string_view name);
  static const Program& Find(Collection& objects, const LinkKindRow& row) {
    return *objects.FindProgram(row.program).value();
  }
  Result<Collection> LoadFor(std::string_view object);

  std::list<Pair> objects_;
  std::string cgroup_;
  bool has_mounted_tracefs_ = false;
};

}  // namespace strata::testing
