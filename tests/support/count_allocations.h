/* tests/support/count_allocations.h - how often roto's own code has asked for heap memory.
 *
 * A test that uses it is made with roto_count_allocations() in its CMakeLists.txt: the linker then
 * sends the calls of malloc, calloc, realloc and aligned_alloc in roto's objects through a counter.
 * What other libraries allocate inside is not seen.
 */
#ifndef TESTS_SUPPORT_COUNT_ALLOCATIONS_H
#define TESTS_SUPPORT_COUNT_ALLOCATIONS_H

/* Since the program started, over all threads. */
int allocations_counted(void);

#endif
