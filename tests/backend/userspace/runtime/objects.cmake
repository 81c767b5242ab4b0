strata_test(NAME runtime_objects_test SOURCES session_fixture.cc resolved_objects_test.cc task_storage_test.cc
            LINK ${runtime} strata::isa Threads::Threads)
