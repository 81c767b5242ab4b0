strata_test(NAME hash_crash_test SOURCES session_fixture.cc hash_crash_test.cc LINK ${runtime} Threads::Threads)
strata_test(NAME hash_stress_test SOURCES session_fixture.cc hash_stress_test.cc LINK ${runtime} Threads::Threads)
strata_test(NAME spin_lock_test SOURCES session_fixture.cc spin_lock_test.cc LINK ${runtime} Threads::Threads)
