strata_test(NAME runtime_arena_test SOURCES session_fixture.cc arena_test.cc LINK ${runtime} Threads::Threads)
