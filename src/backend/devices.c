#include <roto/system.h>

#include "backend/backend.h"
#include "backend/cuda/loader.h"
#include "base/error.h"

#include <stdio.h>

static void describe(const char *name, roto_device_info *device)
{
    *device = (roto_device_info){0};
    snprintf(device->name, sizeof(device->name), "%s", name);
    if (name[0] == 'r')
        snprintf(device->description, sizeof(device->description),
                 "plain C on one core; slow, defines what every operator computes");
    else
        roto_cpu_describe(device->description, sizeof(device->description));
}

/* GPUs count only where everything that using them takes is there. */
static int describe_gpus(roto_device_info *devices, int32_t capacity)
{
    int n = 0;
    if (cuda_device_count(&n) != ROTO_OK)
        return 0;
    for (int i = 0; i < n && i < capacity; i++) {
        devices[i] = (roto_device_info){0};
        snprintf(devices[i].name, sizeof(devices[i].name), "cuda:%d", i);
        if (cuda_device_describe(i, devices[i].description, sizeof(devices[i].description)) !=
            ROTO_OK)
            return i;
    }
    return n;
}

roto_status roto_device_list(roto_device_info *devices, int32_t capacity, int32_t *n_devices)
{
    static const char *const names[] = {"cpu", "reference"};
    if (!n_devices || capacity < 0 || (capacity > 0 && !devices))
        return roto_fail(ROTO_ERROR_ARGUMENT, "devices: no room for the list was given");
    *n_devices = describe_gpus(devices, capacity);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (*n_devices < capacity)
            describe(names[i], &devices[*n_devices]);
        ++*n_devices;
    }
    return ROTO_OK;
}
