// The one log sink: silent until the user sets one. A function that returns an error does not also log it.
#pragma once

#include <functional>
#include <string_view>

#include "strata/base/export.h"

namespace strata {

enum class LogLevel { kDebug, kInfo, kWarning };

using LogSink = std::function<void(LogLevel, std::string_view message)>;

// Replaces the process's sink; an empty function makes logging silent again. Thread-safe; the old sink may still be
// running when this returns.
STRATA_EXPORT void SetLogSink(LogSink sink);

STRATA_EXPORT void Log(LogLevel level, std::string_view message);

}  // namespace strata
