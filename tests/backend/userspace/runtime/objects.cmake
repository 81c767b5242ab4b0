strata_test(NAME runtime_objects_test SOURCES session_fixture.cc killed_at.cc resolved_objects_test.cc task_storage_test.cc
            LINK strata::runtime strata::isa Threads::Threads)
