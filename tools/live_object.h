// Objects that exist on a backend, as a user names them: an id (12), a path in a BPF file system (/sys/fs/bpf/x,
// ./pins/x), or the name of exactly one.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "strata/strata.h"

namespace strata::tools {

// Which backend, for verbs that look at what exists.
struct BackendChoice {
  std::string backend = "kernel";
  std::string session = "default";
  std::string share = {};
  Result<std::shared_ptr<Backend>> Open() const;
};
void AddBackendOptions(CLI::App& app, BackendChoice& choice);
// For verbs that make objects: whom the session is shared with.
void AddShareOption(CLI::App& app, std::string& share);

// kNotFound says so; kInvalidArgument lists the ids where several have the name.
Result<Map> FindLiveMap(const std::shared_ptr<Backend>& backend, const std::string& name);
Result<Program> FindLiveProgram(const std::shared_ptr<Backend>& backend, const std::string& name);
// Of a program's id or name alone: it is not opened.
Result<std::uint32_t> FindProgramId(const std::shared_ptr<Backend>& backend, const std::string& name);
// Links have no names.
Result<Link> FindLiveLink(const std::shared_ptr<Backend>& backend, const std::string& name);

}  // namespace strata::tools
