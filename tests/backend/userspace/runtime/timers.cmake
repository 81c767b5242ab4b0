strata_test(NAME runtime_timers_test
  SOURCES session_fixture.cc timers_test.cc
  LINK ${runtime} Threads::Threads)
strata_test(NAME runtime_functions_test SOURCES functions_test.cc LINK ${runtime})
