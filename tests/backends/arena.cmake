# Address spaces need a newer compiler.
find_program(STRATA_ARENA_CLANG NAMES clang-22 clang-21 clang-20 clang-19)
set(arena_programs "")
set(arena_sources "")
if(STRATA_ARENA_CLANG)
  bpf_object(arena_programs arena.bpf.c NAME backends_arena COMPILER ${STRATA_ARENA_CLANG})
  bpf_object(arena_fetches arena.bpf.c NAME backends_arena_fetches COMPILER ${STRATA_ARENA_CLANG} FLAGS -DFETCHES)
  set(arena_sources arena_test.cc)
endif()
strata_test(NAME backends_arena_test
            SOURCES arena_creation_test.cc ${arena_sources} fixture.cc targets.cc
            LINK strata::root strata::userspace_backend Threads::Threads
            BPF ${arena_programs} ${arena_fetches})
add_dependencies(backends_arena_test strata_agent)
