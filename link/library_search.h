// Where a library or program of a bare name lies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/result.h"

namespace strata {

// The path of the mapping of process `pid` whose file is called `name`, usable from here (through /proc/<pid>/root
// where its mount namespace differs). kNotFound when it maps none.
Result<std::string> FindMappedFile(std::int32_t pid, std::string_view name);

// `path` as process `pid` sees it.
std::string PathInProcess(std::int32_t pid, const std::string& path);

// As ld.so(8) without LD_LIBRARY_PATH: the folders of /etc/ld.so.conf, then the default ones. kNotFound lists them.
Result<std::string> FindLibrary(std::string_view name);

// The first executable file of that name in `folders`.
Result<std::string> FindProgramFile(std::string_view name, const std::vector<std::string>& folders);

}  // namespace strata
