# The tree this file belongs to, also when another project adds it as a subdirectory.
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH STRATA_ROOT)

# Warnings, sanitizers and the flags of code that runs in a traced process.

set(STRATA_SANITIZE "" CACHE STRING "Sanitizers for everything but in-process code, e.g. address,undefined")
option(STRATA_WERROR "Treat warnings as errors" ON)

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wno-unused-parameter)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives of GCC 12 on strings and vectors that grow (its bugs 105651, 105329 and 105562).
  add_compile_options(-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()
if(STRATA_WERROR)
  add_compile_options(-Werror)
endif()

set(STRATA_SANITIZE_FLAGS "")
if(STRATA_SANITIZE)
  set(STRATA_SANITIZE_FLAGS -fsanitize=${STRATA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${STRATA_SANITIZE})
endif()

find_program(STRATA_CCACHE ccache)
if(STRATA_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${STRATA_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${STRATA_CCACHE})
endif()

# In-process code runs between two instructions of somebody else's program: it may touch no vector
# register (the trampolines do not save them), throw nothing, and call nothing of the host's libc. The forced
# header gives the calls that a compiler makes on its own (memcpy, memset, ...) names that resolve to our copies.
set(STRATA_IN_PROCESS_FLAGS
    -mno-mmx -mno-sse -mno-avx -mno-80387
    -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-stack-protector
    -fno-asynchronous-unwind-tables -ffreestanding -fno-builtin -O2
    -U_FORTIFY_SOURCE -U_GLIBCXX_ASSERTIONS -fcf-protection=none
    -include ${STRATA_ROOT}/base/in_process.h)
