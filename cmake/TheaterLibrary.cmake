# SPDX-License-Identifier: Apache-2.0
# libtheater: every room but the command line, as a shared and as a static library, and what a
# program needs to find it (theater.pc, theater-config.cmake). Included after src/, whose rooms
# announce themselves in the global property THEATER_ROOMS.
#
# The shared library holds the engine and exports theater_* alone: objects are compiled with hidden
# visibility, the version script (theater.map) hides the rest, --exclude-libs all of Wasmtime. Two
# libraries with two Wasmtimes can therefore live in one process.
# The static library holds the rooms alone. The engine is a library of its own, installed beside it
# (libtheater_engine.a) and named by theater.pc's Libs.private: a program that already links a Rust
# library of its own has to be able to decide about its runtime.
set(theater_objects "")
set(theater_libraries Threads::Threads)
get_property(theater_rooms GLOBAL PROPERTY THEATER_ROOMS)
foreach(room IN LISTS theater_rooms)
    if(NOT room STREQUAL "cli")
        list(APPEND theater_objects $<TARGET_OBJECTS:theater_${room}>)
        get_property(libraries GLOBAL PROPERTY THEATER_ROOM_LIBRARIES_${room})
        list(APPEND theater_libraries ${libraries})
    endif()
endforeach()
list(REMOVE_DUPLICATES theater_libraries)

set(theater_map ${PROJECT_SOURCE_DIR}/cmake/theater.map)
add_library(theater_shared SHARED ${theater_objects})
add_library(theater_static STATIC ${theater_objects})
set_target_properties(theater_shared theater_static PROPERTIES
    OUTPUT_NAME theater
    LINKER_LANGUAGE C
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib
    ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set_target_properties(theater_shared PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION 0
    LINK_DEPENDS ${theater_map})
target_include_directories(theater_shared INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_include_directories(theater_static INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(theater_shared PRIVATE theater_options ${theater_libraries})
target_link_libraries(theater_static PRIVATE theater_options INTERFACE ${theater_libraries})
target_link_options(theater_shared PRIVATE
    -Wl,--version-script=${theater_map} -Wl,--exclude-libs,ALL -Wl,--gc-sections)
if(NOT THEATER_SANITIZE) # gcc resolves the sanitizers' own symbols in the program
    target_link_options(theater_shared PRIVATE -Wl,--no-undefined)
endif()

# ---- install -------------------------------------------------------------------------------------
include(CMakePackageConfigHelpers)
set(theater_package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/theater)
configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/cmake/theater-config.cmake.in ${CMAKE_BINARY_DIR}/theater-config.cmake
    INSTALL_DESTINATION ${theater_package_directory}
    PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/theater-config-version.cmake
    VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
# Relative to the file itself, so that an installed tree may be moved.
file(RELATIVE_PATH theater_pc_prefix
    ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${PROJECT_SOURCE_DIR}/cmake/theater.pc.in ${CMAKE_BINARY_DIR}/theater.pc @ONLY)

install(TARGETS theater_shared theater_static
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES $<TARGET_PROPERTY:theater_wasmtime,IMPORTED_LOCATION>
    DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h")
install(FILES ${CMAKE_BINARY_DIR}/theater.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_BINARY_DIR}/theater-config.cmake
    ${CMAKE_BINARY_DIR}/theater-config-version.cmake DESTINATION ${theater_package_directory})
