# SPDX-License-Identifier: Apache-2.0
# A room is a folder of src/, an object library and an include path of its own (ARCHITECTURE.md).
# Its shared headers lie in src/<room>/include/<room>/, its private ones beside its sources.
# USES is the row of the room table: a header of any other room is not found, so an include which
# the table does not grant fails to compile.
function(theater_room room)
    cmake_parse_arguments(ROOM "" "" "SOURCES;USES;LIBRARIES" ${ARGN})
    add_library(theater_${room} OBJECT ${ROOM_SOURCES})
    target_include_directories(theater_${room}
        PUBLIC ${PROJECT_SOURCE_DIR}/include
        PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include
        PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(theater_${room} PRIVATE theater_options ${ROOM_LIBRARIES})
    foreach(other IN LISTS ROOM_USES)
        target_include_directories(theater_${room}
            PRIVATE ${PROJECT_SOURCE_DIR}/src/${other}/include)
    endforeach()
    set_property(GLOBAL APPEND PROPERTY THEATER_ROOMS ${room})
    set_property(GLOBAL PROPERTY THEATER_ROOM_USES_${room} "${ROOM_USES}")
    set_property(GLOBAL PROPERTY THEATER_ROOM_LIBRARIES_${room} "${ROOM_LIBRARIES}")
endfunction()

# A test program of one room: sees that room, what the room sees, and nothing else.
# theater_test(<room> <name> [SOURCES ...] [USES rooms-besides ...]) makes test_<room>_<name>.
function(theater_test room name)
    cmake_parse_arguments(TEST "" "" "SOURCES;USES;LIBRARIES" ${ARGN})
    if(NOT TEST_SOURCES)
        set(TEST_SOURCES ${name}_test.c)
    endif()
    set(target test_${room}_${name})
    add_executable(${target} ${TEST_SOURCES})
    set(rooms ${room} ${TEST_USES})
    get_property(uses GLOBAL PROPERTY THEATER_ROOM_USES_${room})
    list(APPEND rooms ${uses})
    foreach(other IN LISTS TEST_USES)
        get_property(uses GLOBAL PROPERTY THEATER_ROOM_USES_${other})
        list(APPEND rooms ${uses})
    endforeach()
    list(REMOVE_DUPLICATES rooms)
    target_include_directories(${target} PRIVATE
        ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src/${room} ${PROJECT_SOURCE_DIR}/tests)
    foreach(other IN LISTS rooms)
        target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src/${other}/include)
        target_sources(${target} PRIVATE $<TARGET_OBJECTS:theater_${other}>)
        get_property(libraries GLOBAL PROPERTY THEATER_ROOM_LIBRARIES_${other})
        target_link_libraries(${target} PRIVATE ${libraries})
    endforeach()
    target_link_libraries(${target} PRIVATE
        theater_options PkgConfig::CMOCKA Threads::Threads ${TEST_LIBRARIES})
    add_test(NAME ${room}_${name} COMMAND ${target})
    set_tests_properties(${room}_${name} PROPERTIES LABELS ${room} TIMEOUT 120)
endfunction()
