/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For every cmocka program that runs guests: takes cmocka's hands off the signals which WebAssembly
 * traps are made of.
 *
 * Wasmtime turns a SIGILL, SIGSEGV, SIGFPE or SIGBUS of compiled code into a trap, with handlers
 * that it installs once a process. cmocka puts its own over them with signal() before each test; so
 * the first trap would count as a crash. This program's signal() stands before libc's, and leaves
 * those four alone. A real crash ends the program, which ctest reports just as well.
 */
#include <signal.h>
#include <stddef.h>

__attribute__((visibility("default"))) void (*signal(int number, void (*handler)(int)))(int)
{
    struct sigaction before;
    if (number == SIGILL || number == SIGSEGV || number == SIGFPE || number == SIGBUS) {
        return sigaction(number, NULL, &before) == 0 ? before.sa_handler : SIG_ERR;
    }
    struct sigaction wanted = {.sa_flags = SA_RESTART};
    wanted.sa_handler = handler;
    return sigaction(number, &wanted, &before) == 0 ? before.sa_handler : SIG_ERR;
}
