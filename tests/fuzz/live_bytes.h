/* tests/fuzz/live_bytes.h - how much memory the library asks for because of an input. Small files
 * must not ask for much: a fuzzer stops when more is allocated at a time than a multiple of the
 * input. */
#ifndef TESTS_FUZZ_LIVE_BYTES_H
#define TESTS_FUZZ_LIVE_BYTES_H

#include <stddef.h>

/* Counts what this thread allocates from now on. */
void live_bytes_start(void);

/* Stops counting, and the program when more than `constant` + `multiple` x input_bytes were
 * allocated at any time. Says at the program's end how near inputs came to that. */
void live_bytes_check(size_t input_bytes, size_t multiple, size_t constant);

#endif
