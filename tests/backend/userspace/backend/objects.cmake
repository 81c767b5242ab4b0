strata_test(NAME userspace_objects_test SOURCES backend_fixture.cc tail_calls_test.cc
            LINK strata::userspace_backend strata::runtime strata::spec strata::isa Threads::Threads)
