strata_test(NAME runtime_objects_test SOURCES session_fixture.cc resolved_objects_test.cc task_storage_test.cc
                    cgroup_storage_test.cc killed_at.cc
            LINK ${runtime} strata::isa strata::test_cgroups Threads::Threads)
