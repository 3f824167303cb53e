/* roto/system.h - facts about this build and this machine, and a help for messages. */
#ifndef ROTO_SYSTEM_H
#define ROTO_SYSTEM_H

#include <roto/error.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One line for people: the processor's name, the cores that this process may use, and which of the
 * instruction sets that roto knows it has. Returns its length without the ending NUL; never more
 * than `capacity` bytes are written, the NUL included. */
ROTO_API int32_t roto_cpu_describe(char *text, int32_t capacity);

/* A compute device that roto_compute_params.device can name. */
typedef struct roto_device_info {
    char name[32];
    char description[160];
} roto_device_info;

/* Fills in at most `capacity` devices, the best first; *n_devices is how many there are. */
ROTO_API roto_status roto_device_list(roto_device_info *devices, int32_t capacity,
                                      int32_t *n_devices);

/* The one of `names` that `word` is most likely a misspelling of, for "did you mean" messages; NULL
 * when none is close. Case does not count; "-", "_" and " " are the same. */
ROTO_API const char *roto_nearest_name(const char *word, const char *const *names, int32_t n_names);

#ifdef __cplusplus
}
#endif
#endif
