#include "live_bytes.h"

#include <sanitizer/allocator_interface.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    bool installed, counting;
    long long live, peak;
    double nearest;
    size_t nearest_peak, nearest_input;
} state;

static void on_malloc(const volatile void *pointer, size_t bytes)
{
    (void)pointer;
    if (!state.counting)
        return;
    state.live += (long long)bytes;
    if (state.live > state.peak)
        state.peak = state.live;
}

static void on_free(const volatile void *pointer)
{
    if (state.counting && pointer)
        state.live -= (long long)__sanitizer_get_allocated_size(pointer);
}

static void report(void)
{
    fprintf(stderr, "most memory: %zu bytes for an input of %zu, %.0f %% of what is allowed\n",
            state.nearest_peak, state.nearest_input, 100 * state.nearest);
}

void live_bytes_start(void)
{
    if (!state.installed) {
        __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
        atexit(report);
        state.installed = true;
    }
    state.live = state.peak = 0;
    state.counting = true;
}

void live_bytes_check(size_t input_bytes, size_t multiple, size_t constant)
{
    state.counting = false;
    const double share =
        (double)state.peak / ((double)multiple * (double)input_bytes + (double)constant);
    if (share > state.nearest) {
        state.nearest = share;
        state.nearest_peak = (size_t)state.peak;
        state.nearest_input = input_bytes;
    }
    if (share <= 1)
        return;
    report();
    abort();
}
